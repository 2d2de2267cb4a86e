"""`yamanote.net`: streams of TCP, from any task on any worker."""

from __future__ import annotations

import asyncio
import errno
import gc
import itertools
import os
import re
import socket
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

import yamanote
from tests.channels import LIMIT, on_thread
from tests.conformance.test_tcp_connect import needs_ipv6
from tests.gates import Gate, until
from tests.pairs import connected, pair
from tests.waiting import Waiting
from yamanote import (
    JoinError,
    JoinHandle,
    LocalSet,
    Runtime,
    block_in_place,
    join,
    select,
    spawn,
    yield_now,
)
from yamanote.net import (
    BufReader,
    BufWriter,
    OwnedReadHalf,
    OwnedWriteHalf,
    TcpListener,
    TcpSocket,
    TcpStream,
    copy,
    lookup_host,
)

T = TypeVar("T")
U = TypeVar("U")

FDS = Path("/proc/self/fd")
needs_proc = pytest.mark.skipif(not FDS.is_dir(), reason="counts descriptors in /proc")


def descriptors() -> int:
    return len(list(FDS.iterdir()))


def error_of(handle_error: pytest.ExceptionInfo[JoinError]) -> BaseException:
    cause = handle_error.value.__cause__
    assert cause is not None
    return cause


async def unless_cancelled(handle: JoinHandle[T], default: U) -> T | U:
    """What the task has come to; `default` if it was cancelled."""
    try:
        return await handle
    except JoinError as error:
        if not error.is_cancelled():
            raise
        return default


class TestAnyTask:
    def test_made_here_read_there_written_elsewhere(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                for number in range(200):
                    message = f"{number}\n".encode()
                    writing = spawn(client.write_all(message))
                    reading = spawn(server.read_until())
                    await writing
                    assert await reading == message

        rt.block_on(main())

    def test_both_directions_at_once(self, multi_rt: Runtime, switch_interval: float) -> None:
        data = os.urandom(1 << 20)

        async def main() -> None:
            async with pair() as (client, server):
                tasks = [
                    spawn(client.write_all(data)),
                    spawn(server.write_all(data)),
                    spawn(client.read_exact(len(data))),
                    spawn(server.read_exact(len(data))),
                ]
                for got in [await task for task in tasks][2:]:
                    assert got == data

        multi_rt.block_on(main())

    def test_many_connections(self, multi_rt: Runtime, switch_interval: float) -> None:
        async def serve(stream: TcpStream) -> None:
            async with stream:
                while data := await stream.read():
                    await stream.write_all(data)

        async def accept(listener: TcpListener) -> None:
            async for stream, _ in listener:
                spawn(serve(stream))

        async def client(address: Any, number: int) -> None:
            async with await TcpStream.connect(address) as stream:
                for turn in range(10):
                    message = f"{number}.{turn}".encode() * 100
                    await stream.write_all(message)
                    assert await stream.read_exact(len(message)) == message
                    await yield_now()

        async def main() -> None:
            async with await TcpListener.bind("127.0.0.1:0") as listener:
                accepting = [spawn(accept(listener)) for _ in range(3)]
                clients = [spawn(client(listener.local_addr(), n)) for n in range(50)]
                for handle in clients:
                    await handle
                for handle in accepting:
                    handle.abort()

        multi_rt.block_on(main())

    def test_in_a_task_of_asyncio(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                reading = asyncio.create_task(server.read_exact(4))
                await asyncio.sleep(0)
                await asyncio.create_task(client.write_all(b"ping"))
                assert await reading == b"ping"

        rt.block_on(main())

    def test_in_plain_asyncio_and_trio(self, rt: Runtime) -> None:
        async def echo() -> bytes:
            client, server = await connected()
            async with client, server:
                await client.write_all(b"ping")
                return await server.read_exact(4)

        async def waiting() -> bytes:
            client, server = await connected()
            async with client, server:
                timer = threading.Timer(0.01, client.try_write, [b"late"])
                timer.start()
                try:
                    return await server.read_exact(4)
                finally:
                    timer.join()

        def outside(run: Callable[[Any], bytes]) -> None:
            with rt.enter():
                assert run(echo) == b"ping"
                assert run(waiting) == b"late"

        background = spawn_background(rt)
        outside(lambda func: asyncio.run(func()))
        if sys.version_info.releaselevel == "final":
            trio = pytest.importorskip("trio")
            outside(trio.run)
        background.set()

    def test_in_branches(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                sent, got = await join(client.write(b"ping"), server.read())
                assert (sent, got) == (4, b"ping")
                selected = await select(server.read(), client.writable())
                assert selected.branch == 1  # there was nothing to be read
                await client.write_all(b"pong")
                assert await server.read() == b"pong"

        rt.block_on(main())

    def test_in_a_local_set(self, rt: Runtime) -> None:
        async def main() -> None:
            local = LocalSet()

            async def inside() -> bytes:
                async with pair() as (client, server):
                    reading = yamanote.spawn_local(server.read())
                    await client.write_all(b"ping")
                    return await reading

            assert await local.run_until(inside()) == b"ping"

        rt.block_on(main())

    def test_goes_on_while_its_worker_is_blocked_in_place(self, multi_rt: Runtime) -> None:
        """The sockets go along with the worker."""

        async def main() -> None:
            async with pair() as (client, server):
                answered = threading.Event()

                async def answer() -> None:
                    await server.write_all(await server.read())
                    assert await server.read() == b"thanks"
                    answered.set()

                async def ask() -> None:
                    await client.write_all(b"ping")
                    assert await client.read() == b"ping"
                    await client.write_all(b"thanks")

                handles = [spawn(answer()), spawn(ask())]
                for _ in range(3):
                    await yield_now()
                assert block_in_place(answered.wait, LIMIT)
                for handle in handles:
                    await handle

        multi_rt.block_on(main())

    def test_in_the_next_runtime(self) -> None:
        """A socket outlives the runtime that it was registered with."""
        kept: list[TcpStream] = []

        async def first() -> None:
            kept.extend(await connected())
            await Waiting(kept[1].read()).pending()

        async def second() -> None:
            client, server = kept
            async with client, server:
                reading = await Waiting(server.read()).pending()
                await client.write_all(b"ping")
                assert await reading.handle == b"ping"

        yamanote.run(first())
        yamanote.run(second())

    def test_without_a_runtime(self) -> None:
        async def read() -> bytes:
            return await stream.read()

        one, other = socket.socketpair()
        stream = TcpStream.from_std(one)
        with other, pytest.raises(RuntimeError, match="no Yamanote runtime here"):
            asyncio.run(read())
        stream.close()


def spawn_background(rt: Runtime) -> threading.Event:
    """Have somebody drive the runtime until the event is set."""
    end = threading.Event()

    async def main() -> None:
        while not end.is_set():
            await asyncio.sleep(0.001)

    on_thread(rt.block_on, main())
    return end


class TestClose:
    @pytest.mark.parametrize("wait", ["read", "write_all", "peek", "readable"])
    def test_wakes_who_waits(self, rt: Runtime, wait: str) -> None:
        async def main() -> None:
            client, server = await connected()
            arguments = [bytes(30_000_000)] if wait == "write_all" else []
            waiting = [await Waiting(getattr(client, wait)(*arguments)).pending() for _ in range(3)]
            client.close()
            for each in waiting:
                with pytest.raises(JoinError) as caught:
                    await each.handle
                error = error_of(caught)
                assert isinstance(error, OSError)
                assert error.errno == errno.EBADF
                assert "closed" in str(error)
            server.close()

        rt.block_on(main())

    def test_wakes_who_accepts(self, rt: Runtime) -> None:
        async def main() -> None:
            listener = await TcpListener.bind("127.0.0.1:0")
            waiting = [await Waiting(listener.accept()).pending() for _ in range(3)]
            listener.close()
            listener.close()
            for each in waiting:
                with pytest.raises(JoinError) as caught:
                    await each.handle
                assert isinstance(error_of(caught), OSError)
            with pytest.raises(OSError, match="closed"):
                await listener.accept()
            with pytest.raises(OSError, match="closed"):
                listener.local_addr()

        rt.block_on(main())

    def test_on_another_thread(self, multi_rt: Runtime, switch_interval: float) -> None:
        """Whatever the others are doing just now."""

        async def main() -> None:
            for _ in range(30):
                client, server = await connected()

                async def work(stream: TcpStream) -> None:
                    try:
                        while True:
                            await stream.write_all(b"x" * 1000)
                            if not await stream.read():
                                break
                    except OSError:
                        pass

                works = [spawn(work(stream)) for stream in (client, server)]
                for _ in range(5):
                    await yield_now()
                closer = threading.Thread(target=client.close)
                closer.start()
                closer.join(LIMIT)
                for handle in works:
                    await handle
                server.close()

        multi_rt.block_on(main())

    @needs_proc
    def test_the_descriptor_is_gone(self, rt: Runtime) -> None:
        async def main() -> None:
            before = descriptors()
            client, server = await connected()
            reading = await Waiting(server.read()).pending()
            server.close()
            client.close()
            assert descriptors() == before
            with pytest.raises(JoinError):
                await reading.handle
            assert (client.fileno(), server.fileno()) == (-1, -1)
            assert "closed" in repr(client)

        rt.block_on(main())

    @pytest.mark.skipif(
        not getattr(sys, "_is_gil_enabled", lambda: True)(),
        reason="what is dropped is collected later here",
    )
    def test_dropped(self, rt: Runtime) -> None:
        async def main() -> None:
            client, server = await connected()
            with pytest.warns(ResourceWarning, match="unclosed <TcpStream"):
                del client
            assert await server.read() == b""
            server.close()

        rt.block_on(main())

    def test_halves(self, rt: Runtime) -> None:
        async def main() -> None:
            client, server = await connected()
            async with server:
                read, write = client.into_split()
                assert isinstance(read, OwnedReadHalf)
                assert isinstance(write, OwnedWriteHalf)
                write.close()
                assert await server.read() == b""
                await server.write_all(b"still")
                assert await read.read() == b"still"
                assert not client.is_closed()
                read.close()
                assert client.is_closed()

            client, server = await connected()
            async with server:
                read, write = client.into_split()
                write.forget()
                read.close()
                assert client.is_closed()

        rt.block_on(main())


class TestCancel:
    @pytest.mark.parametrize(
        "read",
        [
            lambda stream: stream.read_exact(8),
            lambda stream: stream.read_until(b"|"),
            lambda stream: stream.read_to_end(),
            lambda stream: stream.read_line(),
            lambda stream: anext(stream.lines()),
        ],
    )
    def test_what_has_come_stays(
        self, rt: Runtime, read: Callable[[TcpStream], Awaitable[bytes]]
    ) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                for _ in range(3):
                    reading = await Waiting(read(server)).pending()
                    await client.write_all(b"ab")
                    await yield_now()
                    reading.abort()
                    with pytest.raises(JoinError):
                        await reading.handle
                await client.write_all(b"|\n")
                assert await server.read_until(b"\n") == b"ababab|\n"

        rt.block_on(main())

    def test_of_reads_in_a_storm(self, multi_rt: Runtime, switch_interval: float) -> None:
        """No byte is lost or doubled."""
        data = os.urandom(200_000)

        async def main() -> None:
            async with pair() as (client, server):

                async def write() -> None:
                    for at in range(0, len(data), 1000):
                        await client.write_all(data[at : at + 1000])
                        await yield_now()
                    await client.shutdown()

                writing = spawn(write())
                got = bytearray()

                async def read() -> bool:
                    chunk = await server.read(700)
                    got.extend(chunk)
                    return bool(chunk)

                for turn in itertools.count():
                    reading = spawn(read())
                    if turn % 3 == 0:
                        await yield_now()
                        reading.abort()
                    if not await unless_cancelled(reading, True):
                        break
                await writing
                assert got == data

        multi_rt.block_on(main())

    @needs_proc
    def test_of_accept_and_connect(self, rt: Runtime) -> None:
        async def main() -> None:
            async with await TcpListener.bind("127.0.0.1:0") as listener:
                before = descriptors()
                accepting = await Waiting(listener.accept()).pending()
                accepting.abort()
                with pytest.raises(JoinError):
                    await accepting.handle
                for _ in range(20):
                    connecting = spawn(TcpStream.connect(listener.local_addr()))
                    await yield_now()
                    connecting.abort()
                    stream = await unless_cancelled(connecting, None)
                    if stream is not None:
                        stream.close()
                    del connecting
                gc.collect()
                await until(lambda: descriptors() == before)

        rt.block_on(main())

    def test_who_gave_up_is_forgotten(self, rt: Runtime) -> None:
        """A reader that often gives up leaves nothing behind."""

        async def main() -> None:
            async with pair() as (client, server):
                for _ in range(100):
                    reading = await Waiting(server.read()).pending()
                    reading.abort()
                    with pytest.raises(JoinError):
                        await reading.handle
                await client.write_all(b"ping")
                assert await server.read() == b"ping"

        rt.block_on(main())


class TestTwoReaders:
    """Each gets some of what comes, and all of what it asks for."""

    def test_one_takes_what_the_other_has_read_ahead(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                exact = await Waiting(server.read_exact(10)).pending()
                await client.write_all(b"abc")
                await until(lambda: server.buffer() == b"abc")
                assert await server.read() == b"abc"
                await client.write_all(b"defghij")
                await until(lambda: server.buffer() == b"defghij")
                await client.write_all(b"klm")
                assert await exact == b"defghijklm"

        rt.block_on(main())

    def test_one_takes_what_the_other_has_searched(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                line = await Waiting(server.read_until(b"|")).pending()
                await client.write_all(b"abcdef")
                await until(lambda: server.buffer() == b"abcdef")
                assert await server.read(4) == b"abcd"
                await client.write_all(b"|gh")
                assert await line == b"ef|"
                assert server.buffer() == b"gh"

        rt.block_on(main())

    @pytest.mark.parametrize(
        "read",
        [
            lambda stream: stream.read_exact(7),
            lambda stream: stream.read_until(b"5"),
            lambda stream: stream.read(7),
        ],
    )
    def test_no_byte_is_lost_or_doubled(
        self,
        multi_rt: Runtime,
        switch_interval: float,
        read: Callable[[TcpStream], Awaitable[bytes]],
    ) -> None:
        data = b"".join(b"%d" % number for number in range(20_000))

        async def main() -> None:
            async with pair() as (client, server):
                got: list[bytes] = []

                async def read_all() -> None:
                    try:
                        while chunk := await read(server):
                            got.append(chunk)
                    except asyncio.IncompleteReadError as error:
                        got.append(error.partial)

                reading = [spawn(read_all()) for _ in range(3)]
                for at in range(0, len(data), 1000):
                    await client.write_all(data[at : at + 1000])
                    await yield_now()
                await client.shutdown()
                for handle in reading:
                    await handle
                assert Counter(b"".join(got)) == Counter(data)

        multi_rt.block_on(main())


class TestLimits:
    def test_a_line_too_long(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                await client.write_all(b"short\n" + b"x" * 101 + b"\nnext\n")
                await client.shutdown()
                lines = server.lines(limit=100)
                assert await anext(lines) == "short"
                for _ in range(2):
                    with pytest.raises(asyncio.LimitOverrunError, match="limit of 100"):
                        await anext(lines)
                assert await server.read_exact(102) == b"x" * 101 + b"\n"
                assert [line async for line in lines] == ["next"]

        rt.block_on(main())

    def test_a_line_without_an_end(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                writing = spawn(client.write_all(b"x" * 10_000_000))
                with pytest.raises(asyncio.LimitOverrunError):
                    await server.read_until(b"\r\n", limit=1000)
                writing.abort()

        rt.block_on(main())

    @pytest.mark.parametrize("size", [99, 100])
    def test_a_line_as_long_as_may_be(self, rt: Runtime, size: int) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                for piece in (b"x" * size, b"\r", b"\n"):
                    await client.write_all(piece)
                assert await server.read_until(b"\r\n", limit=100) == b"x" * size + b"\r\n"

        rt.block_on(main())

    def test_an_end_too_early(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                await client.write_all(b"abc")
                await client.shutdown()
                with pytest.raises(asyncio.IncompleteReadError) as caught:
                    await server.read_exact(4)
                assert caught.value.partial == b"abc"
                assert await server.read() == b""

        rt.block_on(main())

    def test_more_than_wanted(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                await client.write_all(b"x" * 1001)
                await client.shutdown()
                with pytest.raises(asyncio.LimitOverrunError):
                    await server.read_to_end(1000)
                assert await server.read_to_end() == b"x" * 1001

        rt.block_on(main())

    def test_not_utf_8(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                await client.write_all(b"\xff\xfe\nnext\n")
                with pytest.raises(UnicodeDecodeError):
                    await server.read_line()
                assert await server.read_line() == "next\n"

        rt.block_on(main())

    def test_a_peer_that_resets(self, rt: Runtime) -> None:
        async def main() -> None:
            client, server = await connected()
            async with server:
                reading = await Waiting(server.read()).pending()
                client.set_zero_linger()
                client.close()
                with pytest.raises(JoinError) as caught:
                    await reading.handle
                assert isinstance(error_of(caught), ConnectionResetError)
                assert await server.read() == b""
                with pytest.raises(BrokenPipeError):
                    await server.write_all(b"x")

        rt.block_on(main())

    def test_half_open(self, rt: Runtime) -> None:
        """One side has ended, the other goes on."""

        async def main() -> None:
            async with pair() as (client, server):
                await client.shutdown()
                assert await server.read() == b""
                for number in range(10):
                    await server.write_all(b"x" * number)
                    assert await client.read_exact(number) == b"x" * number
                assert await server.read() == b""

        rt.block_on(main())

    def test_no_descriptors_left(self) -> None:
        """accept says so once, does not spin, and goes on when there are some."""
        program = """
            import logging, resource, socket, sys
            import yamanote
            from yamanote import spawn
            from yamanote.net import TcpListener
            from yamanote.time import sleep

            logging.basicConfig(format="%(message)s", stream=sys.stdout)

            async def main():
                async with await TcpListener.bind("127.0.0.1:0") as listener:
                    address = listener.local_addr()
                    accepting = spawn(listener.accept())
                    await sleep(0)
                    clients = [socket.create_connection(address)]
                    stream, _ = await accepting
                    stream.close()
                    client = socket.socket()
                    used = max(client.fileno(), *(each.fileno() for each in clients)) + 1
                    resource.setrlimit(resource.RLIMIT_NOFILE, (used, used))
                    held = []
                    try:
                        while True:
                            held.append(socket.socket())
                    except OSError:
                        pass
                    client.connect(address)
                    accepting = spawn(listener.accept())
                    handle = yamanote.Handle.current()
                    before = sum(worker.polls for worker in handle.metrics().workers)
                    await sleep(0.4)
                    polls = sum(worker.polls for worker in handle.metrics().workers) - before
                    print("waits", not accepting.is_finished(), polls < 20)
                    if held:
                        held.pop().close()
                    else:
                        clients.pop().close()
                    stream, _ = await accepting
                    print("accepted", stream.peer_addr() == client.getsockname())
                    stream.close()
                    for each in [client, *clients, *held]:
                        each.close()

            yamanote.run(main(), worker_threads=1)
        """
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            env={**os.environ, "PYTHONPATH": str(Path(yamanote.__file__).parents[1])},
        )
        assert done.stderr == ""
        first, *rest = done.stdout.splitlines()
        assert re.fullmatch(r"<TcpListener .*> cannot accept a connection: .*[Tt]oo many .*", first)
        assert rest == ["waits True True", "accepted True"]

    def test_a_connection_that_the_network_has_dropped(self, rt: Runtime) -> None:
        """accept goes on with the next one."""
        failures = [errno.ECONNABORTED, errno.ENETUNREACH, errno.EHOSTUNREACH]

        class Flaky(socket.socket):
            def accept(self) -> Any:
                if failures:
                    raise OSError(failures.pop(), "of somebody else's")
                return super().accept()

        async def main() -> None:
            sock = Flaky()
            sock.bind(("127.0.0.1", 0))
            sock.listen()
            async with (
                TcpListener.from_std(sock) as listener,
                await TcpStream.connect(listener.local_addr()) as client,
            ):
                stream, peer = await listener.accept()
                assert peer == client.local_addr()
                stream.close()
            assert not failures

        rt.block_on(main())


class TestAddresses:
    @pytest.mark.parametrize(
        "address",
        [
            "localhost",
            "localhost:",
            "localhost:http",
            "::1:80",
            "127.0.0.1:99999",
            ("127.0.0.1",),
            ("127.0.0.1", "80"),
            ("127.0.0.1", -1),
            8080,
        ],
    )
    def test_no_address(self, rt: Runtime, address: Any) -> None:
        async def main() -> None:
            for use in (TcpStream.connect, TcpListener.bind, lookup_host):
                with pytest.raises(ValueError, match=r"address|port"):
                    await use(address)

        rt.block_on(main())

    def test_no_such_host(self, rt: Runtime) -> None:
        async def main() -> None:
            with pytest.raises(socket.gaierror, match=r"nowhere\.invalid"):
                await TcpStream.connect("nowhere.invalid:80")

        rt.block_on(main())

    def test_lookup(self, rt: Runtime) -> None:
        async def main() -> None:
            assert await lookup_host("127.0.0.1:80") == [("127.0.0.1", 80)]
            assert ("127.0.0.1", 80) in await lookup_host(("localhost", 80))

        rt.block_on(main())

    @needs_ipv6
    def test_ipv6(self, rt: Runtime) -> None:
        async def main() -> None:
            assert await lookup_host("[::1]:80") == [("::1", 80, 0, 0)]
            async with (
                await TcpListener.bind(("::1", 0)) as listener,
                await TcpStream.connect(listener.local_addr()) as stream,
            ):
                assert stream.peer_addr()[:2] == listener.local_addr()[:2]

        rt.block_on(main())

    def test_the_second_address_answers(self, rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        async def main() -> None:
            async with await TcpListener.bind("127.0.0.1:0") as listener:
                port = listener.local_addr()[1]
                monkeypatch.setattr(socket, "getaddrinfo", fake)
                async with await TcpStream.connect(("two", port)) as stream:
                    assert stream.peer_addr() == ("127.0.0.1", port)

        def fake(host: Any, port: int, **options: Any) -> Any:
            if options["flags"] & socket.AI_NUMERICHOST:
                raise socket.gaierror(socket.EAI_NONAME, "a name")
            kind = (socket.AF_INET, socket.SOCK_STREAM, 0, "")
            return [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]

        rt.block_on(main())

    def test_refused_and_in_use(self, rt: Runtime) -> None:
        async def main() -> None:
            async with await TcpListener.bind("127.0.0.1:0") as listener:
                with pytest.raises(OSError, match=r"in use.*127\.0\.0\.1") as caught:
                    await TcpListener.bind(listener.local_addr())
                assert caught.value.errno == errno.EADDRINUSE
                address = listener.local_addr()
            host, port = address
            with pytest.raises(ConnectionRefusedError, match=f"refused: {host}:{port}$") as refused:
                await TcpStream.connect(address)
            assert refused.value.errno == errno.ECONNREFUSED
            # Free again at once.
            (await TcpListener.bind(address)).close()

        rt.block_on(main())

    def test_a_socket_takes_numbers(self, rt: Runtime) -> None:
        async def main() -> None:
            sock = TcpSocket.new_v4()
            with pytest.raises(ValueError, match="lookup_host"):
                sock.bind("localhost:0")
            with pytest.raises(ValueError, match="no AF_INET address"):
                sock.bind("[::1]:0")
            with pytest.raises(ValueError, match="lookup_host"):
                await sock.connect("localhost:80")
            sock.bind(":0")  # any
            assert sock.local_addr()[0] == "0.0.0.0"
            sock.close()

        rt.block_on(main())


class TestStd:
    def test_what_was_read_ahead_is_not_lost(self, rt: Runtime) -> None:
        async def main() -> None:
            client, server = await connected()
            async with client:
                await client.write_all(b"line\nrest")
                assert await server.read_line() == "line\n"
                with pytest.raises(RuntimeError, match="4 bytes have been read ahead"):
                    server.into_std()
                assert server.buffer() == await server.peek() == await server.read() == b"rest"
                with server.into_std() as sock:
                    assert not sock.getblocking()
                    await client.write_all(b"more")
                    sock.setblocking(True)
                    assert sock.recv(100) == b"more"

        rt.block_on(main())

    def test_closed_from_then_on(self, rt: Runtime) -> None:
        async def main() -> None:
            client, server = await connected()
            reading = await Waiting(server.read()).pending()
            with server.into_std(), pytest.raises(JoinError):
                await reading.handle
            with pytest.raises(OSError, match="closed"):
                await server.read()
            with pytest.raises(OSError, match="closed"):
                server.into_std()
            client.close()
            with pytest.raises(ValueError, match="open socket"):
                TcpStream.from_std(client._sock)

        rt.block_on(main())

    def test_used_by_asyncio_as_well(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                loop = asyncio.get_running_loop()
                loop.add_reader(server.fileno(), lambda: None)
                try:
                    with pytest.raises(RuntimeError, match="used by asyncio's loop"):
                        await server.read()
                finally:
                    loop.remove_reader(server.fileno())
                await client.write_all(b"ping")
                assert await server.read() == b"ping"

        rt.block_on(main())


class TestBuffers:
    def test_writer(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                writer = BufWriter(client, 10)
                for word in (b"one", b"two", b"three"):
                    await writer.write_all(word)
                assert await server.read() == b"onetwo"
                assert writer.buffer() == b"three"
                await writer.write_all(b"x" * 100)
                assert await server.read_exact(105) == b"three" + b"x" * 100
                await writer.write_all(b"end")
                await writer.shutdown()
                assert await server.read_to_end() == b"end"

        rt.block_on(main())

    def test_reader(self, rt: Runtime) -> None:
        async def main() -> None:
            async with pair() as (client, server):
                await client.write_all(b"one\ntwo\nthree")
                await client.shutdown()
                reader = BufReader(server)
                assert await reader.read(2) == b"on"
                assert reader.buffer() == b"e\ntwo\nthree"
                assert await reader.fill_buf() == b"e\ntwo\nthree"
                reader.consume(2)
                with pytest.raises(ValueError, match="only 9 bytes"):
                    reader.consume(10)
                assert [line async for line in reader.lines()] == ["two", "three"]

        rt.block_on(main())

    def test_copy(self, rt: Runtime) -> None:
        data = os.urandom(300_000)

        async def main() -> None:
            async with pair() as (client, server), pair() as (client2, server2):
                copying = spawn(copy(server, client2))
                reading = spawn(server2.read_exact(len(data)))
                await client.write_all(data)
                await client.shutdown()
                assert await copying == len(data)
                assert await reading == data

        rt.block_on(main())

    def test_vectored(self, rt: Runtime) -> None:
        pieces = [os.urandom(size) for size in (0, 1, 5000, 3, 100_000, 0, 7)] * 20

        async def main() -> None:
            async with pair() as (client, server):
                size = sum(map(len, pieces))
                reading = spawn(server.read_exact(size))
                await client.write_all_vectored(pieces)
                assert await reading == b"".join(pieces)

        rt.block_on(main())

    def test_a_buffer_of_larger_items(self, rt: Runtime) -> None:
        data = memoryview(os.urandom(8_000_000)).cast("Q")

        async def main() -> None:
            async with pair() as (client, server):
                reading = spawn(server.read_exact(data.nbytes))
                await client.write_all(data)
                assert await reading == data.tobytes()

        rt.block_on(main())


def test_shutdown_of_the_runtime(rt_config: dict[str, Any]) -> None:
    """Tasks that wait for sockets are cancelled, and can clean up with them."""
    ended: list[str] = []

    async def serve(stream: TcpStream) -> None:
        async with stream:
            try:
                await stream.read()
            finally:
                await stream.write_all(b"bye")
                ended.append("served")

    async def main() -> TcpStream:
        client, server = await connected()
        spawn(serve(server))
        await Waiting(client.read()).pending()
        return client

    client = yamanote.run(main(), **rt_config)
    assert ended == ["served"]
    client.close()


def test_a_reader_that_is_always_ready_gives_the_others_a_turn(rt: Runtime) -> None:
    async def main() -> None:
        async with pair() as (client, server):
            end = Gate()

            async def write() -> None:
                while not end.is_open():
                    await client.write_all(b"x" * 1000)

            async def read() -> None:
                while not end.is_open():
                    await server.read(1)

            handles = [spawn(write()), spawn(read())]
            for _ in range(20):
                await yield_now()
            end.open()
            handles[0].abort()
            await handles[1]

    rt.block_on(main())
