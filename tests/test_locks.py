"""Semaphore, Mutex and RwLock, beyond what Tokio's tests say."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.gates import FREE_THREADED, Gate, forever, on_plain_asyncio, stays_pending, until
from yamanote import JoinError, Runtime, block_in_place, spawn, spawn_blocking
from yamanote.sync import (
    AcquireError,
    Mutex,
    RwLock,
    Semaphore,
    TryAcquireError,
    TryLockError,
)
from yamanote.time import timeout

LIMIT = 30.0  # seconds, which only a failure takes


def test_the_line_is_kept(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex()
        order: list[int] = []

        async def take(number: int) -> None:
            async with mutex:
                order.append(number)

        async with mutex:
            handles = []
            for number in range(10):
                handles.append(spawn(take(number)))
                await stays_pending(handles[-1])
        for handle in handles:
            await handle
        assert order == list(range(10))

    rt.block_on(main())


def test_many_hold_up_few(rt: Runtime) -> None:
    async def main() -> None:
        semaphore = Semaphore(3)

        async def take(permits: int) -> None:
            (await semaphore.acquire(permits)).release()

        permit = await semaphore.acquire(2)
        many = spawn(take(3))
        await stays_pending(many)
        assert semaphore.available_permits() == 0  # the one that is left is put aside
        few = spawn(take(1))
        await stays_pending(few)
        many.abort()
        await few
        permit.release()
        assert semaphore.available_permits() == 3

    rt.block_on(main())


def test_who_is_cancelled_with_the_permit_passes_it_on(current: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex()

        async def take() -> None:
            async with mutex:
                await forever()

        guard = await mutex.lock()
        first, second = spawn(take()), spawn(take())
        await stays_pending(second)
        guard.release()  # to the first, which has not run since
        first.abort()
        with pytest.raises(JoinError):
            await first
        assert mutex.locked()
        second.abort()
        with pytest.raises(JoinError):
            await second
        assert not mutex.locked()

    current.block_on(main())


@pytest.fixture
def current() -> Any:
    with Runtime(flavor="current_thread") as rt:
        yield rt


def test_a_cancellation_taken_back_does_not_end_the_wait(current: Runtime) -> None:
    async def main() -> None:
        semaphore = Semaphore(0)
        tasks: list[Any] = []

        async def take() -> int:
            tasks.append(asyncio.current_task())
            return (await semaphore.acquire(2)).num_permits

        handle = spawn(take())
        await stays_pending(handle)
        tasks[0].cancel()
        tasks[0].uncancel()
        await stays_pending(handle)
        semaphore.add_permits(2)
        assert await handle == 2

    current.block_on(main())


def test_who_is_passed_over_keeps_nothing(current: Runtime) -> None:
    """Else two who both come back have a part each, and wait for the other's for ever."""

    async def main() -> None:
        semaphore = Semaphore(0)
        tasks: list[Any] = []

        async def take() -> None:
            tasks.append(asyncio.current_task())
            with await semaphore.acquire(2):
                pass

        first, second = spawn(take()), spawn(take())
        await stays_pending(second)
        semaphore.add_permits(1)  # to the first
        tasks[0].cancel()
        tasks[0].uncancel()
        semaphore.add_permits(1)  # passes the first over, which has not run since
        async with timeout(LIMIT):
            await second
            await first
        assert semaphore.available_permits() == 2

    current.block_on(main())


def test_a_closed_semaphore_gives_not_even_none(rt: Runtime) -> None:
    async def main() -> None:
        semaphore = Semaphore(1)
        semaphore.close()
        with pytest.raises(AcquireError):
            await semaphore.acquire(0)

    rt.block_on(main())


def test_close_ends_every_wait(rt: Runtime) -> None:
    async def main() -> None:
        semaphore = Semaphore(1)

        async def take(permits: int) -> None:
            await semaphore.acquire(permits)

        async def enter() -> None:
            async with semaphore:
                pass

        handles = [spawn(take(2)), spawn(take(1)), spawn(enter())]
        for handle in handles:
            await stays_pending(handle)
        semaphore.close()
        for handle in handles:
            with pytest.raises(JoinError) as error:
                await handle
            assert isinstance(error.value.__cause__, AcquireError)
        assert semaphore.available_permits() == 1
        with pytest.raises(TryAcquireError) as refused:
            semaphore.try_acquire()
        assert refused.value.is_closed()

    rt.block_on(main())


LOCKS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[Any], Any]]] = {
    "mutex": (Mutex, lambda lock: lock.lock(), lambda lock: lock.blocking_lock(timeout=LIMIT)),
    "write": (RwLock, lambda lock: lock.write(), lambda lock: lock.blocking_write(timeout=LIMIT)),
    "read": (
        lambda: RwLock(max_readers=1),
        lambda lock: lock.read(),
        lambda lock: lock.blocking_read(timeout=LIMIT),
    ),
    "semaphore": (
        lambda: Semaphore(1),
        lambda lock: lock.acquire(),
        lambda lock: lock.blocking_acquire(timeout=LIMIT),
    ),
}


@pytest.mark.parametrize("kind", LOCKS)
def test_tasks_of_all_kinds_and_threads(rt: Runtime, switch_interval: float, kind: str) -> None:
    make, locking, blocking = LOCKS[kind]
    lock = make()
    inside: list[None] = []
    count = [0]

    def work() -> None:
        inside.append(None)
        assert len(inside) == 1
        count[0] += 1
        inside.pop()

    async def use() -> None:
        for _ in range(20):
            with await locking(lock):
                work()

    def use_in_thread() -> None:
        for _ in range(20):
            with blocking(lock):
                work()

    async def main() -> None:
        handles = [spawn(use()) for _ in range(4)]
        handles += [spawn_blocking(use_in_thread), spawn_blocking(on_plain_asyncio, use())]
        for handle in handles:
            await handle

    rt.block_on(main())
    assert count == [6 * 20]


def test_trio(rt: Runtime) -> None:
    trio = pytest.importorskip("trio", exc_type=Exception)
    mutex = Mutex(0)

    async def add() -> None:
        for _ in range(50):
            async with mutex.lock() as guard:
                guard.value += 1

    async def main() -> None:
        in_trio = spawn_blocking(trio.run, add)
        await add()
        await in_trio

    rt.block_on(main())
    assert mutex.try_lock().value == 100


def test_a_cancelled_asyncio_task_gives_its_place_up() -> None:
    async def main() -> None:
        mutex = Mutex()
        async with mutex:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await mutex.lock()
        mutex.try_lock().release()

    asyncio.run(main())


def test_a_thread_gives_up_after_its_timeout() -> None:
    mutex, semaphore = Mutex(), Semaphore(1)
    with mutex.try_lock(), semaphore.try_acquire():
        with pytest.raises(TimeoutError, match=r"not free within 0\.001 s"):
            mutex.blocking_lock(timeout=0.001)
        with pytest.raises(TimeoutError, match=r"no 2 permits within 0\.001 s"):
            semaphore.blocking_acquire(2, timeout=0.001)
    mutex.try_lock().release()
    assert semaphore.available_permits() == 1


def test_to_block_a_worker_is_refused(rt: Runtime) -> None:
    async def main() -> None:
        for block, instead in (
            (Mutex().blocking_lock, r"await lock\(\)"),
            (RwLock().blocking_read, r"await read\(\)"),
            (RwLock().blocking_write, r"await write\(\)"),
        ):
            with pytest.raises(RuntimeError, match=instead):
                block()

    rt.block_on(main())


def test_in_block_in_place(multi_rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex()
        go_on = Gate()

        async def hold() -> None:
            async with mutex:
                await go_on.wait()

        holder = spawn(hold())
        await until(mutex.locked)

        def wait() -> None:
            go_on.open()
            mutex.blocking_lock(timeout=LIMIT).release()

        block_in_place(wait)
        await holder

    multi_rt.block_on(main())


def test_a_dropped_guard_unlocks(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex()
        guard = await mutex.lock()
        del guard
        mutex.try_lock().release()
        holders: list[Any] = [await mutex.lock()]
        holders.append(holders)  # a cycle
        del holders
        gc.collect()
        await until(lambda: not mutex.locked())

    rt.block_on(main())


def test_a_dropped_coroutine_gives_its_place_up() -> None:
    mutex = Mutex()
    guard = mutex.try_lock()
    with Runtime(flavor="current_thread") as rt:

        async def take() -> None:
            await mutex.lock()

        async def main() -> None:
            await stays_pending(spawn(take()))

        rt.block_on(main())
    guard.release()
    mutex.try_lock().release()


def test_released_twice() -> None:
    guard = Mutex(1).try_lock()
    guard.release()
    with pytest.raises(RuntimeError, match="MutexGuard has been released"):
        guard.release()
    with pytest.raises(RuntimeError, match="lock again"):
        guard.value = 2
    with pytest.raises(RuntimeError, match="lock again"):
        guard.__enter__()
    writing = RwLock(1).try_write()
    reading = writing.downgrade()
    with pytest.raises(RuntimeError, match="RwLockWriteGuard has been released"):
        writing.downgrade()
    assert reading.value == 1
    permit = Semaphore(1).try_acquire()
    permit.release()
    permit.release()
    assert permit.num_permits == 0


def test_the_value_inside_a_block(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex(1)
        async with mutex as first:
            first.value += 1
            assert first.value == 2
            assert repr(first) == "<MutexScope of 2>"
            with pytest.raises(RuntimeError, match=r"async with mutex\.lock\(\) as guard"):
                first.release()
        assert repr(first) == "<MutexScope ended>"
        async with mutex as second:
            assert second.value == 2
            with pytest.raises(RuntimeError, match="has ended: lock again"):
                first.value = 3  # not by the name of another's block
        with mutex.try_lock() as guard, pytest.raises(RuntimeError, match="has ended"):
            assert guard.value == second.value

    rt.block_on(main())


def test_a_block_left_twice(rt: Runtime) -> None:
    async def main() -> None:
        mutex = Mutex(0)
        async with mutex as scope:
            scope.value = 1
        for _ in range(2):
            with pytest.raises(RuntimeError, match="can be left once only"):
                await mutex.__aexit__(None, None, None)
        with mutex.try_lock(), pytest.raises(RuntimeError, match="no `async with` holds"):
            await mutex.__aexit__(None, None, None)
        with mutex.try_lock(), pytest.raises(TryLockError):
            mutex.try_lock()

    rt.block_on(main())


def test_a_read_guard_cannot_write() -> None:
    guard: Any = RwLock(1).try_read()
    with pytest.raises(AttributeError):
        guard.value = 2


def test_one_wait_in_two_places(rt: Runtime) -> None:
    async def main() -> None:
        locking = RwLock().read()
        async with locking:
            with pytest.raises(RuntimeError, match="in use"):
                await locking.__aenter__()

    rt.block_on(main())


def test_one_wait_in_two_places_at_once(current: Runtime) -> None:
    async def main() -> None:
        lock = RwLock(1)
        locking = lock.read()
        leave = Gate()

        async def enter() -> None:
            async with locking:
                await leave.wait()

        with await lock.write():
            first, second = spawn(enter()), spawn(enter())
            await stays_pending(second)
        with pytest.raises(JoinError, match="in use"):
            await second
        leave.open()
        await first
        lock.try_write().release()

    current.block_on(main())


def test_impossible_numbers() -> None:
    with pytest.raises(ValueError, match="0 permits or more, not -1"):
        Semaphore(-1)
    semaphore = Semaphore(1)
    for call in (
        semaphore.acquire,
        semaphore.try_acquire,
        semaphore.add_permits,
        semaphore.forget_permits,
        semaphore.blocking_acquire,
        semaphore.try_acquire().split,
    ):
        with pytest.raises(ValueError, match="must be 0 or more, not -1"):
            call(-1)
    with pytest.raises(ValueError, match="max_readers must be from 1"):
        RwLock(max_readers=2**30)
    permit = semaphore.try_acquire(0)
    with pytest.raises(ValueError, match="another permit"):
        permit.merge(permit)


def test_a_ready_lock_takes_its_turn(current: Runtime) -> None:
    """Tasks that only lock what is free leave the others their turn."""

    async def main() -> None:
        for lock in (Mutex(), Semaphore(1)):
            ended = Gate()

            async def other(ended: Gate = ended) -> None:
                ended.open()

            spawn(other())
            async with timeout(LIMIT):
                while not ended.is_open():
                    async with lock:
                        pass

    current.block_on(main())


def test_everything_has_a_repr() -> None:
    mutex, lock, semaphore = Mutex(1), RwLock(2), Semaphore(3)
    assert "Mutex at" in repr(mutex)
    assert "free" in repr(lock)
    reading = lock.try_read()
    assert "RwLock read" in repr(lock)
    reading.release()
    with lock.try_write() as writing:
        assert "RwLock locked" in repr(lock)
        assert "of 2" in repr(writing)
    assert "released" in repr(writing)
    permit = semaphore.try_acquire(2)
    assert "1 free" in repr(semaphore)
    assert "of 2" in repr(permit)
    semaphore.close()
    assert "closed" in repr(semaphore)


@pytest.mark.skipif(FREE_THREADED, reason="another collector, which runs at other times")
def test_garbage_collected_inside_the_lock(current: Runtime) -> None:
    """Guards in cycles are collected at any time, also while the same lock changes hands."""
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:

        async def main() -> None:
            mutex, semaphore = Mutex(), Semaphore(2)

            async def take() -> None:
                for _ in range(50):
                    guards: list[Any] = [await mutex.lock(), await semaphore.acquire()]
                    guards.append(guards)
                    del guards

            async with timeout(LIMIT):
                for handle in [spawn(take()) for _ in range(4)]:
                    await handle

        current.block_on(main())
    finally:
        gc.set_threshold(*before)


def test_shut_down_while_tasks_wait(rt_config: dict[str, Any]) -> None:
    mutex = Mutex()
    guard = mutex.try_lock()
    rt = Runtime(**rt_config)

    async def take() -> None:
        async with mutex:
            pass

    handles = [rt.spawn(take()) for _ in range(5)]
    rt.shutdown_background()
    for handle in handles:
        with pytest.raises(JoinError):
            handle.join(LIMIT)
    guard.release()
    waiting = threading.Event()

    def free() -> bool:
        try:
            mutex.try_lock().release()
        except TryLockError:
            return False
        return True

    while not free():
        waiting.wait(0.001)
