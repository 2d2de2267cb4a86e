"""JoinMap: what tokio-util's tests/task_join_map.rs says that users rely on, and more."""

from __future__ import annotations

import asyncio
import gc
import pickle
import threading
import weakref
from collections.abc import Coroutine
from typing import Any

import pytest

from tests.gates import PENDING, Drop, Gate, forever, poll, until
from yamanote import JoinError, LocalSet, Runtime, select, spawn, yield_now
from yamanote.task.join_map import JoinMap, JoinMapError
from yamanote.task.join_set import JoinSetEmpty
from yamanote.time import sleep

N = 8
MANY = 1000  # more than a budget
SHUTDOWN = 10.0


class Boom(Exception):
    pass


class Thing:
    pass


async def value(x: Any) -> Any:
    return x


async def fail() -> Any:
    raise Boom


async def sleepy(seconds: int) -> int:
    await sleep(seconds)
    return seconds


@pytest.fixture
def paused() -> Any:
    with Runtime(flavor="current_thread", start_paused=True) as runtime:
        yield runtime


async def drain(tasks: JoinMap[Any, Any]) -> tuple[dict[Any, Any], dict[Any, JoinMapError]]:
    """The results and the failures, by key."""
    results, failures = {}, {}
    while not tasks.is_empty():
        try:
            key, result = await tasks.join_next()
            results[key] = result
        except JoinMapError as error:
            key = error.key
            failures[key] = error
        assert key not in tasks
        assert not tasks.contains_key(key)
    return results, failures


def test_with_sleep(paused: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, int] = JoinMap()
        for i in range(10):
            tasks.spawn(i, value(i))
            assert len(tasks) == 1 + i
        tasks.detach_all()
        assert len(tasks) == 0
        with pytest.raises(JoinSetEmpty):
            await tasks.join_next()

        for _ in range(2):
            for i in range(10):
                tasks.spawn(i, sleepy(i))
                assert len(tasks) == 1 + i
            assert [item async for item in tasks] == [(i, i) for i in range(10)]
            with pytest.raises(JoinSetEmpty):
                await tasks.join_next()

    paused.block_on(main())


def test_abort_on_drop(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, None] = JoinMap()
        drops = [Drop() for _ in range(16)]
        for i, drop in enumerate(drops):
            tasks.spawn(i, forever(drop.make()))
        del tasks
        for drop in drops:
            await drop.wait()

    rt.block_on(main())


def test_alternating(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, None] = JoinMap()
        tasks.spawn(-1, value(None))
        tasks.spawn(-2, value(None))
        assert len(tasks) == 2
        for i in range(16):
            await tasks.join_next()
            assert len(tasks) == 1
            tasks.spawn(i, value(None))
            assert len(tasks) == 2

    rt.block_on(main())


def test_keys(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, None] = JoinMap()
        assert tasks.keys() == []
        a = tasks.spawn(1, value(None))
        tasks.spawn(2, value(None))
        assert sorted(tasks.keys()) == [1, 2]
        assert 1 in tasks
        assert tasks.contains_key(2)
        assert 3 not in tasks
        assert tasks.contains_task(a.id)
        await tasks.join_next()
        await tasks.join_next()
        assert tasks.keys() == []
        assert not tasks.contains_task(a.id)

    rt.block_on(main())


def test_a_key_must_be_hashable(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[Any, None] = JoinMap()
        with pytest.raises(TypeError, match="unhashable"):
            tasks.spawn([], value(None))
        with pytest.raises(TypeError, match="unhashable"):
            tasks.spawn_blocking([], int)
        assert tasks.is_empty()

    rt.block_on(main())


def test_abort_by_key(paused: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, int] = JoinMap()
        for i in range(16):
            tasks.spawn(i, sleepy(i))
        for i in range(1, 16, 2):
            assert tasks.abort(i)
        assert not tasks.abort(16)
        results, failures = await drain(tasks)
        assert results == {i: i for i in range(0, 16, 2)}
        assert sorted(failures) == list(range(1, 16, 2))
        assert all(error.is_cancelled() for error in failures.values())

    paused.block_on(main())


def test_abort_by_predicate(paused: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, int] = JoinMap()
        for i in range(16):
            tasks.spawn(i, sleepy(i))
        tasks.abort_matching(lambda key: key % 2)
        results, failures = await drain(tasks)
        assert results == {i: i for i in range(0, 16, 2)}
        assert sorted(failures) == list(range(1, 16, 2))

    paused.block_on(main())


def test_runtime_gone(rt: Runtime) -> None:
    tasks: JoinMap[str, int] = JoinMap()
    with Runtime(flavor="current_thread") as gone:
        tasks.spawn_on("key", value(1), gone.handle)
    with pytest.raises(JoinMapError) as raised:
        rt.block_on(tasks.join_next())
    assert raised.value.key == "key"
    assert raised.value.is_cancelled()


def test_join_map_coop(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, int] = JoinMap()
        aborts = [tasks.spawn(i, value(i)) for i in range(MANY)]
        await until(lambda: all(abort.is_finished() for abort in aborts))
        joined = pending = 0
        while not tasks.is_empty():
            item = await poll(tasks.join_next())
            if item is PENDING:
                pending += 1
                await asyncio.sleep(0)
            else:
                assert item[0] == item[1]
                joined += 1
        assert joined == MANY
        assert pending >= 1

    rt.block_on(main())


def test_abort_all(paused: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, Any] = JoinMap()
        for i in range(5):
            tasks.spawn(i, forever())
        for i in range(5, 10):
            tasks.spawn(i, sleepy(1))
        await sleep(2)  # by the paused clock
        tasks.abort_all()
        assert len(tasks) == 10
        results, failures = await drain(tasks)
        assert sorted(failures) == list(range(5))
        assert sorted(results) == list(range(5, 10))

    paused.block_on(main())


def test_try_join_next_empty() -> None:
    tasks: JoinMap[int, None] = JoinMap()
    with pytest.raises(JoinSetEmpty, match="the map is empty"):
        tasks.try_join_next()


def test_try_join_next(rt: Runtime) -> None:
    async def main() -> None:
        gate = Gate()
        tasks: JoinMap[str, Any] = JoinMap()
        waits = tasks.spawn("waits", gate.wait())
        with pytest.raises(JoinSetEmpty, match="no task of the map has ended"):
            tasks.try_join_next()
        assert len(tasks) == 1

        async def next_item() -> Any:
            while True:
                try:
                    return tasks.try_join_next()
                except JoinSetEmpty:
                    await yield_now()

        gate.open()
        assert await next_item() == ("waits", None)
        assert waits.is_finished()
        assert tasks.is_empty()
        tasks.spawn("forever", forever())
        assert tasks.abort("forever")
        with pytest.raises(JoinMapError) as raised:
            await next_item()
        assert raised.value.key == "forever"
        assert raised.value.is_cancelled()
        assert tasks.is_empty()

        for i in range(N):
            tasks.spawn(str(i), value(i))
        assert sorted([await next_item() for _ in range(N)]) == [(str(i), i) for i in range(N)]

    rt.block_on(main())


def test_try_join_next_skips_a_replaced_task(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, int] = JoinMap()
        first = tasks.spawn(1, value(11))
        await until(first.is_finished)
        second = tasks.spawn(1, value(22))
        assert len(tasks) == 1
        assert not tasks.contains_task(first.id)
        assert tasks.contains_task(second.id)
        await until(second.is_finished)
        while True:
            try:
                assert tasks.try_join_next() == (1, 22)
                break
            except JoinSetEmpty:  # about to be reported by its worker
                await yield_now()
        with pytest.raises(JoinSetEmpty):
            tasks.try_join_next()
        assert tasks.is_empty()

    rt.block_on(main())


def test_duplicate_keys(rt: Runtime) -> None:
    async def main() -> None:
        gone = Drop()
        tasks: JoinMap[int, Any] = JoinMap()
        tasks.spawn(1, forever(gone.make()))
        tasks.spawn(1, value(2))
        assert len(tasks) == 1
        assert await tasks.join_next() == (1, 2)
        with pytest.raises(JoinSetEmpty):
            await tasks.join_next()
        await gone.wait()

    rt.block_on(main())


def test_a_replaced_task_is_not_reported(rt: Runtime) -> None:
    async def main() -> None:
        gate = Gate()

        async def two() -> int:
            await gate.wait()
            return 2

        tasks: JoinMap[int, int] = JoinMap()
        tasks.spawn(1, value(1))
        tasks.spawn(1, two())
        assert len(tasks) == 1
        won = await select(tasks.join_next(), yield_now(), biased=True)
        assert won.branch == 1
        gate.open()
        assert await tasks.join_next() == (1, 2)
        with pytest.raises(JoinSetEmpty):
            await tasks.join_next()

    rt.block_on(main())


def test_failures_carry_their_key(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[str, Any] = JoinMap()
        tasks.spawn("bad", fail(), name="culprit")
        tasks.spawn("good", value(1))
        results, failures = await drain(tasks)
        assert results == {"good": 1}
        error = failures["bad"]
        assert isinstance(error, JoinError)
        assert isinstance(error.__cause__, Boom)
        assert error.into_panic() is error.__cause__
        assert "culprit panicked: Boom" in str(error)
        again = pickle.loads(pickle.dumps(error))
        assert (again.key, again.id, str(again)) == ("bad", error.id, str(error))

    rt.block_on(main())


def test_every_way_to_spawn(rt: Runtime) -> None:
    other = Runtime(flavor="multi_thread", worker_threads=1)

    async def main() -> None:
        async with JoinMap() as tasks:
            tasks.spawn(1, value("a"), name="a")
            tasks.spawn_on(2, value("b"), other.handle)
            tasks.spawn_blocking(3, str, "c")
            tasks.spawn_blocking_on(4, other.handle, str, "d")
            assert dict([item async for item in tasks]) == {1: "a", 2: "b", 3: "c", 4: "d"}

    try:
        rt.block_on(main())
    finally:
        other.shutdown_timeout(SHUTDOWN)


def test_leaving_async_with_aborts_and_waits(rt: Runtime) -> None:
    async def main() -> None:
        started, ended = Gate(), []

        async def slow() -> None:
            try:
                started.open()
                await forever()
            finally:
                await yield_now()
                ended.append("slow")

        async with JoinMap() as tasks:
            tasks.spawn(1, slow())
            await started.wait()
        assert ended == ["slow"]
        assert tasks.is_empty()

    rt.block_on(main())


def test_nothing_is_kept_alive(rt: Runtime) -> None:
    refs: list[Any] = []

    async def make() -> Thing:
        thing = Thing()
        refs.append(weakref.ref(thing))
        return thing

    async def fail_with_frame() -> None:
        thing = Thing()
        refs.append(weakref.ref(thing))
        raise Boom(thing)

    async def main() -> None:
        tasks: JoinMap[int, Any] = JoinMap()
        refs.append(weakref.ref(tasks))
        for i in range(20):
            tasks.spawn(i, fail_with_frame() if i % 2 else make())
            try:
                await tasks.join_next()
            except JoinMapError:
                pass
        tasks.spawn(1, make())
        tasks.spawn(1, make())
        tasks.spawn(2, forever(make))
        await tasks.shutdown()

    gc.collect()
    gc.disable()
    try:
        rt.block_on(main())
        rt.shutdown_timeout(SHUTDOWN)
        assert [ref() for ref in refs if ref() is not None] == []
    finally:
        gc.enable()


def test_repr() -> None:
    assert repr(JoinMap()) == "<JoinMap of 0 tasks>"


# LocalSets.


def test_spawn_local_outside(multi_rt: Runtime) -> None:
    tasks: JoinMap[int, None] = JoinMap()
    with pytest.raises(RuntimeError, match="inside a LocalSet only"):
        tasks.spawn_local(1, value(None))

    async def main() -> None:
        with pytest.raises(RuntimeError, match="inside a LocalSet only"):
            tasks.spawn_local(1, value(None))

    multi_rt.block_on(main())
    assert tasks.is_empty()


def in_local_set(rt: Runtime, coro: Coroutine[Any, Any, None]) -> None:
    LocalSet().block_on(rt, coro)


def spawn_pending(tasks: JoinMap[int, None], local: LocalSet | None = None) -> list[Drop]:
    drops = [Drop() for _ in range(N)]
    for i, drop in enumerate(drops):
        coro = forever(drop.make())
        if local is None:
            tasks.spawn_local(i, coro)
        else:
            tasks.spawn_local_on(i, coro, local)
    return drops


def test_spawn_local_then_join(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, int] = JoinMap()
        for i in range(N):
            tasks.spawn_local(i, value(i))
        assert await poll(tasks.join_next()) is PENDING
        assert sorted([item async for item in tasks]) == [(i, i) for i in range(N)]

    in_local_set(rt, main())


def test_spawn_local_then_shutdown(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, None] = JoinMap()
        drops = spawn_pending(tasks)
        assert await poll(tasks.join_next()) is PENDING
        await tasks.shutdown()
        assert tasks.is_empty()
        for drop in drops:
            await drop.wait()

    in_local_set(rt, main())


def test_spawn_local_then_drop(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinMap[int, None] = JoinMap()
        drops = spawn_pending(tasks)
        del tasks
        for drop in drops:
            await drop.wait()

    in_local_set(rt, main())


@pytest.mark.parametrize("driven", [False, True], ids=["before", "driven"])
def test_spawn_local_on_then_drop(rt: Runtime, driven: bool) -> None:
    local = LocalSet()
    maps: list[JoinMap[int, None]] = [JoinMap()]
    drops = spawn_pending(maps[0], local)
    if not driven:
        maps.clear()

    async def main() -> None:
        maps.clear()
        for drop in drops:
            await drop.wait()

    local.block_on(rt, main())


# Races.


def test_replacing_from_many_sides(rt: Runtime, switch_interval: float) -> None:
    tasks: JoinMap[int, tuple[int, int]] = JoinMap()

    async def spawner(k: int) -> None:
        for i in range(100):
            tasks.spawn(i % 5, value((k, i)))
            if i % 7 == 0:
                await yield_now()

    async def main() -> None:
        for _ in range(3):
            for handle in [spawn(spawner(k)) for k in range(4)]:
                await handle
            assert len(tasks) == 5
            results, failures = await drain(tasks)
            assert not failures
            assert sorted(results) == list(range(5))
            assert all(i % 5 == key for key, (_, i) in results.items())
            with pytest.raises(JoinSetEmpty):
                await tasks.join_next()

    rt.block_on(main())


def test_joining_while_another_thread_aborts(multi_rt: Runtime, switch_interval: float) -> None:
    tasks: JoinMap[int, None] = JoinMap()
    stop = threading.Event()

    def abort() -> None:
        while not stop.is_set():
            tasks.abort_matching(lambda key: key % 2)

    async def main() -> None:
        for i in range(300):
            tasks.spawn(i, forever() if i % 2 else value(None))
        results, failures = await drain(tasks)
        assert sorted(results) == list(range(0, 300, 2))
        assert sorted(failures) == list(range(1, 300, 2))

    thread = threading.Thread(target=abort)
    thread.start()
    try:
        multi_rt.block_on(main())
    finally:
        stop.set()
        thread.join()
