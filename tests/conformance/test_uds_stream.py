"""Counterparts of tokio/tests/uds_stream.rs."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.waiting import Waiting
from yamanote import Runtime, try_join
from yamanote.net import Interest, UnixListener, UnixStream

MESSAGE = b"hello world"


@pytest.fixture
def path() -> Iterator[Path]:
    # tmp_path may be longer than the path of a socket may be.
    with TemporaryDirectory() as folder:
        yield Path(folder) / "sock"


@contextlib.asynccontextmanager
async def pair(path: Path | str) -> AsyncIterator[tuple[UnixStream, UnixStream]]:
    async with UnixListener.bind(path) as listener:
        (server, _), client = await try_join(listener.accept(), UnixStream.connect(path))
    async with client, server:
        yield client, server


def test_accept_read_write(rt: Runtime, path: Path) -> None:
    async def main() -> None:
        async with pair(path) as (client, server):
            await client.write_all(b"hello")
            client.close()
            assert await server.read_to_end() == b"hello"
            assert await server.read() == b""

    rt.block_on(main())


def test_shutdown(rt: Runtime, path: Path) -> None:
    async def main() -> None:
        async with pair(path) as (client, server):
            await client.shutdown()
            assert await server.read(1) == b""

    rt.block_on(main())


def fill(stream: UnixStream, vectored: bool = False) -> int:
    written = 0
    pieces = [MESSAGE[at : at + 3] for at in range(0, len(MESSAGE), 3)]
    with contextlib.suppress(BlockingIOError):
        while True:
            if vectored:
                written += stream.try_write_vectored(pieces)
            else:
                written += stream.try_write(MESSAGE)
    return written


async def drain(stream: UnixStream, count: int) -> bytes:
    read = b""
    while len(read) < count:
        await stream.readable()
        with contextlib.suppress(BlockingIOError):
            read += stream.try_read(count - len(read))
    return read


def test_try_read_write(rt: Runtime, path: Path) -> None:
    async def main() -> None:
        async with pair(path) as (client, server):
            readable = await Waiting(server.readable()).pending()
            await client.writable()
            assert client.try_write(MESSAGE) == len(MESSAGE)
            await readable.handle
            written = len(MESSAGE)
            for vectored in (False, True):
                written += fill(client, vectored)
                writable = await Waiting(client.writable()).pending()
                read = await drain(server, written)
                assert read == (MESSAGE * (written // len(MESSAGE) + 1))[:written]
                await writable.handle
                written = 0
            client.close()
            while not (await server.ready(Interest.READABLE)).is_read_closed():
                with contextlib.suppress(BlockingIOError):
                    server.try_read()

    rt.block_on(main())


def test_try_read_buf(rt: Runtime, path: Path) -> None:
    async def main() -> None:
        async with pair(path) as (client, server):
            written = fill(client)
            read = bytearray()
            buffer = bytearray(10_000)
            while len(read) < written:
                read += buffer[: await server.read_into(buffer)]
            assert len(read) == written

    rt.block_on(main())


def test_poll_read_ready(rt: Runtime, path: Path) -> None:
    async def main() -> None:
        async with pair(path) as (client, server):
            readable = await Waiting(server.readable()).pending()
            await client.write_all(b"ping")
            await readable.handle
            assert server.try_read(4) == b"ping"
            await server.readable()
            with pytest.raises(BlockingIOError):
                server.try_read()
            readable = await Waiting(server.readable()).pending()
            client.close()
            await readable.handle

    rt.block_on(main())


def test_poll_write_ready(rt: Runtime, path: Path) -> None:
    async def main() -> None:
        async with pair(path) as (client, server):
            await client.writable()
            fill(client)
            writable = await Waiting(client.writable()).pending()
            server.close()
            await writable.handle

    rt.block_on(main())


@pytest.mark.skipif(sys.platform != "linux", reason="they are Linux's")
def test_abstract_socket_name(rt: Runtime) -> None:
    async def main() -> None:
        name = f"\0yamanote-{id(rt)}"
        async with pair(name) as (client, server):
            assert client.peer_addr() == name.encode()
            assert server.local_addr() == name.encode()
            with server.into_std() as sock:
                assert sock.getsockname() == name.encode()

    rt.block_on(main())


def test_connect_to_a_full_backlog(rt: Runtime, path: Path) -> None:
    """The system announces nothing to who would wait for room."""
    import socket

    async def main() -> None:
        clients = []
        try:
            with pytest.raises(BlockingIOError, match="backlog is full"):
                while True:
                    clients.append(await UnixStream.connect(path))
        finally:
            for client in clients:
                client.close()

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        rt.block_on(main())
