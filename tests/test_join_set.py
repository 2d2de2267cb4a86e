"""JoinSet: what it promises beyond Tokio's own tests (conformance/test_task_join_set.py)."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from typing import Any

import pytest

from tests.gates import Drop, Gate, forever, until
from yamanote import JoinError, Runtime, spawn, yield_now
from yamanote.task.join_set import JoinSet, JoinSetEmpty

SHUTDOWN = 10.0


class Boom(Exception):
    pass


class Thing:
    """A result that can be referred to weakly."""


async def value(x: Any) -> Any:
    return x


async def fail() -> Any:
    raise Boom


def test_results_come_in_the_order_of_the_ends(rt: Runtime) -> None:
    async def main() -> None:
        gates = [Gate() for _ in range(3)]

        async def wait(i: int) -> int:
            await gates[i].wait()
            return i

        async with JoinSet() as tasks:
            tasks.extend(wait(i) for i in range(3))
            for i in (2, 0, 1):
                gates[i].open()
                assert await tasks.join_next() == i

    rt.block_on(main())


def test_none_is_a_result(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[None] = JoinSet([value(None)])
        assert await tasks.join_next() is None
        with pytest.raises(JoinSetEmpty):
            await tasks.join_next()
        with pytest.raises(LookupError, match="the set is empty"):
            tasks.try_join_next()

    rt.block_on(main())


def test_ids_and_names(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[str] = JoinSet()
        a = tasks.spawn(value("a"), name="alpha")
        assert a.name == "alpha"
        assert await tasks.join_next_with_id() == (a.id, "a")
        b = tasks.build_task().name("beta").spawn(fail())
        assert b.name == "beta"
        with pytest.raises(JoinError, match="beta panicked") as raised:
            await tasks.join_next_with_id()
        assert raised.value.id == b.id

    rt.block_on(main())


def test_every_way_to_spawn(rt: Runtime) -> None:
    other = Runtime(flavor="multi_thread", worker_threads=1)

    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        tasks.spawn(value(1))
        tasks.spawn_on(value(2), other.handle)
        tasks.spawn_blocking(int, "3")
        tasks.spawn_blocking(int, "100", base=2)
        tasks.spawn_blocking_on(other.handle, int, "5")
        builder = tasks.build_task("built")
        builder.spawn(value(6))
        builder.spawn_on(value(7), other.handle)
        builder.spawn_blocking(int, "8")
        builder.spawn_blocking_on(other.handle, int, "9")
        assert sorted(await tasks.join_all()) == list(range(1, 10))

    try:
        rt.block_on(main())
    finally:
        other.shutdown_timeout(SHUTDOWN)


def test_a_failure_leaves_the_others_alone(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[int] = JoinSet([value(1), fail(), value(2)])
        results: list[int] = []
        failures: list[JoinError] = []
        while not tasks.is_empty():
            try:
                async for result in tasks:
                    results.append(result)
            except JoinError as error:
                failures.append(error)
        assert sorted(results) == [1, 2]
        assert [type(error.__cause__) for error in failures] == [Boom]

    rt.block_on(main())


def test_join_all_aborts_the_rest_and_sees_it_end(rt: Runtime) -> None:
    async def main() -> None:
        started, ended = Gate(), []

        async def slow() -> None:
            started.open()
            try:
                await forever()
            finally:
                await yield_now()
                ended.append("slow")

        async def fail_later() -> None:
            await started.wait()
            raise Boom

        tasks: JoinSet[None] = JoinSet([slow(), fail_later()])
        with pytest.raises(JoinError, match="Boom"):
            await tasks.join_all()
        assert ended == ["slow"]
        assert tasks.is_empty()

    rt.block_on(main())


def test_leaving_async_with_aborts_and_waits(rt: Runtime) -> None:
    async def main() -> None:
        ended = []

        async def slow(started: Gate) -> None:
            try:
                started.open()
                await forever()
            finally:
                await yield_now()
                ended.append("slow")

        with pytest.raises(Boom):
            async with JoinSet() as tasks:
                gates = [Gate() for _ in range(3)]
                tasks.extend(slow(gate) for gate in gates)
                for gate in gates:
                    await gate.wait()
                raise Boom
        assert ended == ["slow"] * 3
        assert len(tasks) == 0

    rt.block_on(main())


def test_an_aborted_task_may_clean_up_before_shutdown_returns(rt: Runtime) -> None:
    async def main() -> None:
        started, cleaned = Gate(), []

        async def slow() -> None:
            started.open()
            try:
                await forever()
            finally:
                for _ in range(5):
                    await yield_now()
                cleaned.append("slow")

        async with JoinSet([slow()]) as tasks:
            await started.wait()
            tasks.abort_all()
        assert cleaned == ["slow"]

    rt.block_on(main())


def test_join_next_is_cancel_safe(rt: Runtime) -> None:
    async def main() -> None:
        gate = Gate()
        tasks: JoinSet[int] = JoinSet()

        async def task() -> int:
            await gate.wait()
            return 1

        tasks.spawn(task())
        waits = [spawn(tasks.join_next()) for _ in range(3)]
        for _ in range(5):
            await yield_now()
        for wait in waits:
            wait.abort()
        gate.open()
        for wait in waits:
            with pytest.raises(JoinError, match="cancelled"):
                await wait
        assert [result async for result in tasks] == [1]

    rt.block_on(main())


def test_all_who_wait_learn_that_the_set_is_empty(rt: Runtime) -> None:
    async def wait_for_one(tasks: JoinSet[int]) -> str:
        try:
            return str(await tasks.join_next())
        except JoinSetEmpty:
            return "empty"

    async def main() -> None:
        gate = Gate()

        async def task() -> int:
            await gate.wait()
            return 1

        tasks: JoinSet[int] = JoinSet([task()])
        waits = [spawn(wait_for_one(tasks)) for _ in range(4)]
        for _ in range(5):
            await yield_now()
        gate.open()
        assert sorted([await wait for wait in waits]) == ["1", "empty", "empty", "empty"]

        tasks.spawn(forever())
        waits = [spawn(wait_for_one(tasks)) for _ in range(4)]
        for _ in range(5):
            await yield_now()
        tasks.detach_all()
        assert [await wait for wait in waits] == ["empty"] * 4

    rt.block_on(main())


def test_detached_tasks_run_on(rt: Runtime) -> None:
    async def main() -> None:
        gate, ended = Gate(), Gate()

        async def task() -> None:
            await gate.wait()
            ended.open()

        tasks: JoinSet[None] = JoinSet([task()])
        tasks.detach_all()
        assert len(tasks) == 0
        del tasks
        gate.open()
        await ended.wait()

    rt.block_on(main())


def test_detaching_lets_results_go(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[Thing] = JoinSet()
        refs = []

        async def make() -> Thing:
            thing = Thing()
            refs.append(weakref.ref(thing))
            return thing

        abort = tasks.spawn(make())
        await until(abort.is_finished)
        tasks.detach_all()
        await until(lambda: refs[0]() is None)

    rt.block_on(main())


def test_aborting_what_never_started_runs_nothing(rt: Runtime) -> None:
    ran = []

    async def task() -> None:
        ran.append(1)

    tasks: JoinSet[None] = JoinSet()

    async def main() -> None:
        with pytest.raises(JoinError) as raised:
            await tasks.join_next()
        assert raised.value.is_cancelled()

    with Runtime(flavor="current_thread") as idle:
        tasks.spawn_on(task(), idle.handle).abort()
    rt.block_on(main())
    assert not ran


def test_it_can_be_joined_from_asyncio(multi_rt: Runtime) -> None:
    gate = Gate()

    async def task() -> int:
        await gate.wait()
        return 1

    async def main() -> None:
        async with JoinSet() as tasks:
            for _ in range(10):
                tasks.spawn_on(task(), multi_rt.handle)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(tasks.join_next(), 0)
            gate.open()
            assert await tasks.join_all() == [1] * 10

    asyncio.run(main())


def test_a_panic_that_is_dropped_is_logged(rt: Runtime, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        tasks: JoinSet[None] = JoinSet()
        abort = tasks.spawn(fail(), name="unlucky")
        await until(abort.is_finished)

    with caplog.at_level(logging.ERROR, "yamanote"):
        rt.block_on(main())
        rt.shutdown_timeout(SHUTDOWN)
    assert [r.getMessage() for r in caplog.records] == [
        "task 'unlucky' panicked, and nobody has joined it"
    ]


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
        tasks: JoinSet[Any] = JoinSet()
        refs.append(weakref.ref(tasks))
        for i in range(20):
            tasks.spawn(fail_with_frame() if i % 2 else make())
            try:
                await tasks.join_next()
            except JoinError:
                pass
        async for _ in JoinSet([make()]):
            pass
        await JoinSet([make()]).join_all()
        for _ in range(2):
            tasks.spawn(make())
        tasks.spawn(forever(make))
        await tasks.shutdown()

    gc.collect()
    gc.disable()
    try:
        rt.block_on(main())
        rt.shutdown_timeout(SHUTDOWN)
        assert [ref() for ref in refs if ref() is not None] == []
    finally:
        gc.enable()


def test_a_set_in_a_cycle_aborts_when_collected(rt: Runtime) -> None:
    async def main() -> None:
        drop = Drop()

        class Owner:
            def __init__(self) -> None:
                self.itself = self
                self.tasks: JoinSet[None] = JoinSet([forever(drop.make())])

        Owner()
        gc.collect()
        await drop.wait()

    rt.block_on(main())


def test_repr() -> None:
    assert repr(JoinSet()) == "<JoinSet of 0 tasks>"


def test_a_thousand_tasks(rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        for round in range(5):
            tasks: JoinSet[int] = JoinSet(value(i) for i in range(1000))
            if round % 2:
                assert sorted(await tasks.join_all()) == list(range(1000))
            else:
                seen = [await tasks.join_next() for _ in range(1000)]
                assert sorted(seen) == list(range(1000))
            with pytest.raises(JoinSetEmpty):
                await tasks.join_next()

    rt.block_on(main())


def test_spawning_and_joining_from_many_sides(rt: Runtime, switch_interval: float) -> None:
    tasks: JoinSet[int] = JoinSet()
    spawners, each = 4, 200

    async def spawner(k: int) -> None:
        for i in range(each):
            tasks.spawn(value(k * each + i))
            if i % 7 == 0:
                await yield_now()

    async def joiner() -> list[int]:
        got: list[int] = []
        while True:
            try:
                got.append(await tasks.join_next())
            except JoinSetEmpty:
                return got

    async def main() -> None:
        for _ in range(3):
            # Holds the set open until all have been spawned.
            gate = Gate()

            async def hold(gate: Gate = gate) -> int:
                await gate.wait()
                return -1

            tasks.spawn(hold())
            joiners = [spawn(joiner()) for _ in range(4)]
            for spawning in [spawn(spawner(k)) for k in range(spawners)]:
                await spawning
            gate.open()
            got = [i for handle in joiners for i in await handle]
            assert sorted(got) == list(range(-1, spawners * each))
            assert tasks.is_empty()

    rt.block_on(main())


def test_detaching_while_tasks_end_and_others_are_spawned(
    multi_rt: Runtime, switch_interval: float
) -> None:
    tasks: JoinSet[int] = JoinSet()
    stop = threading.Event()

    def detach() -> None:
        while not stop.is_set():
            tasks.detach_all()

    async def main() -> int:
        joined = 0
        for i in range(1000):
            tasks.spawn(value(i))
            try:
                await tasks.join_next()
                joined += 1
            except JoinSetEmpty:
                pass
        return joined

    thread = threading.Thread(target=detach)
    thread.start()
    try:
        assert multi_rt.block_on(main()) >= 0
    finally:
        stop.set()
        thread.join()
    tasks.detach_all()


def test_dropping_sets_while_their_tasks_end(rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        drops = []
        for _ in range(200):
            drop = Drop()
            drops.append(drop)
            start = Gate()
            tasks: JoinSet[Any] = JoinSet()
            tasks.spawn(forever(drop.make()))
            tasks.extend(start.wait() for _ in range(5))
            start.open()
            if len(drops) % 2:
                await tasks.join_next()
            del tasks
        for drop in drops:
            await drop.wait()

    rt.block_on(main())
