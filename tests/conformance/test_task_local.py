"""Counterparts of tokio/tests/task_local.rs: LocalKey."""

from __future__ import annotations

import pytest

from tests.channels import Oneshot
from yamanote import JoinError, LocalKey, Runtime, spawn
from yamanote.task import AccessError
from yamanote.time import sleep


def test_local(multi_rt: Runtime) -> None:
    req_id: LocalKey[int] = LocalKey("req_id")
    foo: LocalKey[bool] = LocalKey("foo")

    async def first() -> None:
        assert req_id.get() == 1
        assert req_id.get() == 1

    async def second() -> None:
        assert req_id.get() == 2
        await sleep(0.01)
        assert req_id.get() == 2

    async def third() -> None:
        assert foo.get() is True
        with pytest.raises(AccessError):
            req_id.get()

    async def main() -> None:
        handles = [
            spawn(req_id.scope(1, first())),
            spawn(req_id.scope(2, second())),
            spawn(foo.scope(True, third())),
        ]
        for handle in handles:
            await handle

    multi_rt.block_on(main())


def test_task_local_available_on_abort(rt: Runtime) -> None:
    key: LocalKey[int] = LocalKey("key")
    polled: Oneshot[None] = Oneshot()
    dropped: Oneshot[int] = Oneshot()

    async def hold() -> None:
        try:
            polled.send(None)
            await sleep(1e6)
        finally:
            dropped.send(key.get())

    async def main() -> None:
        handle = spawn(key.scope(42, hold()))
        await polled.recv()
        handle.abort()
        assert await dropped.recv() == 42
        with pytest.raises(JoinError) as caught:
            await handle
        assert caught.value.is_cancelled()

    rt.block_on(main())


def test_task_local_available_on_completion_drop(rt: Runtime) -> None:
    key: LocalKey[int] = LocalKey("key")
    seen: list[int] = []

    class Held:
        def __del__(self) -> None:
            seen.append(key.get())

    async def hold() -> None:
        _held = Held()

    async def main() -> None:
        await spawn(key.scope(42, hold()))

    rt.block_on(main())
    assert seen == [42]


# Tokio takes the value from the future that a scope is; a coroutine has no such method, so
# it is taken inside.


def test_take_value(rt: Runtime) -> None:
    key: LocalKey[int] = LocalKey("key")

    async def take() -> tuple[int | None, int | None]:
        return key.take_value(), key.take_value()

    assert rt.block_on(key.scope(1, take())) == (1, None)


def test_poll_after_take_value_should_fail(rt: Runtime) -> None:
    key: LocalKey[int] = LocalKey("key")

    async def work() -> None:
        with pytest.raises(AccessError, match=r"key\.scope\(value, coro\)"):
            key.get()

    async def taken() -> None:
        key.take_value()
        await sleep(0)
        await work()

    rt.block_on(key.scope(1, taken()))


def test_get_value(rt: Runtime) -> None:
    key: LocalKey[int] = LocalKey("key")

    async def work() -> None:
        assert key.get() == 1
        assert key.try_get() == 1

    async def taken() -> None:
        key.take_value()
        assert key.try_get() is None
        assert key.try_get(7) == 7

    async def main() -> None:
        await key.scope(1, work())
        await key.scope(1, taken())
        assert key.try_get() is None

    rt.block_on(main())
