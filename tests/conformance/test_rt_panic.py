"""Counterparts of tokio/tests/rt_panic.rs.

There a panic names the line of the caller, not one inside Tokio. A Python traceback has
them all, so what counts is that the error comes from the caller's own call, and at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from yamanote import Handle, JoinError, Runtime, spawn
from yamanote.time import sleep


def raised_here(error: type[Exception], match: str, func: Callable[[], Any]) -> None:
    """`func` raises it, and its last line in this file is the only one that it calls."""
    with pytest.raises(error, match=match) as caught:
        func()
    frames = [entry for entry in caught.traceback if str(entry.path) == __file__]
    assert frames[-1].name == "call"


def test_current_handle_panic_caller() -> None:
    def call() -> None:
        Handle.current()

    raised_here(RuntimeError, "no Yamanote runtime here", call)


def test_into_panic_panic_caller() -> None:
    async def main() -> JoinError:
        handle = spawn(sleep(1e6))
        handle.abort()
        with pytest.raises(JoinError) as caught:
            await handle
        assert not caught.value.is_panic()
        return caught.value

    with Runtime(flavor="current_thread") as rt:
        error = rt.block_on(main())

    def call() -> None:
        error.into_panic()

    raised_here(RuntimeError, "cancelled", call)


def test_builder_worker_threads_panic_caller() -> None:
    def call() -> None:
        Runtime(worker_threads=0)

    raised_here(ValueError, "worker_threads", call)


def test_builder_max_blocking_threads_panic_caller() -> None:
    def call() -> None:
        Runtime(max_blocking_threads=0)

    raised_here(ValueError, "max_blocking_threads", call)


def test_builder_global_queue_interval_panic_caller() -> None:
    def call() -> None:
        Runtime(global_queue_interval=0)

    raised_here(ValueError, "global_queue_interval", call)


def test_builder_event_interval_interval_panic_caller() -> None:
    def call() -> None:
        Runtime(event_interval=0)

    raised_here(ValueError, "event_interval", call)


def test_builder_name_panic_caller() -> None:
    def call() -> None:
        Runtime(name=" ")

    raised_here(ValueError, r"\bname\b", call)
