"""Counterparts of tokio/tests/task_join_set.rs.

Tokio's LocalRuntime is here a runtime on which a LocalSet's `block_on` runs; a paused
clock exists on current_thread only, so where the others run too a gate stands for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.gates import PENDING, Drop, Gate, forever, poll, until
from yamanote import JoinError, LocalSet, Runtime, spawn
from yamanote.task.join_set import JoinSet, JoinSetEmpty
from yamanote.time import sleep

N = 8
MANY = 1000  # more than a budget


async def value(i: int) -> int:
    return i


async def sleepy(seconds: int) -> int:
    await sleep(seconds)
    return seconds


@pytest.fixture
def paused() -> Any:
    with Runtime(flavor="current_thread", start_paused=True) as runtime:
        yield runtime


def spawn_index_tasks(tasks: JoinSet[int], local: LocalSet | None) -> None:
    for i in range(N):
        if local is None:
            tasks.spawn_local(value(i))
        else:
            tasks.spawn_local_on(value(i), local)


def spawn_pending_tasks(tasks: JoinSet[Any], local: LocalSet | None) -> list[Drop]:
    drops = [Drop() for _ in range(N)]
    for drop in drops:
        coro = forever(drop.make())
        if local is None:
            tasks.spawn_local(coro)
        else:
            tasks.spawn_local_on(coro, local)
    return drops


async def drain_and_check(tasks: JoinSet[int]) -> None:
    assert sorted([i async for i in tasks]) == list(range(N))
    assert tasks.is_empty()


async def all_gone(drops: list[Drop]) -> None:
    for drop in drops:
        await drop.wait()


def assert_none_ended(tasks: JoinSet[Any]) -> None:
    with pytest.raises(JoinSetEmpty, match="has ended"):
        tasks.try_join_next()


def test_with_sleep(paused: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        for i in range(10):
            tasks.spawn(value(i))
            assert len(tasks) == 1 + i
        tasks.detach_all()
        assert len(tasks) == 0
        with pytest.raises(JoinSetEmpty):
            await tasks.join_next()

        for _ in range(2):
            for i in range(10):
                tasks.spawn(sleepy(i))
                assert len(tasks) == 1 + i
            seen = [await tasks.join_next() for _ in range(10)]
            assert seen == list(range(10))
            with pytest.raises(JoinSetEmpty):
                await tasks.join_next()

    paused.block_on(main())


def test_abort_on_drop(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[None] = JoinSet()
        drops = [Drop() for _ in range(16)]
        for drop in drops:
            tasks.spawn(forever(drop.make()))
        del tasks
        await all_gone(drops)

    rt.block_on(main())


def test_alternating(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        assert len(tasks) == 0
        tasks.spawn(value(1))
        assert len(tasks) == 1
        tasks.spawn(value(1))
        assert len(tasks) == 2
        for _ in range(16):
            await tasks.join_next()
            assert len(tasks) == 1
            tasks.spawn(value(1))
            assert len(tasks) == 2

    rt.block_on(main())


def test_abort_tasks(paused: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        for i in range(16):
            abort = tasks.spawn(sleepy(i))
            if i % 2:
                abort.abort()
        failed: list[JoinError] = []
        completed: list[int] = []
        while not tasks.is_empty():
            try:
                completed.append(await tasks.join_next())
            except JoinError as error:
                failed.append(error)
        assert len(failed) == 8
        assert all(error.is_cancelled() for error in failed)
        assert completed == list(range(0, 16, 2))

    paused.block_on(main())


def test_runtime_gone(rt: Runtime) -> None:
    tasks: JoinSet[int] = JoinSet()
    with Runtime(flavor="current_thread") as gone:
        tasks.spawn_on(value(1), gone.handle)
    with pytest.raises(JoinError) as raised:
        rt.block_on(tasks.join_next())
    assert raised.value.is_cancelled()


def test_join_all(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        for _ in range(5):
            tasks.spawn(value(1))
        assert await tasks.join_all() == [1, 1, 1, 1, 1]

    rt.block_on(main())


def test_task_panics(paused: Runtime) -> None:
    sent: list[None] = []

    async def slow() -> None:
        await sleep(2)
        sent.append(None)

    async def panics() -> None:
        await sleep(1)
        raise ZeroDivisionError

    async def main() -> None:
        tasks: JoinSet[None] = JoinSet()
        assert len(tasks) == 0
        tasks.spawn(slow())
        assert len(tasks) == 1
        tasks.spawn(panics())
        assert len(tasks) == 2
        with pytest.raises(JoinError) as raised:
            await spawn(tasks.join_all())
        assert raised.value.is_panic()
        assert isinstance(raised.value.__cause__, JoinError)
        assert isinstance(raised.value.__cause__.into_panic(), ZeroDivisionError)
        assert not sent
        await sleep(5)
        assert not sent  # it was aborted

    paused.block_on(main())


def test_abort_all(paused: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[Any] = JoinSet()
        for _ in range(5):
            tasks.spawn(forever())
        for _ in range(5):
            tasks.spawn(sleepy(1))
        await sleep(2)  # by the paused clock: five have ended, for sure

        tasks.abort_all()
        assert len(tasks) == 10
        completed: list[int] = []
        failed: list[JoinError] = []
        while not tasks.is_empty():
            try:
                completed.append(await tasks.join_next())
            except JoinError as error:
                failed.append(error)
        assert completed == [1] * 5
        assert [error.is_cancelled() for error in failed] == [True] * 5
        assert len(tasks) == 0

    paused.block_on(main())


def test_join_set_coop(rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        aborts = [tasks.spawn(value(i)) for i in range(MANY)]
        await until(lambda: all(abort.is_finished() for abort in aborts))

        joined = pending = 0
        while not tasks.is_empty():
            if await poll(tasks.join_next()) is PENDING:
                pending += 1
                await asyncio.sleep(0)
            else:
                joined += 1
        assert joined == MANY
        assert pending >= 1

    rt.block_on(main())


def join_without_waiting(rt: Runtime, with_id: bool) -> None:
    gate = Gate()

    async def main() -> None:
        tasks: JoinSet[None] = JoinSet()
        aborts = [tasks.spawn(gate.wait()) for _ in range(MANY)]
        take: Callable[[], Any] = tasks.try_join_next_with_id if with_id else tasks.try_join_next
        with pytest.raises(JoinSetEmpty):
            take()

        gate.open()
        await until(lambda: all(abort.is_finished() for abort in aborts))
        joined = []
        while not tasks.is_empty():
            try:
                joined.append(take())
            except JoinSetEmpty:  # ended, and about to be reported by its worker
                await asyncio.sleep(0)
        if with_id:
            assert {id for id, _ in joined} == {abort.id for abort in aborts}
        assert len(joined) == MANY
        with pytest.raises(JoinSetEmpty):
            take()

    rt.block_on(main())


def test_try_join_next(rt: Runtime) -> None:
    join_without_waiting(rt, with_id=False)


def test_try_join_next_with_id(rt: Runtime) -> None:
    join_without_waiting(rt, with_id=True)


def test_extend(rt: Runtime) -> None:
    async def main() -> None:
        tasks = JoinSet(value(i) for i in range(5))
        tasks.extend(value(i) for i in range(5, 10))
        assert sorted([i async for i in tasks]) == list(range(10))

    rt.block_on(main())


def test_panic_outside_any_runtime() -> None:
    tasks: JoinSet[int] = JoinSet()
    with pytest.raises(RuntimeError, match="inside a LocalSet only"):
        tasks.spawn_local(value(1))
    assert tasks.is_empty()


def test_panic_in_multi_thread_runtime(multi_rt: Runtime) -> None:
    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        with pytest.raises(RuntimeError, match="inside a LocalSet only"):
            tasks.spawn_local(value(1))
        assert tasks.is_empty()

    multi_rt.block_on(main())


async def spawn_then_join_next() -> None:
    tasks: JoinSet[int] = JoinSet()
    spawn_index_tasks(tasks, None)
    assert_none_ended(tasks)
    await drain_and_check(tasks)


async def spawn_then_shutdown() -> None:
    tasks: JoinSet[None] = JoinSet()
    drops = spawn_pending_tasks(tasks, None)
    assert_none_ended(tasks)
    await tasks.shutdown()
    assert tasks.is_empty()
    await all_gone(drops)


async def spawn_then_drop() -> None:
    tasks: JoinSet[None] = JoinSet()
    drops = spawn_pending_tasks(tasks, None)
    assert_none_ended(tasks)
    del tasks
    await all_gone(drops)


def in_local_runtime(rt: Runtime, coro: Coroutine[Any, Any, None]) -> None:
    LocalSet().block_on(rt, coro)


def in_local_set(rt: Runtime, coro: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        await LocalSet().run_until(coro)

    rt.block_on(main())


def test_spawn_local_local_runtime_spawn_then_join_next(rt: Runtime) -> None:
    in_local_runtime(rt, spawn_then_join_next())


def test_spawn_local_local_runtime_spawn_then_shutdown(rt: Runtime) -> None:
    in_local_runtime(rt, spawn_then_shutdown())


def test_spawn_local_local_runtime_spawn_then_drop(rt: Runtime) -> None:
    in_local_runtime(rt, spawn_then_drop())


def test_spawn_local_local_set_spawn_then_join_next(rt: Runtime) -> None:
    in_local_set(rt, spawn_then_join_next())


def test_spawn_local_local_set_spawn_then_shutdown(rt: Runtime) -> None:
    in_local_set(rt, spawn_then_shutdown())


def test_spawn_local_local_set_spawn_then_drop(rt: Runtime) -> None:
    in_local_set(rt, spawn_then_drop())


async def spawn_on_then_join_next() -> None:
    local = LocalSet()
    tasks: JoinSet[int] = JoinSet()
    spawn_index_tasks(tasks, local)
    assert_none_ended(tasks)
    await local.run_until(drain_and_check(tasks))


def test_spawn_local_on_local_runtime_spawn_then_join_next(rt: Runtime) -> None:
    in_local_runtime(rt, spawn_on_then_join_next())


def test_spawn_local_on_local_set_spawn_then_join_next(rt: Runtime) -> None:
    rt.block_on(spawn_on_then_join_next())


def test_spawn_local_on_local_set_spawn_then_shutdown(rt: Runtime) -> None:
    local = LocalSet()
    tasks: JoinSet[None] = JoinSet()
    drops = spawn_pending_tasks(tasks, local)
    assert_none_ended(tasks)

    async def shut_down() -> None:
        await tasks.shutdown()
        assert tasks.is_empty()
        await all_gone(drops)

    local.block_on(rt, shut_down())


@pytest.mark.parametrize("driven", [False, True], ids=["before", "driven"])
def test_spawn_local_on_local_set_spawn_then_drop(rt: Runtime, driven: bool) -> None:
    local = LocalSet()
    tasks: list[JoinSet[None]] = [JoinSet()]
    drops = spawn_pending_tasks(tasks[0], local)
    assert_none_ended(tasks[0])
    if not driven:
        tasks.clear()

    async def drop_and_wait() -> None:
        tasks.clear()
        await all_gone(drops)

    local.block_on(rt, drop_and_wait())
