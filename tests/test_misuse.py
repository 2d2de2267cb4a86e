"""Mistakes: each is an exception that says what to do instead, and leaves no warning about
a coroutine that was never awaited (warnings are errors in these tests)."""

from __future__ import annotations

import asyncio
import datetime
import functools
import gc
import inspect
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, on_thread
from tests.gates import Gate, forever
from yamanote import (
    Handle,
    JoinError,
    JoinHandle,
    JoinSet,
    LocalKey,
    LocalSet,
    Runtime,
    block_in_place,
    join,
    select,
    spawn,
    spawn_blocking,
    spawn_local,
    try_join,
    yield_now,
)
from yamanote.sync import (
    Barrier,
    Mutex,
    Notify,
    RwLock,
    Semaphore,
    SetOnce,
    broadcast,
    mpsc,
    oneshot,
    watch,
)
from yamanote.task import AccessError, Builder, LocalPool, coop
from yamanote.time import (
    DelayQueue,
    advance,
    interval,
    interval_at,
    sleep,
    sleep_until,
    timeout,
    timeout_at,
)


def plain() -> int:
    return 42


async def answer() -> int:
    return 42


def generator() -> Iterator[int]:
    yield 42


class Callable42:
    def __call__(self) -> int:
        return 42


@pytest.fixture(autouse=True)
def no_coroutine_is_left() -> Iterator[None]:
    """A coroutine that was not closed warns here at the latest, in the test that left it."""
    yield
    gc.collect()


# What takes a coroutine, in a task with a LocalSet.
SPAWNERS: dict[str, Callable[[Any], Any]] = {
    "spawn": spawn,
    "spawn_local": spawn_local,
    "Handle.spawn": lambda coro: Handle.current().spawn(coro),
    "Builder.spawn": lambda coro: Builder(name="x").spawn(coro),
    "Builder.spawn_on": lambda coro: Builder().spawn_on(coro, Handle.current()),
    "Builder.spawn_local": lambda coro: Builder().spawn_local(coro),
    "Builder.spawn_local_on": lambda coro: Builder().spawn_local_on(coro, LocalSet()),
    "LocalSet.spawn_local": lambda coro: LocalSet().spawn_local(coro),
    "JoinSet.spawn": lambda coro: JoinSet[Any]().spawn(coro),
    "JoinSet.spawn_local": lambda coro: JoinSet[Any]().spawn_local(coro),
}
# And what awaits it.
RUNNERS: dict[str, Callable[[Any], Any]] = {
    "join": lambda coro: join(coro),
    "try_join": lambda coro: try_join(coro),
    "select": lambda coro: select(coro),
    "LocalSet.run_until": lambda coro: LocalSet().run_until(coro),
    "LocalKey.scope": lambda coro: LocalKey[int]("key").scope(42, coro),
    "coop.unconstrained": lambda coro: coop.unconstrained(coro),
    "coop.cooperative": lambda coro: coop.cooperative(coro),
}

NOT_AWAITABLE: dict[str, tuple[Any, str]] = {
    "async function": (answer, r"not the async function answer: call it, answer\(\)"),
    "partial of one": (functools.partial(answer), r"async function .*: call it"),
    "function": (plain, r"not the function plain: make it `async def` .* spawn_blocking\(\)"),
    "callable object": (Callable42(), r"not the function .*Callable42.* spawn_blocking\(\)"),
    "lambda": (lambda: 42, r"not the function .*<lambda>.*spawn_blocking\(\)"),
    "class": (int, r"not the function int"),
    "generator": (generator(), r"not (in a )?generator"),
    "result": (42, r"coroutine or another awaitable is needed, not 42"),
    "nothing": (None, r"coroutine or another awaitable is needed, not None"),
}


@pytest.fixture
def in_local_set(rt: Runtime) -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]:
    def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return rt.block_on(LocalSet().run_until(main()))

    return run


@pytest.mark.parametrize(("thing", "message"), NOT_AWAITABLE.values(), ids=NOT_AWAITABLE)
@pytest.mark.parametrize("what", [*SPAWNERS, *RUNNERS])
def test_what_cannot_be_awaited(in_local_set: Any, what: str, thing: Any, message: str) -> None:
    error: type[Exception] = TypeError
    if what == "select" and thing is None:  # a branch that is disabled
        error, message = ValueError, "all branches .* are None"

    async def main() -> None:
        with pytest.raises(error, match=message):
            if what in SPAWNERS:
                SPAWNERS[what](thing)
            else:
                await RUNNERS[what](thing)

    in_local_set(main)


@pytest.mark.parametrize(("thing", "message"), NOT_AWAITABLE.values(), ids=NOT_AWAITABLE)
def test_what_cannot_be_awaited_outside(rt: Runtime, thing: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        rt.spawn(thing)
    with pytest.raises(TypeError, match=message):
        rt.handle.spawn(thing)
    with pytest.raises(TypeError, match=message):
        rt.block_on(thing)
    with pytest.raises(TypeError, match=message):
        rt.handle.block_on(thing)
    with pytest.raises(TypeError, match=message):
        yamanote.run(thing)
    with pytest.raises(TypeError, match=message):
        LocalSet().block_on(rt, thing)
    with pytest.raises(TypeError, match=message):
        spawn(thing)


@pytest.mark.parametrize("what", [*SPAWNERS, *RUNNERS])
def test_a_coroutine_that_has_ended(in_local_set: Any, what: str) -> None:
    async def main() -> None:
        coro = answer()
        assert await coro == 42
        with pytest.raises(RuntimeError, match=r"'answer' has already ended.*call its function"):
            if what in SPAWNERS:
                SPAWNERS[what](coro)
            else:
                await RUNNERS[what](coro)

    in_local_set(main)


@pytest.mark.parametrize("what", [*SPAWNERS, *RUNNERS])
def test_a_coroutine_that_has_been_started(in_local_set: Any, what: str) -> None:
    async def main() -> None:
        coro = forever()
        coro.send(None)
        try:
            with pytest.raises(RuntimeError, match=r"already been started.*call its function"):
                if what in SPAWNERS:
                    SPAWNERS[what](coro)
                else:
                    await RUNNERS[what](coro)
        finally:
            coro.close()

    in_local_set(main)


@pytest.mark.parametrize("what", SPAWNERS)
def test_a_coroutine_that_runs(in_local_set: Any, what: str) -> None:
    async def main() -> None:
        own: list[Any] = []

        async def spawns_itself() -> None:
            with pytest.raises(RuntimeError, match="already been started"):
                SPAWNERS[what](own.pop())

        own.append(spawns_itself())
        await own[0]

    in_local_set(main)


def test_a_coroutine_that_has_been_spawned(rt: Runtime) -> None:
    async def main() -> None:
        coro = answer()
        assert await spawn(coro) == 42
        with pytest.raises(RuntimeError, match="already ended"):
            spawn(coro)
        coro = yields()
        handle = spawn(coro)
        await started.wait()
        with pytest.raises(RuntimeError, match="already"):
            spawn(coro)
        go_on.open()
        await handle

    async def yields() -> None:
        started.open()
        while not go_on.is_open():
            await yield_now()

    started, go_on = Gate(), Gate()
    rt.block_on(main())
    with pytest.raises(RuntimeError, match="already ended"):
        coro = answer()
        rt.block_on(coro)
        rt.spawn(coro)


def test_a_coroutine_that_waits_to_run_is_spawned_again() -> None:
    """Nothing tells it from a new one: the second task fails, the first is not disturbed."""
    coro = answer()

    async def main() -> None:
        first, second = spawn(coro), spawn(coro)
        with pytest.raises(JoinError, match="already awaited") as error:
            await second
        assert isinstance(error.value.into_panic(), RuntimeError)
        assert await first == 42

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


@pytest.mark.parametrize("wait", [yield_now, lambda: sleep(0.01), lambda: spawn(answer())])
def test_a_coroutine_that_waits_is_spawned_again(wait: Callable[[], Any]) -> None:
    """The second task does not resume what the first one waits for."""

    async def wait_and_answer() -> int:
        await wait()
        return 42

    async def main() -> None:
        coro = wait_and_answer()
        first, second = spawn(coro), spawn(coro)
        with pytest.raises(JoinError, match="already been started by somebody else"):
            await second
        assert await first == 42

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


def test_a_coroutine_that_waits_is_spawned_again_and_that_aborted() -> None:
    async def wait_and_answer() -> int:
        await yield_now()
        return 42

    async def main() -> None:
        coro = wait_and_answer()
        first, second = spawn(coro), spawn(coro)
        second.abort()
        with pytest.raises(JoinError) as error:
            await second
        assert error.value.is_cancelled()
        assert await first == 42

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


def test_a_context_that_is_none(rt: Runtime) -> None:
    context: Any = {}

    async def main() -> None:
        with pytest.raises(TypeError, match=r"contextvars\.Context is needed, not \{\}"):
            spawn(answer(), context=context)

    rt.block_on(main())
    with pytest.raises(TypeError, match="copy_context"):
        rt.spawn(answer(), context=context)


@pytest.mark.parametrize("combine", [join, try_join, select])
def test_one_coroutine_in_two_branches(rt: Runtime, combine: Callable[..., Any]) -> None:
    async def main() -> None:
        coro = forever()
        with pytest.raises(RuntimeError, match=r"given to join\(\) or select\(\) twice"):
            await combine(coro, answer(), coro)
        handle = spawn(answer())
        assert await join(handle, handle) == (42, 42)  # a handle may

    rt.block_on(main())


@pytest.mark.parametrize("combine", [join, try_join, select])
@pytest.mark.parametrize("kind", [list, tuple, set, iter])
def test_branches_in_a_collection(rt: Runtime, combine: Callable[..., Any], kind: Any) -> None:
    async def main() -> None:
        handles = [spawn(answer()), spawn(answer())]
        branches = kind(handles) if kind is not iter else (handle for handle in handles)
        with pytest.raises(TypeError, match=r"not in a \w+: write join\(\*branches\)"):
            await combine(branches)
        assert await join(*handles) == (42, 42)

    rt.block_on(main())


def test_main_of_what_is_no_async_function() -> None:
    with pytest.raises(TypeError, match=r"not 4; .* @yamanote.main\(worker_threads=4\)"):
        yamanote.main(4)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"for an async function, not 'x'"):
        yamanote.main(worker_threads=4)("x")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"for an async function: .*plain.* returned 42"):
        yamanote.main(plain)()  # type: ignore[type-var]


def test_spawn_outside_of_a_runtime() -> None:
    for start in (spawn, Builder().spawn, JoinSet[int]().spawn):
        with pytest.raises(RuntimeError, match=r"no Yamanote runtime here.*yamanote\.run\("):
            start(answer())
    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        spawn_blocking(plain)
    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        Handle.current()
    assert Handle.try_current() is None


def test_spawn_in_plain_asyncio() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
            spawn(answer())

    asyncio.run(main())


def test_spawn_on_another_thread(rt: Runtime) -> None:
    """The runtime of a thread isn't inherited by those that it starts."""

    def elsewhere() -> None:
        with pytest.raises(RuntimeError, match=r"with runtime\.enter\(\)"):
            spawn(answer())

    async def main() -> None:
        on_thread(elsewhere).result(LIMIT)

    rt.block_on(main())


def test_spawn_local_outside_of_a_local_set(rt: Runtime) -> None:
    async def main() -> None:
        for start in (spawn_local, Builder().spawn_local, JoinSet[int]().spawn_local):
            with pytest.raises(RuntimeError, match=r"inside a LocalSet only.*run_until\(\)"):
                start(answer())

    rt.block_on(main())
    rt.block_on(rt.spawn(main()))
    with pytest.raises(RuntimeError, match="inside a LocalSet only"):
        spawn_local(answer())


def test_local_set_needs_a_task() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="needs a Yamanote task"):
            await LocalSet().run_until(answer())

    asyncio.run(main())


@pytest.mark.parametrize("spawned", [False, True])
@pytest.mark.parametrize("what", ["Runtime", "Handle", "run", "LocalSet", "main"])
def test_block_on_in_a_task(rt: Runtime, what: str, spawned: bool) -> None:
    calls: dict[str, Callable[[], Any]] = {
        "Runtime": lambda: rt.block_on(answer()),
        "Handle": lambda: Handle.current().block_on(answer()),
        "run": lambda: yamanote.run(answer()),
        "LocalSet": lambda: LocalSet().block_on(rt, answer()),
        "main": yamanote.main(answer),
    }

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"would block the event loop.*spawn\(\) it"):
            calls[what]()

    rt.block_on(rt.spawn(main()) if spawned else main())


@pytest.mark.parametrize("spawned", [False, True])
def test_shutdown_in_a_task(rt: Runtime, spawned: bool) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"from inside a task.*leave block_on"):
            rt.shutdown_timeout(LIMIT)
        with pytest.raises(RuntimeError, match="from inside a task"), rt:
            pass
        with pytest.raises(RuntimeError, match="from inside one of its tasks"):
            rt.shutdown_background()

    rt.block_on(rt.spawn(main()) if spawned else main())
    assert rt.block_on(answer()) == 42


@pytest.mark.parametrize(("timeout", "error"), [("1", TypeError), (float("nan"), ValueError)])
def test_shutdown_with_a_timeout_that_is_none(rt: Runtime, timeout: Any, error: Any) -> None:
    with pytest.raises(error):
        rt.shutdown_timeout(timeout)
    assert rt.block_on(answer()) == 42
    assert rt.spawn_blocking(plain).join(LIMIT) == 42


def test_awaiting_the_own_handle(rt: Runtime) -> None:
    async def wait(handles: list[JoinHandle[None]], ready: Gate) -> None:
        await ready.wait()
        await handles[0]

    async def main() -> None:
        handles: list[JoinHandle[None]] = []
        ready = Gate()
        handles.append(spawn(wait(handles, ready)))
        ready.open()
        with pytest.raises(JoinError, match="its own handle") as error:
            await handles[0]
        assert isinstance(error.value.into_panic(), RuntimeError)

    rt.block_on(main())


def test_join_in_a_task(rt: Runtime) -> None:
    async def main() -> None:
        handle = spawn(forever())
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"await the handle, or .* block_in_place\(\)"):
                handle.join()
        with pytest.raises(RuntimeError, match="would block a worker"):
            handle.join(0)
        handle.abort()

    rt.block_on(main())
    rt.block_on(rt.spawn(main()))


def blocking_methods() -> dict[str, Callable[[], Any]]:
    """Those of channels and locks, none of which would have to wait."""
    tx, rx = mpsc.channel[int](4)
    one, once = oneshot.channel[int]()
    news, reader = broadcast.channel[int](2)
    setting, seen = watch.channel(1)
    notify = Notify()
    tx.try_send(1)
    one.send(1)
    news.send(1)
    setting.send(2)
    notify.notify_one()
    return {
        "mpsc send": lambda: tx.blocking_send(1),
        "mpsc recv": rx.blocking_recv,
        "mpsc recv_many": lambda: rx.blocking_recv_many(2),
        "oneshot": once.blocking_recv,
        "broadcast": reader.blocking_recv,
        "watch changed": seen.blocking_changed,
        "watch wait_for": lambda: seen.blocking_wait_for(bool),
        "Mutex": Mutex().blocking_lock,
        "RwLock read": RwLock().blocking_read,
        "RwLock write": RwLock().blocking_write,
        "Semaphore": Semaphore(1).blocking_acquire,
        "Notify": notify.blocking_notified,
        "Barrier": Barrier(1).blocking_wait,
        "SetOnce": SetOnce(1).blocking_wait,
    }


@pytest.mark.parametrize("method", blocking_methods())
def test_blocking_a_worker_is_refused_even_if_it_need_not_wait(rt: Runtime, method: str) -> None:
    methods = blocking_methods()  # which keep both ends of the channels

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"would block a worker.*: await .*block_in_place"):
            methods[method]()
        await spawn_blocking(methods[method])

    rt.block_on(main())


JOIN_ALONE = """\
import yamanote

async def answer():
    return 42

with yamanote.Runtime(flavor="current_thread") as rt:
    handle = rt.spawn(answer())
    try:
        handle.join()
    except RuntimeError as error:
        print(error)
    print(rt.block_on(handle), handle.join())
"""


def test_join_where_nobody_can_run_the_task() -> None:
    """In a process of its own, which has one thread."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", JOIN_ALONE],
        env={**os.environ, "PYTHONPATH": str(Path(yamanote.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    error, results = done.stdout.splitlines()
    assert re.search(r"would never end: .* Use block_on\(handle\)", error)
    assert results == "42 42"


async def async_function(argument: int = 0) -> int:
    return argument


SPAWN_BLOCKING: dict[str, Callable[..., Any]] = {
    "function": spawn_blocking,
    "Handle": lambda *args: Handle.current().spawn_blocking(*args),
    "Builder": lambda *args: Builder(name="x").spawn_blocking(*args),
    "Builder on": lambda *args: Builder().spawn_blocking_on(Handle.current(), *args),
    "JoinSet": lambda *args: JoinSet[Any]().spawn_blocking(*args),
}


@pytest.mark.parametrize("spawn_it", SPAWN_BLOCKING.values(), ids=SPAWN_BLOCKING)
def test_spawn_blocking_of_an_async_function(rt: Runtime, spawn_it: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match=r"async function: use spawn\(async_function\(\)\)"):
            spawn_it(async_function)

    rt.block_on(main())


@pytest.mark.parametrize("spawn_it", SPAWN_BLOCKING.values(), ids=SPAWN_BLOCKING)
def test_spawn_blocking_of_a_partial_async_function(rt: Runtime, spawn_it: Any) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="async function"):
            spawn_it(functools.partial(async_function, 1))

    rt.block_on(main())


@pytest.mark.parametrize("spawn_it", SPAWN_BLOCKING.values(), ids=SPAWN_BLOCKING)
def test_spawn_blocking_of_what_is_no_function(rt: Runtime, spawn_it: Any) -> None:
    async def main() -> None:
        for thing in (42, None, "text"):
            with pytest.raises(TypeError, match=r"takes a function.*\(f, x\), not .*\(f\(x\)\)"):
                spawn_it(thing)
        coro = async_function()
        with pytest.raises(TypeError, match="takes a function"):
            spawn_it(coro)
        coro.close()

    rt.block_on(main())


def test_spawn_blocking_from_outside(rt: Runtime) -> None:
    with pytest.raises(TypeError, match=r"use spawn\("):
        rt.spawn_blocking(async_function)
    with pytest.raises(TypeError, match="takes a function"):
        rt.spawn_blocking(42)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"use spawn\("):
        rt.handle.spawn_blocking(async_function)


def test_block_in_place_where_it_cannot_work(multi_rt: Runtime) -> None:
    called: list[bool] = []

    async def main(message: str) -> None:
        with pytest.raises(RuntimeError, match=message):
            block_in_place(called.append, True)

    with Runtime(flavor="current_thread") as current:
        message = r"needs a multi_thread runtime.*Use spawn_blocking\(\)"
        current.block_on(main(message))
        current.block_on(current.spawn(main(message)))
    message = r"inside a LocalSet.*Use spawn_blocking\(\)"
    local = LocalSet()
    handle = local.spawn_local(main(message))
    local.block_on(multi_rt, main(message))
    multi_rt.block_on(local.run_until(handle))
    assert not called


def test_block_in_place_of_what_is_no_function(multi_rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(TypeError, match="async function"):
            block_in_place(async_function)
        with pytest.raises(TypeError, match="takes a function"):
            block_in_place(42)  # type: ignore[arg-type]

    multi_rt.block_on(main())
    with pytest.raises(TypeError, match="async function"):
        block_in_place(async_function)


IMPOSSIBLE: list[tuple[str, Any]] = [
    ("flavor", "single_thread"),
    ("flavor", None),
    ("worker_threads", 0),
    ("worker_threads", -1),
    ("worker_threads", 1.5),
    ("worker_threads", "4"),
    ("worker_threads", True),
    ("max_blocking_threads", 0),
    ("max_blocking_threads", -1),
    ("max_blocking_threads", None),
    ("max_blocking_threads", 0.5),
    ("thread_keep_alive", -1),
    ("thread_keep_alive", float("nan")),
    ("thread_keep_alive", "10"),
    ("thread_keep_alive", None),
    ("thread_name", 42),
    ("name", ""),
    ("name", "  "),
    ("event_interval", 0),
    ("event_interval", -61),
    ("event_interval", 1.0),
    ("global_queue_interval", 0),
    ("global_queue_interval", "31"),
    ("on_thread_start", 42),
    ("on_thread_stop", "print"),
    ("on_thread_park", 42),
    ("on_thread_unpark", 42),
    ("on_task_spawn", 42),
    ("on_task_terminate", 42),
    ("on_before_task_poll", 42),
    ("on_after_task_poll", 42),
    ("unhandled_panic", "ignore"),
    ("unhandled_panic", None),
    ("start_paused", 1),
    ("start_paused", "yes"),
    ("seed", "42"),
    ("seed", 1.5),
]


@pytest.mark.parametrize(("keyword", "value"), IMPOSSIBLE)
def test_impossible_configuration(keyword: str, value: Any) -> None:
    config: Any = {keyword: value}
    with pytest.raises(ValueError, match=rf"^{keyword} must be .*{value!r}"):
        Runtime(**config)
    with pytest.raises(ValueError, match=keyword):
        yamanote.run(answer(), **config)
    with pytest.raises(ValueError, match=keyword):
        yamanote.main(**config)


def test_configuration_that_does_not_go_together() -> None:
    with pytest.raises(ValueError, match=r"worker_threads.*current_thread.* 4"):
        Runtime(flavor="current_thread", worker_threads=4)
    with pytest.raises(ValueError, match=r"start_paused.*flavor='current_thread'"):
        Runtime(worker_threads=1, start_paused=True)


def test_unknown_keyword() -> None:
    config: Any = {"worker_thread": 4}
    with pytest.raises(TypeError, match="worker_thread"):
        Runtime(**config)
    with pytest.raises(TypeError, match="worker_thread"):
        yamanote.run(answer(), **config)
    with pytest.raises(TypeError, match="worker_thread"):
        yamanote.main(**config)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "four", " ", "²", "1 2"])
def test_worker_threads_of_the_environment(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("YAMANOTE_WORKER_THREADS", value)
    with pytest.raises(ValueError, match=r"YAMANOTE_WORKER_THREADS must be 1 or more") as error:
        Runtime()
    assert repr(value) in str(error.value)
    with Runtime(worker_threads=2) as rt:  # the keyword comes first
        assert rt.metrics().num_workers == 2


def test_worker_threads_of_the_environment_that_are_right(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, workers in (("3", 3), (" 2 ", 2)):
        monkeypatch.setenv("YAMANOTE_WORKER_THREADS", value)
        with Runtime() as rt:
            assert rt.metrics().num_workers == workers
    monkeypatch.setenv("YAMANOTE_WORKER_THREADS", "")
    with Runtime() as rt:
        assert rt.metrics().num_workers >= 1


def test_select_of_nothing(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="at least one branch"):
            await select()
        assert await join() == ()

    rt.block_on(main())


def tx_and_rx() -> tuple[mpsc.Sender[int], mpsc.Receiver[int]]:
    return mpsc.channel[int](4)


# What takes a number of seconds, or a moment, in a task.
TIMES: dict[str, Callable[[Any], Any]] = {
    "sleep": sleep,
    "sleep_until": sleep_until,
    "Sleep.reset": lambda value: sleep(1).reset(value),
    "timeout": timeout,
    "timeout of a coroutine": lambda value: timeout(value, answer()),
    "timeout_at": timeout_at,
    "timeout_at of a coroutine": lambda value: timeout_at(value, answer()),
    "interval": interval,
    "interval_at": lambda value: interval_at(value, 1),
    "Interval.reset_after": lambda value: interval(1).reset_after(value),
    "Interval.reset_at": lambda value: interval(1).reset_at(value),
    "DelayQueue.insert": lambda value: DelayQueue[int]().insert(1, value),
    "DelayQueue.insert_at": lambda value: DelayQueue[int]().insert_at(1, value),
}
# And on a thread.
LIMITS: dict[str, Callable[[Runtime, Any], Any]] = {
    "JoinHandle.join": lambda rt, value: rt.spawn(forever()).join(value),
    "blocking_recv": lambda rt, value: tx_and_rx()[1].blocking_recv(timeout=value),
    "blocking_notified": lambda rt, value: Notify().blocking_notified(timeout=value),
    "LocalPool.shutdown": lambda rt, value: LocalPool(1).shutdown(value),
    "shutdown_timeout": lambda rt, value: rt.shutdown_timeout(value),
}


@pytest.mark.parametrize("what", TIMES)
def test_times_that_are_none(rt: Runtime, what: str) -> None:
    async def main() -> None:
        for value in ("1", [1], datetime.timedelta(seconds=1), Decimal(1)):
            with pytest.raises(TypeError, match="needs a number of seconds, not ") as error:
                TIMES[what](value)
            assert repr(value) in str(error.value)
        if not what.startswith("timeout"):
            with pytest.raises(TypeError, match="needs a number of seconds, not None"):
                TIMES[what](None)
        with pytest.raises(ValueError, match="needs a number of seconds, not NaN"):
            TIMES[what](float("nan"))

    rt.block_on(main())


@pytest.mark.filterwarnings("ignore:a LocalPool was dropped:ResourceWarning")
@pytest.mark.parametrize("what", LIMITS)
def test_limits_that_are_none(rt: Runtime, what: str) -> None:
    for value in ("1", [1], datetime.timedelta(seconds=1)):
        with pytest.raises(TypeError, match="needs a number of seconds, not ") as error:
            LIMITS[what](rt, value)
        assert repr(value) in str(error.value)
    with pytest.raises(ValueError, match=r"NaN"):
        LIMITS[what](rt, float("nan"))


def test_a_timeout_in_the_wrong_order(rt: Runtime) -> None:
    async def main() -> None:
        anything: Any = timeout
        with pytest.raises(TypeError, match=r"timeout\(seconds, coro\) needs .*not <coroutine"):
            anything(answer(), 1.5)

    rt.block_on(main())


def test_periods_that_are_none(rt: Runtime) -> None:
    async def main() -> None:
        for period in (0, -1):
            with pytest.raises(ValueError, match="period must be more than 0"):
                interval(period)

    rt.block_on(main())


def test_time_advanced_by_what_is_no_number() -> None:
    async def main() -> None:
        for value in ("1", None):
            anything: Any = value
            with pytest.raises(TypeError, match=r"advance\(\) needs a number of seconds"):
                await advance(anything)
        for number in (-1, float("nan")):
            with pytest.raises(ValueError, match="seconds"):
                await advance(number)

    with Runtime(flavor="current_thread", start_paused=True) as rt:
        rt.block_on(main())


COUNTS: dict[str, Callable[[Any], Any]] = {
    "mpsc.channel": mpsc.channel,
    "recv_many": lambda count: tx_and_rx()[1].recv_many(count),
    "reserve_many": lambda count: tx_and_rx()[0].reserve_many(count),
    "try_reserve_many": lambda count: tx_and_rx()[0].try_reserve_many(count),
    "broadcast.channel": broadcast.channel,
    "Semaphore": Semaphore,
    "acquire": lambda count: Semaphore(3).acquire(count),
    "try_acquire": lambda count: Semaphore(3).try_acquire(count),
    "add_permits": lambda count: Semaphore(3).add_permits(count),
    "forget_permits": lambda count: Semaphore(3).forget_permits(count),
    "RwLock": lambda count: RwLock(max_readers=count),
    "Barrier": Barrier,
    "LocalPool": LocalPool,
}


@pytest.mark.parametrize("what", COUNTS)
def test_counts_that_are_none(rt: Runtime, what: str) -> None:
    async def main() -> None:
        for value in ("1", None, 1.5, [1]):
            with pytest.raises(TypeError, match="must be a whole number, not ") as error:
                made = COUNTS[what](value)
                if inspect.isawaitable(made):
                    await made
            assert repr(value) in str(error.value)
        with pytest.raises(ValueError, match="-1"):
            made = COUNTS[what](-1)
            if inspect.isawaitable(made):
                await made

    rt.block_on(main())


def test_a_timeout_is_for_one_use_at_a_time(rt: Runtime) -> None:
    async def main() -> None:
        limit = timeout(LIMIT)
        async with limit:
            with pytest.raises(RuntimeError, match="make a new one"):
                async with limit:
                    pass

    rt.block_on(main())


def test_a_local_key_outside_of_its_scope(rt: Runtime) -> None:
    key = LocalKey[int]("user")

    async def main() -> None:
        with pytest.raises(AccessError, match=r"'user'.*inside user\.scope\(value, coro\) only"):
            key.get()

    rt.block_on(main())
    rt.block_on(rt.spawn(main()))
    with pytest.raises(LookupError, match="user"):
        key.get()


def test_sync_scope_of_an_async_function() -> None:
    with pytest.raises(TypeError, match=r"await user\.scope\(value, answer\(\)\)"):
        LocalKey[int]("user").sync_scope(42, answer)


def test_into_panic_of_a_cancelled_task(rt: Runtime) -> None:
    async def main() -> JoinError:
        handle = spawn(forever())
        handle.abort()
        with pytest.raises(JoinError) as error:
            await handle
        return error.value

    error = rt.block_on(main())
    assert error.try_into_panic() is None
    with pytest.raises(RuntimeError, match="cancelled task"):
        error.into_panic()


def test_a_local_set_stays_on_its_thread(rt: Runtime) -> None:
    local = LocalSet()
    local.block_on(rt, answer())

    def elsewhere() -> None:
        assert threading.current_thread() is not threading.main_thread()
        with pytest.raises(RuntimeError, match="has run on another thread"):
            local.block_on(rt, answer())

    on_thread(elsewhere).result(LIMIT)
    assert local.block_on(rt, answer()) == 42


def test_awaiting_outside_of_any_task(rt: Runtime) -> None:
    handle = rt.spawn(forever())
    coro: Any = handle.__await__()
    with pytest.raises(RuntimeError, match=r"JoinHandle\.join\(\)"):
        next(coro)
    handle.abort()


def test_what_is_made_for_another_library(rt: Runtime) -> None:
    class Foreign:
        def __await__(self) -> Iterator[str]:
            yield "a trap of trio's"

    async def wait() -> None:
        await Foreign()

    async def main() -> None:
        with pytest.raises(JoinError, match="another async library") as error:
            await spawn(wait())
        assert isinstance(error.value.into_panic(), RuntimeError)

    rt.block_on(main())


def test_a_future_of_another_loop(rt: Runtime) -> None:
    loop = asyncio.new_event_loop()
    future: asyncio.Future[None] = loop.create_future()

    async def wait() -> None:
        await future

    async def main() -> None:
        with pytest.raises(JoinError, match="belongs to another event loop") as error:
            await spawn(wait())
        assert isinstance(error.value.into_panic(), RuntimeError)

    try:
        rt.block_on(main())
    finally:
        loop.close()


def test_the_system_has_no_more_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the caller's to hear of, and nobody waits for what will not run."""

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with Runtime(worker_threads=2) as rt:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            for use in (
                lambda: rt.spawn(answer()),
                lambda: rt.block_on(answer()),
                lambda: rt.spawn_blocking(plain),
            ):
                with pytest.raises(RuntimeError, match="can't start new thread"):
                    use()
        assert rt.spawn(answer()).join(LIMIT) == 42
        assert rt.block_on(answer()) == 42
        assert rt.spawn_blocking(plain).join(LIMIT) == 42
