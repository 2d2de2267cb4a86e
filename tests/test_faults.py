"""Bad input and faults, in programs of asyncio's and in tasks of ours: each gives what asyncio
gives, or a clear error, and the other tasks go on.

What asyncio has too runs on asyncio's own loop beside ours: the same test says what is right.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import gc
import logging
import re
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, on_thread
from tests.gates import Gate, until
from yamanote import JoinError, JoinHandle, LocalSet, Runtime, join, spawn, spawn_blocking
from yamanote import yield_now as native_yield
from yamanote.time import sleep

Main = Callable[[], Coroutine[Any, Any, Any]]
Run = Callable[[Main], Any]


def on_asyncio(main: Main) -> Any:
    with asyncio.Runner() as runner:
        return runner.run(main())


def on_event_loop(main: Main) -> Any:
    with asyncio.Runner(loop_factory=yamanote.EventLoop) as runner:
        return runner.run(main())


def on_one_worker(main: Main) -> Any:
    return yamanote.run(main(), worker_threads=1)


def on_four_workers(main: Main) -> Any:
    return yamanote.run(main(), worker_threads=4)


def spawned(main: Main) -> Any:
    async def outer() -> Any:
        try:
            return await spawn(main())
        except JoinError as error:
            raise error.into_panic() from None

    return yamanote.run(outer(), worker_threads=4)


OURS: dict[str, Run] = {
    "runtime-1": on_one_worker,
    "runtime-4": on_four_workers,
    "spawned": spawned,
}
ALL: dict[str, Run] = {"asyncio": on_asyncio, "EventLoop": on_event_loop, **OURS}


@pytest.fixture(params=ALL.values(), ids=ALL)
def run(request: pytest.FixtureRequest) -> Run:
    """Runs an asyncio program: on asyncio's own loop, on ours, in tasks of ours."""
    return request.param


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """What warns when it is collected does so in the test that left it."""
    yield
    gc.collect()


async def turn() -> None:
    """Let the callbacks run that wait now."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, None)
    await future


async def others_go_on() -> None:
    """What must work whatever else has failed."""

    async def child() -> int:
        await turn()
        return 42

    assert await asyncio.create_task(child()) == 42
    assert await asyncio.to_thread(lambda: 42) == 42
    await asyncio.sleep(0.001)


class Handler:
    """An exception handler of the loop that runs."""

    def __init__(self) -> None:
        self.errors: list[Any] = []
        self._called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().set_exception_handler(self)

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.errors.append(context.get("exception"))
        if not self._called.done():
            self._called.set_result(None)

    async def called(self) -> None:
        await self._called


# Callbacks.


def raise_it(error: BaseException, *_: Any) -> None:
    raise error


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "call_soon": lambda func: asyncio.get_running_loop().call_soon(func),
    "call_later": lambda func: asyncio.get_running_loop().call_later(0, func),
    "call_at": lambda func: asyncio.get_running_loop().call_at(0, func),
    "threadsafe": lambda func: asyncio.get_running_loop().call_soon_threadsafe(func),
    "done": lambda func: asyncio.create_task(asyncio.sleep(0)).add_done_callback(lambda _: func()),
}


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_callback_that_raises(run: Run, schedule: Any) -> None:
    async def main() -> None:
        handler = Handler()
        after: list[int] = []
        schedule(lambda: raise_it(ValueError("callback")))
        schedule(lambda: after.append(1))
        await handler.called()
        await others_go_on()
        assert [str(error) for error in handler.errors] == ["callback"]
        assert after == [1]

    run(main)


@pytest.mark.parametrize("side", ["reader", "writer"])
def test_a_callback_of_a_descriptor_that_raises(run: Run, side: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        handler = Handler()
        left, right = socket.socketpair()
        with left, right:
            right.send(b"x")
            add, remove = getattr(loop, f"add_{side}"), getattr(loop, f"remove_{side}")
            add(left, raise_it, ValueError("descriptor"))
            await handler.called()
            assert remove(left)
        await others_go_on()
        assert {str(error) for error in handler.errors} == {"descriptor"}

    run(main)


def test_an_exception_handler_that_raises(run: Run, caplog: pytest.LogCaptureFixture) -> None:
    def handler(*_: Any) -> None:
        raise ZeroDivisionError

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(handler)
        loop.call_soon(raise_it, ValueError("callback"))
        await turn()
        await others_go_on()

    with caplog.at_level(logging.ERROR, "asyncio"):
        run(main)
    (record,) = caplog.records
    assert record.getMessage().startswith("Unhandled error in exception handler")


@pytest.mark.parametrize("where", ["callback", "task"])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exits(run: Run, where: str, error: type[BaseException]) -> None:
    done: list[str] = []

    async def leave() -> None:
        raise error(3)

    async def main() -> None:
        tasks = []
        if where == "callback":
            asyncio.get_running_loop().call_soon(raise_it, error(3))
        else:
            tasks.append(asyncio.create_task(leave()))
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            done.append("main")
            if tasks:
                tasks[0].exception()

    with pytest.raises(error) as caught:
        run(main)
    assert caught.value.args == (3,)
    assert done == ["main"]


@pytest.mark.parametrize("spawn_it", [False, True])
def test_an_exit_in_a_callback_stops_the_runtime(rt: Runtime, spawn_it: bool) -> None:
    """As one in a task does, on whatever worker."""

    async def main() -> None:
        asyncio.get_running_loop().call_soon(raise_it, SystemExit(3))
        await asyncio.get_running_loop().create_future()

    async def outer() -> None:
        await spawn(main())

    async def nothing() -> None:
        pass

    with pytest.raises(SystemExit):
        rt.block_on(outer() if spawn_it else main())
    with pytest.raises(RuntimeError, match="has been shut down"):
        rt.block_on(nothing())


# The loop.


def test_a_library_that_closes_the_loop(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()
        coro = asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_until_complete(coro)
        other = asyncio.new_event_loop()
        with pytest.raises(RuntimeError, match="while another loop is running"):
            other.run_until_complete(coro)
        other.close()
        coro.close()
        await others_go_on()

    run(main)


@pytest.mark.parametrize("run_it", [on_asyncio, on_event_loop])
def test_a_library_that_stops_an_event_loop(run_it: Run) -> None:
    async def main() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.get_running_loop().create_future()

    with pytest.raises(RuntimeError, match="Event loop stopped before Future completed"):
        run_it(main)


@pytest.mark.parametrize("run_it", OURS.values(), ids=OURS)
def test_a_library_that_stops_the_loop_of_a_runtime(run_it: Run) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"belongs to a Yamanote runtime.*return from"):
            asyncio.get_running_loop().stop()
        await others_go_on()

    run_it(main)


@pytest.mark.parametrize("run_it", [on_event_loop, *OURS.values()])
def test_a_library_that_runs_the_loop(run_it: Run) -> None:
    """It breaks asyncio's own loop, from 3.13 on."""

    async def main() -> None:
        with pytest.raises(RuntimeError, match="already running"):
            asyncio.get_running_loop().run_forever()
        await others_go_on()

    run_it(main)


def test_the_loop_of_a_runtime_is_not_for_others(rt_config: dict[str, Any]) -> None:
    """To close and to run, where nobody drives it just now."""

    async def get_loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    with Runtime(flavor="current_thread") as rt:
        loop = rt.block_on(get_loop())
        with pytest.raises(RuntimeError, match=r"belongs to a Yamanote runtime.*shut the runtime"):
            loop.close()
        with pytest.raises(RuntimeError, match=r"belongs to a Yamanote runtime.*block_on\(\)"):
            loop.run_forever()
        assert rt.block_on(get_loop()) is loop
    loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        loop.run_forever()


# Cancellation.


def test_a_task_that_swallows_one_cancellation(run: Run) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def child() -> int:
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError as error:
                seen.append(str(error))
            await turn()
            return 42

        task = asyncio.create_task(child())
        await turn()
        assert task.cancel("why")
        assert await task == 42
        assert not task.cancelled()
        assert seen == ["why"]

    run(main)


@pytest.mark.parametrize("native", [False, True])
def test_an_aborted_task_that_swallows_its_cancellation(rt: Runtime, native: bool) -> None:
    async def stubborn(waits: Gate, go_on: Gate) -> int:
        try:
            waits.open()
            await (sleep(1e6) if native else asyncio.sleep(1e6))
        except asyncio.CancelledError:
            pass
        await go_on.wait()
        return 42

    async def main() -> int:
        waits, go_on = Gate(), Gate()
        handle = spawn(stubborn(waits, go_on))
        await waits.wait()
        handle.abort()
        handle.abort()
        go_on.open()
        return await handle

    assert rt.block_on(main()) == 42


def test_a_task_that_swallows_its_cancellation_at_the_end(run: Run) -> None:
    done: list[str] = []

    async def child() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            done.append("swallowed")
        await others_go_on()
        done.append("ended")

    async def main() -> None:
        tasks.append(asyncio.create_task(child()))
        await turn()

    tasks: list[asyncio.Task[None]] = []
    run(main)
    assert done == ["swallowed", "ended"]
    assert tasks[0].done()


async def swallow(wait: Callable[[], Awaitable[Any]], how: type[BaseException]) -> None:
    while True:
        try:
            await wait()
        except how:
            pass


STUBBORN: dict[str, tuple[Callable[[], Awaitable[Any]], type[BaseException]]] = {
    "sleep": (lambda: sleep(1e6), asyncio.CancelledError),
    "asyncio.sleep": (lambda: asyncio.sleep(1e6), asyncio.CancelledError),
    "yield_now": (native_yield, asyncio.CancelledError),
}
SOON = 0.05  # seconds


@pytest.mark.parametrize(("wait", "how"), STUBBORN.values(), ids=STUBBORN)
@pytest.mark.parametrize("kind", ["spawn", "asyncio", "local"])
def test_a_task_that_never_ends_is_cut_off(
    rt_config: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    kind: str,
    wait: Any,
    how: Any,
) -> None:
    handles: list[JoinHandle[None]] = []

    async def main() -> None:
        if kind == "spawn":
            handles.append(spawn(swallow(wait, how)))
        elif kind == "local":
            local = LocalSet()
            handles.append(local.spawn_local(swallow(wait, how)))
            await local.run_until(turn())
        else:
            tasks.append(asyncio.create_task(swallow(wait, how)))
        await turn()

    tasks: list[Any] = []
    rt = Runtime(**rt_config)
    rt.block_on(main())
    began = time.monotonic()
    rt.shutdown_timeout(SOON)
    assert time.monotonic() - began < LIMIT
    for handle in handles:
        with pytest.raises(JoinError) as error:
            handle.join(LIMIT)
        assert error.value.is_cancelled()
    tasks.clear()
    gc.collect()
    # What asyncio says of a task that its loop has left behind, once it is collected.
    allowed = {"Task was destroyed but it is pending!"} if kind == "asyncio" else set()
    assert {record.getMessage().split("\n")[0] for record in caplog.records} <= allowed


def test_an_async_generator_that_never_ends_is_cut_off(rt_config: dict[str, Any]) -> None:
    kept: list[Any] = []

    async def generator() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await swallow(lambda: asyncio.sleep(1e6), asyncio.CancelledError)

    async def main() -> None:
        kept.append(generator())
        await anext(kept[0])

    rt = Runtime(**rt_config)
    rt.block_on(main())
    rt.shutdown_timeout(SOON)
    with pytest.raises(RuntimeError, match="has been shut down"):
        rt.block_on(main())


def test_tasks_that_need_time_to_end_get_it_after_the_deadline(
    rt_config: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Their second cancellation ends what the first one made them begin."""
    done: list[str] = []

    async def inner() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            try:
                await asyncio.sleep(1e6)
            finally:
                done.append("inner")

    async def outer() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(inner())
        finally:
            done.append("outer")

    async def main() -> None:
        tasks.append(asyncio.create_task(outer()))
        for _ in range(3):
            await turn()

    tasks: list[Any] = []
    rt = Runtime(**rt_config)
    rt.block_on(main())
    rt.shutdown_timeout(SOON)
    assert done == ["inner", "outer"]
    tasks.clear()
    gc.collect()
    assert not caplog.records


def test_an_async_generator_left_half_way(run: Run) -> None:
    done: list[str] = []
    kept: list[Any] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await turn()
            done.append("closed")

    async def main() -> None:
        kept.append(numbers())
        assert await anext(kept[0]) == 1
        async for _ in numbers():
            break  # its finalizer has the loop close it
        await others_go_on()

    run(main)
    gc.collect()
    assert done == ["closed", "closed"]


def test_a_coroutine_that_is_never_awaited(run: Run) -> None:
    async def lost() -> None:
        pass

    def lose() -> None:
        lost()
        gc.collect()

    async def main() -> None:
        with pytest.warns(RuntimeWarning, match=r"lost' was never awaited"):
            lose()
        await others_go_on()

    run(main)


# Futures.


def test_a_future_that_is_completed_twice(run: Run) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_result(1)
        with pytest.raises(asyncio.InvalidStateError):
            future.set_result(2)
        with pytest.raises(asyncio.InvalidStateError):
            future.set_exception(ValueError())
        assert await future == 1

    run(main)


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("run_it", OURS.values(), ids=OURS)
def test_a_future_completed_by_a_plain_thread(run_it: Run, native: bool) -> None:
    """Whoever completes it gets the error, whoever waits for it goes on."""

    async def main() -> None:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waits = Gate()

        async def wait() -> int:
            waits.open()
            return await future

        local = LocalSet()
        task: Any = local.spawn_local(wait()) if native else asyncio.create_task(wait())
        async with asyncio.timeout(LIMIT):
            await local.run_until(waits.wait())
            failure = on_thread(future.set_result, 42).exception(LIMIT)
            assert isinstance(failure, RuntimeError)
            assert "use call_soon_threadsafe()" in str(failure)
            assert await local.run_until(task) == 42
        await others_go_on()

    run_it(main)


def test_a_future_completed_by_a_plain_thread_as_it_should_be(run: Run) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        done = on_thread(loop.call_soon_threadsafe, future.set_result, 42)
        assert await future == 42
        done.result(LIMIT)

    run(main)


@pytest.mark.parametrize("make", [asyncio.new_event_loop, yamanote.EventLoop])
def test_a_future_completed_by_a_plain_thread_in_debug_mode(make: Any) -> None:
    """The error is asyncio's, and so is that whoever waits misses it."""
    tasks: list[Any] = []

    async def main() -> None:
        future = loop.create_future()
        tasks.append(asyncio.create_task(wait_for(future)))
        await turn()
        failure = on_thread(future.set_result, 42).exception(LIMIT)
        assert isinstance(failure, RuntimeError)
        assert "Non-thread-safe operation" in str(failure)
        await others_go_on()

    loop = make()
    loop.set_debug(True)
    loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
    tasks[0]._log_destroy_pending = False


# Awaitables that are wrong.


class Yields:
    """An awaitable of one's own."""

    def __init__(self, *values: object) -> None:
        self._values = values

    def __await__(self) -> Generator[Any, Any, None]:
        yield from self._values


class NoIterator:
    def __await__(self) -> Any:
        return 42


class FutureLike:
    """Passes for an asyncio future, and fails."""

    _asyncio_future_blocking = True

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def __await__(self) -> Iterator[Any]:
        yield self

    def get_loop(self) -> Any:
        if self._fault == "get_loop":
            raise ZeroDivisionError(self._fault)
        return asyncio.get_running_loop()

    def add_done_callback(self, *_: Any, **__: Any) -> None:
        raise ZeroDivisionError(self._fault)


class BlockingRaises:
    @property
    def _asyncio_future_blocking(self) -> bool:
        raise ZeroDivisionError("blocking")


class ReprRaises:
    def __repr__(self) -> str:
        raise ZeroDivisionError("repr")


class ClassRaises:
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError("class")


async def wait_for(awaitable: Any) -> Any:
    return await awaitable


async def in_join(awaitable: Any) -> Any:
    return (await join(wait_for(awaitable), native_yield()))[0]


async def in_spawn(awaitable: Any) -> Any:
    try:
        return await spawn(wait_for(awaitable))
    except JoinError as error:
        raise error.into_panic() from None


KINDS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "asyncio": lambda awaitable: asyncio.create_task(wait_for(awaitable)),
    "spawn": in_spawn,
    "join": in_join,
}
BAD_AWAITABLES: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "garbage": (lambda: Yields("garbage"), RuntimeError, "another async library|bad yield"),
    "number": (lambda: Yields(42), RuntimeError, "another async library|bad yield"),
    "no iterator": (NoIterator, TypeError, r"returned non-iterator|must return an iterator"),
    "no awaitable": (lambda: 42, TypeError, "can't be used in 'await'|int"),
    "get_loop": (lambda: FutureLike("get_loop"), ZeroDivisionError, "get_loop"),
    "add_done_callback": (lambda: FutureLike("add"), ZeroDivisionError, "add"),
    "blocking": (lambda: Yields(BlockingRaises()), ZeroDivisionError, "blocking"),
    "repr": (lambda: Yields(ReprRaises()), ZeroDivisionError, "repr"),
    "class": (lambda: Yields(ClassRaises()), ZeroDivisionError, "class"),
    "future, not awaited": (
        lambda: Yields(asyncio.get_running_loop().create_future()),
        RuntimeError,
        "yield was used instead of|another async library|belongs to another event loop",
    ),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(("make", "error", "message"), BAD_AWAITABLES.values(), ids=BAD_AWAITABLES)
@pytest.mark.parametrize(
    "run_it", [on_event_loop, on_one_worker, on_four_workers], ids=lambda f: f.__name__
)
def test_a_bad_awaitable(run_it: Run, make: Any, error: Any, message: str, kind: Any) -> None:
    async def main() -> None:
        with pytest.raises(error, match=message):
            await kind(make())
        await others_go_on()

    run_it(main)


def test_a_future_that_calls_back_by_itself(run: Run) -> None:
    class Own:
        _asyncio_future_blocking = True
        _callback: Any = None

        def __await__(self) -> Iterator[Any]:
            yield self

        def get_loop(self) -> Any:
            return asyncio.get_running_loop()

        def add_done_callback(self, callback: Any, **_: Any) -> None:
            self._callback = callback

        def result(self) -> None:
            pass

        def complete(self) -> None:
            self._callback(self)

    async def main() -> None:
        own = Own()
        task = asyncio.create_task(wait_for(own))
        await turn()
        asyncio.get_running_loop().call_soon(own.complete)
        await task

    run(main)


def test_an_error_of_an_awaitable_does_not_come_after_a_cancellation(rt: Runtime) -> None:
    async def main() -> None:
        own: list[Any] = []
        seen: list[str] = []
        go_on = Gate()

        class AbortsAndFails:
            def __await__(self) -> Iterator[Any]:
                yield self

            @property
            def _asyncio_future_blocking(self) -> bool:
                own[0].abort()
                raise ZeroDivisionError

        async def child() -> str:
            await go_on.wait()
            try:
                await AbortsAndFails()
            except asyncio.CancelledError:
                seen.append("cancelled")
            await sleep(0.001)
            return "went on"

        own.append(spawn(child()))
        go_on.open()
        assert await own[0] == "went on"
        assert seen == ["cancelled"]

    rt.block_on(main())


# Exceptions that are out of the ordinary.


@dataclasses.dataclass(frozen=True)
class Frozen(Exception):
    """Refuses to be assigned a traceback."""

    code: int = 3


class Unprintable(Exception):
    def __repr__(self) -> str:
        raise ZeroDivisionError

    __str__ = __repr__


def endless() -> None:
    endless()


def raising(error: BaseException) -> Callable[[], None]:
    return lambda: raise_it(error)


def no_memory() -> None:
    bytearray(sys.maxsize)


FAILURES: dict[str, tuple[type[Exception], Callable[[], Any]]] = {
    "recursion": (RecursionError, endless),
    "memory": (MemoryError, no_memory),
    "frozen": (Frozen, raising(Frozen())),
    "unprintable": (Unprintable, raising(Unprintable())),
}


@pytest.mark.parametrize(("error", "func"), FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("blocking", [False, True])
def test_a_failure_out_of_the_ordinary(rt: Runtime, error: Any, func: Any, blocking: bool) -> None:
    async def fail() -> None:
        await native_yield()
        func()

    async def main() -> None:
        handle = spawn_blocking(func) if blocking else spawn(fail())
        with pytest.raises(JoinError, match=f"panicked: {error.__name__}") as caught:
            await handle
        assert isinstance(caught.value.into_panic(), error)
        with pytest.raises(error):
            await join(fail())
        with pytest.raises(error):
            await asyncio.create_task(fail())
        await others_go_on()

    rt.block_on(main())


def test_an_unprintable_failure_that_nobody_joins(
    rt: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise Unprintable

    async def main() -> None:
        handle = spawn(fail())
        await until(handle.is_finished)
        del handle
        gc.collect()
        await others_go_on()

    rt.block_on(main())
    assert "nobody has joined it" in caplog.text


def test_a_del_that_raises(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: seen.append(str(args.exc_value)))

    class Bad:
        def __del__(self) -> None:
            raise ValueError("del")

    async def child() -> None:
        held = Bad()
        await turn()
        del held

    async def main() -> None:
        await asyncio.create_task(child())
        await others_go_on()

    run(main)
    gc.collect()
    assert seen == ["del"]


# Contexts.


@pytest.mark.parametrize("cancel", [False, True])
def test_a_context_that_is_entered_elsewhere(multi_rt: Runtime, cancel: bool) -> None:
    """The task waits for its turn, and its cancellation waits with it."""
    context = contextvars.copy_context()

    async def child(waits: Gate, go_on: Gate, seen: list[str]) -> int:
        try:
            waits.open()
            await go_on.wait()
        except asyncio.CancelledError as error:
            seen.append(str(error))
            raise
        return 42

    async def main() -> None:
        waits, go_on, entered, leave = Gate(), Gate(), threading.Event(), threading.Event()
        seen: list[str] = []

        def hold() -> None:
            entered.set()
            assert leave.wait(LIMIT)

        handle: Any = spawn(child(waits, go_on, seen), context=context)
        await waits.wait()
        holder = on_thread(context.run, hold)
        assert entered.wait(LIMIT)
        if cancel:
            handle.cancel("why")
        else:
            go_on.open()
        for _ in range(20):
            await native_yield()
        await sleep(0.005)
        assert not handle.is_finished()
        leave.set()
        holder.result(LIMIT)
        if cancel:
            with pytest.raises(JoinError) as error:
                await handle
            assert error.value.is_cancelled()
            assert seen == ["why"]
        else:
            assert await handle == 42

    multi_rt.block_on(main())


@pytest.mark.parametrize("cancel", [False, True])
def test_the_context_of_an_asyncio_task_is_entered_elsewhere(
    multi_rt: Runtime, cancel: bool
) -> None:
    context = contextvars.copy_context()

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        entered, leave = threading.Event(), threading.Event()

        def hold() -> None:
            entered.set()
            assert leave.wait(LIMIT)

        task = asyncio.create_task(wait_for(future), context=context)
        await turn()
        holder = on_thread(context.run, hold)
        assert entered.wait(LIMIT)
        if cancel:
            task.cancel("why")
        else:
            future.set_result(42)
        await asyncio.sleep(0.005)
        assert not task.done()
        leave.set()
        holder.result(LIMIT)
        if cancel:
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            assert await task == 42

    multi_rt.block_on(main())


# Transports.


class Protocol(asyncio.Protocol):
    """Raises in one of its methods."""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def _fail(self, where: str) -> None:
        if where == self._fault:
            raise ValueError(where)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._fail("connection_made")

    def data_received(self, data: bytes) -> None:
        self._fail("data_received")
        self.transport.write(data)

    def eof_received(self) -> None:
        self._fail("eof_received")

    def connection_lost(self, _: Exception | None) -> None:
        self._fail("connection_lost")


@pytest.mark.parametrize(
    "fault", ["connection_made", "data_received", "eof_received", "connection_lost"]
)
def test_a_protocol_that_raises(run: Run, fault: str) -> None:
    async def talk(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"hello")
            writer.write_eof()
            return await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        handler = Handler()
        faults = iter([fault, "none"])
        server = await loop.create_server(lambda: Protocol(next(faults)), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        talks = [await talk(port), await talk(port)]
        await handler.called()
        assert talks[1] == b"hello"
        assert [str(error) for error in handler.errors] == [fault]
        server.close()
        await server.wait_closed()
        await others_go_on()

    run(main)


def test_a_transport_that_is_closed_at_the_end(run: Run) -> None:
    """By tasks that are cancelled then, and may await until it is closed."""
    closed: list[str] = []
    tasks: list[Any] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"hello")
            await reader.read()
        except asyncio.CancelledError:
            pass  # before 3.12 asyncio's server logs it
        finally:
            writer.close()
            await writer.wait_closed()
            closed.append("server")

    async def client(port: int, connected: asyncio.Future[None]) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await reader.readexactly(5)
            connected.set_result(None)
            await reader.read()
        finally:
            writer.close()
            await writer.wait_closed()
            closed.append("client")

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        connected = asyncio.get_running_loop().create_future()
        port = server.sockets[0].getsockname()[1]
        tasks.append(asyncio.create_task(client(port, connected)))
        await connected
        server.close()

    run(main)
    assert sorted(closed) == ["client", "server"]


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # asyncio's, of the server's sockets
def test_a_server_that_is_open_at_the_end(run: Run) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async def main() -> None:
        await asyncio.start_server(serve, "127.0.0.1", 0)

    run(main)
    gc.collect()


# Other threads, and other workers.

FROM_A_THREAD: dict[str, Callable[[asyncio.AbstractEventLoop], Any]] = {
    "call_soon": lambda loop: loop.call_soon(print),
    "call_later": lambda loop: loop.call_later(1, print),
    "call_at": lambda loop: loop.call_at(1, print),
    "create_future": lambda loop: loop.create_future(),
    "create_task": lambda loop: create_task(loop),
    "run_in_executor": lambda loop: loop.run_in_executor(None, print),
    "add_reader": lambda loop: loop.add_reader(0, print),
    "remove_reader": lambda loop: loop.remove_reader(0),
    "add_writer": lambda loop: loop.add_writer(0, print),
    "remove_writer": lambda loop: loop.remove_writer(0),
}


def create_task(loop: asyncio.AbstractEventLoop) -> None:
    coro = asyncio.sleep(0)
    try:
        loop.create_task(coro)
    finally:
        coro.close()


@pytest.mark.parametrize("use", FROM_A_THREAD.values(), ids=FROM_A_THREAD)
@pytest.mark.parametrize("where", ["spawn_blocking", "to_thread", "thread"])
@pytest.mark.parametrize("run_it", [on_one_worker, on_four_workers], ids=["1", "4"])
def test_a_method_of_the_loop_on_another_thread(run_it: Run, where: str, use: Any) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises((RuntimeError, JoinError)) as caught:
            if where == "spawn_blocking":
                await spawn_blocking(use, loop)
            elif where == "to_thread":
                await asyncio.to_thread(use, loop)
            else:
                on_thread(use, loop).result(LIMIT)
        error = caught.value.__cause__ if where == "spawn_blocking" else caught.value
        assert isinstance(error, RuntimeError)
        assert "runs on another thread: use call_soon_threadsafe()" in str(error)
        await others_go_on()

    run_it(main)


class Things:
    """Objects of the loop that runs, each in use by a task of it."""

    def __init__(self) -> None:
        loop = self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = loop.create_future()
        self.lock = asyncio.Lock()
        self.event = asyncio.Event()
        self.queue: asyncio.Queue[int] = asyncio.Queue()
        self.condition = asyncio.Condition()
        self._tasks: list[asyncio.Task[Any]] = []

    async def use(self) -> None:
        await self.lock.acquire()
        for coro in (self.event.wait(), self.queue.get(), self.lock.acquire(), self._wait()):
            started = self.loop.create_future()
            self._tasks.append(asyncio.create_task(self._after(started, coro)))
            await started
        self.task = self._tasks[0]
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        address = self.server.sockets[0].getsockname()
        self.reader, self.writer = await asyncio.open_connection(*address[:2])

    async def _after(self, started: asyncio.Future[None], coro: Any) -> None:
        started.set_result(None)
        await coro  # up to where it waits, before the other one goes on

    async def _wait(self) -> None:
        async with self.condition:
            await self.condition.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1_000_000):
                pass
        except asyncio.CancelledError:
            pass  # before 3.12 asyncio's server logs it
        writer.close()

    async def close(self) -> None:
        self.writer.transport.abort()
        self.server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await turn()


async def take(lock: asyncio.Lock) -> None:
    async with lock:
        pass


async def call(func: Callable[..., Any], *args: Any) -> Any:
    return func(*args)


async def connect(loop: asyncio.AbstractEventLoop) -> None:
    await loop.create_connection(asyncio.Protocol, "localhost", 1)


async def listen(loop: asyncio.AbstractEventLoop) -> None:
    await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)


async def drain(things: Things) -> None:
    things.writer.write(bytes(20_000_000))
    await things.writer.drain()


OTHER = "runs on another thread: .*or keep the tasks that share an asyncio object on one loop"
BOUND = "is bound to a different event loop"  # asyncio's own words
BELONGS = (
    "belongs to another event loop, that of another worker: keep the tasks that share"
    "|attached to a different loop"
)
FROM_A_WORKER: dict[str, tuple[Callable[[Things], Awaitable[Any]], str]] = {
    "await future": (lambda things: things.future, BELONGS),
    "await task": (lambda things: things.task, BELONGS),
    "cancel task": (lambda things: call(things.task.cancel), OTHER),
    "lock": (lambda things: take(things.lock), BOUND),
    "release": (lambda things: call(things.lock.release), OTHER),
    "event.wait": (lambda things: things.event.wait(), BOUND),
    "event.set": (lambda things: call(things.event.set), OTHER),
    "queue.get": (lambda things: things.queue.get(), BOUND),
    "queue.put": (lambda things: things.queue.put(1), OTHER),
    "condition": (lambda things: things._wait(), BOUND),
    "read": (lambda things: things.reader.read(1), OTHER),
    "drain": (drain, OTHER),
    "write": (lambda things: call(things.writer.write, b"x"), OTHER),
    "write lines": (lambda things: call(things.writer.writelines, [b"x"]), OTHER),
    "close": (lambda things: call(things.writer.close), OTHER),
    "listen": (lambda things: asyncio.start_server(things._serve, "127.0.0.1", 0), "no error"),
    "listen there": (lambda things: listen(things.loop), OTHER),
    "connect": (lambda things: connect(things.loop), OTHER),
}


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize(("use", "message"), FROM_A_WORKER.values(), ids=FROM_A_WORKER)
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # of transports that were misused
def test_an_object_of_another_worker(use: Any, message: str, native: bool) -> None:
    async def other(things: Things, outcome: Future[Any]) -> None:
        # Pinned here now.
        assert asyncio.get_running_loop().create_future().get_loop() is not things.loop
        try:
            if native:
                await spawn_here(use(things))
            else:
                await asyncio.create_task(wait_for(use(things)))
        except RuntimeError as error:
            outcome.set_result(str(error))
        except BaseException as error:
            outcome.set_exception(error)
        else:
            outcome.set_result("no error")

    async def spawn_here(awaitable: Any) -> None:
        await awaitable

    async def main() -> None:
        things = Things()
        await things.use()
        outcome: Future[Any] = Future()
        handle = spawn(other(things, outcome))
        # This blocks its worker: another one takes the task.
        said = outcome.result(LIMIT)
        await things.close()
        await handle
        await others_go_on()
        assert re.search(message, said)

    yamanote.run(main(), worker_threads=4)
    gc.collect()
