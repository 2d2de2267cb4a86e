"""Counterparts of tokio/tests/uds_datagram.rs."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from yamanote import Runtime, spawn, try_join
from yamanote.net import Interest, Ready, UnixDatagram


@pytest.fixture
def folder() -> Iterator[Path]:
    # tmp_path may be longer than the path of a socket may be.
    with TemporaryDirectory() as folder:
        yield Path(folder)


async def echo_server(sock: UnixDatagram) -> None:
    async with sock:
        while True:
            data, peer = await sock.recv_from(1024)
            if peer:
                await sock.send_to(data, peer)


def test_echo(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        serving = spawn(echo_server(UnixDatagram.bind(folder / "server")))
        async with UnixDatagram.bind(folder / "client") as sock:
            sock.connect(folder / "server")
            await sock.send(b"ECHO")
            assert await sock.recv(16) == b"ECHO"
        serving.abort()

    rt.block_on(main())


def test_echo_from(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        serving = spawn(echo_server(UnixDatagram.bind(folder / "server")))
        async with UnixDatagram.bind(folder / "client") as sock:
            sock.connect(folder / "server")
            await sock.send(b"ECHO")
            assert await sock.recv_from(16) == (b"ECHO", str(folder / "server"))
        serving.abort()

    rt.block_on(main())


async def fill(sock: UnixDatagram, data: bytes) -> int:
    count = 0
    while True:
        try:
            sock.try_send(data)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ENOBUFS):
                raise
            return count
        count += 1


def test_try_send_recv_never_block(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixDatagram.pair()
        async with one, other:
            await one.writable()
            for _ in range(await fill(one, b"PAYLOAD")):
                await other.readable()
                assert other.try_recv(16) == b"PAYLOAD"
            with pytest.raises(BlockingIOError):
                other.try_recv(16)
            await one.writable()

    rt.block_on(main())


def test_split(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        async with UnixDatagram.bind(folder / "split") as sock:
            sent, received = await try_join(
                sock.send_to(b"hello", folder / "split"), sock.recv_from(32)
            )
            assert (sent, received[0]) == (5, b"hello")

    rt.block_on(main())


def test_try_send_to_recv_from(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        server, client = UnixDatagram.bind(folder / "server"), UnixDatagram.bind(folder / "client")
        async with server, client:
            for _ in range(5):
                await client.writable()
                assert client.try_send_to(b"hello world", folder / "server") == 11
                await server.readable()
                assert server.try_recv_from(512) == (b"hello world", str(folder / "client"))

    rt.block_on(main())


def test_recv_buf_from(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        tx, rx = UnixDatagram.bind(folder / "tx"), UnixDatagram.bind(folder / "rx")
        async with tx, rx:
            await tx.send_to(b"hello world", folder / "rx")
            buffer = bytearray(24)
            assert await rx.recv_from_into(buffer) == (11, str(folder / "tx"))
            assert buffer[:11] == b"hello world"

    rt.block_on(main())


def test_recv_buf(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixDatagram.pair()
        async with one, other:
            await one.send(b"hello world")
            buffer = bytearray(24)
            assert await other.recv_into(buffer) == 11
            assert buffer[:11] == b"hello world"

    rt.block_on(main())


def test_poll_ready(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        server, client = UnixDatagram.bind(folder / "server"), UnixDatagram.bind(folder / "client")
        async with server, client:
            for _ in range(5):
                assert await client.ready(Interest.WRITABLE) == Ready.WRITABLE
                client.try_send_to(b"hello world", folder / "server")
                assert await server.ready(Interest.READABLE) == Ready.READABLE
                assert server.try_recv(512) == b"hello world"

    rt.block_on(main())


def test_a_full_receiver_that_the_sender_is_not_connected_to(rt: Runtime, folder: Path) -> None:
    """The system does not announce when there is room: the sender goes on all the same."""

    async def main() -> None:
        receiver, sender = UnixDatagram.bind(folder / "receiver"), UnixDatagram.unbound()
        async with receiver, sender:

            async def send() -> None:
                for number in range(2000):
                    await sender.send_to(b"%d" % number, folder / "receiver")

            sending = spawn(send())
            for number in range(2000):
                assert await receiver.recv() == b"%d" % number
            await sending

    rt.block_on(main())


def test_errors(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        async with UnixDatagram.bind(folder / "here") as sock, UnixDatagram.unbound() as sender:
            with pytest.raises(OSError, match="it exists: remove it") as caught:
                UnixDatagram.bind(folder / "here")
            assert caught.value.errno == errno.EADDRINUSE
            with pytest.raises(FileNotFoundError):
                sender.connect(folder / "nowhere")
            with pytest.raises(FileNotFoundError):
                await sender.send_to(b"x", folder / "nowhere")
            with pytest.raises(OSError, match="too long") as caught:
                await sender.send_to(bytes(10_000_000), folder / "here")
            assert caught.value.errno == errno.EMSGSIZE
            with pytest.raises(OSError, match="too long"):
                UnixDatagram.bind(folder / ("x" * 200))
            assert sock.local_addr() == str(folder / "here")
            sock.shutdown()
            with pytest.raises(BrokenPipeError):
                await sender.send_to(b"x", folder / "here")

    rt.block_on(main())
