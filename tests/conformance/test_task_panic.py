"""Counterparts of tokio/tests/task_panic.rs.

Tokio checks that a panic names the caller's line, which a traceback does by itself: here
it is the exception and what it tells the caller to do.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import pytest

from tests.gates import forever
from yamanote import LocalKey, LocalSet, Runtime, block_in_place, spawn, spawn_local
from yamanote.task import AccessError

NUMBER = LocalKey[int]("NUMBER")
OTHER = LocalKey[int]("OTHER")


def assert_raises(error: type[Exception], message: str, function: Callable[[], Any]) -> None:
    with pytest.raises(error, match=message) as caught:
        function()
    files = [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert __file__ in files[1:]  # beyond this function


def test_block_in_place_panic_caller() -> None:
    async def main() -> None:
        block_in_place(int)

    with Runtime(flavor="current_thread") as rt:
        assert_raises(RuntimeError, "needs a multi_thread runtime", lambda: rt.block_on(main()))


def test_local_set_spawn_local_panic_caller() -> None:
    local = LocalSet()
    assert_raises(RuntimeError, "inside a LocalSet only", lambda: spawn_local(forever()))
    assert repr(local) == "<LocalSet of 0 tasks>"


def test_local_set_block_on_panic_caller() -> None:
    with Runtime(flavor="current_thread") as rt:

        async def main() -> None:
            LocalSet().block_on(rt, forever())

        assert_raises(RuntimeError, "would block the event loop", lambda: rt.block_on(main()))


def test_spawn_panic_caller() -> None:
    assert_raises(RuntimeError, "no Yamanote runtime here", lambda: spawn(forever()))


def test_local_key_with_panic_caller() -> None:
    # Tokio's `with` reads the value inside a function.
    assert_raises(AccessError, "NUMBER.*no value here", lambda: OTHER.sync_scope(1, NUMBER.get))


def test_local_key_get_panic_caller() -> None:
    assert_raises(AccessError, "NUMBER.*no value here", lambda: NUMBER.get())
