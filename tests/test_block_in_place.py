"""`block_in_place`: the worker goes on in another thread while the call blocks.

The calls wait for events that other tasks of the same worker set: were it not handed over,
they would wait for ever.
"""

from __future__ import annotations

import asyncio
import contextvars
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.channels import LIMIT, Channel, Counter, on_thread
from yamanote import (
    Handle,
    JoinError,
    JoinHandle,
    LocalKey,
    LocalSet,
    Runtime,
    block_in_place,
    join,
    spawn,
    spawn_blocking,
    spawn_local,
    yield_now,
)
from yamanote.time import sleep, timeout


async def forever() -> None:
    await sleep(1e6)


def wait_for(*events: threading.Event) -> list[bool]:
    return [event.wait(LIMIT) for event in events]


@pytest.fixture
def go_on() -> Iterator[threading.Event]:
    """Set at the end, lest a call blocks a failed test for long."""
    event = threading.Event()
    yield event
    event.set()


async def everything(events: dict[str, threading.Event]) -> list[bool]:
    """Things that run on this task's worker set the events while the task blocks."""
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    tasks = []

    async def roam() -> None:
        await yield_now()
        events["roaming task"].set()

    async def sleep_natively() -> None:
        await sleep(0.001)
        events["native timer"].set()

    async def in_asyncio() -> None:
        await asyncio.sleep(0.001)
        events["asyncio task"].set()

    async def stay() -> None:
        await asyncio.sleep(0)
        await yield_now()
        events["pinned task"].set()

    async def serve() -> None:
        connection, _ = await loop.sock_accept(listener)
        with connection:
            assert await loop.sock_recv(connection, 10) == b"hello"
        events["socket"].set()

    def visit() -> None:
        with socket.create_connection(listener.getsockname()) as client:
            client.sendall(b"hello")
            assert events["socket"].wait(LIMIT)

    with listener:
        tasks = [spawn(roam()), spawn(sleep_natively()), spawn(stay())]
        tasks += [asyncio.create_task(in_asyncio()), asyncio.create_task(serve())]  # type: ignore[list-item]
        loop.call_soon(events["loop callback"].set)
        loop.call_later(0.001, events["loop timer"].set)
        visitor = spawn_blocking(visit)
        done = block_in_place(wait_for, *events.values())
        for task in (*tasks, visitor):
            await task
    return done


EVERYTHING = (
    "roaming task",
    "native timer",
    "asyncio task",
    "pinned task",
    "socket",
    "loop callback",
    "loop timer",
)


def test_everything_goes_on_while_the_main_task_blocks(multi_rt: Runtime) -> None:
    events = {name: threading.Event() for name in EVERYTHING}
    assert multi_rt.block_on(everything(events)) == [True] * len(EVERYTHING)


def test_everything_goes_on_while_a_task_blocks(multi_rt: Runtime) -> None:
    events = {name: threading.Event() for name in EVERYTHING}

    async def main() -> list[bool]:
        return await spawn(everything(events))

    assert multi_rt.block_on(main()) == [True] * len(EVERYTHING)


def test_everything_goes_on_without_block_on(multi_rt: Runtime) -> None:
    events = {name: threading.Event() for name in EVERYTHING}
    assert multi_rt.spawn(everything(events)).join(LIMIT) == [True] * len(EVERYTHING)


def test_again_and_again(multi_rt: Runtime, switch_interval: float) -> None:
    async def set_it(event: threading.Event) -> None:
        event.set()

    async def main() -> int:
        done = 0
        for _ in range(100):
            event = threading.Event()
            task = spawn(set_it(event))
            done += block_in_place(event.wait, LIMIT)
            await task
        return done

    assert multi_rt.block_on(main()) == 100
    assert multi_rt.block_on(multi_rt.spawn(main())) == 100


def test_arguments_and_result(multi_rt: Runtime) -> None:
    def call(*args: int, **kwargs: int) -> tuple[Any, ...]:
        return args, kwargs

    async def main() -> tuple[Any, ...]:
        return block_in_place(call, 1, 2, three=3)

    assert multi_rt.block_on(main()) == ((1, 2), {"three": 3})


def test_same_thread_task_and_loop(multi_rt: Runtime) -> None:
    variable = contextvars.ContextVar[int]("variable")
    key = LocalKey[int]("key")

    async def main() -> None:
        variable.set(1)
        thread = threading.get_ident()
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def inside() -> None:
            assert threading.get_ident() == thread
            assert variable.get() == 1
            variable.set(2)
            with pytest.raises(RuntimeError):
                asyncio.get_running_loop()

        block_in_place(inside)
        assert threading.get_ident() == thread
        assert asyncio.current_task() is task
        assert asyncio.get_running_loop() is loop
        assert variable.get() == 2
        assert key.get() == 3
        await asyncio.sleep(0)  # the loop is this task's still
        assert asyncio.get_running_loop() is loop

    multi_rt.block_on(key.scope(3, main()))
    multi_rt.block_on(multi_rt.spawn(key.scope(3, main())))


def test_exception_out_of_the_call(multi_rt: Runtime) -> None:
    event = threading.Event()

    def fail() -> None:
        assert event.wait(LIMIT)
        raise KeyError("from inside")

    async def set_it() -> None:
        event.set()

    async def child() -> str:
        task = spawn(set_it())
        with pytest.raises(KeyError, match="from inside"):
            block_in_place(fail)
        await task
        await asyncio.sleep(0)
        block_in_place(fail)
        return "not reached"

    async def main() -> None:
        with pytest.raises(JoinError) as error:
            await spawn(child())
        assert isinstance(error.value.into_panic(), KeyError)

    multi_rt.block_on(main())


def test_nested_calls(multi_rt: Runtime) -> None:
    event = threading.Event()

    async def set_it() -> None:
        event.set()

    async def main() -> bool:
        task = spawn(set_it())
        inner = block_in_place(lambda: block_in_place(lambda: block_in_place(event.wait, LIMIT)))
        await task
        return inner

    assert multi_rt.block_on(main())


def test_nested_calls_with_block_on_between(multi_rt: Runtime) -> None:
    event = threading.Event()

    async def set_it() -> None:
        await yield_now()
        event.set()

    async def inner() -> bool:
        await yield_now()
        spawn(set_it())
        return block_in_place(event.wait, LIMIT)

    async def main() -> bool:
        return block_in_place(lambda: Handle.current().block_on(inner()))

    assert multi_rt.block_on(main())
    event.clear()
    assert multi_rt.block_on(multi_rt.spawn(main()))


def test_several_tasks_at_once(multi_rt: Runtime) -> None:
    count = 10
    together = threading.Barrier(count)

    async def block() -> int:
        place = block_in_place(together.wait, LIMIT)
        await yield_now()
        return place

    async def main() -> list[int]:
        return [await handle for handle in [spawn(block()) for _ in range(count)]]

    assert sorted(multi_rt.block_on(main())) == list(range(count))


def test_several_tasks_of_one_loop_at_once(multi_rt: Runtime) -> None:
    """Their turns on the loop never overlap, though they block at the same time."""
    count = 10
    together = threading.Barrier(count)
    inside = Counter()

    async def block() -> list[int]:
        loop = asyncio.get_running_loop()
        inside_at_once = []
        for _ in range(10):
            await asyncio.sleep(0)
            block_in_place(together.wait, LIMIT)
            inside_at_once.append(inside.add())
            assert asyncio.get_running_loop() is loop
            inside.take()
        return inside_at_once

    async def main() -> list[list[int]]:
        # asyncio's own tasks, which all stay on this loop.
        return await asyncio.gather(*[block() for _ in range(count)])

    assert multi_rt.block_on(main()) == [[1] * 10] * count


def test_cancellation_while_it_blocks(multi_rt: Runtime, go_on: threading.Event) -> None:
    blocking = threading.Event()
    after: list[str] = []

    def block() -> str:
        blocking.set()
        assert go_on.wait(LIMIT)
        return "whole"

    async def child() -> None:
        after.append(block_in_place(block))
        try:
            await yield_now()
            await forever()
        except asyncio.CancelledError:
            after.append("cancelled")
            raise

    handle = multi_rt.spawn(child())
    assert blocking.wait(LIMIT)
    handle.abort()
    assert not handle.is_finished()
    go_on.set()
    with pytest.raises(JoinError) as error:
        handle.join(LIMIT)
    assert error.value.is_cancelled()
    assert after == ["whole", "cancelled"]


def test_timeout_while_it_blocks(multi_rt: Runtime) -> None:
    fired = threading.Event()

    async def late() -> None:
        await sleep(0.02)
        fired.set()

    async def main() -> str:
        task = spawn(late())
        with pytest.raises(TimeoutError):
            async with timeout(0.01):
                assert block_in_place(fired.wait, LIMIT)
                await forever()
        await task
        return "went on"

    assert multi_rt.block_on(main()) == "went on"


def test_shutdown_waits_for_it(workers: int) -> None:
    blocking, end, running = threading.Event(), threading.Event(), threading.Event()

    def block() -> str:
        blocking.set()
        return "waited" if end.wait(LIMIT) else "gave up"

    results: list[str] = []

    async def child() -> None:
        results.append(block_in_place(block))
        await forever()

    async def end_it() -> None:
        try:
            running.set()
            await forever()
        finally:
            end.set()

    with Runtime(worker_threads=workers) as rt:
        rt.spawn(end_it())
        assert running.wait(LIMIT)
        handle = rt.spawn(child())
        assert blocking.wait(LIMIT)
    assert results == ["waited"]
    with pytest.raises(JoinError) as error:
        handle.join(0)
    assert error.value.is_cancelled()


def test_shutdown_that_does_not_wait_for_it(workers: int, go_on: threading.Event) -> None:
    blocking = threading.Event()
    went_on: list[str] = []
    threads: list[threading.Thread] = []

    def block() -> None:
        threads.append(threading.current_thread())
        blocking.set()
        assert go_on.wait(LIMIT)

    async def child() -> None:
        block_in_place(block)
        went_on.append("there is no worker to go on with")

    rt = Runtime(worker_threads=workers)
    handle = rt.spawn(child())
    assert blocking.wait(LIMIT)
    rt.shutdown_timeout(0.01)
    with pytest.raises(JoinError) as error:
        handle.join(0)
    assert error.value.is_cancelled()
    go_on.set()
    threads[0].join(LIMIT)
    assert not threads[0].is_alive()
    assert not went_on


def test_other_runtime_and_asyncio_inside(multi_rt: Runtime) -> None:
    async def answer() -> int:
        await asyncio.sleep(0)
        return 42

    def inside() -> list[int]:
        with Runtime(flavor="current_thread") as one, Runtime(worker_threads=2) as two:
            return [one.block_on(answer()), two.block_on(answer()), asyncio.run(answer())]

    async def main() -> list[int]:
        found = block_in_place(inside)
        assert Handle.current() == multi_rt.handle
        return found

    assert multi_rt.block_on(main()) == [42, 42, 42]
    assert multi_rt.block_on(multi_rt.spawn(main())) == [42, 42, 42]


def test_spawn_and_join_inside(multi_rt: Runtime) -> None:
    async def answer() -> int:
        await yield_now()
        return 42

    async def main() -> int:
        return block_in_place(lambda: spawn(answer()).join(LIMIT))

    assert multi_rt.block_on(main()) == 42
    assert multi_rt.block_on(multi_rt.spawn(main())) == 42


def test_outside_of_a_runtime() -> None:
    assert block_in_place(threading.get_ident) == threading.get_ident()


def test_on_a_thread_of_the_blocking_pool(rt: Runtime) -> None:
    def call() -> bool:
        return block_in_place(threading.get_ident) == threading.get_ident()

    async def main() -> bool:
        return await spawn_blocking(call)

    assert rt.block_on(main())


def test_on_a_current_thread_runtime() -> None:
    called = []

    async def main() -> None:
        with pytest.raises(RuntimeError, match="current_thread"):
            block_in_place(called.append, True)

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())
    assert not called


def test_in_a_local_set(multi_rt: Runtime) -> None:
    called = []

    async def refused() -> None:
        with pytest.raises(RuntimeError, match="LocalSet"):
            block_in_place(called.append, True)

    async def main() -> None:
        await refused()
        await spawn_local(refused())
        await join(refused(), refused())

    LocalSet().block_on(multi_rt, main())
    assert not called


def test_local_tasks_wait_and_the_rest_goes_on() -> None:
    """Another task blocks the only worker's thread: a LocalSet's tasks cannot leave it."""
    order: Channel[str] = Channel()
    roamed, blocking = threading.Event(), threading.Event()
    threads = set()

    async def local_task() -> None:
        threads.add(threading.get_ident())
        while not blocking.is_set():
            await yield_now()
        threads.add(threading.get_ident())
        order.send("local")

    async def roam() -> None:
        while not blocking.is_set():
            await yield_now()
        roamed.set()

    def block() -> None:
        blocking.set()
        assert roamed.wait(LIMIT)
        order.send("blocked")

    async def blocker() -> None:
        block_in_place(block)

    async def main() -> list[str]:
        local = spawn_local(local_task())
        spawn(roam())
        await spawn(blocker())
        await local
        return [await order.recv(), await order.recv()]

    with Runtime(worker_threads=1) as rt:
        assert LocalSet().block_on(rt, main()) == ["blocked", "local"]
    assert threads == {threading.get_ident()}


def test_what_is_not_a_function(multi_rt: Runtime) -> None:
    async def function() -> None:
        pass

    async def main() -> None:
        with pytest.raises(TypeError, match="async function"):
            block_in_place(function)
        with pytest.raises(TypeError, match="takes a function"):
            block_in_place(42)  # type: ignore[arg-type]

    multi_rt.block_on(main())


def test_in_branches(multi_rt: Runtime) -> None:
    """The branches of one task wait for each other, the other tasks do not wait."""
    event = threading.Event()

    async def set_it() -> None:
        event.set()

    async def block() -> bool:
        await yield_now()
        return block_in_place(event.wait, LIMIT)

    async def main() -> tuple[bool, ...]:
        task = spawn(set_it())
        done = await join(block(), block())
        await task
        return done

    assert multi_rt.block_on(main()) == (True, True)


def test_spare_threads_end(workers: int) -> None:
    async def block(together: threading.Barrier) -> None:
        block_in_place(together.wait, LIMIT)

    before = threading.enumerate()
    with Runtime(worker_threads=workers, thread_keep_alive=0.0) as rt:
        together = threading.Barrier(5)
        handles: list[JoinHandle[None]] = [rt.spawn(block(together)) for _ in range(4)]
        together.wait(LIMIT)
        for handle in handles:
            handle.join(LIMIT)
        done = on_thread(lambda: rt.block_on(yield_now()))
        assert done.result(LIMIT) is None
        assert len(threading.enumerate()) > len(before)
    left = set(threading.enumerate()) - set(before)
    assert not [thread for thread in left if thread.name.startswith("yamanote-worker")]
