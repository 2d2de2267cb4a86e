"""Counterparts of tokio/tests/rt_common.rs: both flavors, 1 and 4 workers."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
import weakref
from collections.abc import Generator
from types import coroutine
from typing import Any

import pytest

from tests.channels import LIMIT, Channel, Closed, Counter, Oneshot, on_thread
from yamanote import (
    Handle,
    JoinError,
    JoinHandle,
    LocalSet,
    Runtime,
    join,
    spawn,
    spawn_blocking,
    spawn_local,
    yield_now,
)
from yamanote.task import coop
from yamanote.time import sleep

SHUTDOWN = 10.0
Config = dict[str, Any]


async def forever() -> None:
    await sleep(1e6)


async def spin() -> None:
    while True:
        await yield_now()


async def bind() -> tuple[socket.socket, Any]:
    listener = socket.socket()
    listener.setblocking(False)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener, listener.getsockname()


async def accept(listener: socket.socket) -> socket.socket:
    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    return connection


async def connect(address: Any) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, address)
    return client


async def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while part := await asyncio.get_running_loop().sock_recv(connection, 100):
        received += part
    return received


async def client_server(start: Any, done: Channel[None]) -> None:
    listener, address = await bind()

    async def serve() -> None:
        with listener, await accept(listener) as connection:
            await asyncio.get_running_loop().sock_sendall(connection, b"hello")

    server = start(serve())
    with await connect(address) as client:
        assert await read_to_end(client) == b"hello"
    await server
    done.send(None)


def test_block_on_sync(rt: Runtime) -> None:
    won = []

    async def main() -> None:
        won.append(True)

    rt.block_on(main())
    assert won == [True]


def test_block_on_async(rt: Runtime) -> None:
    async def main() -> str:
        message: Oneshot[str] = Oneshot()
        on_thread(message.send, "ZOMG")
        return await message.recv()

    assert rt.block_on(main()) == "ZOMG"


def test_spawn_one_bg(rt: Runtime) -> None:
    async def main() -> str:
        message: Oneshot[str] = Oneshot()

        async def child() -> None:
            message.send("ZOMG")

        spawn(child())
        return await message.recv()

    assert rt.block_on(main()) == "ZOMG"


def test_spawn_one_join(rt: Runtime) -> None:
    async def main() -> str:
        message: Oneshot[str] = Oneshot()

        async def child() -> str:
            message.send("ZOMG")
            return "DONE"

        handle = spawn(child())
        received = await message.recv()
        assert await handle == "DONE"
        return received

    assert rt.block_on(main()) == "ZOMG"


def test_spawn_two(rt: Runtime) -> None:
    async def main() -> str:
        one: Oneshot[str] = Oneshot()
        two: Oneshot[str] = Oneshot()

        async def first() -> None:
            assert one.send("ZOMG")

        async def second() -> None:
            assert two.send(await one.recv())

        spawn(first())
        spawn(second())
        return await two.recv()

    assert rt.block_on(main()) == "ZOMG"


async def gather_many(count: int) -> list[int]:
    """Tasks that are sent a number by another thread and send it on."""
    done: Channel[int] = Channel()
    inputs: list[Oneshot[int]] = [Oneshot() for _ in range(count)]

    async def forward(number: int) -> None:
        received = await inputs[number].recv()
        assert received == number
        done.send(received)

    for number in range(count):
        spawn(forward(number))

    def send_all() -> None:
        for number, sender in enumerate(inputs):
            assert sender.send(number)

    thread = on_thread(send_all)
    received = [await done.recv() for _ in range(count)]
    thread.result(LIMIT)
    return sorted(received)


def test_spawn_many_from_block_on(rt: Runtime) -> None:
    assert rt.block_on(gather_many(200)) == list(range(200))


def test_spawn_many_from_task(rt: Runtime) -> None:
    async def main() -> list[int]:
        return await spawn(gather_many(500))

    assert rt.block_on(main()) == list(range(500))


def test_spawn_one_from_block_on_called_on_handle(rt: Runtime) -> None:
    message: Oneshot[str] = Oneshot()

    async def child() -> str:
        message.send("ZOMG")
        return "DONE"

    async def start() -> JoinHandle[str]:
        return spawn(child())

    handle = rt.handle.block_on(start())

    async def finish() -> str:
        received = await message.recv()
        assert await handle == "DONE"
        return received

    assert rt.block_on(finish()) == "ZOMG"


def test_spawn_await_chain(rt: Runtime) -> None:
    async def innermost() -> str:
        return "hello"

    async def inner() -> str:
        return await spawn(innermost())

    async def main() -> str:
        return await spawn(inner())

    assert rt.block_on(main()) == "hello"


class Thing:
    """Something whose end can be seen."""


def test_outstanding_tasks_dropped(rt: Runtime) -> None:
    started = threading.Event()

    async def hold(thing: Thing) -> None:
        started.set()
        await forever()
        del thing

    async def main() -> weakref.ref[Thing]:
        thing = Thing()
        spawn(hold(thing))
        while not started.is_set():
            await yield_now()
        return weakref.ref(thing)

    thing = rt.block_on(main())
    gc.collect()
    assert thing() is not None
    rt.shutdown_timeout(SHUTDOWN)
    gc.collect()
    assert thing() is None


def test_nested_rt(rt: Runtime, rt_config: Config) -> None:
    ran = []

    async def inner() -> None:
        ran.append(True)

    with Runtime(**rt_config) as other:

        async def main() -> None:
            other.block_on(inner())

        with pytest.raises(RuntimeError, match="block_on"):
            rt.block_on(main())
        assert not ran


def test_create_rt_in_block_on(rt: Runtime, rt_config: Config) -> None:
    async def create() -> Runtime:
        return Runtime(**rt_config)

    async def answer() -> str:
        return "ZOMG"

    with rt.block_on(create()) as other:
        assert other.block_on(answer()) == "ZOMG"


def test_complete_block_on_under_load(rt: Runtime) -> None:
    async def main() -> str:
        message: Oneshot[str] = Oneshot()
        spawn(spin())
        on_thread(message.send, "done")
        return await message.recv()

    assert rt.block_on(main()) == "done"


def test_complete_task_under_load(rt: Runtime) -> None:
    async def main() -> str:
        one: Oneshot[str] = Oneshot()
        two: Oneshot[str] = Oneshot()

        async def forward() -> None:
            two.send(await one.recv())

        spawn(spin())
        on_thread(one.send, "done")
        spawn(forward())
        return await two.recv()

    assert rt.block_on(main()) == "done"


def test_spawn_from_other_thread_idle(rt_config: Config) -> None:
    parked = threading.Event()
    message: Oneshot[str] = Oneshot()

    async def send() -> None:
        message.send("from another thread")

    with Runtime(**rt_config, on_thread_park=parked.set) as rt:

        def spawn_when_idle() -> None:
            assert parked.wait(LIMIT)
            rt.spawn(send())

        thread = on_thread(spawn_when_idle)
        assert rt.block_on(message.recv()) == "from another thread"
        thread.result(LIMIT)


def test_spawn_from_other_thread_under_load(rt: Runtime) -> None:
    message: Oneshot[str] = Oneshot()

    async def send() -> None:
        message.send("from another thread")

    async def main() -> str:
        spawn(spin())
        on_thread(lambda: rt.spawn(send()))
        return await message.recv()

    assert rt.block_on(main()) == "from another thread"


def test_sleep_at_root(rt: Runtime) -> None:
    began = time.monotonic()
    rt.block_on(sleep(0.05))
    assert time.monotonic() - began >= 0.05


def test_sleep_in_spawn(rt: Runtime) -> None:
    began = time.monotonic()

    async def main() -> str:
        message: Oneshot[str] = Oneshot()

        async def late() -> None:
            await sleep(0.05)
            message.send("awake")

        spawn(late())
        return await message.recv()

    assert rt.block_on(main()) == "awake"
    assert time.monotonic() - began >= 0.05


async def accept_one(start: Any) -> str:
    accepted: Oneshot[str] = Oneshot()
    listener, address = await bind()

    async def serve() -> None:
        with listener, await accept(listener):
            accepted.send("accepted")

    server = start(serve())
    with await connect(address):
        answer = await accepted.recv()
    await server
    return answer


def test_block_on_socket(rt: Runtime) -> None:
    assert rt.block_on(accept_one(spawn)) == "accepted"


def test_spawn_from_blocking(rt: Runtime) -> None:
    async def hello() -> str:
        return "hello"

    async def main() -> str:
        inner = await spawn_blocking(lambda: spawn(hello()))
        return await inner

    assert rt.block_on(main()) == "hello"


def test_spawn_blocking_from_blocking(rt: Runtime) -> None:
    async def main() -> str:
        inner = await spawn_blocking(lambda: spawn_blocking(lambda: "hello"))
        return await inner

    assert rt.block_on(main()) == "hello"


def test_sleep_from_blocking(rt: Runtime) -> None:
    async def short() -> None:
        await sleep(0.001)

    def block() -> float:
        began = time.monotonic()
        asyncio.run(short())  # a loop that is not the runtime's
        return time.monotonic() - began

    async def main() -> float:
        return await spawn_blocking(block)

    assert rt.block_on(main()) >= 0.001


def test_socket_from_blocking(rt: Runtime) -> None:
    async def main() -> bytes:
        listener, address = await bind()

        async def visit() -> bytes:
            with await connect(address) as client:
                return await read_to_end(client)

        peer = spawn_blocking(lambda: asyncio.run(visit()))
        with listener, await accept(listener) as connection:
            await asyncio.get_running_loop().sock_sendall(connection, b"welcome")
        return await peer

    assert rt.block_on(main()) == b"welcome"


def test_always_active_parker(rt: Runtime) -> None:
    one: Oneshot[str] = Oneshot()
    two: Oneshot[str] = Oneshot()

    async def first() -> str:
        received = await two.recv()
        await sleep(0.005)
        one.send("from the first")
        return received

    async def second() -> str:
        two.send("from the second")
        await sleep(0.005)
        received = await one.recv()
        await sleep(0.005)
        return received

    threads = [on_thread(rt.block_on, first()), on_thread(rt.block_on, second())]
    assert threads[0].result(LIMIT) == "from the second"
    assert threads[1].result(LIMIT) == "from the first"


def test_io_driver_called_when_under_load(rt: Runtime) -> None:
    for _ in range(100):
        rt.spawn(spin())

    async def main() -> bytes:
        listener, address = await bind()

        async def serve() -> None:
            with listener, await accept(listener) as connection:
                await asyncio.get_running_loop().sock_sendall(connection, b"hello world")

        async def visit() -> bytes:
            with await connect(address) as client:
                return await read_to_end(client)

        server, client = spawn(serve()), spawn(visit())
        await server
        return await client

    assert rt.block_on(main()) == b"hello world"


def yields_until_io(config: Config, give_way: Any) -> int:
    """How often a task yields until the worker has looked at I/O that is there.

    The other workers, which might look at it, are kept busy.
    """
    others = config.get("worker_threads", 1) - 1
    busy = threading.Barrier(others + 1)
    accepted = threading.Event()
    listening = False
    yields = 0

    async def occupy() -> None:
        busy.wait(LIMIT)
        assert accepted.wait(LIMIT)

    async def serve(listener: socket.socket) -> None:
        nonlocal listening
        listening = True
        try:
            with await accept(listener):
                pass
        finally:
            accepted.set()

    async def main() -> None:
        nonlocal yields
        occupied = [spawn(occupy()) for _ in range(others)]
        busy.wait(LIMIT)  # blocks: this worker shall not take one of them
        listener, address = await bind()
        server = asyncio.create_task(serve(listener))  # here, on this worker
        while not listening:
            await yield_now()
        with listener, socket.create_connection(address):  # blocks, and so it is there now
            while not accepted.is_set():
                await give_way()
                yields += 1
        await server
        for handle in occupied:
            await handle

    # The worker looks for I/O after each poll.
    with Runtime(**config, event_interval=1) as rt:
        rt.block_on(main())
    return yields


# The system may deliver an I/O event late: then a try fails, but not ten of them.


def test_yield_defers_until_park(rt_config: Config) -> None:
    assert min(yields_until_io(rt_config, yield_now) for _ in range(10)) < 10


def test_coop_yield_defers_until_park(rt_config: Config) -> None:
    async def use_up_the_budget() -> None:
        for _ in range(129):
            await coop.consume_budget()

    assert min(yields_until_io(rt_config, use_up_the_budget) for _ in range(10)) < 10


def test_client_server_block_on(rt: Runtime) -> None:
    done: Channel[None] = Channel()
    rt.block_on(client_server(spawn, done))
    done.close()

    async def count() -> int:
        received = 0
        try:
            while True:
                await done.recv()
                received += 1
        except Closed:
            return received

    assert rt.block_on(count()) == 1


def test_panic_in_task(rt: Runtime) -> None:
    unwound: Oneshot[BaseException] = Oneshot()

    async def boom() -> None:
        try:
            raise ValueError("boom")
        except ValueError as error:
            unwound.send(error)
            raise

    handle = rt.spawn(boom())
    error = rt.block_on(unwound.recv())
    with pytest.raises(JoinError) as caught:
        rt.block_on(handle)
    assert caught.value.is_panic()
    assert caught.value.__cause__ is error


def test_panic_in_block_on(rt: Runtime) -> None:
    async def boom() -> None:
        raise ValueError("boom")

    async def answer() -> int:
        return 42

    with pytest.raises(ValueError, match="boom"):
        rt.block_on(boom())
    assert rt.block_on(answer()) == 42


def test_enter_and_spawn(rt: Runtime) -> None:
    async def answer() -> int:
        return 42

    with rt.enter():
        handle = spawn(answer())
    assert rt.block_on(handle) == 42


def test_eagerly_drops_futures_on_shutdown(rt: Runtime) -> None:
    dropped = threading.Event()
    running: Oneshot[None] = Oneshot()

    async def never() -> None:
        try:
            running.send(None)
            await forever()
        finally:
            dropped.set()

    async def main() -> None:
        spawn(never())
        await running.recv()

    rt.block_on(main())
    assert not dropped.is_set()
    rt.shutdown_timeout(SHUTDOWN)
    assert dropped.is_set()


def test_wake_while_rt_is_dropping(rt: Runtime) -> None:
    one: Oneshot[None] = Oneshot()
    two: Oneshot[None] = Oneshot()
    waiting: Channel[None] = Channel()
    ended = Counter()

    async def here_i_am() -> None:
        waiting.send(None)

    async def wait(mine: Oneshot[None], other: Oneshot[None]) -> None:
        try:
            await join(mine.recv(), here_i_am())
        finally:
            other.send(None)
            ended.add()

    rt.spawn(wait(one, two))
    rt.spawn(wait(two, one))

    async def both_wait() -> None:
        await waiting.recv()
        await waiting.recv()

    rt.block_on(both_wait())
    assert ended.value == 0
    rt.shutdown_timeout(SHUTDOWN)
    assert ended.value == 2


def test_io_notify_while_shutting_down(rt_config: Config) -> None:
    for _ in range(9):
        received: Oneshot[None] = Oneshot()

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", 0))
            udp.setblocking(False)

            async def receive(udp: socket.socket, received: Oneshot[None]) -> None:
                loop = asyncio.get_running_loop()
                while True:
                    assert await loop.sock_recv(udp, 1) == b"\0"
                    received.send(None)

            async def send(udp: socket.socket) -> None:
                while True:
                    udp.sendto(b"\0", udp.getsockname())
                    await sleep(0.001)

            with Runtime(**rt_config) as rt:
                handles = [rt.spawn(receive(udp, received)), rt.spawn(send(udp))]
                rt.block_on(received.recv())
            for handle in handles:
                with pytest.raises(JoinError) as error:
                    handle.join(0)
                assert error.value.is_cancelled()


def test_shutdown_timeout(rt: Runtime) -> None:
    running: Oneshot[None] = Oneshot()
    end = threading.Event()
    handles: list[JoinHandle[bool]] = []

    def block() -> bool:
        running.send(None)
        return end.wait(LIMIT)

    async def main() -> None:
        handles.append(spawn_blocking(block))
        await running.recv()

    rt.block_on(main())
    began = time.monotonic()
    rt.shutdown_timeout(0.1)
    assert time.monotonic() - began >= 0.1
    assert not end.is_set()
    end.set()
    with pytest.raises(JoinError) as error:
        handles[0].join(LIMIT)
    assert error.value.is_cancelled()


def test_shutdown_timeout_0(rt: Runtime) -> None:
    end = threading.Event()

    async def main() -> JoinHandle[bool]:
        return spawn_blocking(end.wait, LIMIT)

    handle = rt.block_on(main())
    rt.shutdown_timeout(0)
    assert not end.is_set()
    end.set()
    with pytest.raises(JoinError) as error:
        handle.join(LIMIT)
    assert error.value.is_cancelled()


def test_shutdown_wakeup_time(rt: Runtime) -> None:
    rt.block_on(sleep(0.1))
    began = time.monotonic()
    rt.shutdown_timeout(10_000)
    assert time.monotonic() - began < LIMIT


def test_runtime_in_thread_local(rt_config: Config) -> None:
    local = threading.local()

    async def answer() -> int:
        return 42

    def keep() -> Handle:
        local.rt = Runtime(**rt_config)
        with Runtime(**rt_config) as other:
            assert other.block_on(answer()) == 42
        return local.rt.handle

    handles: list[Handle] = []

    def start_and_end() -> None:
        thread = threading.Thread(target=lambda: handles.append(keep()))
        thread.start()
        thread.join(LIMIT)
        gc.collect()

    with pytest.warns(ResourceWarning, match="dropped without being shut down"):
        start_and_end()
    handle = handles[0]
    with pytest.raises(JoinError) as error:
        handle.spawn(answer()).join(LIMIT)
    assert error.value.is_cancelled()


def test_local_set_block_on_socket(rt: Runtime) -> None:
    assert LocalSet().block_on(rt, accept_one(spawn_local)) == "accepted"


def test_local_set_client_server_block_on(rt: Runtime) -> None:
    done: Channel[None] = Channel()
    LocalSet().block_on(rt, client_server(spawn_local, done))
    done.close()

    async def twice() -> None:
        await done.recv()
        with pytest.raises(Closed):
            await done.recv()

    rt.block_on(twice())


def has_to_wait(handle: JoinHandle[Any]) -> bool:
    """Whether awaiting it would suspend the current task."""
    waiting = handle.__await__()
    try:
        next(waiting)
    except StopIteration:
        return False
    waiting.close()
    return True


async def ready_awaits(count: int) -> int:
    """How many of `count` awaits of something ready go through before one has to wait."""

    async def nothing() -> None:
        pass

    handle = spawn(nothing())
    await handle
    await yield_now()  # a fresh budget
    for done in range(count):
        if has_to_wait(handle):
            return done
    return count


def test_coop(rt: Runtime) -> None:
    assert rt.block_on(ready_awaits(1000)) < 1000


def test_coop_unconstrained(rt: Runtime) -> None:
    assert rt.block_on(coop.unconstrained(ready_awaits(1000))) == 1000


def test_coop_consume_budget(rt: Runtime) -> None:
    count = 0

    async def work() -> None:
        nonlocal count
        for _ in range(1000):
            count += 1
            await coop.consume_budget()

    @coroutine
    def poll_once() -> Generator[Any, None, bool]:
        working = work()
        try:
            working.send(None)
        except StopIteration:
            return True
        working.close()
        return False
        yield

    async def main() -> bool:
        return await poll_once()

    assert rt.block_on(main()) is False
    assert 0 < count < 1000


def test_ping_pong_saturation(rt: Runtime) -> None:
    pairs = 100
    running = True
    spawned: Channel[None] = Channel()

    async def pong() -> str:
        return "pong"

    async def ping() -> None:
        spawned.send(None)
        while running:
            assert await spawn(pong()) == "pong"  # one wakes the other

    async def yield_a_little() -> None:
        for _ in range(5):
            await yield_now()

    async def main() -> None:
        nonlocal running
        tasks = [spawn(ping()) for _ in range(pairs)]
        for _ in range(pairs):
            await spawned.recv()
        await spawn(yield_a_little())
        running = False
        for task in tasks:
            await task

    rt.block_on(main())
    assert not running


def test_shutdown_concurrent_spawn(rt_config: Config) -> None:
    count = 2_000
    for _ in range(3):
        begin = threading.Event()

        async def wait(gate: JoinHandle[None]) -> None:
            with pytest.raises(JoinError):
                await gate

        with Runtime(**rt_config) as rt:
            gates = [rt.spawn(forever()) for _ in range(count)]
            handles = [rt.spawn(wait(gate)) for gate in gates]
            rt.block_on(yield_now())

            def wake_all(gates: list[JoinHandle[None]], begin: threading.Event) -> None:
                begin.set()
                for gate in gates:
                    gate.abort()

            thread = on_thread(wake_all, gates, begin)
            assert begin.wait(LIMIT)
        thread.result(LIMIT)
        assert all(handle.is_finished() for handle in handles)
        assert all(gate.is_finished() for gate in gates)


class CallWhenDropped:
    def __init__(self, call: Any) -> None:
        self._call = call

    def __del__(self) -> None:
        self._call()


def wake_from_thread_local(config: Config, waker: Any) -> None:
    """A waker that outlives its task, and its runtime, may be called."""
    local = threading.local()
    woken: list[BaseException | None] = []

    async def answer() -> int:
        wake = waker()

        def call() -> None:
            try:
                wake()
            except BaseException as error:
                woken.append(error)
            else:
                woken.append(None)

        keep.append(CallWhenDropped(call))
        return 42

    keep: list[CallWhenDropped] = []

    def run() -> None:
        with Runtime(**config) as rt:
            assert rt.block_on(rt.spawn(answer())) == 42
        local.waker = keep.pop()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LIMIT)
    gc.collect()
    assert woken == [None]


def test_wake_by_ref_from_thread_local(rt_config: Config) -> None:
    def waker() -> Any:
        task = asyncio.current_task()
        assert task is not None
        return task.cancel

    wake_from_thread_local(rt_config, waker)


def test_wake_by_val_from_thread_local(rt_config: Config) -> None:
    def waker() -> Any:
        task: Any = asyncio.current_task()
        return task.abort_handle().abort

    wake_from_thread_local(rt_config, waker)
