"""Counterparts of tokio/tests/tcp_stream.rs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.gates import until
from tests.pairs import connected, pair
from tests.waiting import Waiting
from yamanote import Runtime
from yamanote.net import Interest, Ready, TcpStream

DATA = b"\2" * 4000


def test_set_linger(rt: Runtime) -> None:
    async def main() -> None:
        async with pair() as (stream, _):
            stream.set_linger(1)
            assert stream.linger() == 1
            stream.set_zero_linger()
            assert stream.linger() == 0
            stream.set_linger(None)
            assert stream.linger() is None

    rt.block_on(main())


async def fill(stream: TcpStream, write: Callable[[], int]) -> int:
    """Write until there is no room; how many bytes."""
    written = 0
    while True:
        # Ready at once, as long as nobody has found it full.
        ready = Waiting(stream.writable())
        await until(ready.handle.is_finished)
        try:
            written += write()
        except BlockingIOError:
            return written


async def drain(stream: TcpStream, count: int) -> bytes:
    """Read `count` bytes."""
    read = b""
    while len(read) < count:
        await stream.readable()
        try:
            read += stream.try_read()
        except BlockingIOError:
            pass
    return read


async def read_closed_is_seen(stream: TcpStream) -> None:
    while not (await stream.ready(Interest.READABLE)).is_read_closed():
        try:
            stream.try_read()
        except BlockingIOError:
            pass


def test_try_read_write(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await connected()
        async with server:
            async with client:
                readable = await Waiting(server.readable()).pending()
                await client.writable()
                assert client.try_write(DATA) == len(DATA)
                await readable.handle
                vectored = [DATA[at : at + 10] for at in range(0, len(DATA), 10)]
                already = len(DATA)
                for write in (
                    lambda: client.try_write(DATA),
                    lambda: client.try_write_vectored(vectored),
                ):
                    written = already + await fill(client, write)
                    already = 0
                    writable = await Waiting(client.writable()).pending()
                    assert await drain(server, written) == b"\2" * written
                    await writable.handle
            await read_closed_is_seen(server)

    rt.block_on(main())


def test_try_read_buf(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await connected()
        async with server:
            async with client:
                written = await fill(client, lambda: client.try_write(DATA))
                read = bytearray()
                while len(read) < written:
                    await server.readable()
                    buffer = bytearray(10_000)
                    read += buffer[: await server.read_into(buffer)]
                assert read == b"\2" * written
            await read_closed_is_seen(server)

    rt.block_on(main())


def test_poll_read_ready(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await connected()
        async with server:
            async with client:
                readable = await Waiting(server.readable()).pending()
                await client.write_all(b"ping")
                await readable.handle
                await server.readable()
                # Until a read finds less than it has asked for.
                assert server.try_read(4) == b"ping"
                await server.readable()
                with pytest.raises(BlockingIOError):
                    server.try_read()
                readable = await Waiting(server.readable()).pending()
            await readable.handle

    rt.block_on(main())


def test_poll_write_ready(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await connected()
        async with client:
            async with server:
                await client.writable()
                await fill(client, lambda: client.try_write(bytes(1 << 20)))
                writable = await Waiting(client.writable()).pending()
            await writable.handle

    rt.block_on(main())


def test_read_closed(rt: Runtime) -> None:
    """It is not said of a peer that has just written."""

    async def main() -> None:
        async with pair() as (client, server):
            ready = await Waiting(client.ready(Interest.READABLE)).pending()
            await server.write_all(b"ping")
            assert await ready.handle == Ready.READABLE

    rt.block_on(main())


def test_write_closed(rt: Runtime) -> None:
    """It is not said of a peer that has just read."""

    async def main() -> None:
        async with pair() as (client, server):
            written = await fill(client, lambda: client.try_write(bytes(1 << 20)))
            ready = await Waiting(client.ready(Interest.WRITABLE)).pending()
            await drain(server, written)
            assert await ready.handle == Ready.WRITABLE

    rt.block_on(main())
