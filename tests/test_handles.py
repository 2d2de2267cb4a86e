"""JoinHandles and AbortHandles: detaching, joining more than once, and what they keep alive.

Every failure that nobody joins must be logged here exactly once, so each test that makes
one looks into the log; the collector is off where a cycle would show.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import pickle
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest

from tests.channels import LIMIT, on_thread
from tests.gates import Drop, Gate, forever, settled, until
from tests.waiting import Waiting
from yamanote import (
    CancellationToken,
    JoinError,
    JoinHandle,
    JoinSet,
    LocalKey,
    LocalSet,
    Runtime,
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
from yamanote.sync import Notify
from yamanote.task import coop
from yamanote.time import sleep, timeout

SHUTDOWN = 10.0


class Boom(Exception):
    pass


class Thing:
    """Something that a task holds, makes or fails with."""


async def answer() -> int:
    return 42


async def boom() -> Any:
    raise Boom("boom")


async def yield_and_boom() -> Any:
    await yield_now()
    raise Boom("boom")


@pytest.fixture
def errors() -> Iterator[list[logging.LogRecord]]:
    """What is logged. (caplog's records of the setup are not those of the call.)"""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("yamanote")
    logger.addHandler(handler)
    yield records
    logger.removeHandler(handler)


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# Detaching.


def test_a_dropped_handle_detaches(rt: Runtime) -> None:
    async def child(go_on: Gate, ended: Gate) -> None:
        await go_on.wait()
        await yield_now()
        ended.open()

    async def main() -> None:
        go_on, ended = Gate(), Gate()
        handle = spawn(child(go_on, ended))
        await yield_now()
        del handle
        gc.collect()
        go_on.open()
        await ended.wait()

    rt.block_on(main())


def test_a_detached_task_is_not_collected(rt: Runtime) -> None:
    """The runtime holds it, also when it waits for what nobody else knows of."""
    ended: list[str] = []

    async def child(started: Gate) -> None:
        try:
            started.open()
            await forever()
        finally:
            ended.append("by the shutdown")

    async def main() -> None:
        started = Gate()
        spawn(child(started))
        await started.wait()
        for _ in range(3):
            gc.collect()
            await yield_now()
        assert not ended

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert ended == ["by the shutdown"]


def test_a_dropped_abort_handle_does_nothing(rt: Runtime) -> None:
    async def main() -> None:
        handle = spawn(wait_and_answer(go_on))
        abort = handle.abort_handle()
        assert (abort.id, abort.name) == (handle.id, handle.name)
        del abort
        go_on.open()
        assert await handle == 42

    go_on = Gate()
    rt.block_on(main())


async def wait_and_answer(gate: Gate) -> int:
    await gate.wait()
    return 42


def test_an_abort_handle_of_a_detached_task(rt: Runtime) -> None:
    async def main() -> None:
        drop, started = Drop(), Gate()
        abort = spawn(hold(drop.make(), started)).abort_handle()
        await started.wait()
        assert not abort.is_finished()
        abort.abort()
        await drop.wait()
        await until(abort.is_finished)
        abort.abort()

    async def hold(held: object, started: Gate) -> None:
        started.open()
        await forever(held)

    rt.block_on(main())


def test_an_abort_handle_keeps_no_result(rt: Runtime, no_collector: None) -> None:
    async def main() -> None:
        drop = Drop()
        handle = spawn(make(drop))
        abort = handle.abort_handle()
        await handle
        assert not drop.is_gone()
        del handle
        await drop.wait()
        assert abort.is_finished()

    async def make(drop: Drop) -> object:
        return drop.make()

    rt.block_on(main())


# The log of failures that nobody has joined.


async def gone(errors: list[Any], count: int = 1) -> None:
    await until(lambda: len(errors) >= count)


def assert_logged(errors: list[logging.LogRecord], *names: str) -> None:
    assert sorted(record.getMessage() for record in errors) == sorted(
        f"task {name!r} panicked, and nobody has joined it" for name in names
    )
    for record in errors:
        assert record.name == "yamanote"
        assert record.levelno == logging.ERROR
        assert record.exc_info is not None
        assert isinstance(record.exc_info[1], Boom)


@pytest.mark.parametrize("child", [boom, yield_and_boom])
def test_an_unjoined_failure_is_logged_once(
    rt: Runtime, errors: list[logging.LogRecord], no_collector: None, child: Any
) -> None:
    async def main() -> None:
        spawn(child(), name="dropped at once")
        await gone(errors, 1)
        handle = spawn(child(), name="dropped later")
        await until(handle.is_finished)
        await yield_now()
        assert len(errors) == 1  # the handle is there: it may still be joined
        del handle
        await gone(errors, 2)

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert_logged(errors, "dropped at once", "dropped later")


def test_an_unjoined_failure_of_an_aborted_task(
    rt: Runtime, errors: list[logging.LogRecord], no_collector: None
) -> None:
    async def fail_in_the_end(started: Gate) -> None:
        started.open()
        try:
            await forever()
        finally:
            raise Boom

    async def main() -> None:
        started = Gate()
        handle = spawn(fail_in_the_end(started), name="aborted")
        await started.wait()
        handle.abort()
        del handle
        await gone(errors)

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert_logged(errors, "aborted")


def test_an_unjoined_failure_of_a_blocking_call(
    rt: Runtime, errors: list[logging.LogRecord], no_collector: None
) -> None:
    def fail() -> None:
        raise Boom

    async def main() -> str:
        handle = spawn_blocking(fail)
        name = handle.name
        await until(handle.is_finished)
        del handle
        await gone(errors)
        return name

    name = rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert_logged(errors, name)


def test_an_unjoined_failure_of_a_local_task(
    rt: Runtime, errors: list[logging.LogRecord], no_collector: None
) -> None:
    async def main() -> None:
        spawn_local(boom(), name="local")
        await gone(errors)

    rt.block_on(LocalSet().run_until(main()))
    assert_logged(errors, "local")


def test_a_joined_failure_is_not_logged(
    rt: Runtime, errors: list[logging.LogRecord], no_collector: None
) -> None:
    async def main() -> None:
        for child in (boom, yield_and_boom):
            with pytest.raises(JoinError):
                await spawn(child())
            handle = spawn(child())
            await until(handle.is_finished)
            with pytest.raises(JoinError):
                await handle
            handle = spawn(child())
            with pytest.raises(JoinError):
                await spawn_blocking(handle.join, LIMIT)
            del handle
        # A failure that is dropped shows that one would have been logged by now.
        spawn(boom(), name="the last")
        await gone(errors)

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert_logged(errors, "the last")


def test_a_cancellation_is_not_logged(
    rt: Runtime, errors: list[logging.LogRecord], no_collector: None
) -> None:
    async def main() -> None:
        for _ in range(3):
            handle = spawn(forever())
            await yield_now()
            handle.abort()
            await until(handle.is_finished)
            del handle
            spawn(answer()).abort()
        spawn(boom(), name="the last")
        await gone(errors)

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert_logged(errors, "the last")


def test_joining_failed_but_waiting_did_not(
    rt: Runtime, errors: list[logging.LogRecord], no_collector: None
) -> None:
    """Who gave up waiting has not seen the failure."""

    async def fail(gate: Gate) -> None:
        await gate.wait()
        raise Boom

    async def wait(handle: JoinHandle[None]) -> None:
        await handle

    async def main() -> None:
        gate = Gate()
        handle = spawn(fail(gate), name="unseen")
        waiter = spawn(wait(handle))
        await yield_now()
        waiter.abort()
        with pytest.raises(JoinError) as error:
            await waiter
        assert error.value.is_cancelled()
        del waiter, error
        assert not handle.is_finished()
        gate.open()
        await until(handle.is_finished)
        del handle
        await gone(errors)

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert_logged(errors, "unseen")


# Joining.


def test_several_wait(rt: Runtime) -> None:
    async def wait(handle: JoinHandle[Any]) -> Any:
        return await handle

    async def main() -> None:
        gate = Gate()
        result = Thing()

        async def child() -> Thing:
            await gate.wait()
            return result

        handle = spawn(child())
        waiters = [spawn(wait(handle)) for _ in range(10)]
        on_loop = [asyncio.get_running_loop().create_task(wait(handle)) for _ in range(3)]
        blocking = [spawn_blocking(handle.join, LIMIT) for _ in range(3)]
        await yield_now()
        assert not any(waiter.is_finished() for waiter in waiters)
        gate.open()
        for waiter in (*waiters, *blocking, *on_loop):
            assert await waiter is result
        assert await handle is result

    rt.block_on(main())


def test_several_wait_for_a_failure(rt: Runtime) -> None:
    async def wait(handle: JoinHandle[Any]) -> BaseException:
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.__cause__ is error.value.into_panic()
        return error.value.into_panic()

    async def main() -> None:
        gate = Gate()

        async def child() -> None:
            await gate.wait()
            raise Boom

        handle = spawn(child())
        waiters = [spawn(wait(handle)) for _ in range(10)]
        await yield_now()
        gate.open()
        causes = {await waiter for waiter in waiters}
        causes.add(await wait(handle))
        [cause] = causes
        assert isinstance(cause, Boom)

    rt.block_on(main())


def test_several_wait_for_a_cancellation(rt: Runtime) -> None:
    async def wait(handle: JoinHandle[Any]) -> bool:
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.id == handle.id
        return error.value.is_cancelled()

    async def main() -> None:
        handle = spawn(forever())
        waiters = [spawn(wait(handle)) for _ in range(10)]
        await yield_now()
        handle.abort()
        assert all([await waiter for waiter in waiters])
        assert await wait(handle)

    rt.block_on(main())


def test_one_waiter_gives_up(rt: Runtime) -> None:
    async def wait(handle: JoinHandle[int]) -> int:
        return await handle

    async def main() -> None:
        gate = Gate()
        handle = spawn(wait_and_answer(gate))
        stays, goes = spawn(wait(handle)), spawn(wait(handle))
        await yield_now()
        goes.abort()
        with pytest.raises(JoinError):
            await goes
        with pytest.raises(TimeoutError):
            await timeout(0.001, handle)
        assert not handle.is_finished()
        gate.open()
        assert await stays == 42
        assert await handle == 42

    rt.block_on(main())


def test_a_cancellation_that_is_taken_back_leaves_the_task_waiting(rt: Runtime) -> None:
    async def main() -> None:
        gate = Gate()
        call: Future[int] = Future()
        handles = [spawn(wait_and_answer(gate)), spawn_blocking(call.result), spawn(call)]
        waiting = [Waiting(handle) for handle in handles]
        for each in waiting:
            await each.pending()
        await settled()
        parked: list[Any] = [*(each.handle for each in waiting), handles[2]]
        for task in parked:
            task.cancel()
            task.uncancel()
        await settled()
        assert not any(task.is_finished() for task in parked)
        gate.open()
        call.set_result(42)
        assert [await each for each in waiting] == [42, 42, 42]

    rt.block_on(main())


def test_joining_after_the_end(rt: Runtime) -> None:
    async def main() -> tuple[JoinHandle[int], JoinHandle[Any]]:
        handle, failing = spawn(answer()), spawn(boom())
        await until(lambda: handle.is_finished() and failing.is_finished())
        for _ in range(3):
            assert await handle == 42
            with pytest.raises(JoinError):
                await failing
        return handle, failing

    handle, failing = rt.block_on(main())
    assert rt.block_on(handle) == 42
    rt.shutdown_timeout(SHUTDOWN)
    assert handle.join() == 42
    assert handle.join(0) == 42
    with pytest.raises(JoinError) as error:
        failing.join()
    assert isinstance(error.value.__cause__, Boom)
    assert asyncio.run(asyncio.wait_for(await_it(handle), LIMIT)) == 42
    with Runtime(flavor="current_thread") as other:
        assert other.block_on(handle) == 42


async def await_it(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def test_joining_from_another_runtime(rt: Runtime) -> None:
    gate = Gate()
    asking = threading.Event()

    async def elsewhere(handle: JoinHandle[int]) -> int:
        asking.set()
        return await handle

    def other_thread(handle: JoinHandle[int]) -> int:
        with Runtime(worker_threads=1) as other:
            return other.block_on(other.spawn(elsewhere(handle)))

    async def main() -> int:
        handle = spawn(wait_and_answer(gate))
        thread = on_thread(other_thread, handle)
        assert await spawn_blocking(asking.wait, LIMIT)
        gate.open()
        return await asyncio.wrap_future(thread)

    assert rt.block_on(main()) == 42


def test_joining_a_local_task_that_ends_inside_another_runtime(multi_rt: Runtime) -> None:
    local = LocalSet()
    started = Gate()

    async def survive() -> int:
        started.open()
        try:
            await forever()
        except asyncio.CancelledError:
            return 42

    async def main() -> JoinHandle[Any]:
        joining = Waiting(spawn_local(survive()))
        await started.wait()
        await joining.pending()
        return joining.handle

    async def close() -> None:
        local.close()

    handle = local.block_on(multi_rt, main())
    multi_rt.spawn(answer()).join(LIMIT)
    run(close())
    assert handle.join(LIMIT) == 42


def test_joining_from_threads(rt: Runtime, switch_interval: float) -> None:
    """Plain threads join while the tasks end."""

    async def main() -> None:
        for _ in range(30):
            handles = [spawn(child(number)) for number in range(4)]
            threads = [on_thread(handle.join, LIMIT) for handle in handles for _ in range(2)]
            for number, thread in enumerate(threads):
                assert await asyncio.wrap_future(thread) == number // 2

    async def child(number: int) -> int:
        await yield_now()
        return number

    rt.block_on(main())


def test_names_ids_and_states(rt: Runtime) -> None:
    async def main() -> None:
        gate = Gate()
        handle, named = spawn(wait_and_answer(gate)), spawn(boom(), name="mine")
        assert handle.id != named.id
        assert handle.name == f"task-{handle.id}"
        assert named.name == "mine"
        assert not handle.is_finished()
        assert handle.name in repr(handle)
        assert "pending" in repr(handle)
        gate.open()
        await handle
        with pytest.raises(JoinError) as error:
            await named
        assert error.value.id == named.id
        assert handle.is_finished()
        assert "finished" in repr(handle)
        assert "panicked" in repr(named)
        aborted = spawn(forever())
        aborted.abort()
        with pytest.raises(JoinError):
            await aborted
        assert "cancelled" in repr(aborted)

    rt.block_on(main())


# Aborting.


def test_aborted_before_the_start(rt: Runtime, no_collector: None) -> None:
    """It never runs, nothing is left of it, and no coroutine warns."""
    ran: list[str] = []

    async def child(_held: object) -> None:
        ran.append("child")

    async def main() -> None:
        for _ in range(10):
            drop = Drop()
            handle = spawn(child(drop.make()))
            handle.abort()  # nobody else has had a turn, with one worker
            if not handle.is_finished() and alone:
                with pytest.raises(JoinError) as error:
                    await handle
                assert error.value.is_cancelled()
                assert handle.is_finished()
            else:
                await until(handle.is_finished)
            del handle
            await drop.wait()

    alone = rt.metrics().num_workers == 1
    rt.block_on(main())
    if alone:
        assert not ran


def test_aborted_before_the_start_local_and_blocking(rt: Runtime, no_collector: None) -> None:
    ran: list[str] = []

    async def child(_held: object) -> None:
        ran.append("child")

    async def main() -> None:
        drop = Drop()
        handle = spawn_local(child(drop.make()))
        handle.abort()
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.is_cancelled()
        del handle, error
        await drop.wait()

    rt.block_on(LocalSet().run_until(main()))
    assert not ran


def test_a_blocking_call_that_waits_is_aborted(rt_config: dict[str, Any]) -> None:
    ran: list[str] = []
    started, go_on = threading.Event(), threading.Event()

    def block() -> str:
        started.set()
        assert go_on.wait(LIMIT)
        return "blocked"

    async def main() -> None:
        running = spawn_blocking(block)
        waiting = spawn_blocking(ran.append, "waiting")
        while not started.is_set():
            await yield_now()
        running.abort()  # does nothing: it runs
        waiting.abort()
        waiting.abort()
        with pytest.raises(JoinError) as error:
            await waiting
        assert error.value.is_cancelled()
        assert not running.is_finished()
        go_on.set()
        assert await running == "blocked"
        running.abort()
        assert await running == "blocked"

    with Runtime(**rt_config, max_blocking_threads=1) as rt:
        try:
            rt.block_on(main())
        finally:
            go_on.set()
    assert not ran


def test_aborted_twice(rt: Runtime) -> None:
    """The second abort does not interrupt what the first has begun."""
    order: list[str] = []

    async def child(started: Gate, cleaning: Gate, go_on: Gate) -> None:
        try:
            started.open()
            await forever()
        finally:
            order.append("cleaning")
            cleaning.open()
            await go_on.wait()
            order.append("cleaned")

    async def main() -> None:
        started, cleaning, go_on = Gate(), Gate(), Gate()
        handle = spawn(child(started, cleaning, go_on))
        abort = handle.abort_handle()
        await started.wait()
        handle.abort()
        await cleaning.wait()
        handle.abort()
        abort.abort()
        await spawn_blocking(abort.abort)
        assert not handle.is_finished()
        go_on.open()
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.is_cancelled()

    rt.block_on(main())
    assert order == ["cleaning", "cleaned"]


def test_aborted_after_the_end(rt: Runtime) -> None:
    async def main() -> None:
        for child in (answer, boom):
            handle = spawn(child())
            abort = handle.abort_handle()
            await until(handle.is_finished)
            handle.abort()
            abort.abort()
            await yield_now()
            if child is answer:
                assert await handle == 42
            else:
                with pytest.raises(JoinError) as error:
                    await handle
                assert error.value.is_panic()

    rt.block_on(main())


def test_an_abort_that_is_survived(rt: Runtime) -> None:
    """A task may refuse, as by catching CancelledError: then it ends as it likes."""

    async def stubborn(started: Gate) -> str:
        try:
            started.open()
            await forever()
        except asyncio.CancelledError:
            return "survived"
        return "not cancelled"

    async def main() -> None:
        started = Gate()
        handle = spawn(stubborn(started))
        await started.wait()
        handle.abort()
        assert await handle == "survived"

    rt.block_on(main())


def test_a_task_that_aborts_itself(rt: Runtime) -> None:
    reached: list[str] = []

    async def child(handles: list[JoinHandle[None]], ready: Gate) -> None:
        await ready.wait()
        handles[0].abort()
        reached.append("until the next await")
        await forever()
        reached.append("beyond")

    async def main() -> None:
        handles: list[JoinHandle[None]] = []
        ready = Gate()
        handles.append(spawn(child(handles, ready)))
        ready.open()
        with pytest.raises(JoinError) as error:
            await handles[0]
        assert error.value.is_cancelled()

    rt.block_on(main())
    assert reached == ["until the next await"]


def test_aborting_while_it_ends(rt: Runtime, switch_interval: float) -> None:
    """Whatever comes first, a handle gives the result or says that it was cancelled."""

    async def child(yields: int) -> int:
        for _ in range(yields):
            await yield_now()
        return 42

    async def main() -> int:
        results = 0
        for number in range(200):
            handle = spawn(child(number % 5))
            abort = spawn_blocking(handle.abort)
            try:
                assert await handle == 42
                results += 1
            except JoinError:
                pass  # aborted
            await abort
            assert handle.is_finished()
        return results

    assert 0 <= rt.block_on(main()) <= 200
    assert rt.metrics().num_alive_tasks == 0


# What is kept alive.


class Watch:
    """Weak references to what must be gone when a test has ended."""

    def __init__(self) -> None:
        self._refs: list[weakref.ref[Any]] = []

    def __call__(self, thing: Any) -> Any:
        self._refs.append(weakref.ref(thing))
        return thing

    def left(self) -> list[Any]:
        return [thing for ref in self._refs if (thing := ref()) is not None]

    async def all_gone(self) -> None:
        assert self._refs
        await until(lambda: not self.left())


@pytest.fixture
def watch(no_collector: None) -> Watch:
    return Watch()


def test_a_result_is_kept_as_long_as_the_handle(rt: Runtime, watch: Watch) -> None:
    async def make() -> Thing:
        return watch(Thing())

    async def main() -> None:
        handle = watch(spawn(make()))
        await until(handle.is_finished)
        for _ in range(3):
            await yield_now()
        assert len(watch.left()) == 2
        result = await handle
        del handle
        await until(lambda: len(watch.left()) == 1)
        assert watch.left() == [result]
        del result
        await watch.all_gone()

    rt.block_on(main())


def test_frames_and_arguments_end_with_the_task(rt: Runtime, watch: Watch) -> None:
    """Not with the handle."""

    async def child(argument: Thing) -> int:
        local = watch(Thing())
        await yield_now()
        del argument, local
        kept = watch(Thing())
        await yield_now()
        assert kept is not None
        return 42

    async def main() -> None:
        handles = [spawn(child(watch(Thing()))) for _ in range(10)]
        for handle in handles:
            assert await handle == 42
        await watch.all_gone()
        assert len(handles) == 10

    rt.block_on(main())


def test_a_context_ends_with_the_task(rt: Runtime, watch: Watch) -> None:
    variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")

    async def child() -> None:
        variable.set(watch(Thing()))
        await yield_now()

    async def main() -> None:
        handle = spawn(child())
        await handle
        await watch.all_gone()
        assert handle.is_finished()

    rt.block_on(main())


def test_an_aborted_task_keeps_nothing(rt: Runtime, watch: Watch) -> None:
    async def child(_argument: Thing, started: Gate) -> None:
        _local = watch(Thing())
        started.open()
        await forever()

    async def sleeps(_argument: Thing, started: Gate) -> None:
        started.open()
        await sleep(1e6)

    async def in_asyncio(_argument: Thing, started: Gate) -> None:
        started.open()
        await asyncio.sleep(1e6)

    async def main() -> None:
        for function in (child, sleeps, in_asyncio):
            started = Gate()
            handle = spawn(function(watch(Thing()), started))
            await started.wait()
            handle.abort()
            with pytest.raises(JoinError):
                await handle
            await watch.all_gone()  # though the handle is there
            watch(handle)
            del handle
        await watch.all_gone()

    rt.block_on(main())


# Every way of failing that leads through code of ours.


async def child_fails() -> None:
    await spawn(boom())


async def child_fails_later() -> None:
    await spawn(yield_and_boom())


async def child_is_cancelled() -> None:
    handle = spawn(forever())
    handle.abort()
    await handle


async def blocking_call_fails() -> None:
    await spawn_blocking(fail)


async def blocks_in_place() -> None:
    try:
        block_in_place(fail)
    except RuntimeError:  # on current_thread
        raise Boom from None


async def sleep_times_out() -> None:
    await timeout(0.001, sleep(1e6))


async def block_times_out() -> None:
    async with timeout(0.001):
        await sleep(1e6)


async def native_wait_times_out() -> None:
    await timeout(0.001, CancellationToken().cancelled())


async def handle_times_out() -> None:
    handle = spawn(forever())
    try:
        await timeout(0.001, handle)
    finally:
        handle.abort()


async def select_times_out() -> None:
    await timeout(0.001, select(sleep(1e6), forever()))


async def join_fails() -> None:
    await join(boom(), yield_now())


async def try_join_fails() -> None:
    await try_join(yield_and_boom(), forever())


async def select_fails() -> None:
    await select(yield_and_boom(), forever())


async def scope_fails() -> None:
    await LocalKey[int]("key").scope(1, boom())


async def sync_scope_fails() -> None:
    LocalKey[int]("key").sync_scope(1, fail)


async def unconstrained_fails() -> None:
    await coop.unconstrained(boom())


async def cooperative_fails() -> None:
    await coop.cooperative(boom())


async def local_set_fails() -> None:
    await LocalSet().run_until(boom())


async def local_child_fails() -> None:
    async def inside() -> None:
        await spawn_local(boom())

    await LocalSet().run_until(inside())


async def join_set_fails() -> None:
    async with JoinSet[Any]() as tasks:
        tasks.spawn(boom())
        tasks.spawn(forever())
        await tasks.join_next()


async def token_fails() -> None:
    await CancellationToken().run_until_cancelled(boom())


async def asyncio_future_fails() -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(future.set_exception, Boom())
    await future


async def misuses() -> None:
    spawn(42)  # type: ignore[arg-type]


def fail() -> None:
    raise Boom("boom")


FAILING: list[Callable[[], Any]] = [
    boom,
    yield_and_boom,
    child_fails,
    child_fails_later,
    child_is_cancelled,
    blocking_call_fails,
    blocks_in_place,
    sleep_times_out,
    block_times_out,
    native_wait_times_out,
    handle_times_out,
    select_times_out,
    join_fails,
    try_join_fails,
    select_fails,
    scope_fails,
    sync_scope_fails,
    unconstrained_fails,
    cooperative_fails,
    local_set_fails,
    local_child_fails,
    join_set_fails,
    token_fails,
    asyncio_future_fails,
    misuses,
]


@pytest.mark.parametrize("failing", FAILING)
def test_failures_do_not_keep_their_task(
    rt: Runtime, watch: Watch, failing: Callable[[], Any]
) -> None:
    async def main() -> None:
        handle = watch(spawn(failing()))
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.is_panic()
        del handle, error
        for _ in range(100):
            if not watch.left():
                break
            await sleep(0.001)

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert watch.left() == []


@pytest.mark.parametrize("where", ["native", "sleep", "join", "asyncio"])
def test_failing_while_aborted_does_not_keep_the_task(
    rt: Runtime, watch: Watch, where: str
) -> None:
    async def child(started: Gate) -> None:
        try:
            started.open()
            if where == "native":
                await forever()
            elif where == "sleep":
                await sleep(1e6)
            elif where == "join":
                await join(forever(), forever())
            else:
                await asyncio.sleep(1e6)
        finally:
            raise Boom

    async def main() -> None:
        started = Gate()
        handle = watch(spawn(child(started)))
        await started.wait()
        handle.abort()
        with pytest.raises(JoinError) as error:
            await handle
        assert isinstance(error.value.into_panic(), Boom)
        assert isinstance(error.value.into_panic().__context__, asyncio.CancelledError)
        del handle, error

    rt.block_on(main())
    rt.shutdown_timeout(SHUTDOWN)
    assert watch.left() == []


def test_a_traceback_is_the_tasks_own(rt: Runtime) -> None:
    """It begins in the coroutine: no frames of the runtime are kept by it, or shown."""

    async def main() -> list[str]:
        with pytest.raises(JoinError) as error:
            await spawn(yield_and_boom())
        traceback = error.value.into_panic().__traceback__
        names = []
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        return names

    assert rt.block_on(main()) == ["yield_and_boom"]


def test_nobody_refers_to_a_finished_task_but_its_handle(rt: Runtime) -> None:
    async def main() -> list[Any]:
        handle = spawn(answer())
        assert await handle == 42
        for _ in range(3):
            await spawn(answer())
        return [
            referrer
            for referrer in gc.get_referrers(handle)
            if getattr(referrer, "__qualname__", "") != main.__qualname__
            and getattr(getattr(referrer, "f_code", None), "co_name", "") != "main"
        ]

    assert rt.block_on(main()) == []


def test_those_who_joined_run_at_once_on_several_workers() -> None:
    """The worker where the tasks end wakes another one for them."""
    together = threading.Barrier(2)

    async def joined(handle: JoinHandle[int]) -> None:
        await handle
        together.wait(LIMIT)

    async def main() -> None:
        gate = Gate()
        handles = [spawn_local(wait_and_answer(gate)) for _ in range(2)]
        joining = [Waiting(joined(handle)) for handle in handles]
        for each in joining:
            await each.pending()
        await yield_now()
        gate.open()
        for each in joining:
            await each

    with Runtime(worker_threads=2) as rt:
        for _ in range(20):
            LocalSet().block_on(rt, main())


# As asyncio's.


def test_the_coroutine_of_a_task_at_each_of_its_polls(rt: Runtime) -> None:
    async def polled_again(leave: Notify) -> list[tuple[Any, bool]]:
        me: Any = asyncio.current_task()
        seen = []
        for _ in range(3):
            seen.append((me.get_coro(), "coro=" in repr(me)))
            await yield_now()
        await leave.notified()
        return seen

    async def main() -> None:
        # After one that ends at its first poll a task is resumed in another way.
        for _ in range(3):
            assert await spawn(answer()) == 42
            leave = Notify()
            coro = polled_again(leave)
            handle: Any = spawn(coro)
            assert handle.get_coro() is coro
            leave.notify_one()
            assert await handle == [(coro, True)] * 3
            assert handle.get_coro() is None

    rt.block_on(main())


def test_a_done_callback_is_called_or_removed_but_not_both(multi_rt: Runtime) -> None:
    called: list[object] = []

    async def main() -> None:
        gate = Gate()
        handle: Any = spawn(gate.wait())

        def end() -> None:
            gate.open()
            handle.join()

        class Callback:
            def __call__(self, task: object) -> None:
                called.append(task)

            def __eq__(self, other: object) -> bool:
                block_in_place(end)  # just when it is found
                return True

            __hash__ = None  # type: ignore[assignment]

        handle.add_done_callback(Callback())
        assert handle.remove_done_callback(Callback()) == 0
        await until(lambda: called)
        assert called == [handle]

    multi_rt.block_on(main())


async def join_errors(panics: bool, times: int = 1) -> list[JoinError]:
    """What each of some joins of a task that fails raises."""

    async def end() -> None:
        if panics:
            raise ValueError("no")
        await forever()

    handle = spawn(end())
    if not panics:
        handle.abort()
    errors = []
    for _ in range(times):
        with pytest.raises(JoinError) as error:
            await handle
        errors.append(error.value)
    assert {error.id for error in errors} == {handle.id}
    return errors


@pytest.mark.parametrize("panics", [False, True])
def test_what_a_join_error_says(rt: Runtime, panics: bool) -> None:
    first, second = rt.block_on(join_errors(panics, 2))
    said = f"task-{first.id} " + ("panicked: ValueError('no')" if panics else "was cancelled")
    assert str(first) == str(second) == said
    assert first.args == (said,)
    assert repr(first) == f"JoinError({said!r})"
    again = pickle.loads(pickle.dumps(first))
    assert (str(again), again.id, again.is_panic()) == (said, first.id, panics)
    first.args = (f"{first.args[0]}, which is bad", 42)
    assert str(first) == str((f"{said}, which is bad", 42))
    assert str(second) == said


def test_a_join_error_of_ones_own() -> None:
    class Mine(JoinError):
        def __init__(self) -> None:
            pass

    assert str(Mine()) == ""
    panic = ValueError("no")
    error = JoinError("it went wrong", run(join_errors(False))[0].id, panic)
    assert str(error) == "it went wrong"
    assert error.into_panic() is error.__cause__ is panic


@pytest.mark.parametrize("panics", [False, True])
def test_a_join_error_does_not_keep_its_runtime(panics: bool) -> None:
    class Hook:
        def __call__(self) -> None:
            pass

    hook = Hook()
    dropped = weakref.ref(hook)
    with Runtime(worker_threads=2, on_thread_park=hook) as rt:
        (error,) = rt.block_on(join_errors(panics))
    del rt, hook
    with Runtime(worker_threads=1) as another:  # this thread remembers the last one
        another.block_on(yield_now())
    error.with_traceback(None)
    if error.__cause__ is not None:
        error.__cause__.with_traceback(None)
    error.__context__ = None
    gc.collect()
    assert dropped() is None
    assert error.is_panic() is panics
