"""LocalPool: what tokio-util's tests/spawn_pinned.rs says that users rely on, and more."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any

import pytest

from tests.gates import Drop, Gate, forever, until
from yamanote import JoinError, Runtime, spawn, spawn_blocking, spawn_local, yield_now
from yamanote.task.local_pool import LocalPool

LIMIT = 60.0  # seconds that only a failure waits


class Boom(Exception):
    pass


class OneThread:
    """Something that only the thread that made it may use."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()

    def use(self) -> int:
        assert threading.get_ident() == self.thread
        return self.thread


def here() -> int:
    return threading.get_ident()


async def where() -> int:
    return here()


def test_makes_the_coroutine_on_its_thread(rt: Runtime) -> None:
    def make(x: int, *, y: int) -> Coroutine[Any, Any, tuple[int, int]]:
        thing = OneThread()

        async def use() -> tuple[int, int]:
            thing.use()
            await yield_now()
            await asyncio.sleep(0)
            return thing.use(), x + y

        return use()

    async def main() -> None:
        async with LocalPool(1) as pool:
            thread, result = await pool.spawn_pinned(make, 1, y=2)
            assert thread != here()
            assert result == 3

    rt.block_on(main())


def test_dropping_the_handle_detaches() -> None:
    done = threading.Event()

    async def task() -> None:
        done.set()

    with LocalPool(1) as pool:
        pool.spawn_pinned(task)
        assert done.wait(LIMIT)


@pytest.mark.parametrize("size", [0, -1])
def test_size_is_positive(size: int) -> None:
    with pytest.raises(ValueError, match="size"):
        LocalPool(size)


def test_several_at_once(rt: Runtime) -> None:
    async def main() -> None:
        async with LocalPool(2) as pool:
            assert pool.num_threads() == 2
            handles = [pool.spawn_pinned(asyncio.sleep, 0, i) for i in range(20)]
            assert [await handle for handle in handles] == list(range(20))
            await until(lambda: pool.get_task_loads_for_each_worker() == [0, 0])

    rt.block_on(main())


def test_task_panic_propagates(rt: Runtime) -> None:
    async def panics() -> None:
        raise Boom("in the task")

    def make() -> Coroutine[Any, Any, None]:
        raise Boom("while it is made")

    async def main() -> None:
        async with LocalPool(1) as pool:
            for func in (panics, make):
                with pytest.raises(JoinError) as raised:
                    await pool.spawn_pinned(func)
                assert raised.value.is_panic()
                assert isinstance(raised.value.into_panic(), Boom)
                assert await pool.spawn_pinned(where) != here()

    rt.block_on(main())


def test_a_function_is_needed() -> None:
    with LocalPool(1) as pool:
        with pytest.raises(TypeError, match="function"):
            pool.spawn_pinned(where())  # type: ignore[arg-type]
        with pytest.raises(JoinError, match="TypeError") as raised:
            pool.spawn_pinned(here).join(LIMIT)  # type: ignore[arg-type]
        assert raised.value.is_panic()


def test_abort_cancels_the_task(rt: Runtime) -> None:
    async def main() -> None:
        started, cleaned, gone = Gate(), Gate(), Drop()

        async def task(_held: object) -> None:
            started.open()
            try:
                await forever()
            finally:
                await yield_now()
                cleaned.open()

        async with LocalPool(1) as pool:
            handle = pool.spawn_pinned(task, gone.make())
            await started.wait()
            handle.abort()
            with pytest.raises(JoinError, match="cancelled"):
                await handle
            assert cleaned.is_open()
            await gone.wait()

    rt.block_on(main())


def test_tasks_are_balanced(rt: Runtime) -> None:
    async def main() -> None:
        async with LocalPool(2) as pool:
            started, end = Gate(), Gate()

            async def first() -> int:
                started.open()
                await end.wait()
                return here()

            one = pool.spawn_pinned(first)
            await started.wait()
            assert pool.get_task_loads_for_each_worker() == [1, 0]
            two = await pool.spawn_pinned(where)
            end.open()
            assert await one != two

    rt.block_on(main())


def test_spawn_by_idx(rt: Runtime) -> None:
    async def main() -> None:
        async with LocalPool(3) as pool:
            gate = Gate()

            async def task() -> int:
                await gate.wait()
                return here()

            handles = [pool.spawn_pinned_by_idx(task, index) for index in (0, 0, 1)]
            assert pool.get_task_loads_for_each_worker() == [2, 1, 0]
            gate.open()
            threads = [await handle for handle in handles]
            assert threads[0] == threads[1] != threads[2]
            for index in (3, -1):
                with pytest.raises(IndexError, match="3"):
                    pool.spawn_pinned_by_idx(task, index)

    rt.block_on(main())


def test_spawn_local_inside() -> None:
    async def main() -> bool:
        thread = here()
        tasks = [spawn_local(where()) for _ in range(5)]
        return {await handle for handle in tasks} == {thread}

    with LocalPool(2) as pool:
        assert pool.spawn_pinned(main).join(LIMIT)


def test_the_runtime_inside() -> None:
    async def main() -> tuple[int, int, int]:
        return here(), await spawn(where()), await spawn_blocking(here)

    with LocalPool(2) as pool:
        thread, spawned, blocking = pool.spawn_pinned(main).join(LIMIT)
        assert thread == spawned != blocking


def test_contextvars_are_carried_in() -> None:
    var: ContextVar[int] = ContextVar("var")
    var.set(5)

    async def get() -> int:
        return var.get()

    with LocalPool(1) as pool:
        assert pool.spawn_pinned(get).join(LIMIT) == 5


def test_from_plain_threads_and_asyncio() -> None:
    async def main() -> None:
        async with LocalPool(2) as pool:
            assert await pool.spawn_pinned(asyncio.sleep, 0, 5) == 5
            slow = pool.spawn_pinned(forever)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(slow, 0)
            assert not slow.is_finished()
        with pytest.raises(JoinError, match="cancelled"):
            await slow

    asyncio.run(main())
    with LocalPool(2) as pool:
        assert [pool.spawn_pinned(asyncio.sleep, 0, i).join(LIMIT) for i in range(5)] == [*range(5)]


def test_thread_names() -> None:
    async def name() -> str:
        return threading.current_thread().name

    with LocalPool(2, thread_name="gui") as pool:
        names = [pool.spawn_pinned_by_idx(name, i).join(LIMIT) for i in range(2)]
    assert names == ["gui-0", "gui-1"]


# The end.


def test_leaving_cancels_and_waits(rt: Runtime) -> None:
    ended = []

    async def slow(started: Gate) -> None:
        try:
            started.open()
            await forever()
        finally:
            for _ in range(5):
                await yield_now()
            ended.append(here())

    before = threading.active_count()

    async def main() -> None:
        async with LocalPool(2) as pool:
            gates = [Gate() for _ in range(4)]
            handles = [pool.spawn_pinned(slow, gate) for gate in gates]
            for gate in gates:
                await gate.wait()
        assert len(ended) == 4
        assert len(set(ended)) == 2
        for handle in handles:
            with pytest.raises(JoinError, match="cancelled"):
                await handle

    rt.block_on(main())
    with LocalPool(2) as pool:
        started = Gate()
        handle = pool.spawn_pinned(slow, started)
        assert pool.spawn_pinned_by_idx(started.wait, 1).join(LIMIT) is None
    assert handle.is_finished()
    assert len(ended) == 5
    rt.shutdown_timeout(LIMIT)
    assert threading.active_count() <= before


def test_what_is_spawned_inside_ends_too() -> None:
    ended = []

    async def slow(started: Gate) -> None:
        try:
            started.open()
            await forever()
        finally:
            await yield_now()
            ended.append(here())

    async def main() -> None:
        gates = [Gate(), Gate()]
        spawn(slow(gates[0]))
        spawn_local(slow(gates[1]))
        for gate in gates:
            await gate.wait()

    with LocalPool(1) as pool:
        pool.spawn_pinned(main).join(LIMIT)
    assert len(ended) == 2


def test_after_the_shutdown_tasks_are_cancelled(rt: Runtime) -> None:
    with LocalPool(2) as pool:
        pass
    pool.shutdown()
    for handle in (pool.spawn_pinned(where), pool.spawn_pinned_by_idx(where, 1)):
        with pytest.raises(JoinError, match="cancelled"):
            handle.join(LIMIT)
    assert pool.get_task_loads_for_each_worker() == [0, 0]

    async def main() -> None:
        await pool.aclose()
        with pytest.raises(JoinError, match="cancelled"):
            await pool.spawn_pinned(where)

    rt.block_on(main())


def test_shutdown_with_a_timeout_cuts_off() -> None:
    started = Gate()

    async def stubborn() -> None:
        started.open()
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                pass

    pool = LocalPool(1)
    handle = pool.spawn_pinned(stubborn)
    pool.spawn_pinned(started.wait).join(LIMIT)
    pool.shutdown(0.01)
    with pytest.raises(JoinError, match="cancelled"):
        handle.join(LIMIT)


def test_shutdown_does_not_block_an_event_loop(rt: Runtime) -> None:
    async def main() -> None:
        async with LocalPool(1) as pool:
            with pytest.raises(RuntimeError, match="aclose"):
                pool.shutdown()
            with pytest.raises(RuntimeError, match="async with"), pool:
                pass
        async with LocalPool(1) as pool:
            assert await pool.spawn_pinned(where) != here()
            # From a thread that may block, it may.
            await spawn_blocking(pool.shutdown)

    rt.block_on(main())


def test_closing_from_inside() -> None:
    pool = LocalPool(1)

    async def close() -> None:
        await pool.aclose()

    with pytest.raises(JoinError, match="cancelled"):
        pool.spawn_pinned(close).join(LIMIT)
    pool.shutdown()


def test_a_dropped_pool_ends() -> None:
    gone = Drop()
    pool = LocalPool(1)
    handle = pool.spawn_pinned(forever, gone.make())
    ref = weakref.ref(pool)
    pools = [pool]
    del pool
    with pytest.warns(ResourceWarning, match="LocalPool"):
        pools.clear()
    assert ref() is None
    with pytest.raises(JoinError, match="cancelled"):
        handle.join(LIMIT)


def test_an_exit_ends_one_thread_only() -> None:
    async def leave() -> None:
        raise SystemExit

    with LocalPool(2) as pool:
        with pytest.raises(JoinError, match="SystemExit"):
            pool.spawn_pinned_by_idx(leave, 0).join(LIMIT)
        # The thread that is left takes over; what the other still accepts is cancelled.
        for _ in range(5):
            pool.spawn_pinned_by_idx(where, 1).join(LIMIT)
        with pytest.raises(JoinError, match="cancelled"):
            while True:
                pool.spawn_pinned_by_idx(where, 0).join(LIMIT)
        threads = {pool.spawn_pinned(where).join(LIMIT) for _ in range(5)}
        assert len(threads) == 1


def test_repr() -> None:
    with LocalPool(2) as pool:
        assert repr(pool) == "<LocalPool of 2 threads>"


# Races.


def test_spawning_while_it_is_shut_down(switch_interval: float) -> None:
    for _ in range(10):
        pool = LocalPool(2)
        barrier = threading.Barrier(3)
        ends: list[JoinError | None] = []

        def spawn_some(pool: LocalPool = pool, barrier: Any = barrier, ends: Any = ends) -> None:
            barrier.wait()
            for i in range(20):
                handle: Any = pool.spawn_pinned(forever) if i % 2 else pool.spawn_pinned(where)
                try:
                    if i % 2 == 0:
                        handle.join(LIMIT)
                    ends.append(None)
                except JoinError as error:
                    ends.append(error)

        threads = [threading.Thread(target=spawn_some) for _ in range(2)]
        for thread in threads:
            thread.start()
        barrier.wait()
        pool.shutdown()
        for thread in threads:
            thread.join()
        assert len(ends) == 40
        assert all(end is None or end.is_cancelled() for end in ends)
        assert pool.get_task_loads_for_each_worker() == [0, 0]


def test_many_short_tasks(rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        async with LocalPool(3) as pool:
            for _ in range(5):
                handles = [pool.spawn_pinned(asyncio.sleep, 0, i) for i in range(50)]
                assert [await handle for handle in handles] == list(range(50))

    rt.block_on(main())
