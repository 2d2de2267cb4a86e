"""Counterparts of tokio/tests/sync_mutex.rs."""

from __future__ import annotations

import pytest

from tests.gates import Gate, forever, stays_pending
from yamanote import Runtime, spawn
from yamanote.sync import Mutex, TryLockError
from yamanote.time import timeout


def test_straight_execution(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex(100)
        async with mutex.lock() as guard:
            assert guard.value == 100
            guard.value = 99
        async with mutex.lock() as guard:
            assert guard.value == 99
            guard.value = 98
        async with mutex.lock() as guard:
            assert guard.value == 98

    rt.block_on(main())


def test_readiness(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex(100)

        async def second() -> int:
            async with mutex.lock() as guard:
                return guard.value

        guard = await mutex.lock()
        handle = spawn(second())
        await stays_pending(handle)
        guard.release()
        assert await handle == 100

    rt.block_on(main())


def test_aborted_future_1(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex(0)
        locked = Gate()

        async def hold() -> None:
            async with mutex:
                locked.open()
                await forever()

        holder = spawn(hold())
        await locked.wait()
        holder.abort()
        async with timeout(10), mutex:
            pass

    rt.block_on(main())


def test_aborted_future_2(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex(0)
        async with mutex:
            with pytest.raises(TimeoutError):
                await timeout(0.001, mutex.lock())
        async with timeout(10), mutex:
            pass

    rt.block_on(main())


def test_try_lock() -> None:
    mutex = Mutex(0)
    guard = mutex.try_lock()
    with pytest.raises(TryLockError):
        mutex.try_lock()
    del guard
    assert mutex.try_lock().value == 0


def test_debug_format(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex("debug")
        assert repr(await mutex.lock()) == "<MutexGuard of 'debug'>"

    rt.block_on(main())


def test_mutex_debug(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex("data")
        assert repr(mutex).startswith("<Mutex at")
        async with mutex:
            assert repr(mutex).startswith("<Mutex locked at")

    rt.block_on(main())
