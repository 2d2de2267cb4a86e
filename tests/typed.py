"""A user's program, for the type checker: `make lint` has mypy look whether what comes out of the
public surface has the type that the user put in, and whether a mistake is one. It is not run."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from concurrent.futures import Future as CallFuture
from typing import Any, Literal, assert_type

import yamanote
from yamanote import (
    CancellationToken,
    Handle,
    JoinError,
    JoinHandle,
    JoinSet,
    LocalKey,
    LocalSet,
    Runtime,
    TaskTracker,
    block_in_place,
    join,
    run,
    select,
    spawn,
    spawn_blocking,
    spawn_local,
    try_join,
    yield_now,
)
from yamanote.task import (
    AbortHandle,
    Builder,
    Id,
    JoinMap,
    LocalPool,
    Selected,
    TaskTrackerToken,
    coop,
    id,
    try_id,
)
from yamanote.time import timeout, timeout_at


async def number() -> int:
    return 1


async def text(n: int = 0, *, upper: bool = False) -> str:
    return "x" * n


def blocking(a: int, b: str = "") -> float:
    return a + len(b)


async def tasks(
    future: asyncio.Future[bytes], call: CallFuture[float], executor: Executor | None
) -> None:
    task = spawn(number(), name="number")
    assert_type(task, JoinHandle[int])
    assert_type(await task, int)
    assert_type(task.join(1), int)
    assert_type(task.id, Id)
    assert_type(task.name, str)
    assert_type(task.abort_handle(), AbortHandle)
    assert_type(spawn(task), JoinHandle[int])
    assert_type(spawn(future), JoinHandle[bytes])
    assert_type(spawn(call), JoinHandle[float])
    spawn(number)  # type: ignore[arg-type]
    spawn(1)  # type: ignore[arg-type]

    assert_type(spawn_blocking(blocking, 1, b="2"), JoinHandle[float])
    assert_type(spawn_blocking(blocking, 1, executor=executor), JoinHandle[float])
    assert_type(block_in_place(blocking, 1, "2"), float)
    spawn_blocking(blocking, "1")  # type: ignore[call-overload]
    spawn_blocking(blocking, c=1)  # type: ignore[call-overload]
    block_in_place(blocking, "1")  # type: ignore[arg-type]

    here = Handle.current()
    builder = Builder().name("built")
    assert_type(builder.spawn(number()), JoinHandle[int])
    assert_type(builder.spawn_on(call, here), JoinHandle[float])
    assert_type(builder.spawn_local(number()), JoinHandle[int])
    assert_type(builder.spawn_blocking(blocking, 1), JoinHandle[float])
    assert_type(builder.spawn_blocking_on(here, blocking, 1), JoinHandle[float])

    assert_type(id(), Id)
    assert_type(try_id(), Id | None)
    assert_type(await coop.unconstrained(number()), int)
    assert_type(await coop.cooperative(call), float)
    assert_type(await timeout(1, number()), int)
    assert_type(await timeout_at(1, call), float)
    await yield_now()


def failures(error: JoinError) -> None:
    assert_type(error.id, Id)
    assert_type(error.into_panic(), BaseException)
    assert_type(error.try_into_panic(), BaseException | None)


async def several(call: CallFuture[float], ready: bool) -> None:
    assert_type(await join(number(), text(), call), tuple[int, str, float])
    assert_type(
        await join(number(), text(), number(), text(), number(), text()),
        tuple[int, str, int, str, int, str],
    )
    assert_type(await join(*[number(), number()]), tuple[int, ...])
    assert_type(await try_join(number(), text(), biased=True), tuple[int, str])

    first = await select(number(), text())
    assert_type(first, Selected[Literal[0], int] | Selected[Literal[1], str])
    if first.branch == 0:
        assert_type(first.value, int)
    else:
        assert_type(first.value, str)
    match await select(number() if ready else None, call, default=b"none"):
        case (0, a):
            assert_type(a, int)
        case (1, b):
            assert_type(b, float)
        case (None, c):
            assert_type(c, bytes)
    named = await select(number=number(), text=text())
    assert_type(named, Selected[int | str | None, Any])


async def sets(call: CallFuture[int], executor: Executor) -> None:
    async with JoinSet[int]() as tasks:
        assert_type(tasks, JoinSet[int])
        assert_type(tasks.spawn(call), AbortHandle)
        tasks.spawn_blocking(len, "x")
        tasks.spawn_blocking(len, "x", executor=executor)
        tasks.build_task("built").spawn(number())
        tasks.spawn(text())  # type: ignore[arg-type]
        tasks.spawn_blocking(len, 1)  # type: ignore[call-overload]
        assert_type(await tasks.join_next(), int)
        assert_type(await tasks.join_next_with_id(), tuple[Id, int])
        assert_type(tasks.try_join_next(), int)
        assert_type(await tasks.join_all(), list[int])
        async for result in tasks:
            assert_type(result, int)
    assert_type(JoinSet([number()]), JoinSet[int])

    async with JoinMap[str, int]() as by_name:
        assert_type(by_name, JoinMap[str, int])
        by_name.spawn("a", number())
        by_name.spawn_blocking("b", len, "x")
        by_name.spawn(1, number())  # type: ignore[arg-type]
        assert_type(await by_name.join_next(), tuple[str, int])
        assert_type(by_name.keys(), list[str])
        async for name, result in by_name:
            assert_type(name, str)
            assert_type(result, int)

    tracker = TaskTracker()
    assert_type(tracker.spawn(number()), JoinHandle[int])
    assert_type(tracker.spawn_blocking(blocking, 1), JoinHandle[float])
    assert_type(await tracker.track_future(number()), int)
    with tracker.token() as token:
        assert_type(token, TaskTrackerToken)

    stop = CancellationToken()
    assert_type(stop.child_token(), CancellationToken)
    assert_type(await stop.run_until_cancelled(number()), int | None)


KEY = LocalKey[str]("key")


async def local() -> None:
    assert_type(await KEY.scope("value", number()), int)
    assert_type(KEY.sync_scope("value", lambda: 1), int)
    assert_type(KEY.get(), str)
    assert_type(KEY.try_get(), str | None)
    assert_type(KEY.try_get(1), str | int)
    assert_type(KEY.take_value(), str | None)
    await KEY.scope(1, number())  # type: ignore[arg-type]

    tasks = LocalSet()
    assert_type(tasks.spawn_local(number()), JoinHandle[int])
    assert_type(await tasks.run_until(number()), int)
    with tasks.enter():
        assert_type(spawn_local(number()), JoinHandle[int])
    async with LocalPool(2) as pool:
        assert_type(pool.spawn_pinned(text, 1, upper=True), JoinHandle[str])
        assert_type(pool.spawn_pinned_by_idx(text, 0, 1), JoinHandle[str])
        pool.spawn_pinned(text, "1")  # type: ignore[arg-type]


def runtimes(call: CallFuture[float]) -> None:
    assert_type(run(number(), worker_threads=2), int)
    run(number(), worker_threads="2")  # type: ignore[arg-type]
    run(number(), workers=2)  # type: ignore[call-arg]
    with Runtime(flavor="multi_thread", seed=3) as rt:
        assert_type(rt, Runtime)
        assert_type(rt.block_on(number()), int)
        assert_type(rt.block_on(call), float)
        assert_type(rt.spawn(number(), name="number"), JoinHandle[int])
        assert_type(rt.spawn_blocking(blocking, 1), JoinHandle[float])
        assert_type(rt.handle, Handle)
        assert_type(rt.handle.block_on(call), float)
        assert_type(rt.handle.spawn_blocking(blocking, 1, b="2"), JoinHandle[float])
        assert_type(rt.metrics().num_workers, int)
        assert_type(LocalSet().block_on(rt, number()), int)
    assert_type(Handle.try_current(), Handle | None)
    asyncio.Runner(loop_factory=yamanote.EventLoop)
    asyncio.Runner(loop_factory=yamanote.new_event_loop)


@yamanote.main
async def program(n: int) -> str:
    return await text(n)


@yamanote.main(worker_threads=2)
async def larger_program(n: int) -> str:
    return await text(n)


assert_type(program(1), str)
assert_type(larger_program(1), str)
program("1")  # type: ignore[arg-type]
