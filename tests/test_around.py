"""Around Yamanote: what is awaited from where, and what of others a task of ours awaits."""

from __future__ import annotations

import asyncio
import concurrent.futures
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pytest

import yamanote
from yamanote import JoinError, JoinHandle, Runtime, join, select, spawn, spawn_blocking, yield_now
from yamanote.sync import CancellationToken
from yamanote.task import (
    JoinMap,
    JoinSet,
    LocalKey,
    LocalPool,
    LocalSet,
    TaskTracker,
    coop,
    try_join,
)
from yamanote.time import Elapsed, interval, sleep, timeout

from .channels import LIMIT, on_thread
from .conftest import SHUTDOWN
from .gates import Gate, forever, until

T = TypeVar("T")

Main = Callable[[], Coroutine[Any, Any, T]]


class Boom(Exception):
    """What goes wrong in these tests."""


def import_trio() -> Any:
    if sys.version_info.releaselevel != "final":
        pytest.skip("trio supports released versions of CPython")
    return pytest.importorskip("trio")


# Where one may wait.


def in_a_task(main: Main[T]) -> T:
    return yamanote.run(spawned(main), worker_threads=1)


def in_a_roaming_task(main: Main[T]) -> T:
    return yamanote.run(spawned(main), worker_threads=4)


async def spawned(main: Main[T]) -> T:
    return await spawn(main())


def in_a_main_task(main: Main[T]) -> T:
    return yamanote.run(main(), flavor="current_thread")


def in_a_local_set(main: Main[T]) -> T:
    with Runtime(worker_threads=1) as rt:
        return LocalSet().block_on(rt, main())


def in_asyncio(main: Main[T]) -> T:
    return asyncio.run(main())


def in_asyncio_on_a_thread(main: Main[T]) -> T:
    return on_thread(lambda: asyncio.run(main())).result(LIMIT)


def in_an_asyncio_task_of_ours(main: Main[T]) -> T:
    async def outer() -> T:
        return await asyncio.create_task(main())

    return yamanote.run(outer(), worker_threads=1)


def in_an_event_loop_of_ours(main: Main[T]) -> T:
    with asyncio.Runner(loop_factory=yamanote.EventLoop) as runner:
        return runner.run(main())


def in_trio(main: Main[T]) -> T:
    return import_trio().run(main)


def in_trio_on_a_thread(main: Main[T]) -> T:
    import_trio()
    return on_thread(in_trio, main).result(LIMIT)


def in_trio_as_a_guest(main: Main[T]) -> T:
    trio = import_trio()

    async def host() -> T:
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[Any] = loop.create_future()
        trio.lowlevel.start_guest_run(
            main,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=ended.set_result,
        )
        return (await ended).unwrap()

    return asyncio.run(host())


NATIVE = [in_a_task, in_a_roaming_task, in_a_main_task, in_a_local_set]
ASYNCIO = [
    in_asyncio,
    in_asyncio_on_a_thread,
    in_an_asyncio_task_of_ours,
    in_an_event_loop_of_ours,
]
TRIO = [in_trio, in_trio_on_a_thread, in_trio_as_a_guest]

everywhere = pytest.mark.parametrize("place", [*NATIVE, *ASYNCIO, *TRIO])
outside_of_trio = pytest.mark.parametrize("place", [*NATIVE, *ASYNCIO])
inside_of_trio = pytest.mark.parametrize("place", TRIO)


def once_suspended(func: Callable[[], object]) -> None:
    """Call `func` on this thread as soon as the calling task has been suspended."""
    try:
        assert asyncio.current_task() is not None
    except (AssertionError, RuntimeError):
        import trio

        trio.lowlevel.current_trio_token().run_sync_soon(func)
    else:
        asyncio.get_running_loop().call_soon(func)


# What one may await: each is made on the runtime `rt`, pends until the gate opens, and
# gives 42 or None.


async def pass_through(gate: Gate) -> int:
    await gate.wait()
    return 42


def of_a_task(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    return rt.spawn(pass_through(gate))


def of_a_blocking_call(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    return rt.spawn_blocking(block_until, gate)


def block_until(gate: Gate) -> int:
    # A thread has an engine too: whatever can be awaited can be blocked on.
    with Runtime(worker_threads=1) as rt:
        return rt.block_on(pass_through(gate))


def of_a_token(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    return gate._token.cancelled()


def of_a_child_token(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    return gate._token.child_token().cancelled()


def of_a_join_set(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    tasks: JoinSet[int] = JoinSet()
    tasks.spawn_on(pass_through(gate), rt.handle)
    return keep(tasks, tasks.join_next())


def of_all_in_a_join_set(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    tasks: JoinSet[int] = JoinSet()

    async def wait() -> int:
        for _ in range(3):
            tasks.spawn_on(pass_through(gate), rt.handle)
        results = await tasks.join_all()
        assert results == [42, 42, 42]
        return results[0]

    return wait()


def of_a_join_map(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    tasks: JoinMap[str, int] = JoinMap()

    async def wait() -> int:
        tasks.spawn_on("it", pass_through(gate), rt.handle)
        key, value = await tasks.join_next()
        assert key == "it"
        return value

    return wait()


async def keep(_held: object, awaitable: Awaitable[T]) -> T:
    return await awaitable


def of_a_tracker(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    tracker = TaskTracker()
    tracker.spawn_on(pass_through(gate), rt.handle)
    tracker.close()
    return tracker.wait()


def of_what_has_a_limit(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    return timeout(LIMIT, rt.spawn(pass_through(gate)))


def of_a_budgeted_task(rt: Runtime, gate: Gate) -> Awaitable[Any]:
    return coop.unconstrained(coop.cooperative(rt.spawn(pass_through(gate))))


AWAITABLES = [
    of_a_task,
    of_a_blocking_call,
    of_a_token,
    of_a_child_token,
    of_a_join_set,
    of_all_in_a_join_set,
    of_a_join_map,
    of_a_tracker,
    of_what_has_a_limit,
    of_a_budgeted_task,
]

every_awaitable = pytest.mark.parametrize("make", AWAITABLES)


@everywhere
@every_awaitable
def test_awaited(multi_rt: Runtime, place: Any, make: Any) -> None:
    gate = Gate()

    async def main() -> Any:
        awaitable = make(multi_rt, gate)
        once_suspended(gate.open)
        return await awaitable

    assert place(main) in (42, None)


@everywhere
@pytest.mark.parametrize("make", [of_a_task, of_a_blocking_call, of_a_token, of_a_tracker])
def test_awaited_after_the_end(multi_rt: Runtime, place: Any, make: Any) -> None:
    gate = Gate()
    awaitable = make(multi_rt, gate)
    gate.open()

    async def main() -> list[Any]:
        return [await awaitable for _ in range(3)]

    assert place(main) in ([42] * 3, [None] * 3)


@everywhere
@pytest.mark.parametrize("make", [of_a_task, of_a_blocking_call, of_a_token, of_a_tracker])
def test_giving_up_touches_nothing(multi_rt: Runtime, place: Any, make: Any) -> None:
    gate = Gate()

    async def main() -> Any:
        awaitable = make(multi_rt, gate)
        for _ in range(3):
            with pytest.raises(Elapsed):
                await timeout(0.001, awaitable)
        once_suspended(gate.open)
        return await awaitable

    assert place(main) in (42, None)


@everywhere
def test_giving_up_takes_no_tasks_from_a_set(multi_rt: Runtime, place: Any) -> None:
    async def main() -> int:
        gate = Gate()
        tasks: JoinSet[int] = JoinSet()
        tasks.spawn_on(pass_through(gate), multi_rt.handle)
        with pytest.raises(Elapsed):
            await timeout(0.001, tasks.join_next())
        assert len(tasks) == 1
        once_suspended(gate.open)
        return await tasks.join_next()

    assert place(main) == 42


@everywhere
def test_failures(multi_rt: Runtime, place: Any) -> None:
    async def fail() -> None:
        raise Boom

    async def main() -> None:
        with pytest.raises(JoinError, match="panicked") as panicked:
            await multi_rt.spawn(fail())
        assert isinstance(panicked.value.__cause__, Boom)
        handle = multi_rt.spawn(forever())
        once_suspended(handle.abort)
        with pytest.raises(JoinError, match="cancelled") as cancelled:
            await handle
        assert cancelled.value.is_cancelled()

    place(main)


@everywhere
def test_a_runtime_that_shuts_down(multi_rt: Runtime, place: Any) -> None:
    async def main() -> None:
        handle = multi_rt.spawn(forever())
        once_suspended(multi_rt.shutdown_background)
        with pytest.raises(JoinError, match="cancelled"):
            await handle

    place(main)


@everywhere
def test_local_pool(place: Any) -> None:
    async def where() -> int:
        await yield_now()
        return threading.get_ident()

    async def main() -> None:
        async with LocalPool(2) as pool:
            gate = Gate()
            one = pool.spawn_pinned_by_idx(where, 0)
            assert await one == await pool.spawn_pinned_by_idx(where, 0) != threading.get_ident()
            handle = pool.spawn_pinned(pass_through, gate)
            once_suspended(gate.open)
            assert await handle == 42
            with pytest.raises(RuntimeError, match="would block the event loop"):
                pool.shutdown()

    place(main)


@everywhere
def test_executor(place: Any) -> None:
    async def main(pool: ThreadPoolExecutor) -> None:
        go_on = threading.Event()
        handle = spawn_blocking(go_on.wait, LIMIT, executor=pool)
        once_suspended(go_on.set)
        assert await handle is True

    with ThreadPoolExecutor(1) as pool:
        place(lambda: main(pool))


@everywhere
def test_time(place: Any) -> None:
    async def main() -> None:
        began = yamanote.time.now()
        await sleep(0.02)
        await sleep(0)
        await sleep(-1)
        ticks = interval(0.01)
        first = await ticks.tick()
        assert await ticks.tick() == first + ticks.period
        assert yamanote.time.now() - began >= 0.03 - 0.001
        with pytest.raises(Elapsed):
            await timeout(0.01, forever())
        with pytest.raises(Elapsed):
            async with timeout(0.01) as limit:
                await sleep(LIMIT)
        assert limit.expired
        async with timeout(None), timeout(LIMIT) as limit:
            await sleep(0)
        assert not limit.expired
        with pytest.raises(Boom):
            async with timeout(LIMIT):
                raise Boom
        assert await timeout(LIMIT, answer()) == 42

    place(main)


async def answer() -> int:
    return 42


@everywhere
def test_timeouts_inside_each_other(place: Any) -> None:
    async def main() -> None:
        with pytest.raises(Elapsed):
            async with timeout(0.01) as outer, timeout(LIMIT) as inner:
                await forever()
        assert (outer.expired, inner.expired) == (True, False)
        async with timeout(LIMIT) as outer:
            with pytest.raises(Elapsed):
                async with timeout(0.01):
                    await forever()
            await yield_now()
        assert not outer.expired

    place(main)


@everywhere
def test_yielding(place: Any) -> None:
    async def main() -> None:
        order: list[str] = []
        once_suspended(lambda: order.append("others"))
        for _ in range(200):
            await yield_now()
            await coop.consume_budget()
        order.append("this")
        assert order == ["others", "this"]

    place(main)


def test_what_is_thrown_into_a_yield_comes_out() -> None:
    coro = yield_now()
    coro.send(None)
    with pytest.raises(TypeError, match="its own"):
        coro.throw(TypeError("its own"))


@everywhere
def test_task_locals(place: Any) -> None:
    key = LocalKey[int]("key")

    async def main() -> None:
        async def show(gate: Gate) -> int:
            await gate.wait()
            return key.get()

        gate = Gate()
        once_suspended(gate.open)
        assert await key.scope(1, show(gate)) == 1
        assert key.try_get() is None

    place(main)


# join and select.


@outside_of_trio
def test_join_and_select(multi_rt: Runtime, place: Any) -> None:
    async def main() -> None:
        gate = Gate()
        handle = multi_rt.spawn(pass_through(gate))
        assert (await select(sleep(0.001), handle)).branch == 0
        assert (await select(forever(), late=sleep(0.001))).branch == "late"
        assert await gate._token.run_until_cancelled(answer()) == 42
        once_suspended(gate.open)
        assert await join(handle, sleep(0.001), answer()) == (42, None, 42)
        assert await try_join(timeout(LIMIT, handle)) == (42,)
        assert await gate._token.run_until_cancelled(forever()) is None
        with pytest.raises(Elapsed):
            await join(timeout(0.001, forever()))
        with pytest.raises(Elapsed):
            await timeout(0.001, join(forever(), sleep(LIMIT), interval(LIMIT).tick()))

    place(main)


@inside_of_trio
def test_join_and_select_in_trio(place: Any) -> None:
    async def main() -> None:
        for what in (join(answer()), try_join(answer()), select(answer())):
            with pytest.raises(RuntimeError, match="open a nursery"):
                await what
        with pytest.raises(RuntimeError, match="open a nursery"):
            await CancellationToken().run_until_cancelled(answer())

    place(main)


# Cancelling the one who waits, in the way of each library.


async def wait_for(awaitable: Awaitable[T], started: Callable[[], object]) -> T:
    started()
    return await awaitable


@every_awaitable
def test_cancelling_an_asyncio_task(multi_rt: Runtime, make: Any) -> None:
    async def main() -> None:
        gate = Gate()
        started = asyncio.Event()
        waiting = asyncio.create_task(wait_for(make(multi_rt, gate), started.set))
        await started.wait()
        waiting.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await waiting
        again = make(multi_rt, gate)
        once_suspended(gate.open)
        assert await again in (42, None)

    asyncio.run(main())


@every_awaitable
def test_cancelling_a_trio_task(multi_rt: Runtime, make: Any) -> None:
    trio = import_trio()

    async def main() -> None:
        gate = Gate()
        with trio.CancelScope() as scope:
            awaitable = make(multi_rt, gate)
            once_suspended(scope.cancel)
            await awaitable
        assert scope.cancelled_caught
        with trio.CancelScope() as scope:
            # One that is cancelled from the start.
            scope.cancel()
            await make(multi_rt, gate)
        assert scope.cancelled_caught
        again = make(multi_rt, gate)
        once_suspended(gate.open)
        assert await again in (42, None)

    trio.run(main)


def test_one_of_several_trio_tasks_gives_up(multi_rt: Runtime) -> None:
    trio = import_trio()

    async def main() -> None:
        gate = Gate()
        handle = multi_rt.spawn(pass_through(gate))
        results: list[int] = []

        async def wait() -> None:
            results.append(await handle)

        async with trio.open_nursery() as stay:
            async with trio.open_nursery() as leave:
                for _ in range(5):
                    stay.start_soon(wait)
                    leave.start_soon(wait)
                once_suspended(leave.cancel_scope.cancel)
            assert not results
            gate.open()
        assert results == [42] * 5

    trio.run(main)


def test_a_deadline_of_trio(multi_rt: Runtime) -> None:
    trio = import_trio()

    async def main() -> None:
        handle = multi_rt.spawn(forever())
        with pytest.raises(trio.TooSlowError), trio.fail_after(0.01):
            await handle
        # And ours is not taken for trio's, nor trio's for ours.
        with trio.move_on_after(0.01) as scope:
            async with timeout(LIMIT) as limit:
                await handle
        assert scope.cancelled_caught
        assert not limit.expired
        handle.abort()

    trio.run(main)


def test_trio_tasks_have_locals_of_their_own() -> None:
    trio = import_trio()
    key = LocalKey[int]("key")

    async def main() -> None:
        inside, seen = CancellationToken(), CancellationToken()

        async def scoped() -> None:
            async def body() -> None:
                inside.cancel()
                await seen.cancelled()
                assert key.get() == 1

            await key.scope(1, body())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(scoped)
            await inside.cancelled()
            assert key.try_get() is None
            seen.cancel()

    trio.run(main)


def test_yielding_in_a_cancelled_scope_of_trio() -> None:
    trio = import_trio()

    async def main() -> None:
        with trio.CancelScope() as scope:
            scope.cancel()
            await yield_now()
        assert scope.cancelled_caught

    trio.run(main)


@inside_of_trio
def test_blocking_a_trio_loop_is_refused(multi_rt: Runtime, place: Any) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="would block the event loop"):
            multi_rt.block_on(answer())
        with pytest.raises(RuntimeError, match="would block the event loop"):
            yamanote.run(answer())
        with pytest.raises(RuntimeError, match="another thread"):
            multi_rt.shutdown_timeout(SHUTDOWN)

    place(main)


def test_blocking_on_a_thread_of_trios_is_not(multi_rt: Runtime) -> None:
    trio = import_trio()

    async def main() -> None:
        assert await trio.to_thread.run_sync(lambda: multi_rt.block_on(answer())) == 42
        assert await trio.to_thread.run_sync(lambda: multi_rt.spawn(answer()).join(LIMIT)) == 42

    trio.run(main)


# Waiting on plain threads.


@every_awaitable
def test_blocking_a_plain_thread(multi_rt: Runtime, make: Any) -> None:
    gate = Gate()

    async def wait() -> Any:
        awaitable = make(multi_rt, gate)
        once_suspended(gate.open)
        return await awaitable

    assert on_thread(multi_rt.block_on, wait()).result(LIMIT) in (42, None)


@pytest.mark.parametrize("make", [of_a_task, of_a_blocking_call])
def test_joining_with_a_limit(multi_rt: Runtime, make: Any) -> None:
    gate = Gate()
    handle = make(multi_rt, gate)
    for seconds in (0, 0.001):
        with pytest.raises(TimeoutError):
            handle.join(seconds)
    assert not handle.is_finished()
    joining = [on_thread(handle.join) for _ in range(3)]
    gate.open()
    assert [each.result(LIMIT) for each in joining] == [42] * 3


# asyncio's own ways to wait for a handle.


def test_asyncios_functions_take_handles(multi_rt: Runtime) -> None:
    async def main() -> None:
        gate = Gate()
        handles = [multi_rt.spawn(pass_through(gate)) for _ in range(3)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handles[0], 0.001)
        shielded = asyncio.shield(handles[0])
        pending = asyncio.gather(*handles)
        done, waiting = await asyncio.wait(handles, timeout=0.001)
        assert (len(done), len(waiting)) == (0, 3)
        once_suspended(gate.open)
        assert await pending == [42] * 3
        assert await shielded == 42
        done, waiting = await asyncio.wait(handles)
        assert (len(done), len(waiting)) == (3, 0)
        assert [await each for each in asyncio.as_completed(handles)] == [42] * 3
        assert await asyncio.ensure_future(multi_rt.spawn_blocking(lambda: 42)) == 42

    asyncio.run(main())


# A future of asyncio, awaited on another thread than its loop's.


@pytest.fixture
def other_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A plain event loop that runs on a thread of its own."""
    loop = asyncio.new_event_loop()
    running = threading.Event()
    loop.call_soon(running.set)
    ended = on_thread(loop.run_forever)
    assert running.wait(LIMIT)
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    ended.result(LIMIT)
    loop.close()


def on_loop(loop: asyncio.AbstractEventLoop, func: Callable[..., T], *args: Any) -> T:
    """Call `func` on the loop's thread."""

    async def call() -> T:
        return func(*args)

    return asyncio.run_coroutine_threadsafe(call(), loop).result(LIMIT)


async def await_it(awaitable: Awaitable[T]) -> T:
    return await awaitable


WAYS_TO_WAIT = {
    "await": lambda future: await_it(future),
    "spawn": lambda future: spawn(future),
    "timeout": lambda future: timeout(LIMIT, future),
    "join": lambda future: first_of(join(future)),
    "select": lambda future: value_of(select(forever(), future)),
}

ways_to_wait = pytest.mark.parametrize("wait", WAYS_TO_WAIT.values(), ids=WAYS_TO_WAIT)


async def first_of(joined: Awaitable[tuple[T, ...]]) -> T:
    return (await joined)[0]


async def value_of(selected: Awaitable[Any]) -> Any:
    return (await selected).value


@ways_to_wait
def test_a_future_of_another_thread(
    rt: Runtime, other_loop: asyncio.AbstractEventLoop, wait: Any
) -> None:
    future = on_loop(other_loop, other_loop.create_future)

    async def main() -> Any:
        once_suspended(lambda: other_loop.call_soon_threadsafe(future.set_result, 42))
        return await wait(future)

    assert rt.block_on(main()) == 42
    assert rt.block_on(await_it(future)) == 42


def test_a_task_of_another_thread(rt: Runtime, other_loop: asyncio.AbstractEventLoop) -> None:
    go_on = on_loop(other_loop, asyncio.Event)

    async def work() -> int:
        await go_on.wait()
        return threading.get_ident()

    task = on_loop(other_loop, other_loop.create_task, work())

    async def main() -> list[int]:
        handles = [spawn(task) for _ in range(5)]
        once_suspended(lambda: other_loop.call_soon_threadsafe(go_on.set))
        return [await task, *[await handle for handle in handles]]

    results = rt.block_on(main())
    assert len(set(results)) == 1
    assert results[0] != threading.get_ident()


def test_a_future_of_the_loop_that_waits_for_us(multi_rt: Runtime) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        handle = multi_rt.spawn(await_it(future))
        once_suspended(lambda: future.set_result(42))
        assert await handle == 42

    asyncio.run(main())


def test_a_future_of_another_thread_that_fails(
    rt: Runtime, other_loop: asyncio.AbstractEventLoop
) -> None:
    failed, cancelled = (on_loop(other_loop, other_loop.create_future) for _ in range(2))

    async def main() -> None:
        once_suspended(lambda: other_loop.call_soon_threadsafe(failed.set_exception, Boom()))
        with pytest.raises(Boom):
            await failed
        once_suspended(lambda: other_loop.call_soon_threadsafe(cancelled.cancel))
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    rt.block_on(main())


@ways_to_wait
def test_giving_up_on_a_future_of_another_thread(
    rt: Runtime, other_loop: asyncio.AbstractEventLoop, wait: Any
) -> None:
    future = on_loop(other_loop, other_loop.create_future)

    async def main() -> int:
        for _ in range(3):
            with pytest.raises(Elapsed):
                await timeout(0.001, wait(future))
        handle = spawn(await_it(future))
        await yield_now()
        handle.abort()
        with pytest.raises(JoinError, match="cancelled"):
            await handle
        assert not future.done()
        once_suspended(lambda: other_loop.call_soon_threadsafe(future.set_result, 42))
        return await future

    assert rt.block_on(main()) == 42


@everywhere
def test_a_future_of_another_thread_in_other_places(
    place: Any, other_loop: asyncio.AbstractEventLoop
) -> None:
    async def main() -> None:
        future = on_loop(other_loop, other_loop.create_future)
        for _ in range(2):
            with pytest.raises(Elapsed):
                await timeout(0.001, future)
        once_suspended(lambda: other_loop.call_soon_threadsafe(future.set_result, 42))
        assert await timeout(LIMIT, future) == 42

    place(main)


def test_a_guest_of_the_futures_loop() -> None:
    async def main() -> int:
        future = asyncio.get_running_loop().create_future()
        once_suspended(lambda: future.set_result(42))
        return await timeout(LIMIT, future)

    assert in_trio_as_a_guest(main) == 42


def test_aborting_on_the_thread_of_the_future(
    multi_rt: Runtime, other_loop: asyncio.AbstractEventLoop
) -> None:
    future = on_loop(other_loop, other_loop.create_future)
    started = threading.Event()
    handle = multi_rt.spawn(wait_for(future, started.set))
    assert started.wait(LIMIT)
    on_loop(other_loop, handle.abort)
    with pytest.raises(JoinError, match="cancelled"):
        handle.join(LIMIT)
    assert not future.done()


def test_giving_up_lets_the_future_forget(
    rt: Runtime, other_loop: asyncio.AbstractEventLoop
) -> None:
    class Watched(asyncio.Future[None]):
        """Tells how many wait for it."""

        waiting = 0

        def add_done_callback(self, *args: Any, **kwargs: Any) -> None:
            self.waiting += 1
            super().add_done_callback(*args, **kwargs)

        def remove_done_callback(self, callback: Any) -> int:
            removed = super().remove_done_callback(callback)
            self.waiting -= removed
            return removed

    future = on_loop(other_loop, lambda: Watched(loop=other_loop))

    async def main() -> None:
        for wait in (await_it, join):
            handle = spawn(await_it(wait(future)))
            await until(lambda: future.waiting)
            handle.abort()
            with pytest.raises(JoinError, match="cancelled"):
                await handle
            assert on_loop(other_loop, lambda: future.waiting) == 0

    rt.block_on(main())


def test_awaited_on_both_sides(
    multi_rt: Runtime, other_loop: asyncio.AbstractEventLoop, switch_interval: float
) -> None:
    # An `await` marks the future, and fails when it is marked: not by two threads at once.
    async def there(future: asyncio.Future[int]) -> int:
        return await future

    async def on_both_sides() -> None:
        for number in range(50):
            future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
            handles = [multi_rt.spawn(future) for _ in range(4)]
            tasks = [asyncio.create_task(there(future)) for _ in range(4)]
            if number % 2:
                await asyncio.sleep(0)
            future.set_result(number)
            assert await asyncio.gather(*handles, *tasks) == [number] * 8

    asyncio.run_coroutine_threadsafe(on_both_sides(), other_loop).result(LIMIT)


def test_cancelled_while_it_is_completed(
    multi_rt: Runtime, other_loop: asyncio.AbstractEventLoop, switch_interval: float
) -> None:
    async def main() -> None:
        for number in range(100):
            future = other_loop.create_future()
            handle = spawn(await_it(future))
            if number % 3:
                await yield_now()
            other_loop.call_soon_threadsafe(future.set_result, number)
            if number % 2:
                await yield_now()
            handle.abort()
            try:
                assert await handle == number
            except JoinError as error:
                if not error.is_cancelled():
                    raise

    multi_rt.block_on(main())


def test_a_future_of_a_loop_that_has_ended(rt: Runtime) -> None:
    loop = asyncio.new_event_loop()
    future = loop.create_future()
    done = loop.create_future()
    done.set_result(42)

    async def main() -> None:
        assert await done == 42
        with pytest.raises(RuntimeError, match="does not run"):
            await future

    try:
        rt.block_on(main())
    finally:
        loop.close()
    rt.block_on(main())


def test_a_future_of_another_worker(rt: Runtime, multi_rt: Runtime) -> None:
    made: Future[asyncio.Future[None]] = Future()

    async def make() -> None:
        made.set_result(asyncio.get_running_loop().create_future())
        await forever()

    async def main(future: asyncio.Future[None]) -> None:
        for what in (await_it(future), join(future), timeout(LIMIT, future)):
            with pytest.raises(RuntimeError, match="another worker: keep"):
                await what
        with pytest.raises(JoinError, match="another worker: keep"):
            await spawn(future)

    handle = multi_rt.spawn(make())
    rt.block_on(main(made.result(LIMIT)))
    handle.abort()


def test_a_future_of_a_worker_of_the_same_runtime() -> None:
    async def hold(together: threading.Barrier, futures: list[asyncio.Future[None]]) -> None:
        futures.append(asyncio.get_running_loop().create_future())
        # Both hold their worker until both have one.
        together.wait(LIMIT)
        other = next(f for f in futures if f.get_loop() is not asyncio.get_running_loop())
        with pytest.raises(RuntimeError, match="another worker: keep"):
            await other

    async def main() -> None:
        together, futures = threading.Barrier(2), []
        handles = [spawn(hold(together, futures)) for _ in range(2)]
        for handle in handles:
            await handle

    yamanote.run(main(), worker_threads=2)


# concurrent.futures.


@pytest.mark.parametrize("way", [way for way in WAYS_TO_WAIT if way != "await"])
def test_a_concurrent_future(rt: Runtime, way: str) -> None:
    wait: Any = WAYS_TO_WAIT[way]
    future: Future[int] = Future()

    async def main() -> int:
        once_suspended(lambda: future.set_result(42))
        return await wait(future)

    assert rt.block_on(main()) == 42
    assert rt.block_on(wait_in(wait, future)) == 42


async def wait_in(wait: Any, future: Future[T]) -> T:
    return await wait(future)


def test_concurrent_futures_where_coroutines_are_taken(rt: Runtime) -> None:
    future: Future[int] = Future()
    waiting = rt.spawn(future)

    async def main() -> None:
        tasks: JoinSet[int] = JoinSet()
        tasks.spawn(future)
        async with asyncio.TaskGroup() as group:
            group.create_task(await_it(timeout(LIMIT, future)))
            once_suspended(lambda: future.set_result(42))
            assert await LocalSet().run_until(future) == 42
        assert await waiting == 42
        assert await tasks.join_all() == [42]
        assert await try_join(future, answer(), future) == (42, 42, 42)
        assert await CancellationToken().run_until_cancelled(future) == 42
        with pytest.raises(TypeError, match="await"):
            await future  # type: ignore[misc]

    rt.block_on(main())
    assert rt.block_on(future) == 42


def test_a_concurrent_future_that_fails(rt: Runtime) -> None:
    failed: Future[int] = Future()
    cancelled: Future[int] = Future()

    async def main() -> None:
        once_suspended(lambda: failed.set_exception(Boom()))
        with pytest.raises(Boom):
            await join(failed)
        once_suspended(cancelled.cancel)
        # Not a cancellation of the one who waits.
        with pytest.raises(JoinError, match="panicked") as error:
            await spawn(cancelled)
        assert isinstance(error.value.into_panic(), concurrent.futures.CancelledError)

    rt.block_on(main())


@outside_of_trio
def test_giving_up_on_a_concurrent_future(place: Any) -> None:
    async def main() -> None:
        future: Future[int] = Future()
        with pytest.raises(Elapsed):
            await timeout(0.001, future)
        assert (await select(future, sleep(0.001))).branch == 1
        assert not future.cancelled()
        once_suspended(lambda: future.set_result(42))
        assert await join(future) == (42,)

    place(main)


@inside_of_trio
def test_a_concurrent_future_in_trio(place: Any) -> None:
    async def main() -> None:
        future: Future[int] = Future()
        with pytest.raises(Elapsed):
            await timeout(0.001, future)
        once_suspended(lambda: future.set_result(42))
        assert await timeout(LIMIT, future) == 42

    place(main)


def test_a_concurrent_future_that_is_completed_meanwhile(
    multi_rt: Runtime, switch_interval: float
) -> None:
    async def main() -> None:
        for number in range(100):
            future: Future[int] = Future()
            handles = [spawn(future) for _ in range(3)]
            if number % 2:
                await yield_now()
            completing = on_thread(future.set_result, number)
            assert [await handle for handle in handles] == [number] * 3
            await join(completing)

    multi_rt.block_on(main())


def test_wrap_future(rt: Runtime) -> None:
    future: Future[int] = Future()

    async def main() -> int:
        once_suspended(lambda: future.set_result(42))
        return await asyncio.wrap_future(future)

    assert rt.block_on(main()) == 42
    assert rt.block_on(spawned(main)) == 42


# run_coroutine_threadsafe.


def test_run_coroutine_threadsafe_onto_a_worker(rt: Runtime) -> None:
    async def native(gate: Gate) -> int:
        # An asyncio task of the worker's loop, in which all of ours works too.
        await gate.wait()
        await asyncio.sleep(0)
        return await spawn(answer())

    def call(loop: asyncio.AbstractEventLoop, gate: Gate) -> int:
        future = asyncio.run_coroutine_threadsafe(native(gate), loop)
        with pytest.raises(TimeoutError):
            future.result(0.001)
        gate.open()
        return future.result(LIMIT)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await join(on_thread(call, loop, Gate())) == (42,)
        waiting = asyncio.run_coroutine_threadsafe(native(Gate()), loop)
        await yield_now()
        waiting.cancel()
        with pytest.raises(concurrent.futures.CancelledError):
            await join(waiting)

    rt.block_on(main())


def test_run_coroutine_threadsafe_from_a_task(
    rt: Runtime, other_loop: asyncio.AbstractEventLoop
) -> None:
    async def there(handle: JoinHandle[int]) -> tuple[int, int]:
        return await handle, threading.get_ident()

    async def main() -> None:
        handle = spawn(answer())
        future = asyncio.run_coroutine_threadsafe(there(handle), other_loop)
        value, thread = await asyncio.wrap_future(future)
        assert value == 42
        assert thread != threading.get_ident()
        assert await spawn(asyncio.run_coroutine_threadsafe(there(handle), other_loop)) == (
            42,
            thread,
        )

    rt.block_on(main())


def test_run_coroutine_threadsafe_between_workers() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.get_ident()

        async def here() -> int:
            return threading.get_ident()

        async def elsewhere() -> None:
            for _ in range(10):
                assert await join(asyncio.run_coroutine_threadsafe(here(), loop)) == (thread,)
                await yield_now()

        for handle in [spawn(elsewhere()) for _ in range(8)]:
            await handle

    yamanote.run(main(), worker_threads=4)


# A runtime as the engine of a program that is not asynchronous, or has a loop of its own.


def test_an_engine_for_threads(multi_rt: Runtime) -> None:
    def request(number: int) -> int:
        async def square(n: int) -> int:
            await yield_now()
            return n * n

        handles = [multi_rt.spawn(square(n)) for n in range(number)]
        return sum(handle.join(LIMIT) for handle in handles)

    requests = [on_thread(request, number) for number in range(10)]
    assert [each.result(LIMIT) for each in requests] == [
        sum(n * n for n in range(number)) for number in range(10)
    ]


def test_an_engine_beside_a_running_loop(workers: int) -> None:
    """What the cells of a notebook do."""

    async def cells() -> None:
        rt = Runtime(worker_threads=workers)
        with pytest.raises(RuntimeError, match="await the coroutine or spawn"):
            rt.block_on(answer())
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0)
                ticks += 1

        ticking = asyncio.create_task(tick())
        go_on = threading.Event()
        handle = rt.spawn_blocking(go_on.wait, LIMIT)
        while ticks < 10:
            await asyncio.sleep(0)
        go_on.set()
        assert await handle is True
        with rt.enter():
            assert await spawn(answer()) == 42
        ticking.cancel()
        with pytest.raises(RuntimeError, match="another thread"):
            rt.shutdown_timeout(SHUTDOWN)
        await asyncio.to_thread(rt.shutdown_timeout, SHUTDOWN)
        with pytest.raises(JoinError, match="cancelled"):
            await rt.spawn(answer())

    asyncio.run(cells())


# Races.


@pytest.mark.parametrize("place", [in_asyncio, in_trio, in_trio_as_a_guest])
def test_waiting_while_it_ends(multi_rt: Runtime, place: Any, switch_interval: float) -> None:
    async def main() -> None:
        for number in range(200):
            handle = multi_rt.spawn(answer())
            try:
                async with timeout(0 if number % 3 == 0 else LIMIT):
                    assert await handle == 42
            except Elapsed:
                assert number % 3 == 0
                assert await handle == 42

    place(main)


def test_trio_is_cancelled_while_it_is_woken(multi_rt: Runtime, switch_interval: float) -> None:
    trio = import_trio()

    async def main() -> None:
        for _ in range(200):
            gate = Gate()
            handle = multi_rt.spawn(pass_through(gate))
            opening = multi_rt.spawn_blocking(gate.open)
            with trio.CancelScope() as scope:
                once_suspended(scope.cancel)
                assert await handle == 42
            await opening
            assert await handle == 42

    trio.run(main)


def test_a_loop_that_is_gone(multi_rt: Runtime) -> None:
    """Wake-ups for those whose loop has ended meanwhile go nowhere."""
    gate = Gate()
    handle = multi_rt.spawn(pass_through(gate))
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(await_it(handle))
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    gate.open()
    assert handle.join(LIMIT) == 42
    assert multi_rt.block_on(answer()) == 42
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    waiting.get_coro().close()
