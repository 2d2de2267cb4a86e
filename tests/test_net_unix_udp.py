"""`yamanote.net`: Unix sockets and UDP; misuse, limits, and who else may be there."""

from __future__ import annotations

import asyncio
import errno
import importlib.util
import itertools
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, on_thread
from tests.gates import FREE_THREADED, on_plain_asyncio
from tests.test_net import unless_cancelled
from tests.waiting import Waiting
from yamanote import JoinError, Runtime, spawn, spawn_blocking, yield_now
from yamanote.net import (
    Interest,
    Ready,
    UdpSocket,
    UnixDatagram,
    UnixListener,
    UnixSocket,
    UnixStream,
)

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="how it is on Linux")

TOO_LARGE_FOR_UDP = 65508  # bytes, with IPv4's header


@pytest.fixture
def folder() -> Iterator[Path]:
    # tmp_path may be longer than the path of a socket may be.
    with TemporaryDirectory() as folder:
        yield Path(folder)


async def bound() -> UdpSocket:
    return await UdpSocket.bind(("127.0.0.1", 0))


async def connected() -> tuple[UdpSocket, UdpSocket]:
    """Two sockets of UDP that are connected with each other."""
    one, other = await bound(), await bound()
    await one.connect(other.local_addr())
    await other.connect(one.local_addr())
    return one, other


async def until_set(end: threading.Event) -> None:
    """Drive the runtime until then."""
    await spawn_blocking(end.wait)


async def fails(waiting: Awaitable[Any]) -> OSError:
    """The error that a task ended with."""
    with pytest.raises(JoinError) as caught:
        await waiting
    assert isinstance(caught.value.__cause__, OSError)
    return caught.value.__cause__


class TestPaths:
    @pytest.mark.parametrize("bind", [UnixListener.bind, UnixDatagram.bind])
    def test_it_exists(self, rt: Runtime, folder: Path, bind: Callable[[Path], Any]) -> None:
        path = folder / "here"

        async def main() -> None:
            path.touch()
            with pytest.raises(OSError, match="it exists: remove it") as caught:
                bind(path)
            assert (caught.value.errno, caught.value.filename) == (errno.EADDRINUSE, str(path))
            path.unlink()
            async with bind(path) as sock:
                assert sock.local_addr() == str(path)
                with pytest.raises(OSError, match="it exists"):
                    bind(path)
            assert path.exists()  # as the system has it
            with pytest.raises(OSError, match="it exists"):
                bind(path)

        rt.block_on(main())

    @pytest.mark.parametrize("bind", [UnixListener.bind, UnixDatagram.bind])
    def test_no_such_folder(self, rt: Runtime, folder: Path, bind: Callable[[Path], Any]) -> None:
        with rt.enter(), pytest.raises(FileNotFoundError) as caught:
            bind(folder / "nowhere" / "socket")
        assert caught.value.filename == str(folder / "nowhere" / "socket")

    def test_too_long(self, rt: Runtime, folder: Path) -> None:
        path = folder / ("x" * 200)

        async def main() -> None:
            for bind in (UnixListener.bind, UnixDatagram.bind):
                with pytest.raises(OSError, match="too long") as caught:
                    bind(path)
                assert caught.value.errno == errno.ENAMETOOLONG
            with pytest.raises(OSError, match="too long"):
                await UnixStream.connect(path)
            async with UnixDatagram.unbound() as sock:
                with pytest.raises(OSError, match="too long"):
                    sock.connect(path)
                with pytest.raises(OSError, match="too long"):
                    await sock.send_to(b"x", path)
                with pytest.raises(OSError, match="too long"):
                    sock.try_send_to(b"x", path)

        rt.block_on(main())

    @pytest.mark.parametrize("path", [None, 1, ("127.0.0.1", 80)])
    def test_no_path(self, rt: Runtime, path: Any) -> None:
        async def main() -> None:
            for bind in (UnixListener.bind, UnixDatagram.bind):
                with pytest.raises(TypeError):
                    bind(path)
            with pytest.raises(TypeError):
                await UnixStream.connect(path)
            async with UnixDatagram.unbound() as sock:
                with pytest.raises(TypeError):
                    await sock.send_to(b"x", path)

        rt.block_on(main())

    def test_kinds_of_path(self, rt: Runtime, folder: Path) -> None:
        async def main() -> None:
            for path in (folder / "one", str(folder / "two"), os.fsencode(folder / "three")):
                async with (
                    UnixListener.bind(path) as listener,
                    await UnixStream.connect(path) as client,
                ):
                    server, _ = await listener.accept()
                    async with server:
                        assert os.fsdecode(client.peer_addr()) == os.fsdecode(path)

        rt.block_on(main())

    @on_linux
    def test_abstract(self, rt: Runtime) -> None:
        name = b"\0yamanote-%d-%d" % (os.getpid(), id(rt))

        async def main() -> None:
            async with UnixDatagram.bind(name) as one, UnixDatagram.unbound() as other:
                with pytest.raises(OSError, match="in use"):
                    UnixDatagram.bind(name)
                await other.send_to(b"ping", name)
                assert await one.recv() == b"ping"
            async with UnixDatagram.bind(name):
                pass  # it is free once it is closed

        rt.block_on(main())

    def test_connect(self, rt: Runtime, folder: Path) -> None:
        async def main() -> None:
            with pytest.raises(FileNotFoundError, match="nowhere"):
                await UnixStream.connect(folder / "nowhere")
            with pytest.raises(OSError, match=r"too long.*xxx") as caught:
                await UnixStream.connect(folder / ("x" * 200))
            assert caught.value.errno == errno.ENAMETOOLONG
            UnixListener.bind(folder / "gone").close()
            with pytest.raises(ConnectionRefusedError):
                await UnixStream.connect(folder / "gone")
            async with UnixDatagram.bind(folder / "datagram"):
                with pytest.raises(OSError, match="wrong type") as caught:
                    await UnixStream.connect(folder / "datagram")
                assert caught.value.errno == errno.EPROTOTYPE

        rt.block_on(main())


class TestUnixDatagram:
    @pytest.mark.parametrize("connects", [False, True])
    def test_a_full_receiver(
        self, multi_rt: Runtime, folder: Path, connects: bool, switch_interval: float
    ) -> None:
        """Several senders go on when there is room, by whomever it was filled."""
        path, senders, messages = folder / "receiver", 4, 300

        async def send(number: int) -> None:
            async with UnixDatagram.unbound() as sock:
                if connects:
                    sock.connect(path)
                for turn in range(messages):
                    message = b"%d.%d" % (number, turn)
                    sent = sock.send(message) if connects else sock.send_to(message, path)
                    assert await sent == len(message)

        async def main() -> None:
            async with UnixDatagram.bind(path) as receiver:
                sending = [spawn(send(number)) for number in range(senders)]
                got: list[list[int]] = [[] for _ in range(senders)]
                for _ in range(senders * messages):
                    number, turn = (await receiver.recv()).split(b".")
                    got[int(number)].append(int(turn))
                for handle in sending:
                    await handle
                assert got == [list(range(messages))] * senders

        multi_rt.block_on(main())

    @pytest.mark.parametrize("connects", [False, True])
    def test_who_waits_for_room(self, rt: Runtime, folder: Path, connects: bool) -> None:
        """May give up, or hear that the receiver is gone, or that the sender is closed."""
        path = folder / "receiver"

        async def main() -> None:
            receiver, filler = UnixDatagram.bind(path), UnixDatagram.unbound()
            async with receiver, filler:
                filled = 0
                with pytest.raises(BlockingIOError):
                    while True:
                        filler.try_send_to(b"full", path)
                        filled += 1

                def sender() -> UnixDatagram:
                    sock = UnixDatagram.unbound()
                    if connects:
                        sock.connect(path)
                    return sock

                def send(sock: UnixDatagram) -> Awaitable[int]:
                    return sock.send(b"late") if connects else sock.send_to(b"late", path)

                async with sender() as gives_up, sender() as stays, sender() as closed:
                    waiting = [
                        await Waiting(send(sock)).pending() for sock in (gives_up, stays, closed)
                    ]
                    waiting[0].abort()
                    with pytest.raises(JoinError):
                        await waiting[0]
                    closed.close()
                    assert (await fails(waiting[2])).errno == errno.EBADF
                    for _ in range(filled):
                        assert await receiver.recv() == b"full"
                    assert await receiver.recv() == b"late"
                    assert await waiting[1] == 4
                    with pytest.raises(BlockingIOError):
                        receiver.try_recv()  # nothing of who gave up

                    with pytest.raises(BlockingIOError):
                        while True:
                            filler.try_send_to(b"full", path)
                    last = await Waiting(send(stays)).pending()
                    receiver.close()
                    assert isinstance(await fails(last), ConnectionRefusedError | ConnectionError)

        rt.block_on(main())

    def test_try_send_to_one_that_is_full(self, rt: Runtime, folder: Path) -> None:
        """What is refused is not sent, and what is sent later arrives."""

        async def main() -> None:
            async with UnixDatagram.bind(folder / "one") as one, UnixDatagram.unbound() as other:
                sent = 0
                with pytest.raises(BlockingIOError):
                    while True:
                        other.try_send_to(b"%d" % sent, folder / "one")
                        sent += 1
                for number in range(sent):
                    assert await one.recv() == b"%d" % number
                await other.send_to(b"late", folder / "one")
                assert await one.recv() == b"late"

        rt.block_on(main())

    def test_the_peer_is_gone(self, rt: Runtime, folder: Path) -> None:
        async def main() -> None:
            one, other = UnixDatagram.pair()
            async with one:
                await other.send(b"last")
                other.close()
                assert await one.recv() == b"last"
                with pytest.raises(ConnectionError):
                    await one.send(b"x")
            async with UnixDatagram.unbound() as sock:
                async with UnixDatagram.bind(folder / "gone"):
                    sock.connect(folder / "gone")
                with pytest.raises(ConnectionRefusedError):
                    await sock.send(b"x")
                with pytest.raises(ConnectionRefusedError):
                    await sock.send_to(b"x", folder / "gone")
                with pytest.raises(FileNotFoundError):
                    await sock.send_to(b"x", folder / "nowhere")

        rt.block_on(main())

    def test_not_connected(self, rt: Runtime) -> None:
        async def main() -> None:
            async with UnixDatagram.unbound() as sock:
                assert sock.local_addr() == ""
                with pytest.raises(OSError, match="not connected"):
                    await sock.send(b"x")
                with pytest.raises(OSError, match="not connected"):
                    sock.peer_addr()

        rt.block_on(main())

    def test_sizes(self, rt: Runtime) -> None:
        async def main() -> None:
            one, other = UnixDatagram.pair()
            async with one, other:
                with pytest.raises(OSError, match="too long") as caught:
                    await one.send(bytes(10_000_000))
                assert caught.value.errno == errno.EMSGSIZE
                await one.send(b"")  # is one, too
                await one.send(b"0123456789")
                await one.send(b"next")
                assert await other.recv() == b""
                assert await other.recv(4) == b"0123"  # and the rest is lost
                assert await other.recv() == b"next"
                large = os.urandom(60_000)
                await one.send(large)
                assert await other.recv() == large

        rt.block_on(main())

    def test_shutdown(self, rt: Runtime) -> None:
        async def main() -> None:
            one, other = UnixDatagram.pair()
            async with one, other:
                receiving = [await Waiting(one.recv()).pending() for _ in range(3)]
                with pytest.raises(OSError, match="Invalid argument"):
                    one.shutdown(7)
                with pytest.raises(BlockingIOError):
                    one.try_recv()
                one.shutdown(socket.SHUT_RD)
                for each in receiving:
                    assert isinstance(await fails(each), BrokenPipeError)
                for _ in range(2):
                    with pytest.raises(BrokenPipeError, match="shut down for reading"):
                        await one.recv_from()
                    with pytest.raises(BrokenPipeError, match="shut down for reading"):
                        one.try_recv()
                with pytest.raises(BrokenPipeError):
                    await other.send(b"x")
                await one.send(b"still")
                one.shutdown(socket.SHUT_WR)
                with pytest.raises(BrokenPipeError):
                    await one.send(b"x")
                other.shutdown()
                assert await other.recv() == b"still"
                with pytest.raises(BrokenPipeError):
                    await other.recv()

        rt.block_on(main())

    def test_shut_down_before_it_was_ours(self, rt: Runtime) -> None:
        async def main() -> None:
            std, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            other.send(b"before")
            std.shutdown(socket.SHUT_RD)
            with other:
                async with UnixDatagram.from_std(std) as sock:
                    assert await sock.recv() == b"before"
                    with pytest.raises(BrokenPipeError, match="shut down for reading"):
                        await sock.recv()

        rt.block_on(main())


class TestUnixStream:
    def test_the_peer_is_gone(self, rt: Runtime) -> None:
        async def main() -> None:
            one, other = UnixStream.pair()
            async with one:
                reading = await Waiting(one.read_to_end()).pending()
                await other.write_all(b"last")
                other.close()
                assert await reading == b"last"
                assert (await one.ready(Interest.READABLE)).is_read_closed()
                assert await one.read() == b""
                with pytest.raises(BrokenPipeError):
                    await one.write_all(b"x")

        rt.block_on(main())

    def test_a_writer_hears_that_the_peer_is_gone(self, rt: Runtime) -> None:
        async def main() -> None:
            one, other = UnixStream.pair()
            async with one:
                writing = await Waiting(one.write_all(bytes(10_000_000))).pending()
                other.close()
                assert isinstance(await fails(writing), ConnectionError)

        rt.block_on(main())

    def test_an_end_that_somebody_waits_for_is_no_others(self, multi_rt: Runtime) -> None:
        """A new stream has the number of one that has just ended: it has not ended."""

        async def end(stream: UnixStream) -> None:
            stream.close()

        async def main() -> None:
            for _ in range(200):
                one, other = UnixStream.pair()
                reading = spawn(one.read())
                await yield_now()
                ending = spawn(end(other))
                assert await reading == b""
                await ending
                one.close()
                one, other = UnixStream.pair()
                async with one, other:
                    reading = spawn(one.read())
                    await other.write_all(b"x")
                    assert await reading == b"x"
                    assert await one.ready(Interest.WRITABLE) == Ready.WRITABLE

        multi_rt.block_on(main())


class TestUdp:
    @pytest.mark.parametrize(
        "address", [None, 80, "127.0.0.1", ("127.0.0.1",), ("127.0.0.1", -1), ("127.0.0.1", 65536)]
    )
    def test_no_address(self, rt: Runtime, address: Any) -> None:
        async def main() -> None:
            with pytest.raises(ValueError, match=r"address|port"):
                await UdpSocket.bind(address)
            async with await bound() as sock:
                with pytest.raises(ValueError, match=r"address|port"):
                    await sock.connect(address)
                with pytest.raises(ValueError, match=r"address|port"):
                    await sock.send_to(b"x", address)
                with pytest.raises(ValueError, match=r"address|port"):
                    sock.try_send_to(b"x", address)

        rt.block_on(main())

    def test_a_name(self, rt: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
        """What waits looks it up, elsewhere; what does not wait refuses it."""
        looking_up: list[int] = []
        system = socket.getaddrinfo

        def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
            if not kwargs.get("flags", 0) & socket.AI_NUMERICHOST:
                looking_up.append(threading.get_ident())
            return system(*args, **kwargs)

        async def main() -> None:
            async with await bound() as sock:
                port = sock.local_addr()[1]
                for name in (("localhost", port), f"localhost:{port}"):
                    with pytest.raises(ValueError, match="lookup_host"):
                        sock.try_send_to(b"x", name)
                assert not looking_up
                for number in (("127.0.0.1", port), f"127.0.0.1:{port}", f"127.1:{port}"):
                    assert sock.try_send_to(b"x", number) == 1
                    assert await sock.recv() == b"x"
                assert await sock.send_to(b"y", ("localhost", port)) == 1
                assert await sock.recv() == b"y"
                assert looking_up
                assert threading.get_ident() not in looking_up

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        rt.block_on(main())

    def test_in_use(self, rt: Runtime) -> None:
        async def main() -> None:
            async with await bound() as sock:
                with pytest.raises(OSError, match=r"in use: 127\.0\.0\.1") as caught:
                    await UdpSocket.bind(sock.local_addr())
                assert caught.value.errno == errno.EADDRINUSE

        rt.block_on(main())

    def test_of_another_family(self, rt: Runtime) -> None:
        async def main() -> None:
            async with await bound() as sock:
                with pytest.raises(OSError, match="has no AF_INET address"):
                    await sock.send_to(b"x", ("::1", 9))
                with pytest.raises(OSError, match="has no AF_INET address"):
                    await sock.connect(("::1", 9))
                with pytest.raises(ValueError, match="no AF_INET address"):
                    sock.try_send_to(b"x", ("::1", 9))

        rt.block_on(main())

    def test_sizes(self, rt: Runtime) -> None:
        async def main() -> None:
            one, other = await connected()
            async with one, other:
                for send in (
                    lambda: one.send(bytes(TOO_LARGE_FOR_UDP)),
                    lambda: one.send_to(bytes(TOO_LARGE_FOR_UDP), other.local_addr()),
                ):
                    with pytest.raises(OSError, match="too long") as caught:
                        await send()
                    assert caught.value.errno == errno.EMSGSIZE
                await one.send(b"")
                assert await other.recv() == b""
                await one.send(b"0123456789")
                assert await other.peek(4) == b"0123"
                assert await other.recv(4) == b"0123"
                largest = os.urandom(TOO_LARGE_FOR_UDP - 1)
                await one.send(largest)
                assert await other.recv() == largest

        rt.block_on(main())

    def test_not_connected(self, rt: Runtime) -> None:
        async def main() -> None:
            async with await bound() as sock:
                with pytest.raises(OSError, match="Destination address required"):
                    await sock.send(b"x")
                with pytest.raises(OSError, match="not connected"):
                    sock.peer_addr()

        rt.block_on(main())

    @on_linux
    def test_nobody_there(self, rt: Runtime) -> None:
        """The next call says so, also to who has begun to wait before; and then one goes on."""

        async def main() -> None:
            async with await bound() as sock:
                async with await bound() as gone:
                    address = gone.local_addr()
                await sock.connect(address)
                receiving = await Waiting(sock.recv()).pending()
                await sock.send(b"x")
                assert isinstance(await fails(receiving), ConnectionRefusedError)
                async with await UdpSocket.bind(address) as back:
                    await sock.send(b"again")
                    assert await back.recv() == b"again"

        rt.block_on(main())

    def test_only_from_the_peer(self, rt: Runtime) -> None:
        async def main() -> None:
            one, other = await connected()
            async with one, other, await bound() as stranger:
                await stranger.send_to(b"strange", one.local_addr())
                await other.send(b"known")
                assert await one.recv_from() == (b"known", other.local_addr())

        rt.block_on(main())

    def test_many_at_once(self, multi_rt: Runtime, switch_interval: float) -> None:
        """Requests and answers over one socket, by many tasks: each datagram is received once."""
        clients, turns = 20, 20

        async def serve(sock: UdpSocket) -> None:
            while True:
                data, peer = await sock.recv_from()
                await sock.send_to(data.upper(), peer)

        async def ask(number: int, address: Any) -> None:
            async with await bound() as sock:
                for turn in range(turns):
                    message = f"{number}.{turn}.x".encode()
                    await sock.send_to(message, address)
                    assert await sock.recv() == message.upper()

        async def main() -> None:
            async with await bound() as sock:
                serving = [spawn(serve(sock)) for _ in range(4)]
                for handle in [spawn(ask(number, sock.local_addr())) for number in range(clients)]:
                    await handle
                for task in serving:
                    task.abort()

        multi_rt.block_on(main())


class TestClose:
    @pytest.mark.parametrize(
        "wait",
        [
            lambda sock: sock.recv(),
            lambda sock: sock.recv_from(),
            lambda sock: sock.recv_into(bytearray(9)),
            lambda sock: sock.recv_from_into(bytearray(9)),
            lambda sock: sock.peek(),
            lambda sock: sock.peek_sender(),
            lambda sock: sock.readable(),
            lambda sock: sock.ready(Interest.READABLE),
        ],
    )
    @pytest.mark.parametrize("kind", ["udp", "unix"])
    def test_wakes_who_waits(self, rt: Runtime, kind: str, wait: Callable[[Any], Any]) -> None:
        async def main() -> None:
            sock: Any = await bound() if kind == "udp" else UnixDatagram.unbound()
            waiting = [await Waiting(wait(sock)).pending() for _ in range(3)]
            on_thread(sock.close).result(LIMIT)
            for each in waiting:
                assert (await fails(each)).errno == errno.EBADF
            with pytest.raises(OSError, match="closed"):
                await wait(sock)

        rt.block_on(main())

    def test_all_say_so(self, rt: Runtime, folder: Path) -> None:
        async def main() -> None:
            udp, unix = await bound(), UnixDatagram.bind(folder / "one")
            for sock in (udp, unix):
                sock.close()
                sock.close()
                assert sock.is_closed()
                assert sock.fileno() == -1
                assert "closed" in repr(sock)
                for use in (
                    sock.local_addr,
                    sock.peer_addr,
                    sock.try_recv,
                    sock.try_recv_from,
                    sock.try_peek_sender,
                    sock.into_std,
                    lambda sock=sock: sock.try_send(b"x"),
                ):
                    with pytest.raises(OSError, match="closed"):
                        use()
                with pytest.raises(OSError, match="closed"):
                    await sock.send(b"x")
            for address in (("127.0.0.1", 9), ("localhost", 9)):
                with pytest.raises(OSError, match="closed"):
                    await udp.send_to(b"x", address)
                with pytest.raises(OSError, match="closed"):
                    await udp.connect(address)
            with pytest.raises(OSError, match="closed"):
                udp.set_broadcast(True)
            with pytest.raises(OSError, match="closed"):
                await unix.send_to(b"x", folder / "one")
            with pytest.raises(OSError, match="closed"):
                unix.connect(folder / "one")
            with pytest.raises(OSError, match="closed"):
                unix.shutdown()

        rt.block_on(main())

    @pytest.mark.skipif(FREE_THREADED, reason="what is dropped is collected later here")
    def test_dropped(self, rt: Runtime, folder: Path) -> None:
        async def main() -> None:
            makers: list[Callable[[], Any]] = [
                UnixDatagram.unbound,
                UnixSocket.new_stream,
                lambda: UnixListener.bind(folder / "one"),
            ]
            for make in makers:
                sock = make()
                fd = sock.fileno()
                with pytest.warns(ResourceWarning, match=f"unclosed <{type(sock).__name__} fd="):
                    del sock
                with pytest.raises(OSError, match="Bad file descriptor"):
                    os.fstat(fd)
            udp = await bound()
            with pytest.warns(ResourceWarning, match="unclosed <UdpSocket"):
                del udp

        rt.block_on(main())


class TestStd:
    def test_udp(self, rt: Runtime) -> None:
        async def main() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as std:
                std.bind(("127.0.0.1", 0))
                sock = UdpSocket.from_std(std)
                receiving = await Waiting(sock.recv()).pending()
                address, fd = sock.local_addr(), sock.fileno()
                back = sock.into_std()
                assert (await fails(receiving)).errno == errno.EBADF
                assert sock.is_closed()
                with back:
                    assert (back.getsockname(), back.fileno()) == (address, fd)
                    assert not back.getblocking()
                    async with await bound() as other:
                        await other.send_to(b"ping", address)
                        async with UdpSocket.from_std(back) as again:
                            assert await again.recv() == b"ping"

        rt.block_on(main())

    def test_unix(self, rt: Runtime) -> None:
        async def main() -> None:
            a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            with b:
                async with UnixDatagram.from_std(a) as sock:
                    receiving = await Waiting(sock.recv()).pending()
                    b.send(b"ping")
                    assert await receiving == b"ping"
            c, d = socket.socketpair()
            with d:
                async with UnixStream.from_std(c) as stream:
                    reading = await Waiting(stream.read()).pending()
                    d.send(b"pong")
                    assert await reading == b"pong"

        rt.block_on(main())

    def test_closed(self, rt: Runtime) -> None:
        std = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        std.close()
        with (
            rt.enter(),
            pytest.raises(ValueError, match=r"UnixDatagram.from_std\(\) needs an open"),
        ):
            UnixDatagram.from_std(std)


class TestCancel:
    def test_a_storm(self, multi_rt: Runtime, switch_interval: float) -> None:
        """Each datagram is received once, by who is not cancelled or by the next; none is lost
        or comes twice."""
        messages = 500

        async def main() -> None:
            one, other = UnixDatagram.pair()
            async with one, other:
                got: list[bytes] = []

                async def send() -> None:
                    for number in range(messages):
                        await one.send(b"%d" % number)
                        await yield_now()

                async def receive() -> None:
                    got.append(await other.recv())

                sending = spawn(send())
                for turn in itertools.count():
                    receiving = spawn(receive())
                    if turn % 3:
                        await yield_now()
                        receiving.abort()
                    await unless_cancelled(receiving, None)
                    if len(got) == messages:
                        break
                await sending
                assert got == [b"%d" % number for number in range(messages)]

        multi_rt.block_on(main())

    def test_accept(self, rt: Runtime, folder: Path) -> None:
        async def main() -> None:
            async with UnixListener.bind(folder / "listener") as listener:
                for _ in range(20):
                    accepting = await Waiting(listener.accept()).pending()
                    accepting.abort()
                    with pytest.raises(JoinError):
                        await accepting
                async with await UnixStream.connect(folder / "listener") as client:
                    server, _ = await listener.accept()
                    async with server:
                        await server.write_all(b"ping")
                        assert await client.read() == b"ping"

        rt.block_on(main())


class TestElsewhere:
    def test_plain_asyncio_and_trio(self, multi_rt: Runtime, folder: Path) -> None:
        path = folder / "receiver"
        end = threading.Event()

        async def udp() -> None:
            one, other = await connected()
            async with one, other:
                timer = threading.Timer(0.01, other.try_send, [b"late"])
                timer.start()
                assert await one.recv() == b"late"
                timer.join()

        async def unix() -> None:
            async with UnixDatagram.bind(path) as receiver, UnixDatagram.unbound() as sender:
                filled = 0
                with pytest.raises(BlockingIOError):
                    while True:
                        sender.try_send_to(b"full", path)
                        filled += 1

                def drain() -> None:
                    for _ in range(filled):
                        receiver.try_recv()

                timer = threading.Timer(0.01, drain)
                timer.start()
                await sender.send_to(b"late", path)
                timer.join()
                assert await receiver.recv() == b"late"
            path.unlink()

        async def streams() -> None:
            one, other = UnixStream.pair()
            async with one, other:
                timer = threading.Timer(0.01, other.try_write, [b"late"])
                timer.start()
                assert await one.read_exact(4) == b"late"
                timer.join()

        driving = on_thread(multi_rt.block_on, until_set(end))
        try:
            with multi_rt.enter():
                for test in (udp, unix, streams):
                    on_plain_asyncio(test())
                    if sys.version_info.releaselevel == "final" and importlib.util.find_spec(
                        "trio"
                    ):
                        import trio

                        trio.run(test)
        finally:
            end.set()
            driving.result(LIMIT)

    def test_first_waits_of_several_threads(
        self, multi_rt: Runtime, switch_interval: float
    ) -> None:
        """They begin to wait for a new socket at the same time, while something comes."""
        threads, turns = 3, 100
        end = threading.Event()
        begin, done = (threading.Barrier(threads + 1, timeout=LIMIT) for _ in range(2))
        streams = [UnixStream.pair() for _ in range(turns)]

        async def wait() -> None:
            for stream, _ in streams:
                begin.wait()
                await stream.readable()
                done.wait()

        def outside() -> None:
            with multi_rt.enter():
                on_plain_asyncio(wait())

        driving = on_thread(multi_rt.block_on, until_set(end))
        waiting = [on_thread(outside) for _ in range(threads)]
        for _, other in streams:
            begin.wait()
            assert other.try_write(b"x") == 1
            done.wait()
        for each in waiting:
            each.result(LIMIT)
        end.set()
        driving.result(LIMIT)
        for pair in streams:
            for stream in pair:
                stream.close()

    @pytest.mark.parametrize("kind", ["udp", "unix"])
    def test_in_the_next_runtime(self, rt_config: dict[str, Any], kind: str) -> None:
        """A socket outlives the runtime that it was registered with, three times."""
        kept: list[Any] = []

        async def first() -> None:
            kept.extend(await connected() if kind == "udp" else UnixDatagram.pair())

        async def use() -> None:
            one, other = kept
            receiving = await Waiting(one.recv()).pending()
            await other.send(b"ping")
            assert await receiving == b"ping"
            await Waiting(one.recv()).pending()  # when the runtime ends

        yamanote.run(first(), **rt_config)
        for _ in range(3):
            yamanote.run(use(), **rt_config)
        for sock in kept:
            sock.close()

    def test_in_two_runtimes_at_once(self) -> None:
        """Who waits in the second runtime goes on when the first one ends."""
        kept: list[UnixDatagram] = []
        first = Runtime(worker_threads=1)
        second = Runtime(worker_threads=1)

        async def wait() -> Waiting[bytes]:
            kept.extend(UnixDatagram.pair())
            return await Waiting(kept[0].recv()).pending()

        async def waits_too() -> None:
            receiving = await Waiting(kept[0].recv()).pending()
            registered.set()
            assert await receiving == b"ping"

        registered = threading.Event()
        waiting = first.block_on(wait())
        going_on = on_thread(second.block_on, waits_too())
        assert registered.wait(LIMIT)
        first.shutdown_timeout(LIMIT)
        assert waiting.handle.is_finished()
        assert kept[1].try_send(b"ping") == 4
        going_on.result(LIMIT)
        second.shutdown_timeout(LIMIT)
        for sock in kept:
            sock.close()

    def test_without_a_runtime(self) -> None:
        async def receive() -> None:
            async with UnixDatagram.unbound() as sock:
                await sock.recv()

        with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
            asyncio.run(receive())

    @pytest.mark.parametrize("step", range(6))
    def test_shutdown_in_the_midst_of_beginning_to_wait(self, step: int) -> None:
        """Outside of the runtime: an error, though the runtime had nobody to wake."""
        rt = Runtime(worker_threads=1)
        one, other = UnixDatagram.pair()
        stands, goes_on = threading.Event(), threading.Event()
        lines = itertools.count()

        def before_a_line(frame: Any, event: str, argument: object) -> Any:
            # Of those in which it enters itself among those who wait.
            if frame.f_code.co_name == "_arm" and next(lines) == step:
                stands.set()
                assert goes_on.wait(LIMIT)
            return before_a_line

        def outside() -> None:
            with rt.enter():
                sys.settrace(before_a_line)
                try:
                    on_plain_asyncio(one.recv())
                finally:
                    sys.settrace(None)

        waiting = on_thread(outside)
        assert stands.wait(LIMIT)
        rt.shutdown_timeout(LIMIT)
        goes_on.set()
        with pytest.raises(RuntimeError, match="has been shut down"):
            waiting.result(LIMIT)
        one.close()
        other.close()

    def test_shutdown_while_one_begins_to_wait(self, switch_interval: float) -> None:
        """Outside of the runtime: an error, whenever that is."""
        for _ in range(30):
            rt = Runtime(worker_threads=1)
            one, other = UnixDatagram.pair()

            def outside(rt: Runtime = rt, sock: UnixDatagram = one) -> None:
                with rt.enter():
                    on_plain_asyncio(sock.recv())

            try:
                waiting = on_thread(outside)
                rt.shutdown_timeout(LIMIT)
                with pytest.raises(RuntimeError, match="has been shut down"):
                    waiting.result(LIMIT)
            finally:
                one.close()
                other.close()
