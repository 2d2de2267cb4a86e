"""Counterparts of tokio/tests/task_panic.rs.

There a panic names the line of the caller, not one inside Tokio. A Python traceback has
them all, so what counts is that the error comes from the caller's own call, and at once,
and says what to do.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.gates import forever
from yamanote import JoinError, LocalKey, LocalSet, Runtime, block_in_place, spawn, spawn_local
from yamanote.task import AccessError


def raised_here(error: type[Exception], match: str, func: Callable[[], Any]) -> None:
    """`func` raises it, and its last line in this file is one of `func`'s own."""
    with pytest.raises(error, match=match) as caught:
        func()
    frames = [entry for entry in caught.traceback if str(entry.path) == __file__]
    assert frames[-1].name == "call"


def test_block_in_place_panic_caller() -> None:
    with Runtime(flavor="current_thread") as rt:

        async def call() -> None:
            block_in_place(lambda: None)

        raised_here(RuntimeError, r"Use spawn_blocking\(\)", lambda: rt.block_on(call()))


def test_local_set_spawn_local_panic_caller() -> None:
    local = LocalSet()

    def call() -> None:
        spawn_local(forever())

    raised_here(RuntimeError, r"use LocalSet\.run_until\(\) or LocalSet\.enter\(\)", call)
    gc.collect()  # would warn of a coroutine that was never awaited
    del local


def test_local_set_block_on_panic_caller() -> None:
    local = LocalSet()
    with Runtime(flavor="current_thread") as rt:
        coro = forever()

        async def call() -> None:
            local.block_on(rt, coro)

        with closing(coro):
            raised_here(RuntimeError, r"await the coroutine or spawn", lambda: rt.block_on(call()))


def test_spawn_panic_caller() -> None:
    def call() -> None:
        spawn(forever())

    raised_here(RuntimeError, r"call this inside yamanote\.run\(\.\.\.\)", call)
    gc.collect()


def test_local_key_with_panic_caller() -> None:
    number: LocalKey[int] = LocalKey("number")

    with Runtime(flavor="current_thread") as rt:

        async def call() -> None:
            number.get()

        async def main() -> None:
            with pytest.raises(JoinError) as caught:
                await spawn(call())
            raise caught.value.into_panic()

        raised_here(
            AccessError,
            "spawned tasks do not inherit it",
            lambda: rt.block_on(number.scope(1, main())),
        )


def test_local_key_get_panic_caller() -> None:
    number: LocalKey[int] = LocalKey("number")

    def call() -> None:
        number.get()

    raised_here(AccessError, r"number\.scope\(value, coro\)", call)
