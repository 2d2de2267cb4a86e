"""Counterparts of tokio/tests/task_local.rs.

What a Rust future does in its destructor is done in a coroutine's `finally`, and in the
`__del__` of what it holds; a future that is no coroutine is an object with `__await__`.
Tokio takes a value out of the future that `scope` returns, we inside of the scope.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.gates import Gate, until
from yamanote import JoinError, LocalKey, Runtime, spawn
from yamanote.task import AccessError
from yamanote.time import sleep

KEY = LocalKey[int]("KEY")


class ReadsOnDrop:
    """Notes the value of KEY when it is dropped."""

    def __init__(self, seen: list[Any]) -> None:
        self._seen = seen

    def __del__(self) -> None:
        self._seen.append(KEY.try_get("no value"))


class Pending(ReadsOnDrop):
    polled = False

    def __await__(self) -> Generator[None, None, None]:
        self.polled = True
        while True:
            yield


class Ready(ReadsOnDrop):
    def __await__(self) -> Generator[None, None, None]:
        return
        yield


def test_local(multi_rt: Runtime) -> None:
    request_id = LocalKey[int]("request_id")
    foo = LocalKey[bool]("foo")

    async def one() -> None:
        assert request_id.get() == 1
        assert request_id.get() == 1
        assert foo.try_get() is None

    async def two() -> None:
        assert request_id.get() == 2
        await sleep(0.01)
        assert request_id.get() == 2

    async def three() -> None:
        assert foo.get() is True
        with pytest.raises(AccessError):
            request_id.get()

    async def main() -> None:
        handles = [
            spawn(request_id.scope(1, one())),
            spawn(request_id.scope(2, two())),
            spawn(foo.scope(True, three())),
        ]
        for handle in handles:
            await handle
        assert request_id.try_get() is None

    multi_rt.block_on(main())


def test_task_local_available_on_abort(rt: Runtime) -> None:
    async def coroutine(seen: list[Any], started: Gate) -> None:
        _held = ReadsOnDrop(seen)
        try:
            started.open()
            await sleep(1e6)
        finally:
            seen.append(KEY.get())

    async def main() -> None:
        seen: list[Any] = []
        started = Gate()
        handle = spawn(KEY.scope(42, coroutine(seen, started)))
        await started.wait()
        handle.abort()
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.is_cancelled()
        await until(lambda: len(seen) == 2)
        assert seen == [42, 42]
        pending = Pending(seen)
        task = spawn(KEY.scope(43, pending))
        await until(lambda: pending.polled)
        del pending
        task.abort()
        with pytest.raises(JoinError):
            await task
        await until(lambda: len(seen) == 3)
        assert seen == [42, 42, 43]

    rt.block_on(main())


def test_task_local_available_on_completion_drop(rt: Runtime) -> None:
    async def coroutine(seen: list[Any]) -> None:
        _held = ReadsOnDrop(seen)

    async def main() -> None:
        seen: list[Any] = []
        await spawn(KEY.scope(42, coroutine(seen)))
        assert seen == [42]
        await spawn(KEY.scope(43, Ready(seen)))
        await until(lambda: len(seen) == 2)
        assert seen == [42, 43]

    rt.block_on(main())


def test_take_value(rt: Runtime) -> None:
    async def inside() -> None:
        assert KEY.take_value() == 1
        assert KEY.take_value() is None

    async def main() -> None:
        await KEY.scope(1, inside())
        assert KEY.take_value() is None

        async def nested() -> None:
            await KEY.scope(3, inside_three())
            assert KEY.get() == 2  # only the inner scope's was taken

        async def inside_three() -> None:
            assert KEY.take_value() == 3

        await KEY.scope(2, nested())

    rt.block_on(main())


async def has_no_value() -> None:
    assert KEY.take_value() == 1
    assert KEY.try_get() is None
    with pytest.raises(AccessError, match="KEY"):
        KEY.get()
    await sleep(0)
    assert KEY.try_get("default") == "default"


def test_poll_after_take_value_should_fail(rt: Runtime) -> None:
    async def main() -> None:
        await KEY.scope(1, has_no_value())
        await spawn(KEY.scope(1, has_no_value()))

    rt.block_on(main())


def test_get_value(rt: Runtime) -> None:
    async def inside() -> None:
        assert KEY.get() == 1
        assert KEY.try_get() == 1

    async def main() -> None:
        await KEY.scope(1, inside())
        with pytest.raises(AccessError, match="KEY"):
            KEY.get()
        await KEY.scope(1, has_no_value())

    rt.block_on(main())
