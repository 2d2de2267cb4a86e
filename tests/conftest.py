"""What the tests share: a runtime of every kind, and a thread switch at every turn."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from yamanote import Runtime

# A test says itself how many workers it wants.
os.environ.pop("YAMANOTE_WORKER_THREADS", None)

try:
    from hypothesis import HealthCheck, settings
except Exception as error:  # an alpha of CPython has bytecodes that it does not know
    WITHOUT_HYPOTHESIS = f"without the tests against models: hypothesis: {error!r}"
    collect_ignore_glob = ["test_*_model.py"]
else:
    WITHOUT_HYPOTHESIS = ""
    # Every run tries the same; `--hypothesis-profile=thorough` tries others, and more.
    settings.register_profile(
        "steady",
        deadline=None,
        derandomize=True,
        max_examples=60,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    settings.register_profile(
        "thorough", settings.get_profile("steady"), derandomize=False, max_examples=2000
    )
    settings.load_profile("steady")

FASTEST_SWITCH = 1e-6  # seconds
SHUTDOWN = 10.0  # seconds

RUNTIMES: dict[str, dict[str, Any]] = {
    "current_thread": {"flavor": "current_thread"},
    "multi_thread-1": {"flavor": "multi_thread", "worker_threads": 1},
    "multi_thread-4": {"flavor": "multi_thread", "worker_threads": 4},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--switch-interval",
        type=float,
        metavar="SECONDS",
        help=f"sys.setswitchinterval for the whole run; {FASTEST_SWITCH} shakes out races",
    )


def pytest_configure(config: pytest.Config) -> None:
    seconds = config.getoption("--switch-interval")
    if seconds is not None:
        sys.setswitchinterval(seconds)


def pytest_report_header() -> str:
    return WITHOUT_HYPOTHESIS


def pytest_collection_finish() -> None:
    # What pytest has made until now stays: the many tests that collect garbage pass it over.
    gc.collect()
    gc.freeze()


@pytest.fixture
def switch_interval() -> Iterator[float]:
    """Threads switch as often as the interpreter can, for this test."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(FASTEST_SWITCH)
    yield FASTEST_SWITCH
    sys.setswitchinterval(before)


@pytest.fixture(params=[1, 4])
def workers(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(params=["current_thread", "multi_thread"])
def flavor(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=RUNTIMES.values(), ids=RUNTIMES)
def rt_config(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Keywords for `Runtime`, for a test that makes its own: both flavors, 1 and 4 workers."""
    return dict(request.param)


@pytest.fixture
def rt(rt_config: dict[str, Any]) -> Iterator[Runtime]:
    """A runtime of either flavor, with 1 and 4 workers (Tokio's `rt_test!`)."""
    runtime = Runtime(**rt_config)
    yield runtime
    runtime.shutdown_timeout(SHUTDOWN)


@pytest.fixture
def multi_rt(workers: int) -> Iterator[Runtime]:
    """A multi-threaded runtime with 1 and 4 workers (Tokio's `multi_threaded_rt_test!`)."""
    runtime = Runtime(flavor="multi_thread", worker_threads=workers)
    yield runtime
    runtime.shutdown_timeout(SHUTDOWN)
