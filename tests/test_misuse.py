"""Mistakes: each raises at once, at the line that made it, and says what to do instead.

The warnings are errors here, so that every test also shows that a coroutine which was
refused is not reported as "never awaited".
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from typing import Any

import pytest

import yamanote
from tests.channels import on_thread
from tests.gates import Gate, forever
from yamanote import (
    Handle,
    JoinHandle,
    JoinSet,
    LocalSet,
    Runtime,
    block_in_place,
    spawn,
    spawn_blocking,
    spawn_local,
    yield_now,
)

LIMIT = 60.0

Spawn = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def collect() -> Iterator[None]:
    """Let a coroutine that was left warn in the test that left it."""
    yield
    gc.collect()


async def nothing() -> None:
    pass


def plain() -> None:
    pass


class HasAwait:
    def __await__(self) -> Iterator[None]:
        yield


def spawns() -> dict[str, Spawn]:
    """Every way to spawn, to be called in a task inside a LocalSet."""

    def in_join_set(coro: Any) -> Any:
        tasks: JoinSet[Any] = JoinSet()
        return tasks.spawn(coro)

    return {
        "spawn": spawn,
        "Handle.spawn": lambda coro: Handle.current().spawn(coro),
        "spawn_local": spawn_local,
        "LocalSet.spawn_local": lambda coro: LocalSet().spawn_local(coro),
        "Builder.spawn": lambda coro: yamanote.task.Builder("x").spawn(coro),
        "JoinSet.spawn": in_join_set,
    }


@pytest.fixture(params=spawns())
def try_to_spawn(request: pytest.FixtureRequest, rt: Runtime) -> Spawn:
    """Spawn what the argument is, in a task."""
    way = spawns()[request.param]

    async def main(what: Any) -> None:
        way(what)

    return lambda what: LocalSet().block_on(rt, main(what))


# What is spawned.


def test_spawn_a_plain_function(try_to_spawn: Spawn) -> None:
    with pytest.raises(TypeError, match=r"function plain: make it `async def`.*spawn_blocking\(\)"):
        try_to_spawn(plain)


def test_spawn_an_async_function_that_was_not_called(try_to_spawn: Spawn) -> None:
    with pytest.raises(TypeError, match=r"async function nothing: call it, nothing\(\)"):
        try_to_spawn(nothing)


@pytest.mark.parametrize("what", [None, 42, "coroutine", [1]])
def test_spawn_what_cannot_be_awaited(try_to_spawn: Spawn, what: Any) -> None:
    with pytest.raises(TypeError, match="coroutine or another awaitable is needed, not"):
        try_to_spawn(what)


def test_spawn_a_coroutine_that_has_ended(try_to_spawn: Spawn) -> None:
    coro = nothing()
    with pytest.raises(StopIteration):
        coro.send(None)
    with pytest.raises(RuntimeError, match=r"already ended.*call its function again"):
        try_to_spawn(coro)


def test_spawn_a_coroutine_that_has_been_started(try_to_spawn: Spawn) -> None:
    async def suspended() -> None:
        await yield_now()

    with closing(suspended()) as coro:
        coro.send(None)
        with pytest.raises(RuntimeError, match=r"already been started.*call its function again"):
            try_to_spawn(coro)


def test_spawn_a_coroutine_twice_when_it_runs(rt: Runtime) -> None:
    gate, started = Gate(), Gate()

    async def work() -> str:
        started.open()
        await gate.wait()
        return "once"

    async def main() -> str:
        coro = work()
        handle = spawn(coro)
        await started.wait()
        await yield_now()
        with pytest.raises(RuntimeError, match=r"already been started.*call its function again"):
            spawn(coro)
        gate.open()
        return await handle

    assert rt.block_on(main()) == "once"


@pytest.mark.xfail(reason="the second task resumes the await of the first")
def test_spawn_a_coroutine_twice_before_it_runs() -> None:
    # spawn() cannot see that somebody else has it in a queue; the second poll can.
    gate = Gate()

    async def work() -> bool:
        await gate.wait()
        return gate.is_open()

    async def main() -> bool:
        coro = work()
        first, second = spawn(coro), spawn(coro)
        with pytest.raises(yamanote.JoinError, match="already"):
            await second
        gate.open()
        return await first

    with Runtime(flavor="current_thread") as rt:
        assert rt.block_on(main())


def test_spawn_a_coroutine_inside_itself(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"already been started.*call its function again"):
            spawn(this)

    this = main()
    rt.block_on(this)


# Where.


@pytest.mark.parametrize("func", [spawn, yamanote.task.Builder("x").spawn])
def test_spawn_outside_of_a_runtime(func: Spawn) -> None:
    with pytest.raises(RuntimeError, match=r"yamanote\.run\(.*`with runtime\.enter\(\):`.*Handle"):
        func(nothing())
    with pytest.raises(TypeError, match="call it"):
        func(nothing)


def test_spawn_outside_of_a_runtime_in_asyncio() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
            spawn(nothing())

    asyncio.run(main())


def test_spawn_on_a_thread_of_its_own(rt: Runtime) -> None:
    async def main() -> None:
        await asyncio.wrap_future(on_thread(lambda: spawn(nothing())))

    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        rt.block_on(main())


def test_spawn_blocking_outside_of_a_runtime() -> None:
    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        spawn_blocking(plain)


def test_handle_current_outside_of_a_runtime() -> None:
    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        Handle.current()
    assert Handle.try_current() is None


def test_spawn_local_outside_of_a_local_set(rt: Runtime) -> None:
    match = r"LocalSet only: use LocalSet\.run_until\(\) or LocalSet\.enter\(\)"
    with pytest.raises(RuntimeError, match=match):
        spawn_local(nothing())

    async def main() -> None:
        spawn_local(nothing())

    async def spawned_inside() -> None:
        await spawn(main())

    with pytest.raises(RuntimeError, match=match):
        rt.block_on(main())
    # A task that is spawned inside a set, not onto it, is outside.
    with pytest.raises(yamanote.JoinError, match="LocalSet only"):
        LocalSet().block_on(rt, spawned_inside())


# What would block a worker.


def nested(rt: Runtime) -> dict[str, Callable[[Coroutine[Any, Any, Any]], Any]]:
    return {
        "Runtime.block_on": rt.block_on,
        "Handle.block_on": rt.handle.block_on,
        "run": yamanote.run,
        "LocalSet.block_on": lambda coro: LocalSet().block_on(rt, coro),
    }


@pytest.mark.parametrize(
    "how",
    [
        "Runtime.block_on",
        "Handle.block_on",
        "run",
        "LocalSet.block_on",
    ],
)
@pytest.mark.parametrize("where", ["block_on", "spawned", "asyncio"])
def test_block_on_inside_a_task(rt: Runtime, how: str, where: str) -> None:
    frames: list[Any] = []
    call = nested(rt)[how]

    async def main() -> None:
        coro = nothing()
        try:
            with pytest.raises(
                RuntimeError, match=r"await the coroutine or spawn\(\) it.*block_in"
            ):
                call(coro)
            frames.append(coro.cr_frame)
        finally:
            coro.close()

    async def outer() -> None:
        await (spawn(main()) if where == "spawned" else main())

    if where == "asyncio":
        asyncio.run(outer())
    else:
        rt.block_on(outer())
    # Closed: nothing will ask why it was never awaited.
    assert frames == [None]


@pytest.mark.parametrize("how", ["shutdown_timeout", "with"])
@pytest.mark.parametrize("where", ["block_on", "spawned"])
def test_shutdown_inside_a_task(rt_config: dict[str, Any], how: str, where: str) -> None:
    with Runtime(**rt_config) as rt:

        async def main() -> None:
            with pytest.raises(RuntimeError, match=r"leave block_on\(\) first, or use another"):
                if how == "with":
                    with rt:
                        pass
                else:
                    rt.shutdown_timeout(LIMIT)
            with pytest.raises(RuntimeError, match="from inside one of its tasks"):
                rt.shutdown_background()

        async def outer() -> None:
            await (spawn(main()) if where == "spawned" else main())

        rt.block_on(outer())
        assert rt.block_on(asyncio.sleep(0, "still runs")) == "still runs"


def test_await_own_handle(rt: Runtime) -> None:
    async def main() -> None:
        handles: list[JoinHandle[None]] = []
        go = Gate()

        async def own() -> None:
            await go.wait()
            with pytest.raises(RuntimeError, match="cannot await its own handle"):
                await handles[0]

        handles.append(spawn(own()))
        go.open()
        await handles[0]

    rt.block_on(main())


def test_join_in_a_task(rt: Runtime) -> None:
    async def main() -> None:
        handle = spawn(forever())
        with pytest.raises(RuntimeError, match=r"await the handle, or.*block_in_place\(\)"):
            handle.join()
        with pytest.raises(RuntimeError, match=r"await the handle, or.*block_in_place\(\)"):
            handle.join(LIMIT)
        handle.abort()

    async def outer() -> None:
        await main()
        await spawn(main())

    rt.block_on(outer())


def test_join_own_handle_in_a_task(rt: Runtime) -> None:
    async def main() -> None:
        handles: list[JoinHandle[None]] = []
        go = Gate()

        async def own() -> None:
            await go.wait()
            with pytest.raises(RuntimeError, match="await the handle"):
                handles[0].join()

        handles.append(spawn(own()))
        go.open()
        await handles[0]

    rt.block_on(main())


# Calls that block.


@pytest.mark.parametrize(
    "how",
    [
        "spawn_blocking",
        "Runtime.spawn_blocking",
        "Handle.spawn_blocking",
        "Builder",
    ],
)
def test_spawn_blocking_of_what_is_not_a_plain_function(rt: Runtime, how: str) -> None:
    call: Any = {
        "spawn_blocking": spawn_blocking,
        "Runtime.spawn_blocking": rt.spawn_blocking,
        "Handle.spawn_blocking": rt.handle.spawn_blocking,
        "Builder": yamanote.task.Builder("x").spawn_blocking,
    }[how]

    async def main() -> None:
        with pytest.raises(TypeError, match=r"write spawn_blocking\(f, x\)"):
            call(42)
        with pytest.raises(TypeError, match=r"nothing is an async function: use spawn\(nothing"):
            call(nothing)
        with closing(nothing()) as coro, pytest.raises(TypeError, match="takes a function"):
            call(coro)

    rt.block_on(main())


@pytest.mark.parametrize("inside", [True, False])
def test_block_in_place_of_what_is_not_a_plain_function(multi_rt: Runtime, inside: bool) -> None:
    def check() -> None:
        with pytest.raises(TypeError, match=r"nothing is an async function: use spawn\(nothing"):
            block_in_place(nothing)
        with pytest.raises(TypeError, match=r"write block_in_place\(f, x\)"):
            block_in_place(plain())  # type: ignore[func-returns-value, arg-type]

    async def main() -> None:
        check()

    if inside:
        multi_rt.block_on(main())
    else:
        check()


def test_block_in_place_on_current_thread() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"needs a multi_thread.*Use spawn_blocking\(\)"):
            block_in_place(plain)

    async def outer() -> None:
        await main()
        await spawn(main())

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(outer())


def test_block_in_place_in_a_local_set(multi_rt: Runtime) -> None:
    called = threading.Event()

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"inside a LocalSet.*Use spawn_blocking\(\)"):
            block_in_place(called.set)

    async def outer() -> None:
        await main()
        await spawn_local(main())

    LocalSet().block_on(multi_rt, outer())
    assert not called.is_set()


# Configuration.

WHOLE = [0, -1, 1.5, "4", True]
HOOKS = [
    "on_thread_start",
    "on_thread_stop",
    "on_thread_park",
    "on_thread_unpark",
    "on_task_spawn",
    "on_task_terminate",
    "on_before_task_poll",
    "on_after_task_poll",
]
WRONG: list[tuple[str, Any]] = [
    *[("worker_threads", value) for value in WHOLE],
    *[("max_blocking_threads", value) for value in [*WHOLE, None]],
    *[("event_interval", value) for value in [*WHOLE, None]],
    *[("global_queue_interval", value) for value in [*WHOLE, None]],
    *[("flavor", value) for value in ["multi", "", None, 4, ["multi_thread"]]],
    *[("unhandled_panic", value) for value in ["ignore", None, True]],
    *[("name", value) for value in ["", "  ", 42, b"name"]],
    *[("thread_keep_alive", value) for value in [-1, float("nan"), "10", None, True]],
    *[("thread_name", value) for value in [None, 42, b"worker"]],
    *[(hook, 42) for hook in HOOKS],
    *[("start_paused", value) for value in [None, 1, "yes"]],
    *[("seed", value) for value in ["1", 1.5]],
]


@pytest.mark.parametrize(("keyword", "value"), WRONG)
def test_config_names_the_keyword(keyword: str, value: Any) -> None:
    config: Any = {keyword: value}
    with pytest.raises(ValueError, match=rf"^{keyword} must be .*, not "):
        Runtime(**config)
    with pytest.raises(ValueError, match=keyword):
        yamanote.run(nothing(), **config)
    with pytest.raises(ValueError, match=keyword):
        yamanote.main(**config)


def test_config_that_contradicts_itself() -> None:
    with pytest.raises(ValueError, match="worker_threads: a current_thread runtime has one worker"):
        Runtime(flavor="current_thread", worker_threads=2)
    with pytest.raises(ValueError, match="start_paused needs flavor='current_thread'"):
        Runtime(start_paused=True)


def test_config_that_does_not_exist() -> None:
    config: Any = {"workers": 4}
    with pytest.raises(TypeError, match="workers"):
        Runtime(**config)
    with pytest.raises(TypeError, match="workers"):
        yamanote.run(nothing(), **config)


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", " ", "²"])
def test_worker_threads_of_the_environment(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("YAMANOTE_WORKER_THREADS", text)
    with pytest.raises(ValueError, match=r"^YAMANOTE_WORKER_THREADS must be 1 or more, not "):
        Runtime()
    with pytest.raises(ValueError, match=r"^YAMANOTE_WORKER_THREADS must be 1 or more, not "):
        yamanote.run(nothing())
    # Where it isn't asked for, it does no harm.
    Runtime(worker_threads=1).shutdown_background()
    Runtime(flavor="current_thread").shutdown_background()
