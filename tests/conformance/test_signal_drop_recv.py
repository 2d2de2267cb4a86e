"""Counterpart of tokio/tests/signal_drop_recv.rs."""

from __future__ import annotations

import os
import signal as os_signals
from collections.abc import Iterator
from signal import SIGUSR1

import pytest

from tests.gates import until
from yamanote import Runtime, signal


@pytest.fixture
def earlier() -> Iterator[list[int]]:
    """The signals that come to the program's own handler."""
    came: list[int] = []
    before = os_signals.signal(SIGUSR1, lambda signum, frame: came.append(signum))
    yield came
    os_signals.signal(SIGUSR1, before)


def test_drop_then_get_a_signal(rt: Runtime, earlier: list[int]) -> None:
    """Tokio's handler stays; ours leaves the signal to the handler that was there before."""

    async def main() -> None:
        stream = signal.unix(SIGUSR1)
        del stream
        os.kill(os.getpid(), SIGUSR1)
        await until(lambda: earlier == [SIGUSR1])
        stream = signal.unix(SIGUSR1)
        os.kill(os.getpid(), SIGUSR1)
        await stream.recv()

    rt.block_on(main())
    assert earlier == [SIGUSR1]
