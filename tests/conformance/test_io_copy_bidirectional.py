"""Counterparts of tokio/tests/io_copy_bidirectional.rs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.pairs import connected
from yamanote import JoinHandle, Runtime, select, spawn, yield_now
from yamanote.net import AsyncRead, AsyncWrite, TcpStream, copy_bidirectional

Copying = JoinHandle[tuple[int, int]]
Test = Callable[[Copying, TcpStream, TcpStream], Awaitable[None]]


def symmetric(rt: Runtime, test: Test) -> None:
    """With the two streams in either order."""

    async def main() -> None:
        for swapped in (False, True):
            a, a1 = await connected()
            b, b1 = await connected()
            async with a, a1, b, b1:
                if swapped:
                    await test(spawn(copy_bidirectional(b1, a1)), b, a)
                else:
                    await test(spawn(copy_bidirectional(a1, b1)), a, b)

    rt.block_on(main())


def test_basic_transfer(rt: Runtime) -> None:
    async def test(handle: Copying, a: TcpStream, b: TcpStream) -> None:
        await a.write_all(b"test")
        assert await b.read_exact(4) == b"test"
        handle.abort()

    symmetric(rt, test)


def test_transfer_after_close(rt: Runtime) -> None:
    async def test(handle: Copying, a: TcpStream, b: TcpStream) -> None:
        await a.shutdown()
        assert await b.read_to_end() == b""
        await b.write_all(b"quux")
        assert await a.read_exact(4) == b"quux"
        b.close()
        assert await handle == (0, 4)

    symmetric(rt, test)


def test_blocking_one_side_does_not_block_other(rt: Runtime) -> None:
    async def test(handle: Copying, a: TcpStream, b: TcpStream) -> None:
        # More than fits, so that the copy of it stands still.
        sending = spawn(a.write_all(bytes(30_000_000)))
        await b.readable()
        await b.write_all(b"quux")
        assert await a.read_exact(4) == b"quux"
        assert not sending.is_finished()
        received = len(await b.read_exact(30_000_000))
        await sending
        await a.shutdown()
        received += len(await b.read_to_end())
        b.close()
        assert await handle == (received, 4)

    symmetric(rt, test)


class Mock(AsyncRead, AsyncWrite):
    """Has one thing to read, takes one thing written, then fails."""

    def __init__(self, *, read: bytes | None = None, write: bytes | None = None) -> None:
        self._read = [b""] if read is None and write is not None else []
        if read is not None:
            self._read = [read, b""]
        self._write = write

    async def _receive(self, max_bytes: int) -> bytes:
        if not self._read:
            raise OSError("got nothing!")
        return self._read.pop(0)

    async def write(self, data: bytes | bytearray | memoryview) -> int:
        if self._write is None:
            raise OSError("no thanks!")
        assert data == self._write
        return len(data)


PAYLOAD = b"here, take this"


def test_immediate_exit_on_write_error(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="no thanks"):
            await copy_bidirectional(Mock(read=PAYLOAD), Mock(read=PAYLOAD))

    rt.block_on(main())


def test_immediate_exit_on_read_error(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(OSError, match="got nothing"):
            await copy_bidirectional(Mock(), Mock())

    rt.block_on(main())


def test_copy_bidirectional_is_cooperative(rt: Runtime) -> None:
    async def forever() -> None:
        while True:
            one = Mock(read=PAYLOAD, write=PAYLOAD)
            other = Mock(read=PAYLOAD, write=PAYLOAD)
            assert await copy_bidirectional(one, other) == (len(PAYLOAD), len(PAYLOAD))

    rt.block_on(select(forever(), yield_now(), biased=True))
