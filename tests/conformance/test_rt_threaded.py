"""Counterparts of tokio/tests/rt_threaded.rs: the multi_thread runtime."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, Channel, Closed, Counter, Oneshot, on_thread
from yamanote import Handle, JoinError, JoinHandle, Runtime, block_in_place, spawn, yield_now
from yamanote.task import coop
from yamanote.time import sleep

BUDGET = 128


def multi_thread(workers: int, **config: Any) -> Runtime:
    return Runtime(flavor="multi_thread", worker_threads=workers, **config)


async def forever() -> None:
    await sleep(1e6)


async def nothing() -> None:
    pass


def test_single_thread() -> None:
    with multi_thread(1) as rt:
        assert rt.metrics().num_workers == 1


def test_many_oneshot_futures(workers: int) -> None:
    count = 1_000
    for _ in range(5):
        counter = Counter()
        done = threading.Event()

        async def work(counter: Counter, done: threading.Event) -> None:
            if counter.add() == count:
                done.set()

        with multi_thread(workers) as rt:
            for _ in range(count):
                rt.spawn(work(counter, done))
            assert done.wait(LIMIT)
        assert counter.value == count


def test_spawn_two(multi_rt: Runtime) -> None:
    async def main() -> str:
        message: Oneshot[str] = Oneshot()

        async def inner() -> None:
            message.send("ZOMG")

        async def outer() -> None:
            spawn(inner())

        spawn(outer())
        return await message.recv()

    assert multi_rt.block_on(main()) == "ZOMG"
    assert multi_rt.metrics().spawned_tasks_count == 2


def test_many_multishot_futures(workers: int) -> None:
    chain, cycles, tracks = 20, 5, 10

    async def forward(source: Channel[str], target: Channel[str]) -> None:
        try:
            while True:
                target.send(await source.recv())
        except Closed:
            target.close()

    async def cycle(source: Channel[str], start: Channel[str], final: Channel[str]) -> None:
        for _ in range(cycles - 1):
            start.send(await source.recv())
        final.send(await source.recv())

    for _ in range(5):
        with multi_thread(workers) as rt:
            starts: list[Channel[str]] = []
            finals: list[Channel[str]] = []
            for _ in range(tracks):
                start: Channel[str] = Channel()
                final: Channel[str] = Channel()
                source = start
                for _ in range(chain):
                    target: Channel[str] = Channel()
                    rt.spawn(forward(source, target))
                    source = target
                rt.spawn(cycle(source, start, final))
                starts.append(start)
                finals.append(final)

            async def main(starts: Any, finals: Any) -> list[str]:
                for start in starts:
                    start.send("ping")
                return [await final.recv() for final in finals]

            assert rt.block_on(main(starts, finals)) == ["ping"] * tracks


def test_lifo_slot_budget() -> None:
    message: Oneshot[str] = Oneshot()

    async def spawn_another() -> None:
        spawn(spawn_another())

    async def begin() -> None:
        spawn(spawn_another())
        message.send("not starved")

    with multi_thread(1) as rt:
        rt.spawn(begin())
        assert rt.block_on(message.recv()) == "not starved"


async def client_server(done: Channel[None]) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as client:
        listener.setblocking(False)
        client.setblocking(False)

        async def serve() -> None:
            loop = asyncio.get_running_loop()
            connection, _ = await loop.sock_accept(listener)
            with connection:
                await loop.sock_sendall(connection, b"hello")

        server = spawn(serve())
        await loop.sock_connect(client, listener.getsockname())
        received = b""
        while part := await loop.sock_recv(client, 100):
            received += part
        assert received == b"hello"
        await server
    done.send(None)


def test_spawn_shutdown(multi_rt: Runtime) -> None:
    done: Channel[None] = Channel()

    async def begin() -> None:
        spawn(client_server(done))

    multi_rt.block_on(begin())
    multi_rt.spawn(client_server(done))

    async def both_done() -> None:
        await done.recv()
        await done.recv()

    multi_rt.block_on(both_done())
    multi_rt.shutdown_timeout(LIMIT)
    done.close()
    with pytest.raises(Closed):
        asyncio.run(done.recv())


class Never:
    """What a task holds that never ends."""

    def __init__(self, dropped: Counter) -> None:
        self._dropped = dropped

    def __del__(self) -> None:
        self._dropped.add()


def test_drop_threadpool_drops_futures(workers: int) -> None:
    async def hold(never: Never) -> None:
        await forever()
        del never

    for _ in range(100):
        started, stopped, dropped = Counter(), Counter(), Counter()
        with multi_thread(workers, on_thread_start=started.add, on_thread_stop=stopped.add) as rt:
            rt.spawn(hold(Never(dropped)))
        assert started.value == workers
        assert stopped.value == started.value
        if not dropped.value:
            gc.collect()
        assert dropped.value == 1


def test_start_stop_callbacks_called() -> None:
    started, stopped = Counter(), Counter()
    with multi_thread(4, on_thread_start=started.add, on_thread_stop=stopped.add) as rt:
        assert rt.block_on(rt.spawn(asyncio.sleep(0, "ran"))) == "ran"
        assert stopped.value == 0
    assert started.value > 0
    assert stopped.value == started.value


def test_blocking(workers: int) -> None:
    count = 1_000
    for _ in range(10):
        # As many blocking tasks as workers: the others run on workers handed over.
        blocked = threading.Barrier(workers + 1)
        counter = Counter()
        done = threading.Event()

        def wait_twice(blocked: threading.Barrier) -> None:
            blocked.wait(LIMIT)
            blocked.wait(LIMIT)

        async def block(blocked: threading.Barrier) -> None:
            block_in_place(wait_twice, blocked)

        async def work(counter: Counter, done: threading.Event) -> None:
            if counter.add() == count:
                done.set()

        with multi_thread(workers) as rt:
            handles = [rt.spawn(block(blocked)) for _ in range(workers)]
            blocked.wait(LIMIT)
            for _ in range(count):
                rt.spawn(work(counter, done))
            assert done.wait(LIMIT)
            assert not any(handle.is_finished() for handle in handles)
            blocked.wait(LIMIT)
            for handle in handles:
                handle.join(LIMIT)


def test_multi_threadpool(workers: int) -> None:
    message: Oneshot[str] = Oneshot()
    received: Oneshot[str] = Oneshot()

    async def receive() -> None:
        received.send(await message.recv())

    async def send() -> None:
        message.send("from one to the other")

    with multi_thread(workers) as one, multi_thread(workers) as two:
        two.spawn(receive())
        one.spawn(send())
        assert received.blocking_recv() == "from one to the other"


def has_to_wait(handle: JoinHandle[Any]) -> bool:
    """Whether awaiting it would suspend the current task."""
    waiting = handle.__await__()
    try:
        next(waiting)
    except StopIteration:
        return False
    waiting.close()
    return True


def test_coop_and_block_in_place(workers: int) -> None:
    async def child() -> bool:
        ready = spawn(nothing())
        await ready
        block_in_place(lambda: None)
        return any(has_to_wait(ready) for _ in range(1024))

    async def main() -> bool:
        return await spawn(child())

    with multi_thread(workers, max_blocking_threads=1) as rt:
        assert rt.block_on(main())


def test_yield_after_block_in_place() -> None:
    async def answer() -> int:
        return 42

    def in_another_runtime() -> int:
        with Runtime(flavor="current_thread") as other:
            return other.block_on(answer())

    async def child() -> int:
        number = block_in_place(in_another_runtime)
        await yield_now()
        return number

    async def main() -> int:
        return await spawn(child())

    with multi_thread(1) as rt:
        assert rt.block_on(main()) == 42


def test_max_blocking_threads() -> None:
    running = Counter()
    most: list[int] = []

    def block() -> None:
        most.append(running.add())
        running.take()

    with multi_thread(1, max_blocking_threads=1) as rt:
        for handle in [rt.spawn_blocking(block) for _ in range(20)]:
            handle.join(LIMIT)
        assert rt.metrics().num_blocking_threads == 1
    assert most == [1] * 20


def test_max_blocking_threads_set_to_zero() -> None:
    with pytest.raises(ValueError, match="max_blocking_threads"):
        multi_thread(1, max_blocking_threads=0)


def test_global_queue_interval_set_to_one(workers: int) -> None:
    counter = Counter()

    async def work() -> None:
        counter.add()

    async def main() -> None:
        for handle in [spawn(work()) for _ in range(10)]:
            await handle

    with multi_thread(workers, global_queue_interval=1) as rt:
        rt.block_on(main())
    assert counter.value == 10


def test_hang_on_shutdown() -> None:
    end = threading.Event()
    handles: list[JoinHandle[bool]] = []

    async def block_until_the_end() -> bool:
        return block_in_place(end.wait, LIMIT)

    async def end_later(running: Oneshot[None]) -> None:
        try:
            running.send(None)
            await sleep(0.1)
        finally:
            end.set()

    async def main() -> None:
        running: Oneshot[None] = Oneshot()
        handles.append(spawn(block_until_the_end()))
        spawn(end_later(running))
        await running.recv()
        await sleep(0.05)

    yamanote.run(main(), flavor="multi_thread", worker_threads=2)
    assert end.is_set()
    assert handles[0].is_finished()


def test_wake_during_shutdown() -> None:
    woken = []

    async def sleeper() -> None:
        await forever()

    async def waker(other: JoinHandle[None]) -> None:
        try:
            await forever()
        finally:
            other.abort()
            woken.append(other)

    with multi_thread(1) as rt:
        sleeping = rt.spawn(sleeper())
        waking = rt.spawn(waker(sleeping))
        rt.block_on(sleep(0.02))
    assert woken == [sleeping]
    assert sleeping.is_finished()
    assert waking.is_finished()


async def block_at_once() -> str:
    return block_in_place(lambda: "blocked")


def test_block_in_place1() -> None:
    rt = Runtime(flavor="current_thread")
    with rt, pytest.raises(RuntimeError, match="current_thread"):
        rt.block_on(block_at_once())


def test_block_in_place2(multi_rt: Runtime) -> None:
    assert multi_rt.block_on(block_at_once()) == "blocked"


def test_block_in_place3() -> None:
    main = yamanote.main(flavor="current_thread")(block_at_once)
    with pytest.raises(RuntimeError, match="current_thread"):
        main()


def test_block_in_place4() -> None:
    assert yamanote.main(block_at_once)() == "blocked"


def test_nested_block_in_place_with_block_on_between() -> None:
    async def inner() -> str:
        return block_in_place(lambda: "innermost")

    async def outer(handle: Handle) -> str:
        return block_in_place(lambda: handle.block_on(inner()))

    async def main(handle: Handle) -> str:
        return await spawn(outer(handle))

    with multi_thread(1, max_blocking_threads=1) as rt:
        for _ in range(100):
            assert rt.block_on(main(rt.handle)) == "innermost"


def test_yield_now_in_block_in_place() -> None:
    yielded = []

    async def yield_and_tell() -> None:
        await yield_now()
        yielded.append(True)

    async def child() -> None:
        block_in_place(lambda: Handle.current().block_on(yield_and_tell()))

    async def main() -> None:
        await spawn(child())

    with multi_thread(1) as rt:
        rt.block_on(main())
    assert yielded == [True]


def test_mutex_in_block_in_place() -> None:
    value = -1

    async def lock_often(lock: asyncio.Lock, ready: JoinHandle[None]) -> None:
        nonlocal value
        for number in range(BUDGET + 1):
            async with lock:
                value = number
            await ready  # asyncio's lock knows nothing of the budget
            await coop.consume_budget()

    async def child() -> None:
        ready = spawn(nothing())
        await ready
        lock = asyncio.Lock()
        block_in_place(lambda: Handle.current().block_on(lock_often(lock, ready)))

    async def main() -> None:
        await spawn(child())

    with multi_thread(1) as rt:
        rt.block_on(main())
    assert value == BUDGET


def test_wake_deferred_tasks_before_block_in_place() -> None:
    """A task that has yielded goes on while another one blocks."""
    yielded = threading.Event()
    woken = threading.Event()

    async def deferred() -> None:
        yielded.set()
        await yield_now()
        woken.set()

    async def child() -> bool:
        spawn(deferred())
        while not yielded.is_set():
            await yield_now()
        return block_in_place(woken.wait, LIMIT)

    with multi_thread(1) as rt:
        assert rt.block_on(rt.spawn(child()))


def test_tuning() -> None:
    """However busy its own queue is, a worker takes from the injection queue in time."""
    interval = 8
    polls = Counter()
    flag = True
    begun = threading.Event()
    go = threading.Event()

    async def again() -> None:
        polls.add()
        if flag:
            spawn(again())

    async def begin() -> None:
        for _ in range(100):
            spawn(again())
        begun.set()
        assert go.wait(LIMIT)  # blocks the worker until all are injected

    async def injected() -> int:
        return polls.take()

    with multi_thread(1, global_queue_interval=interval) as rt:
        rt.spawn(begin())
        assert begun.wait(LIMIT)
        handles = [rt.spawn(injected()) for _ in range(200)]
        go.set()
        between = [handle.join(LIMIT) for handle in handles]
        flag = False
    # What is injected goes to the back of the queue, behind what was there before it;
    # from the first one on they come as they were taken.
    assert max(between[1:]) <= interval
    assert sum(between) > 0


def test_default_runtime_name_should_be_none() -> None:
    with multi_thread(1) as rt:
        assert rt.handle.name is None


def test_different_runtime_names() -> None:
    with (
        multi_thread(1, name="test-runtime-1") as one,
        multi_thread(1, name="test-runtime-2") as two,
    ):
        assert one.handle.name == "test-runtime-1"
        assert two.handle.name == "test-runtime-2"


def test_disable_lifo_slot() -> None:
    """A task in the LIFO slot of a worker that is blocked can be stolen, so that there is
    nothing to disable. As in Tokio a spawn now and then makes another worker look for it.
    """
    gate: list[JoinHandle[None]] = []
    parked = threading.Event()
    ended = threading.Event()

    async def end_when_aborted() -> None:
        parked.set()
        try:
            await forever()
        finally:
            ended.set()

    async def block() -> bool:
        gate.append(spawn(end_when_aborted()))
        while not parked.is_set():
            await yield_now()
        await sleep(0.001)
        gate[0].abort()
        return ended.wait(LIMIT)  # blocks the worker

    stop = threading.Event()

    with multi_thread(2) as rt:

        def poke() -> None:
            while not stop.wait(0.01):
                rt.spawn(nothing())

        poking = on_thread(poke)
        assert rt.block_on(rt.spawn(block()))
        stop.set()
        poking.result(LIMIT)
    with pytest.raises(JoinError):
        gate[0].join(0)


def test_runtime_id_is_same(multi_rt: Runtime) -> None:
    assert multi_rt.handle == multi_rt.handle
    assert len({multi_rt.handle, multi_rt.handle}) == 1


def test_runtime_ids_different(multi_rt: Runtime, workers: int) -> None:
    with multi_thread(workers) as other:
        assert multi_rt.handle != other.handle
