"""Counterparts of tokio/tests/sync_rwlock.rs."""

from __future__ import annotations

import pytest

from tests.gates import stays_pending
from yamanote import Runtime, spawn
from yamanote.sync import RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError


async def read(lock: RwLock[int]) -> RwLockReadGuard[int]:
    return await lock.read()


async def write(lock: RwLock[int]) -> RwLockWriteGuard[int]:
    return await lock.write()


def test_read_shared(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100)
        with await lock.read() as one, await lock.read() as two:
            assert one.value == two.value == 100

    rt.block_on(main())


def test_write_shared_pending(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100)
        with await lock.read():
            handle = spawn(write(lock))
            await stays_pending(handle)
        (await handle).release()

    rt.block_on(main())


def test_read_exclusive_pending(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100)
        with await lock.write():
            handle = spawn(read(lock))
            await stays_pending(handle)
        (await handle).release()

    rt.block_on(main())


def test_exhaust_reading(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100, max_readers=1024)
        guards = [await lock.read() for _ in range(1024)]
        handle = spawn(read(lock))
        await stays_pending(handle)
        guards.pop().release()
        (await handle).release()

    rt.block_on(main())


def test_zero_max_readers() -> None:
    with pytest.raises(ValueError, match="max_readers must be from 1"):
        RwLock(100, max_readers=0)


def test_write_exclusive_pending(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100)
        with await lock.write():
            handle = spawn(write(lock))
            await stays_pending(handle)
        (await handle).release()

    rt.block_on(main())


def test_write_shared_drop(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100)
        guard = await lock.read()
        handle = spawn(write(lock))
        await stays_pending(handle)
        del guard
        (await handle).release()

    rt.block_on(main())


def test_write_read_shared_pending(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100)
        with await lock.read(), await lock.read():
            writer = spawn(write(lock))
            await stays_pending(writer)
            reader = spawn(read(lock))
            await stays_pending(reader)
        (await writer).release()
        (await reader).release()

    rt.block_on(main())


def test_write_read_shared_drop_pending(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(100)
        with await lock.read():
            writer = spawn(write(lock))
            await stays_pending(writer)
            reader = spawn(read(lock))
            await stays_pending(reader)
            writer.abort()
            (await reader).release()

    rt.block_on(main())


def test_read_uncontested(rt: Runtime) -> None:
    async def main() -> None:
        assert (await RwLock(100).read()).value == 100

    rt.block_on(main())


def test_write_uncontested(rt: Runtime) -> None:
    async def main() -> None:
        guard = await RwLock(100).write()
        guard.value += 50
        assert guard.value == 150

    rt.block_on(main())


def test_write_order(rt: Runtime) -> None:
    async def main() -> None:
        lock: RwLock[list[int]] = RwLock([])

        async def push(number: int) -> None:
            async with lock.write() as guard:
                guard.value.append(number)

        second, first = push(2), push(1)
        await first
        await second
        async with lock.read() as guard:
            assert guard.value == [1, 2]

    rt.block_on(main())


def test_multithreaded(switch_interval: float) -> None:
    async def main() -> None:
        lock = RwLock(0)

        async def add(number: int) -> None:
            for _ in range(1000):
                async with lock.write() as guard:
                    guard.value += number

        for handle in [spawn(add(n)) for n in (2, 3, 5, 7)]:
            await handle
        async with lock.read() as guard:
            assert guard.value == 17_000

    with Runtime(worker_threads=8) as rt:
        rt.block_on(main())


def test_try_write(rt: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(0)
        guard = await lock.read()
        with pytest.raises(TryLockError):
            lock.try_write()
        del guard
        lock.try_write()

    rt.block_on(main())


def test_try_read_try_write() -> None:
    lock = RwLock(15)
    with lock.try_read() as one:
        assert one.value == 15
        with pytest.raises(TryLockError):
            lock.try_write()
        with lock.try_read() as two:
            assert two.value == 15
    with lock.try_write() as guard:
        guard.value = 1515
        with pytest.raises(TryLockError):
            lock.try_read()
    assert lock.try_read().value == 1515


def test_downgrade_map(rt: Runtime) -> None:
    async def main() -> None:
        value = object()
        lock = RwLock(value)
        writing = await lock.write()
        handle = spawn(read(lock))  # type: ignore[arg-type]
        await stays_pending(handle)
        with writing.downgrade() as reading, await handle as other:
            assert reading.value is other.value is value
            with pytest.raises(TryLockError):
                lock.try_write()

    rt.block_on(main())
