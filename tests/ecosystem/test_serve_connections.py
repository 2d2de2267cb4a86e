"""The connections that `yamanote.serve` gives to a protocol: to any of asyncio's, by
uvicorn's option `http`."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import pytest

import yamanote
from tests.ecosystem.serving import LIMIT
from yamanote import block_in_place, spawn, spawn_blocking
from yamanote.serve import serve
from yamanote.sync import CancellationToken, oneshot

pytest.importorskip("uvicorn", exc_type=ImportError)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never called: the protocols below answer."""


class Connection(asyncio.Protocol):
    """What the protocols below have in common."""

    #: Of the test that runs, as they come.
    all: ClassVar[list[Any]]
    came: ClassVar[threading.Semaphore]

    def __init__(self, config: Any, server_state: Any, app_state: Any, _loop: Any) -> None:
        self.state = server_state
        self.loop = _loop
        self.received = b""
        self.why: Exception | None = None
        self.lost = threading.Event()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.all.append(self)
        self.came.release()

    def data_received(self, data: bytes) -> None:
        self.received += data
        getattr(self, data.split(b" ", 1)[0].decode())()

    def connection_lost(self, exc: Exception | None) -> None:
        self.why = exc
        self.lost.set()

    def wait(self) -> None:
        """Hold up the loop until the test has gone on."""
        gate.entered.set()
        assert gate.open.wait(LIMIT)

    def echo(self) -> None:
        self.transport.write(self.received)


class gate:
    entered: threading.Event
    open: threading.Event


@pytest.fixture(autouse=True)
def fresh() -> None:
    Connection.all, Connection.came = [], threading.Semaphore(0)
    gate.entered, gate.open = threading.Event(), threading.Event()


class Clients:
    """Connections to the server, each with its protocol."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self.sockets: list[socket.socket] = []

    def open(self) -> tuple[socket.socket, Any]:
        sock = socket.create_connection(self._address, timeout=LIMIT)
        self.sockets.append(sock)
        assert Connection.came.acquire(timeout=LIMIT)
        return sock, Connection.all[-1]

    @contextmanager
    def held_up(self) -> Iterator[None]:
        """What arrives meanwhile is found ready together."""
        sock, _ = self.open()
        sock.sendall(b"wait")
        assert gate.entered.wait(LIMIT)
        yield
        gate.open.set()


def served(protocol: type, talk: Callable[[Clients], None]) -> None:
    async def main() -> None:
        stop = CancellationToken()
        tx, rx = oneshot.channel()
        server = spawn(
            serve(
                app,
                http=protocol,
                port=0,
                lifespan="off",
                log_level="critical",
                shutdown=stop,
                on_listening=tx.send,
            )
        )
        (url,) = await rx
        try:
            await spawn_blocking(_talk, Clients(url), talk)
        finally:
            stop.cancel()
            await server

    yamanote.run(main(), worker_threads=1)


def _talk(clients: Clients, talk: Callable[[Clients], None]) -> None:
    with ExitStack() as stack:
        stack.callback(lambda: [each.lost.wait(LIMIT) for each in Connection.all])
        stack.callback(lambda: [each.close() for each in clients.sockets])
        stack.callback(gate.open.set)
        talk(clients)


def read(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = sock.recv(count - len(data))
        assert more
        data += more
    return data


# Writing.


def test_what_one_turn_writes_comes_together() -> None:
    class Parts(Connection):
        def go(self) -> None:
            self.transport.write(b"")
            self.transport.write(b"head, ")
            assert self.transport.get_write_buffer_size() == 6
            self.transport.write(b"body")

    def talk(clients: Clients) -> None:
        sock, _ = clients.open()
        for _ in range(3):
            sock.sendall(b"go")
            assert sock.recv(100) == b"head, body"

    served(Parts, talk)


def test_the_order_of_small_and_large() -> None:
    pieces = [
        b"head",
        b"x" * 300_000,
        bytearray(b"body"),
        b"y" * 40_000,
        b"z" * 40_000,
        memoryview(b"w" * 70_000),
        b"tail",
    ]
    whole = b"".join(pieces)

    class Pieces(Connection):
        def go(self) -> None:
            for piece in pieces:
                self.transport.write(piece)
            self.transport.writelines([b"1", b"2"])
            self.transport.write(b"3")
            self.loop.call_soon(self.transport.write, b"4")

    def talk(clients: Clients) -> None:
        sock, _ = clients.open()
        for _ in range(3):
            sock.sendall(b"go")
            assert read(sock, len(whole) + 4) == whole + b"1234"

    served(Pieces, talk)


def test_a_client_that_does_not_read() -> None:
    paused, resumed = threading.Event(), threading.Event()

    class Fills(Connection):
        sent = 0

        def fill(self) -> None:
            while not paused.is_set():
                self.transport.write(b"%09d\n" % self.sent)
                self.sent += 1
                if self.sent % 1000 == 0:  # some more the next turn
                    self.loop.call_soon(self.fill)
                    return

        def pause_writing(self) -> None:
            paused.set()

        def resume_writing(self) -> None:
            resumed.set()
            self.transport.write(b"end")

    def talk(clients: Clients) -> None:
        sock, protocol = clients.open()
        sock.sendall(b"fill")
        assert paused.wait(LIMIT)
        assert not resumed.is_set()
        lines = read(sock, protocol.sent * 10 + 3)
        assert lines == b"".join(b"%09d\n" % number for number in range(protocol.sent)) + b"end"
        assert resumed.is_set()

    served(Fills, talk)


@pytest.mark.parametrize("how", ["write_eof", "close"])
def test_an_end_sends_what_was_written(how: str) -> None:
    class Ends(Connection):
        error: Exception | None = None

        def go(self) -> None:
            self.transport.write(b"head, ")
            self.transport.write(b"body")
            getattr(self.transport, how)()
            try:
                self.transport.write(b"late")
            except RuntimeError as error:
                self.error = error
            gate.entered.set()

    def talk(clients: Clients) -> None:
        sock, protocol = clients.open()
        sock.sendall(b"go")
        assert gate.entered.wait(LIMIT)
        assert read(sock, 10) == b"head, body"
        assert sock.recv(100) == b""
        assert (protocol.error is None) == (how == "close")

    served(Ends, talk)


def test_an_abort_sends_nothing() -> None:
    class Aborts(Connection):
        def go(self) -> None:
            self.transport.write(b"never")
            self.transport.abort()
            self.transport.write(b"nor this")

    def talk(clients: Clients) -> None:
        sock, protocol = clients.open()
        sock.sendall(b"go")
        assert sock.recv(100) == b""
        assert protocol.lost.wait(LIMIT)
        assert protocol.why is None

    served(Aborts, talk)


def test_writing_after_the_connection_is_lost_does_nothing() -> None:
    class Late(Connection):
        def connection_lost(self, exc: Exception | None) -> None:
            self.loop.call_soon(self.after, exc)

        def after(self, exc: Exception | None) -> None:
            self.transport.write(b"late")
            super().connection_lost(exc)

    def talk(clients: Clients) -> None:
        sock, protocol = clients.open()
        sock.close()
        assert protocol.lost.wait(LIMIT)

    served(Late, talk)


def test_a_file_between_writes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"f" * 200_000)

    class Sends(Connection):
        def go(self) -> None:
            self.transport.write(b"head, ")
            self.task = self.loop.create_task(self.send())

        async def send(self) -> None:
            with path.open("rb") as file:
                await asyncio.get_running_loop().sendfile(self.transport, file)
            self.transport.write(b", ta")
            self.transport.write(b"il")

    def talk(clients: Clients) -> None:
        sock, _ = clients.open()
        for _ in range(2):
            sock.sendall(b"go")
            assert read(sock, 200_012) == b"head, " + b"f" * 200_000 + b", tail"

    served(Sends, talk)


def test_a_write_on_another_thread_is_an_error() -> None:
    def talk(clients: Clients) -> None:
        sock, protocol = clients.open()
        with pytest.raises(RuntimeError, match="another thread"):
            protocol.transport.write(b"no")
        sock.sendall(b"echo")
        assert sock.recv(100) == b"echo"

    served(Connection, talk)


def test_who_blocks_in_place_holds_up_no_other_answer() -> None:
    answered = threading.Event()

    class Pauses(Connection):
        def fill(self) -> None:
            self.transport.set_write_buffer_limits(high=1 << 30)
            self.transport.write(b"x" * (16 << 20))
            size = self.transport.get_write_buffer_size()
            assert size > 0
            self.transport.set_write_buffer_limits(high=size + 10)
            gate.entered.set()

        def both(self) -> None:
            first, second = self.all
            first.transport.write(b"y" * 20)
            second.transport.write(b"answer")

        def pause_writing(self) -> None:
            assert block_in_place(lambda: answered.wait(LIMIT))

    def talk(clients: Clients) -> None:
        sock, _ = clients.open()
        sock.sendall(b"fill")
        assert gate.entered.wait(LIMIT)
        other, _ = clients.open()
        other.sendall(b"both")
        assert read(other, 6) == b"answer"
        answered.set()
        other.sendall(b"echo")
        assert read(other, 8) == b"bothecho"

    served(Pauses, talk)


# Reading.


def test_one_that_fails_holds_up_no_other() -> None:
    class Fails(Connection):
        def fail(self) -> None:
            raise ValueError("on purpose")

    def talk(clients: Clients) -> None:
        opened = [clients.open() for _ in range(8)]
        with clients.held_up():
            for number, (sock, _) in enumerate(opened):
                sock.sendall(b"fail" if number % 2 else b"echo")
        for number, (sock, protocol) in enumerate(opened):
            if number % 2:
                assert sock.recv(100) == b""
                assert protocol.lost.wait(LIMIT)
                assert isinstance(protocol.why, ValueError)
            else:
                assert sock.recv(100) == b"echo"

    served(Fails, talk)


def test_one_that_is_closed_by_another_gets_nothing_more() -> None:
    class Closes(Connection):
        def only(self) -> None:
            for other in self.all[:2]:
                if other is not self:
                    other.transport.close()
            self.transport.write(b"I")

    def talk(clients: Clients) -> None:
        opened = [clients.open() for _ in range(2)]
        with clients.held_up():
            for sock, _ in opened:
                sock.sendall(b"only")
        # The socket of the other is closed with what it has not read: that resets it.
        assert sorted(filter(None, (_end(sock) for sock, _ in opened))) == [b"I"]
        assert sorted(protocol.received for _, protocol in opened) == [b"", b"only"]

    def _end(sock: socket.socket) -> bytes:
        try:
            return sock.recv(100)
        except ConnectionResetError:
            return b""

    served(Closes, talk)


def test_one_that_is_paused_by_another_reads_on_later() -> None:
    class Pauses(Connection):
        def one(self) -> None:
            (other,) = (each for each in self.all[:2] if each is not self)
            if other.received:
                self.transport.write(b"second")
            else:
                other.transport.pause_reading()
                self.transport.write(b"first")

        def go(self) -> None:
            (other,) = (each for each in self.all[:2] if each is not self)
            other.transport.resume_reading()

    def talk(clients: Clients) -> None:
        opened = [clients.open() for _ in range(2)]
        with clients.held_up():
            for sock, _ in opened:
                sock.sendall(b"one")
        (first,), _, _ = select.select([sock for sock, _ in opened], [], [], LIMIT)
        assert first.recv(100) == b"first"
        (second,) = (sock for sock, _ in opened if sock is not first)
        assert [each.received for sock, each in opened if sock is second] == [b""]
        first.sendall(b"go")
        assert second.recv(100) == b"second"

    served(Pauses, talk)


def test_who_blocks_in_place_holds_up_no_other_connection() -> None:
    both = threading.Barrier(2)

    class Blocks(Connection):
        def meet(self) -> None:
            block_in_place(lambda: both.wait(LIMIT))
            self.transport.write(b"met")

    def talk(clients: Clients) -> None:
        opened = [clients.open() for _ in range(2)]
        with clients.held_up():
            for sock, _ in opened:
                sock.sendall(b"meet")
        for sock, protocol in opened:
            assert sock.recv(100) == b"met"
            assert protocol.received == b"meet"

    served(Blocks, talk)


@pytest.mark.parametrize("ends", [False, True])
def test_who_blocks_in_place_gets_what_comes_meanwhile_afterwards(ends: bool) -> None:
    class Protocol(Connection):
        inside = False

        def data_received(self, data: bytes) -> None:
            assert not self.inside
            super().data_received(data)

        def block(self) -> None:
            self.inside = True
            block_in_place(self.wait)
            self.inside = False

        def more(self) -> None:
            self.transport.write(b"had it")

    def talk(clients: Clients) -> None:
        blocked, protocol = clients.open()
        other, _ = clients.open()
        blocked.sendall(b"block")
        assert gate.entered.wait(LIMIT)
        blocked.sendall(b"more")
        if ends:
            blocked.shutdown(socket.SHUT_WR)
        # By the second answer what came before the first question has been found, too.
        for count in range(1, 3):
            other.sendall(b"echo")
            assert read(other, 4 * count) == b"echo" * count
        assert protocol.received == b"block"
        gate.open.set()
        assert read(blocked, 6) == b"had it"
        assert protocol.received == b"blockmore"
        if ends:
            assert protocol.lost.wait(LIMIT)

    served(Protocol, talk)


def test_a_protocol_with_its_own_buffer() -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self, plain: Any) -> None:
            self.plain = plain
            self.buffer = bytearray(4)

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, count: int) -> None:
            self.plain.transport.write(b"%d " % count + self.buffer[:count])
            if self.buffer[:count] == b"back":
                self.plain.transport.set_protocol(self.plain)

        def eof_received(self) -> None:
            pass

        def connection_lost(self, exc: Exception | None) -> None:
            self.plain.connection_lost(exc)

    class Switches(Connection):
        def buffered(self) -> None:
            self.transport.set_protocol(Buffered(self))
            self.received = b""
            self.transport.write(b"yes")

    def talk(clients: Clients) -> None:
        sock, _ = clients.open()
        for _ in range(2):
            sock.sendall(b"buffered")
            assert sock.recv(100) == b"yes"
            sock.sendall(b"123456")
            assert read(sock, 10) == b"4 12342 56"
            sock.sendall(b"back")
            assert read(sock, 6) == b"4 back"
            sock.sendall(b"echo")
            assert read(sock, 4) == b"echo"

    served(Switches, talk)


def test_each_connection_has_its_context() -> None:
    name: ContextVar[bytes] = ContextVar("name", default=b"none")

    class Named(Connection):
        def name(self) -> None:
            self.transport.write(name.get())
            name.set(self.received[5:])

    def talk(clients: Clients) -> None:
        (one, _), (two, _) = clients.open(), clients.open()
        for sock, text, answer in [
            (one, b"name 1", b"none"),
            (two, b"name 2", b"none"),
            (one, b"name", b"1"),
            (two, b"name", b"2"),
        ]:
            sock.sendall(text)
            assert sock.recv(100) == answer

    served(Named, talk)


def test_a_reset_is_told() -> None:
    def talk(clients: Clients) -> None:
        sock, protocol = clients.open()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        assert protocol.lost.wait(LIMIT)
        assert isinstance(protocol.why, ConnectionResetError)

    served(Connection, talk)


def test_half_closed() -> None:
    class Keeps(Connection):
        def eof_received(self) -> bool:
            self.transport.write(b"you have ended")
            self.loop.call_soon(self.transport.close)
            return True

    def talk(clients: Clients) -> None:
        sock, protocol = clients.open()
        sock.shutdown(socket.SHUT_WR)
        assert read(sock, 14) == b"you have ended"
        assert sock.recv(100) == b""
        assert protocol.lost.wait(LIMIT)
        assert protocol.why is None

    served(Keeps, talk)


def test_debug_mode() -> None:
    class Debugged(Connection):
        def connection_made(self, transport: Any) -> None:
            asyncio.get_running_loop().set_debug(True)
            super().connection_made(transport)

        def parts(self) -> None:
            self.transport.write(b"head, ")
            self.transport.write(b"body")

    def talk(clients: Clients) -> None:
        for _ in range(2):
            sock, _ = clients.open()
            sock.sendall(b"parts")
            assert sock.recv(100) == b"head, body"

    served(Debugged, talk)


# The loop that a protocol is given.


def test_the_loop_of_a_protocol() -> None:
    class Asks(Connection):
        def go(self) -> None:
            loop = self.loop
            assert (loop.is_running(), loop.is_closed(), loop.get_debug()) == (True, False, False)
            assert abs(loop.time() - asyncio.get_running_loop().time()) < LIMIT
            self.state.tasks.add(task := loop.create_task(self.work(), name="named"))
            task.add_done_callback(self.state.tasks.discard)
            self.late = loop.call_later(3600, self.echo)

        async def work(self) -> None:
            name = asyncio.current_task().get_name()  # type: ignore[union-attr]
            future = self.loop.create_future()
            self.loop.call_at(self.loop.time(), future.set_result, len(self.state.tasks))
            count = await future
            self.loop.call_later(0.01, self.ended, f"{name} {count}")

        def ended(self, text: str) -> None:
            self.late.cancel()
            self.transport.write(f"{text} {len(self.state.tasks)}".encode())

    def talk(clients: Clients) -> None:
        sock, _ = clients.open()
        sock.sendall(b"go")
        assert sock.recv(100) == b"named 1 0"

    served(Asks, talk)
