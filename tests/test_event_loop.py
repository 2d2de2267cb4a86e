"""`yamanote.EventLoop`: an asyncio program sees asyncio's loop and asyncio's tasks in it, and
may use Yamanote's tasks too."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Coroutine, Generator, Iterator
from typing import Any, TypeVar

import pytest

import yamanote
from tests.channels import LIMIT, on_thread
from tests.gates import Gate, forever
from yamanote import Handle, JoinError, spawn, spawn_blocking, yield_now
from yamanote.time import sleep

T = TypeVar("T")

Trace = list[Any]
Program = Callable[[Trace], Coroutine[Any, Any, None]]

eager = pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")


def run(coro: Coroutine[Any, Any, T], loop_factory: Any = yamanote.EventLoop) -> T:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(coro)


@pytest.fixture
def loop() -> Iterator[yamanote.EventLoop]:
    loop = yamanote.EventLoop()
    yield loop
    loop.close()


# The order of callbacks and of the tasks' steps is asyncio's.


def traces(program: Program) -> tuple[Trace, Trace]:
    """What one program notes on asyncio's loop, and on ours."""
    theirs: Trace = []
    run(program(theirs), asyncio.SelectorEventLoop)
    ours: Trace = []
    run(program(ours))
    return theirs, ours


async def callbacks_and_steps(trace: Trace) -> None:
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    async def wait(name: str) -> None:
        trace.append(f"{name} begins")
        trace.append(await future)
        await asyncio.sleep(0)
        loop.call_soon(trace.append, f"{name} called soon")
        trace.append(f"{name} ends")

    future.add_done_callback(lambda _: trace.append("before all"))
    loop.call_soon(trace.append, "first")
    first = asyncio.create_task(wait("a"))
    loop.call_soon(trace.append, "between")
    second = asyncio.create_task(wait("b"))
    first.add_done_callback(lambda task: trace.append(task is first))
    await asyncio.sleep(0)
    future.add_done_callback(lambda _: trace.append("after all"))
    loop.call_soon(trace.append, "last")
    future.set_result("result")
    trace.append("set")
    await second
    trace.append("joined")
    await first


async def cancellations(trace: Trace) -> None:
    future = asyncio.get_running_loop().create_future()

    async def stubborn(name: str) -> str:
        for attempt in range(2):
            try:
                await future
            except asyncio.CancelledError as error:
                trace.append((name, attempt, error.args, asyncio.current_task().cancelling()))  # type: ignore[union-attr]
                future_again = asyncio.get_running_loop().create_future()
                future_again.cancel()
        return name

    async def in_its_last_step() -> None:
        asyncio.current_task().cancel("too late")  # type: ignore[union-attr]

    async def on_another(task: asyncio.Task[Any]) -> None:
        try:
            await task
        finally:
            trace.append(("the other", task.done()))

    never = asyncio.create_task(stubborn("never begins"))
    trace.append(never.cancel("at once"))
    tasks = [
        never,
        asyncio.create_task(in_its_last_step()),
        outer := asyncio.create_task(on_another(inner := asyncio.create_task(asyncio.sleep(60)))),
        kept := asyncio.create_task(stubborn("kept")),
    ]
    await asyncio.sleep(0)
    trace.append(outer.cancel("through"))
    trace.append((inner.cancelling(), outer.cancelling()))
    trace.append(kept.cancel("once"))
    trace.append((kept.uncancel(), kept.cancelling()))
    await asyncio.sleep(0)
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        trace.append(type(ended))
    trace.append([task.cancelled() for task in tasks])
    trace.append(kept.cancel())


async def the_parts_of_asyncio(trace: Trace) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(2)
    lock, event, condition = asyncio.Lock(), asyncio.Event(), asyncio.Condition()
    semaphore = asyncio.Semaphore(2)

    async def produce() -> None:
        for item in range(6):
            await queue.put(item)
            trace.append(("put", item))

    async def consume(name: str) -> None:
        for _ in range(3):
            trace.append((name, await queue.get()))

    async def guarded(name: str) -> None:
        async with semaphore, lock:
            trace.append((name, "locked"))
            await asyncio.sleep(0)
        await event.wait()
        async with condition:
            trace.append((name, "waits"))
            await condition.wait()
        trace.append((name, "notified"))

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("failed")

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        for name in "abc":
            group.create_task(guarded(name))
        group.create_task(consume("x"))
        group.create_task(consume("y"))
        while not lock.locked():
            await asyncio.sleep(0)
        event.set()
        while len(trace) < 18:
            await asyncio.sleep(0)
        for _ in range(3):
            async with condition:
                condition.notify()
                trace.append("notify")
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            group.create_task(guarded("d"))
            await asyncio.sleep(60)
    except ExceptionGroup as failed:
        trace.append(repr(failed))
    try:
        async with asyncio.timeout(0):
            await asyncio.sleep(60)
    except TimeoutError as error:
        trace.append(repr(error.__cause__))
    tasks = [asyncio.create_task(asyncio.sleep(0, n)) for n in range(5)]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    trace.append(([tasks.index(task) for task in tasks if task in done], len(pending)))
    trace.append(sorted([await first for first in asyncio.as_completed(tasks)]))
    shielded = asyncio.create_task(asyncio.sleep(0, "shielded"))
    shield = asyncio.shield(shielded)
    shield.cancel()
    trace.append((await shielded, shield.cancelled()))


async def what_the_exception_handler_hears(trace: Trace) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, context: trace.append((context["message"], repr(context.get("exception"))))
    )

    async def fail() -> None:
        raise ValueError("not retrieved")

    def call() -> None:
        raise KeyError("a callback")

    task = asyncio.create_task(fail())
    loop.call_soon(call)
    await asyncio.wait([task])
    del task
    gc.collect()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    "program",
    [callbacks_and_steps, cancellations, the_parts_of_asyncio, what_the_exception_handler_hears],
)
def test_order_is_asyncios(program: Program) -> None:
    theirs, ours = traces(program)
    assert ours == theirs
    assert ours


def random_program(seed: int) -> Program:
    """Tasks that wake, await, cancel and start each other, as the seed has it."""

    async def program(trace: Trace) -> None:
        choose = random.Random(seed)
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in range(4)]
        lock = asyncio.Lock()
        tasks: list[asyncio.Task[Any]] = []

        async def step(name: str, depth: int) -> str:
            what = choose.randrange(10)
            which = choose.randrange(len(futures))
            trace.append((name, what))
            if what == 0:
                await asyncio.sleep(0)
            elif what == 1:
                loop.call_soon(trace.append, f"{name} called")
            elif what == 2 and not futures[which].done():
                futures[which].set_result(name)
                futures[which] = loop.create_future()
            elif what == 3:
                futures[which].cancel()
                futures[which] = loop.create_future()
            elif what in (4, 5):
                trace.append((name, await futures[which]))
            elif what == 6:
                choose.choice(tasks).cancel(name)
            elif what == 7 and depth < 3:
                start(f"{name}.{len(tasks)}", depth + 1)
            elif what == 8:
                async with lock:
                    await asyncio.sleep(0)
            elif what == 9:
                raise ValueError(name)
            return name

        async def work(name: str, depth: int) -> None:
            for _ in range(choose.randrange(8)):
                try:
                    await step(name, depth)
                except asyncio.CancelledError as error:
                    trace.append((name, "cancelled", error.args))
                    if choose.random() < 0.5:
                        raise

        def start(name: str, depth: int) -> None:
            task = asyncio.create_task(work(name, depth), name=name)
            task.add_done_callback(
                lambda task: trace.append((task.get_name(), repr(outcome(task))))
            )
            tasks.append(task)

        for number in range(8):
            start(str(number), 0)
        for _ in range(50):
            await asyncio.sleep(0)
        while waiting := [task for task in tasks if not task.done()]:
            waiting[0].cancel("the end")
            await asyncio.sleep(0)

    return program


def outcome(task: asyncio.Task[Any]) -> object:
    return "cancelled" if task.cancelled() else task.exception()


def test_order_is_asyncios_in_any_program() -> None:
    for seed in range(200):
        theirs, ours = traces(random_program(seed))
        assert ours == theirs, f"seed {seed}"


# Tasks are asyncio's to everybody.


def test_a_task_is_an_asyncio_task() -> None:
    async def main() -> None:
        gate = asyncio.Event()
        task = asyncio.create_task(gate.wait(), name="the name")
        assert isinstance(task, asyncio.Task)
        assert asyncio.isfuture(task)
        assert asyncio.all_tasks() == {task, asyncio.current_task()}
        assert task.get_name() == "the name"
        assert task.get_loop() is asyncio.get_running_loop()
        await asyncio.sleep(0)
        assert [frame.f_code.co_name for frame in task.get_stack()] == ["wait"]
        assert repr(task).startswith("<Task pending name='the name' coro=<Event.wait() running at")
        gate.set()
        assert await task is True
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert task.get_stack() == []

    run(main())


def test_current_task_is_the_one_that_runs() -> None:
    async def main() -> None:
        seen = []

        async def note() -> None:
            seen.append(asyncio.current_task())
            await asyncio.sleep(0)
            seen.append(asyncio.current_task())

        task = asyncio.create_task(note())
        asyncio.get_running_loop().call_soon(lambda: seen.append(asyncio.current_task()))
        await task
        assert seen == [task, None, task]

    run(main())


def test_names_are_unlike_each_other() -> None:
    async def main() -> None:
        tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(10)]
        assert len({task.get_name() for task in tasks}) == 10
        assert all(task.get_name().startswith("Task-") for task in tasks)

    run(main())


def test_a_future_tells_who_waits_as_asyncio_does() -> None:
    async def main() -> str:
        future = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(asyncio.wait_for(future, None))
        await asyncio.sleep(0)
        told = repr(future)
        task.cancel()
        return told

    assert run(main()) == run(main(), asyncio.SelectorEventLoop)


@eager
def test_eagerly_started_tasks() -> None:
    trace: Trace = []

    async def child(future: asyncio.Future[int] | None) -> int:
        trace.append(asyncio.current_task())
        return 1 if future is None else await future

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        me = asyncio.current_task()
        done = loop.create_task(child(None), eager_start=True)
        assert done.done()
        assert done.result() == 1
        assert asyncio.current_task() is me
        future = loop.create_future()
        waiting = loop.create_task(child(future), eager_start=True)
        assert trace == [done, waiting]
        assert waiting in asyncio.all_tasks()
        future.set_result(2)
        assert await waiting == 2

        loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined,unused-ignore]
        assert asyncio.create_task(child(None)).done()

    run(main())


@eager
def test_an_interrupt_in_an_eager_task_comes_out_where_it_was_started() -> None:
    async def stop() -> None:
        raise SystemExit(3)

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        me = asyncio.current_task()
        with pytest.raises(SystemExit):
            await loop.create_task(stop(), eager_start=True)
        assert asyncio.current_task() is me

    run(main())


class Once:
    """Looks like a future of asyncio's, and calls its callbacks itself."""

    _asyncio_future_blocking = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Any = None

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Any, *, context: Any = None) -> None:
        self._callback = callback

    def complete(self) -> None:
        self._callback(self)

    def __await__(self) -> Generator[Any, None, str]:
        self._asyncio_future_blocking = True
        yield self
        return "done"


def test_what_looks_like_a_future_is_awaited() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        for complete in (loop.call_soon, lambda func: func()):
            once = Once(loop)

            async def wait(once: Once = once) -> str:
                return await once

            task = asyncio.create_task(wait())
            await asyncio.sleep(0)
            complete(once.complete)
            assert await task == "done"

    run(main())


# Where a cancelled task was.


async def in_the_middle() -> None:
    await asyncio.sleep(60)


async def cancelled_task() -> asyncio.Task[None]:
    task = asyncio.create_task(in_the_middle())
    await asyncio.sleep(0)
    task.cancel("why")
    return task


def where(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__)]


def test_who_awaits_a_cancelled_task_sees_where_it_was() -> None:
    async def main() -> None:
        task = await cancelled_task()
        with pytest.raises(asyncio.CancelledError, match="why") as caught:
            await task
        assert "in_the_middle" in where(caught.value)
        with pytest.raises(asyncio.CancelledError, match="why") as again:
            await task
        assert again.value is not caught.value

    run(main())


@pytest.mark.parametrize("ask", [asyncio.Task.result, asyncio.Task.exception])
def test_who_asks_a_cancelled_task_sees_where_it_was(ask: Any) -> None:
    ask = ask.__name__

    async def main() -> None:
        task = await cancelled_task()
        await asyncio.wait([task])
        assert task.cancelled()
        for sees in (True, False):  # the error is handed out once, as by asyncio
            with pytest.raises(asyncio.CancelledError, match="why") as caught:
                getattr(task, ask)()
            assert ("in_the_middle" in where(caught.value)) is sees

    run(main())


def test_an_unfinished_task_has_no_result() -> None:
    async def main() -> None:
        task = await cancelled_task()
        for ask in (task.result, task.exception):
            with pytest.raises(asyncio.InvalidStateError):
                ask()
        await asyncio.wait([task])

    run(main())


def test_nothing_is_left_of_a_cancelled_task() -> None:
    async def main() -> weakref.ref[Any]:
        task = await cancelled_task()
        with pytest.raises(asyncio.CancelledError):
            await task
        return weakref.ref(task)

    async def all_ends() -> bool:
        gone = await asyncio.create_task(main())
        gc.collect()
        return gone() is None

    assert run(all_ends())


@pytest.mark.parametrize("run", [run, yamanote.run])
def test_a_task_is_kept_until_it_ends(run: Any) -> None:
    async def main() -> None:
        async def wait() -> None:
            waited = asyncio.get_running_loop().create_future()
            futures.add(waited)
            await waited

        futures: weakref.WeakSet[Any] = weakref.WeakSet()
        task = weakref.ref(asyncio.create_task(wait()))
        await asyncio.sleep(0)
        gc.collect()
        assert task() in asyncio.all_tasks()
        for waited in futures:
            waited.set_result(None)
        del waited
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
        assert task() is None

    run(main())


# Yamanote inside.


def test_spawn_and_its_like_work_inside() -> None:
    async def main() -> None:
        me = threading.get_ident()

        async def where() -> int:
            await yield_now()
            return threading.get_ident()

        assert await spawn(where()) == me
        assert await Handle.current().spawn(where()) == me
        assert await spawn_blocking(threading.get_ident) != me
        assert await asyncio.create_task(where()) == me
        handle = await asyncio.to_thread(Handle.current().spawn, where())
        assert await handle == me
        assert handle.is_finished()
        assert Handle.current().runtime_flavor() == "current_thread"
        await sleep(0)

    run(main())
    assert Handle.try_current() is None


def test_native_tasks_and_asyncio_tasks_wake_each_other() -> None:
    async def main() -> None:
        there: asyncio.Queue[int] = asyncio.Queue()
        back: asyncio.Queue[int] = asyncio.Queue()

        async def echo() -> None:
            for _ in range(100):
                await back.put(await there.get())

        handle = spawn(echo())
        for n in range(100):
            await there.put(n)
            assert await back.get() == n
        await handle

    run(main())


def test_a_spawned_task_that_fails_raises_where_it_is_joined() -> None:
    async def fail() -> None:
        raise ValueError("mine")

    async def main() -> None:
        with pytest.raises(JoinError) as caught:
            await spawn(fail())
        assert isinstance(caught.value.__cause__, ValueError)

    run(main())


def test_what_was_spawned_is_cancelled_at_the_end() -> None:
    trace: Trace = []

    async def stay(name: str) -> None:
        try:
            await forever()
        finally:
            await yield_now()  # it is waited for
            trace.append(name)

    async def main() -> None:
        spawn(stay("spawned"))
        asyncio.create_task(stay("asyncio's")).add_done_callback(id)
        await asyncio.sleep(0)
        await yield_now()
        trace.append("main")

    run(main())
    assert trace[0] == "main"
    assert sorted(trace[1:]) == ["asyncio's", "spawned"]


def test_what_still_lives_when_the_loop_is_closed_is_cut_off() -> None:
    loop = yamanote.EventLoop()
    begun, trace = Gate(), Trace()

    async def stay() -> None:
        begun.open()
        try:
            await forever()
        finally:
            trace.append("finally")

    async def main() -> Any:
        handle = spawn(stay())
        await begun.wait()
        return handle

    handle = loop.run_until_complete(main())
    loop.close()
    assert trace == ["finally"]
    with pytest.raises(JoinError) as caught:
        handle.join(LIMIT)
    assert caught.value.is_cancelled()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_a_native_task_leaves_the_loop(failure: type[BaseException]) -> None:
    trace: Trace = []

    async def stop() -> None:
        raise failure

    async def main() -> None:
        spawn(stop())
        try:
            await asyncio.sleep(LIMIT)
        finally:
            trace.append("main")

    with pytest.raises(failure):
        run(main())
    assert trace == ["main"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_in_an_asyncio_task_leaves_the_loop(failure: type[BaseException]) -> None:
    async def stop() -> None:
        raise failure

    async def main() -> None:
        task = asyncio.create_task(stop())
        await asyncio.sleep(LIMIT)
        del task

    with pytest.raises(failure):
        run(main())


def test_block_on_is_for_runtimes() -> None:
    async def main() -> None:
        handle = Handle.current()
        with pytest.raises(RuntimeError, match=r"block_on\(\) would block the event loop"):
            handle.block_on(forever())

        def on_a_thread() -> None:
            with pytest.raises(RuntimeError, match="this runtime is an event loop"):
                handle.block_on(forever())

        await asyncio.to_thread(on_a_thread)

    run(main())


# The loop's own life.


def test_close() -> None:
    loop = yamanote.EventLoop()

    async def main() -> None:
        with pytest.raises(RuntimeError, match="Cannot close a running event loop"):
            loop.close()

    loop.run_until_complete(main())
    assert not loop.is_closed()
    loop.close()
    assert loop.is_closed()
    loop.close()
    coro = main()
    for use in (loop.run_forever, lambda: loop.create_task(coro), lambda: loop.call_soon(int)):
        with pytest.raises(RuntimeError, match="Event loop is closed"):
            use()
    coro.close()


def test_a_loop_is_run_again_and_again(loop: yamanote.EventLoop) -> None:
    async def native(n: int) -> int:
        await yield_now()
        return n

    async def main(n: int) -> int:
        return await spawn(native(n))

    assert [loop.run_until_complete(main(n)) for n in range(3)] == [0, 1, 2]
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert on_thread(loop.run_until_complete, main(3)).result(LIMIT) == 3


def test_one_loop_at_a_time(loop: yamanote.EventLoop) -> None:
    other = yamanote.EventLoop()

    async def main() -> None:
        for runs in (loop.run_forever, other.run_forever):
            with pytest.raises(RuntimeError, match="running"):
                runs()
            assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)

    loop.run_until_complete(main())
    other.close()


def test_a_workers_loop_cannot_be_run_inside_itself() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)

    yamanote.run(main(), worker_threads=1)


def test_two_loops_on_two_threads() -> None:
    async def main(n: int) -> int:
        handles = [spawn(asyncio.sleep(0, i)) for i in range(n)]
        return sum([await handle for handle in handles])

    futures = [on_thread(run, main(100)) for _ in range(2)]
    assert [future.result(LIMIT) for future in futures] == [4950, 4950]


def test_new_event_loop() -> None:
    loop = yamanote.new_event_loop()
    assert type(loop) is yamanote.EventLoop
    assert isinstance(loop, asyncio.SelectorEventLoop)
    loop.close()


def test_timers_keep_their_order_and_never_come_early(loop: yamanote.EventLoop) -> None:
    trace: Trace = []
    began = time.monotonic()

    def note(name: str) -> None:
        trace.append((name, time.monotonic() - began))

    loop.call_later(0.02, note, "second")
    loop.call_later(0.01, note, "first")
    loop.call_later(0.03, loop.stop)
    loop.run_forever()
    assert [name for name, _ in trace] == ["first", "second"]
    resolution = time.get_clock_info("monotonic").resolution + 0.001
    assert all(
        took >= least - resolution for (_, took), least in zip(trace, (0.01, 0.02), strict=True)
    )


def test_a_loop_leaves_nothing_behind() -> None:
    async def native() -> None:
        await yield_now()

    async def main() -> weakref.ref[Any]:
        await spawn(native())
        await asyncio.create_task(native())
        await spawn_blocking(int)
        spawn(forever())
        return weakref.ref(asyncio.get_running_loop())

    threads = threading.active_count()
    gone = run(main())
    limit = time.monotonic() + LIMIT
    # An idle thread of the pool has been told to end.
    while threading.active_count() > threads or gone() is not None:
        gc.collect()
        assert time.monotonic() < limit
