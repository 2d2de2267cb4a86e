"""How the programs are run: with 1 and with 4 workers, and so that Ctrl-C reaches them."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.examples import programs


@pytest.fixture
def environment(workers: int) -> dict[str, str]:
    return programs.environment(workers)


@pytest.fixture(params=["SIGINT", "SIGTERM"])
def stop(request: pytest.FixtureRequest) -> signal.Signals:
    """What a server is told to end by."""
    return signal.Signals[request.param]


@pytest.fixture(autouse=True)
def sigint() -> Iterator[None]:
    # A shell's background job ignores Ctrl-C, and its children would too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
