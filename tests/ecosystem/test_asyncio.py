"""asyncio's own parts inside native tasks: what a program brings along that moves here."""

from __future__ import annotations

import asyncio
import contextvars
import io
import socket
import ssl
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, Counter, Oneshot, on_thread
from tests.ecosystem.conftest import Native, in_a_spawned_task, in_an_asyncio_task
from tests.gates import Gate, forever
from yamanote import JoinError, JoinHandle, Runtime, spawn, spawn_blocking, yield_now
from yamanote.time import sleep

SOON = 0.05  # seconds; what is given so long never ends by itself


async def aborted(handle: JoinHandle[Any]) -> None:
    """Abort a task, and see it end by that."""
    handle.abort()
    with pytest.raises(JoinError) as caught:
        await handle
    assert caught.value.is_cancelled()


class Ended:
    """Whether whoever waits here was cancelled."""

    def __init__(self) -> None:
        self.waits = Gate()
        self.cancelled = Gate()

    async def wait(self) -> None:
        self.waits.open()
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            self.cancelled.open()
            raise


# Time and cancellation.


@pytest.mark.parametrize(
    "wait",
    [
        lambda: asyncio.Event().wait(),
        lambda: asyncio.sleep(LIMIT),
        lambda: sleep(LIMIT),
        lambda: in_a_spawned_task(forever()),
        lambda: in_an_asyncio_task(forever()),
        lambda: asyncio.gather(forever(), asyncio.Event().wait()),
    ],
    ids=["event", "sleep", "native-sleep", "spawned", "asyncio-task", "gather"],
)
class TestLimits:
    def test_timeout(self, native: Native, wait: Callable[[], Any]) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON) as limit:
                    await wait()
            assert limit.expired()
            task: Any = asyncio.current_task()
            assert task.cancelling() == 0

        native(main())

    def test_wait_for(self, native: Native, wait: Callable[[], Any]) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wait(), SOON)

        native(main())

    def test_the_outer_of_two(self, native: Native, wait: Callable[[], Any]) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON) as outer:
                    async with asyncio.timeout(LIMIT) as inner:
                        await wait()
            assert outer.expired()
            assert not inner.expired()

        native(main())


def test_timeout_that_does_not_pass(native: Native) -> None:
    async def main() -> None:
        async with asyncio.timeout(LIMIT) as limit:
            assert await spawn_blocking(pow, 2, 5) == 32
            limit.reschedule(None)
            await asyncio.sleep(0)
        assert not limit.expired()
        assert await asyncio.wait_for(spawn_blocking(pow, 2, 6), LIMIT) == 64

    native(main())


def test_abort_is_no_timeout(workers: int) -> None:
    """A cancellation from outside goes through `asyncio.timeout` unchanged."""

    async def main() -> None:
        ended = Ended()

        async def limited() -> None:
            async with asyncio.timeout(LIMIT):
                await ended.wait()

        handle = spawn(limited())
        await ended.waits.wait()
        await aborted(handle)
        assert ended.cancelled.is_open()

    yamanote.run(main(), worker_threads=workers)


async def done_and_cancelled(cancel: Callable[[Any], object]) -> list[str]:
    """In what order those learn of it who wait for a future that is done when the task that
    waits, too, is cancelled."""
    seen = []
    task: Any = asyncio.current_task()
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    future.add_done_callback(lambda _: seen.append("callback"))

    def done_and_cancelled() -> None:
        future.set_result(None)
        cancel(task)

    loop.call_soon(done_and_cancelled)
    try:
        await future
    except asyncio.CancelledError:
        seen.append("cancelled")
        task.uncancel()
    return seen


def test_cancelled_when_its_future_is_done(native: Native) -> None:
    """The loop's own callback comes first: for `sock_connect` it is the one that forgets the
    descriptor, which the task is about to close."""

    async def main() -> None:
        assert await done_and_cancelled(lambda task: task.cancel()) == ["callback", "cancelled"]

    native(main())


def test_cancelled_on_a_thread_when_its_future_is_done(workers: int) -> None:
    async def main() -> None:
        seen = await done_and_cancelled(lambda task: on_thread(task.cancel).result(LIMIT))
        assert seen == ["callback", "cancelled"]

    yamanote.run(main(), worker_threads=workers)
    yamanote.run(in_a_spawned_task(main()), worker_threads=workers)


@pytest.mark.parametrize("wait", [lambda future: future, asyncio.gather, asyncio.shield])
def test_the_message_of_the_first_cancellation(native: Native, wait: Any) -> None:
    """The future that is waited for is cancelled by it, and brings it."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task: Any = asyncio.current_task()

        def cancel() -> None:
            task.cancel("first")
            task.cancel("second")

        loop.call_soon(cancel)
        with pytest.raises(asyncio.CancelledError, match="first"):
            await wait(loop.create_future())
        assert task.cancelling() == 2
        while task.uncancel():
            pass

    native(main())


def test_shield(workers: int) -> None:
    """Who waits is aborted; what is shielded goes on."""

    async def main() -> None:
        begun, go_on, result = Gate(), Gate(), Oneshot[int]()

        async def shielded() -> None:
            begun.open()
            await go_on.wait()
            result.send(42)

        async def outer() -> None:
            await asyncio.shield(shielded())

        handle = spawn(outer())
        await begun.wait()
        await aborted(handle)
        assert not result.is_sent()
        go_on.open()
        assert await result.recv() == 42

    yamanote.run(main(), worker_threads=workers)


# Several at once.


def test_task_group(native: Native) -> None:
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        await yield_now()
        return await spawn_blocking(lambda: 2 * n)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(double(n)) for n in range(50)]
            inner = group.create_task(nested())
        assert [task.result() for task in tasks] == [2 * n for n in range(50)]
        assert inner.result() == sum(2 * n for n in range(10))

    async def nested() -> int:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(double(n)) for n in range(10)]
        return sum(task.result() for task in tasks)

    native(main())


def test_task_group_that_fails(native: Native) -> None:
    async def main() -> None:
        sibling = Ended()

        async def fail() -> None:
            await sibling.waits.wait()
            raise ValueError("first")

        with pytest.raises(ExceptionGroup) as caught:
            async with asyncio.TaskGroup() as group:
                group.create_task(sibling.wait())
                group.create_task(fail())
                await forever()
        (error,) = caught.value.exceptions
        assert isinstance(error, ValueError)
        assert sibling.cancelled.is_open()

    native(main())


def test_abort_of_a_task_group(workers: int) -> None:
    async def main() -> None:
        children = [Ended() for _ in range(10)]

        async def parent() -> None:
            async with asyncio.TaskGroup() as group:
                for child in children:
                    group.create_task(child.wait())

        handle = spawn(parent())
        for child in children:
            await child.waits.wait()
        await aborted(handle)
        assert all(child.cancelled.is_open() for child in children)

    yamanote.run(main(), worker_threads=workers)


def test_all_tasks(workers: int) -> None:
    """They include the main task, as with asyncio.run, until it has ended."""

    async def child(parent: Any) -> None:
        assert asyncio.all_tasks() == {parent, asyncio.current_task()}
        assert [frame.f_code.co_name for frame in parent.get_stack()] == ["main"]
        printed = io.StringIO()
        parent.print_stack(file=printed)
        assert "await asyncio.create_task(child(me))" in printed.getvalue()

    async def main() -> Any:
        me = asyncio.current_task()
        assert asyncio.all_tasks() == {me}
        await asyncio.create_task(child(me))
        return me

    with Runtime(worker_threads=workers) as rt:
        ended = [rt.block_on(main()), rt.block_on(main())]
    assert [task.get_stack() for task in ended] == [[], []]


@pytest.mark.parametrize("turn", [lambda: asyncio.sleep(0), yield_now], ids=["sleep", "yield_now"])
def test_a_yield_lets_asyncios_tasks_run(native: Native, turn: Callable[[], Any]) -> None:
    async def main() -> None:
        seen: list[str] = []

        async def child() -> None:
            seen.append("child")

        task = asyncio.create_task(child())
        await turn()
        assert seen == ["child"]
        asyncio.get_running_loop().call_soon(seen.append, "callback")
        await turn()
        assert seen == ["child", "callback"]
        await task

    native(main())


def test_gather(native: Native) -> None:
    async def fail() -> None:
        raise ValueError

    async def main() -> None:
        results = await asyncio.gather(
            asyncio.sleep(0, 1),
            spawn(asyncio.sleep(0, 2)),
            spawn_blocking(int, "3"),
            asyncio.create_task(asyncio.sleep(0, 4)),
        )
        assert results == [1, 2, 3, 4]
        ours, theirs = await asyncio.gather(spawn(fail()), fail(), return_exceptions=True)
        assert isinstance(ours, JoinError)
        assert isinstance(ours.__cause__, ValueError)
        assert isinstance(theirs, ValueError)

    native(main())


def test_abort_of_a_gather(workers: int) -> None:
    async def main() -> None:
        children = [Ended() for _ in range(10)]

        async def parent() -> None:
            await asyncio.gather(*[child.wait() for child in children])

        handle = spawn(parent())
        for child in children:
            await child.waits.wait()
        await aborted(handle)
        for child in children:
            await child.cancelled.wait()

    yamanote.run(main(), worker_threads=workers)


def test_wait(native: Native) -> None:
    async def main() -> None:
        gates = [Gate() for _ in range(5)]
        waiting = {asyncio.create_task(gate.wait()) for gate in gates}
        gates[0].open()
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (1, 4)
        done, waiting = await asyncio.wait(waiting, timeout=SOON)
        assert (len(done), len(waiting)) == (0, 4)
        for gate in gates:
            gate.open()
        done, waiting = await asyncio.wait(waiting)
        assert (len(done), len(waiting)) == (4, 0)

    native(main())


def test_wait_for_spawned_tasks(native: Native) -> None:
    async def main() -> None:
        gates = [Gate() for _ in range(5)]
        waiting: Any = {spawn(gate.wait()) for gate in gates}
        gates[0].open()
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert (len(done), len(waiting)) == (1, 4)
        for gate in gates:
            gate.open()
        done, waiting = await asyncio.wait(waiting)
        assert (len(done), len(waiting)) == (4, 0)

    native(main())


def test_as_completed(native: Native) -> None:
    async def main() -> None:
        gates = [Gate() for _ in range(5)]

        async def pass_on(n: int) -> int:
            await gates[n].wait()
            if n > 0:
                gates[n - 1].open()
            return n

        gates[4].open()
        waiting = [asyncio.create_task(pass_on(n)) for n in range(5)]
        assert [await first for first in asyncio.as_completed(waiting)] == [4, 3, 2, 1, 0]

    native(main())


# What tasks of one loop share.


def test_queue(native: Native) -> None:
    async def main() -> None:
        queue: asyncio.Queue[int | None] = asyncio.Queue(maxsize=3)
        seen: list[int] = []

        async def consume() -> None:
            while (n := await queue.get()) is not None:
                await yield_now()
                seen.append(n)
                queue.task_done()
            queue.task_done()

        async def produce(first: int) -> None:
            for n in range(first, first + 100):
                await queue.put(n)

        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(consume())
            await asyncio.gather(*[produce(100 * n) for n in range(5)])
            for _ in range(3):
                await queue.put(None)
            await queue.join()
        assert sorted(seen) == list(range(500))

    native(main())


def test_locks(native: Native) -> None:
    async def main() -> None:
        lock, semaphore, barrier = asyncio.Lock(), asyncio.Semaphore(3), asyncio.Barrier(20)
        condition = asyncio.Condition()
        inside = counted = 0
        most: list[int] = []

        async def visit() -> None:
            nonlocal inside, counted
            await barrier.wait()
            async with semaphore:
                inside += 1
                most.append(inside)
                await yield_now()
                await asyncio.sleep(0)
                inside -= 1
            async with lock:
                before = counted
                await asyncio.sleep(0)
                await yield_now()
                counted = before + 1
            async with condition:
                condition.notify_all()

        async with asyncio.TaskGroup() as group:
            for _ in range(20):
                group.create_task(visit())
            async with condition:
                await condition.wait_for(lambda: counted == 20)
        assert max(most) == 3

    native(main())


# Threads.


def test_to_thread(native: Native) -> None:
    name = contextvars.ContextVar[str]("name")

    def call(n: int) -> tuple[str, int, int]:
        return name.get(), n, threading.get_ident()

    async def main() -> None:
        name.set("Yamanote")
        results = await asyncio.gather(*[asyncio.to_thread(call, n) for n in range(50)])
        assert [result[:2] for result in results] == [("Yamanote", n) for n in range(50)]
        assert threading.get_ident() not in {result[2] for result in results}
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 / 0)

    native(main())


def test_run_in_executor(native: Native) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, pow, 2, 5) == 32
        with ThreadPoolExecutor(2, thread_name_prefix="mine") as executor:
            calls = [loop.run_in_executor(executor, pow, n, 2) for n in range(100)]
            assert await asyncio.gather(*calls) == [n * n for n in range(100)]
            thread = await loop.run_in_executor(executor, threading.current_thread)
            assert thread.name.startswith("mine")

    native(main())


def test_run_coroutine_threadsafe(native: Native) -> None:
    """From plain threads onto the loop of a task that waits for them."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.get_ident()

        async def double(n: int) -> int:
            assert threading.get_ident() == thread
            assert await spawn_blocking(int, n) == n
            await asyncio.sleep(0)
            return 2 * n

        def call(n: int) -> int:
            return asyncio.run_coroutine_threadsafe(double(n), loop).result(LIMIT)

        def fail() -> None:
            asyncio.run_coroutine_threadsafe(asyncio.wait_for(forever(), SOON), loop).result(LIMIT)

        calls = [asyncio.wrap_future(on_thread(call, n)) for n in range(20)]
        assert await asyncio.gather(*calls) == [2 * n for n in range(20)]
        with pytest.raises(TimeoutError):
            await asyncio.wrap_future(on_thread(fail))

    native(main())


def test_run_coroutine_threadsafe_between_workers() -> None:
    """The way to reach what belongs to another worker."""
    barrier = threading.Barrier(4)

    async def main() -> None:
        home = asyncio.get_running_loop()
        queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

        async def put(n: int) -> asyncio.AbstractEventLoop:
            barrier.wait(LIMIT)  # it blocks the worker, so the other tasks are on others
            for i in range(25):
                sent = asyncio.run_coroutine_threadsafe(queue.put(100 * n + i), home)
                await asyncio.wrap_future(sent)
            return asyncio.get_running_loop()

        handles = [spawn(put(n)) for n in range(4)]
        got = [await queue.get() for _ in range(100)]
        assert sorted(got) == [100 * n + i for n in range(4) for i in range(25)]
        assert len({await handle for handle in handles}) == 4

    yamanote.run(main(), worker_threads=4)


def test_call_soon_threadsafe(native: Native) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        event = asyncio.Event()
        on_thread(loop.call_soon_threadsafe, event.set)
        await event.wait()

    native(main())


# Context, generators.


def test_context(native: Native) -> None:
    """Each task has a copy of its own, of whatever kind it is."""
    number = contextvars.ContextVar("number", default=0)

    async def child(n: int) -> int:
        before = number.get()
        number.set(n)
        await asyncio.sleep(0)
        await yield_now()
        assert number.get() == n
        return before

    async def main() -> None:
        number.set(-1)
        tasks = [start(child(n)) for n in range(20) for start in (spawn, asyncio.create_task)]
        assert [await task for task in tasks] == [-1] * 40
        assert number.get() == -1

    native(main())


def test_asynchronous_generator(native: Native) -> None:
    async def main() -> None:
        closed = asyncio.Event()

        async def numbers() -> AsyncIterator[int]:
            try:
                for n in range(1000):
                    await asyncio.sleep(0)
                    yield n
            finally:
                await yield_now()
                closed.set()

        async for n in numbers():
            if n == 10:
                break
        # The loop closes what is left behind.
        await closed.wait()

    native(main())


# Processes.

UPPER = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
STAY = "import sys; print('started', flush=True); sys.stdin.read()"


async def python(code: str, *args: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-I", "-S", "-c", code, *args]
    return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)


def test_subprocess(native: Native) -> None:
    async def main() -> None:
        process = await python("import sys; print(input(), file=sys.stderr); sys.exit(7)")
        assert await process.communicate(b"hello\n") == (b"", b"hello\n")
        assert process.returncode == 7

    native(main())


def test_subprocess_streams(native: Native) -> None:
    async def main() -> None:
        process = await python(UPPER)
        assert process.stdin is not None
        assert process.stdout is not None
        for n in range(50):
            process.stdin.write(b"line %d\n" % n)
            await process.stdin.drain()
            assert await process.stdout.readline() == b"LINE %d\n" % n
        process.stdin.close()
        assert await process.wait() == 0
        assert await process.communicate() == (b"", b"")

    native(main())


def test_several_subprocesses(workers: int) -> None:
    """Of spawned tasks, each on the loop of its worker."""

    async def visit(n: int) -> int:
        process = await python("import sys; print(int(sys.argv[1]) * 2)", str(n))
        out, _ = await process.communicate()
        assert process.returncode == 0
        return int(out)

    async def main() -> None:
        handles = [spawn(visit(n)) for n in range(8)]
        assert [await handle for handle in handles] == [2 * n for n in range(8)]

    yamanote.run(main(), worker_threads=workers)


def test_abort_kills_a_subprocess(workers: int) -> None:
    async def main() -> None:
        started, killed = Oneshot[None](), Oneshot[int]()

        async def victim() -> None:
            process = await python(STAY)
            assert process.stdout is not None
            assert await process.stdout.readline() == b"started\n"
            started.send(None)
            try:
                await process.wait()
            finally:
                process.kill()
                await process.communicate()
                assert process.returncode is not None
                killed.send(process.returncode)

        handle = spawn(victim())
        await started.recv()
        await aborted(handle)
        assert await killed.recv() == -9

    yamanote.run(main(), worker_threads=workers)


# The network.


@pytest.fixture(scope="module")
def authority() -> Any:
    """Who signs the certificates."""
    trustme = pytest.importorskip("trustme", exc_type=ImportError)
    return trustme.CA()


@pytest.fixture
def server_context(authority: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def client_context(authority: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving(
    handler: Callable[..., Any] = echo, context: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """A server on a free port of the loopback interface, and its port."""
    server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


@asynccontextmanager
async def connected(
    port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    name = None if context is None else "localhost"
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=name
    )
    try:
        yield reader, writer
    finally:
        writer.close()
        await writer.wait_closed()


async def send_and_receive(port: int, data: bytes, context: ssl.SSLContext | None) -> bytes:
    async with connected(port, context) as (reader, writer):

        async def send() -> None:
            writer.write(data)
            await writer.drain()

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            received = group.create_task(reader.readexactly(len(data)))
    return received.result()


def test_streams(native: Native) -> None:
    async def main() -> None:
        async with serving() as port:
            data = bytes(range(256)) * 4096
            assert await send_and_receive(port, data, None) == data

    native(main())


def test_tls(
    native: Native, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async def main() -> None:
        async with serving(context=server_context) as port:
            data = bytes(range(256)) * 4096
            assert await send_and_receive(port, data, client_context) == data

    native(main())


def test_tls_certificate_of_somebody_else(native: Native, server_context: ssl.SSLContext) -> None:
    async def main() -> None:
        async with serving(context=server_context) as port:
            with pytest.raises(ssl.SSLCertVerificationError):
                async with connected(port, ssl.create_default_context()):
                    pass

    native(main())


def test_start_tls(
    native: Native, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.start_tls(server_context)
        await echo(reader, writer)

    async def main() -> None:
        async with serving(upgrade) as port, connected(port) as (reader, writer):
            writer.write(b"plain\n")
            assert await reader.readline() == b"plain\n"
            await writer.start_tls(client_context, server_hostname="localhost")
            assert writer.get_extra_info("ssl_object") is not None
            writer.write(b"secret\n")
            assert await reader.readline() == b"secret\n"

    native(main())


def test_tls_between_spawned_tasks(
    workers: int, server_context: ssl.SSLContext, client_context: ssl.SSLContext
) -> None:
    """A server in one task, and clients on whichever worker takes them."""

    async def main() -> None:
        port, over = Oneshot[int](), Oneshot[None]()

        async def server() -> None:
            async with serving(context=server_context) as number:
                port.send(number)
                await over.recv()

        async def client(n: int) -> None:
            data = str(n).encode() * 10_000
            assert await send_and_receive(number, data, client_context) == data

        serves = spawn(server())
        number = await port.recv()
        for handle in [spawn(client(n)) for n in range(20)]:
            await handle
        over.send(None)
        await serves

    yamanote.run(main(), worker_threads=workers)


def test_abort_in_a_read(workers: int) -> None:
    """The connection is closed, which the other side sees."""

    async def main() -> None:
        accepted, ended = Oneshot[None](), Oneshot[bytes]()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted.send(None)
            ended.send(await reader.read())
            writer.close()

        async with serving(silent) as port:

            async def client() -> None:
                async with connected(port) as (reader, writer):
                    writer.write(b"bye")
                    await reader.read()

            handle = spawn(client())
            await accepted.recv()
            await aborted(handle)
            # Nothing, if it was aborted while it still connected.
            assert await ended.recv() in (b"", b"bye")

    yamanote.run(main(), worker_threads=workers)


def test_datagrams(native: Native) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        received: asyncio.Queue[bytes] = asyncio.Queue()

        class Echo(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                self.transport.sendto(data[::-1], addr)

        class Client(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                received.put_nowait(data)

        server, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
        address = server.get_extra_info("sockname")
        client, _ = await loop.create_datagram_endpoint(Client, remote_addr=address)
        for n in range(20):
            client.sendto(b"%d!" % n)
            assert await received.get() == (b"%d!" % n)[::-1]
        client.close()
        server.close()

    native(main())


def test_unix_sockets(native: Native, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with await asyncio.start_unix_server(echo, path):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(b"hello\n")
            assert await reader.readline() == b"hello\n"
            writer.close()
            await writer.wait_closed()

    native(main())


def test_sockets_of_the_loop(native: Native) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            theirs.setblocking(False)
            data = bytes(1 << 20)

            async def receive() -> int:
                total = 0
                while total < len(data):
                    total += len(await loop.sock_recv(theirs, 65536))
                return total

            async with asyncio.TaskGroup() as group:
                group.create_task(loop.sock_sendall(ours, data))
                received = group.create_task(receive())
        assert received.result() == len(data)
        found = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        assert found[0][4] == ("127.0.0.1", 80)

    native(main())


# Files.


def test_aiofiles(native: Native, tmp_path: Path) -> None:
    aiofiles = pytest.importorskip("aiofiles", exc_type=ImportError)
    lines = [f"line {n}\n" for n in range(100)]

    async def write(path: Path) -> None:
        async with aiofiles.open(path, "w") as file:
            for line in lines:
                await file.write(line)

    async def main() -> None:
        paths = [tmp_path / str(n) for n in range(3)]
        await asyncio.gather(*[write(path) for path in paths])
        for path in paths:
            async with aiofiles.open(path) as file:
                assert [line async for line in file] == lines
            async with aiofiles.open(path, "rb") as file:
                await file.seek(5)
                assert await file.read(2) == b"0\n"

    native(main())


def test_aiofiles_in_spawned_tasks(workers: int, tmp_path: Path) -> None:
    aiofiles = pytest.importorskip("aiofiles", exc_type=ImportError)
    written = Counter()

    async def append(n: int) -> None:
        async with aiofiles.open(tmp_path / str(n % 5), "a") as file:
            await file.write(f"{n}\n")
        written.add()

    async def main() -> None:
        for handle in [spawn(append(n)) for n in range(50)]:
            await handle
        assert written.value == 50
        for n in range(5):
            found = (tmp_path / str(n)).read_text().split()
            assert sorted(map(int, found)) == list(range(n, 50, 5))

    yamanote.run(main(), worker_threads=workers)
