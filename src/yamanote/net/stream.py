"""Streams of bytes: what every reader and every writer can do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from typing import TypeAlias

from .ahead import Ahead, making

BytesLike: TypeAlias = "bytes | bytearray | memoryview"


#: How much one `read` asks for, in bytes.
CHUNK = 65536

#: How long a line, or what ends with a delimiter, may be, in bytes, unless one says otherwise.
LIMIT = 65536


class AsyncRead:
    """Something that bytes are read from. Base class of all readers.

    A reader of your own defines `_receive`, and gets the rest. What `read_until` and the
    like have read ahead is kept in the reader and comes out first of whatever reads next;
    so all of its methods are cancel-safe: what a cancelled one had read, the next one gets.

    Tokio: `io::AsyncRead`, `AsyncReadExt`, `AsyncBufReadExt`.
    """

    __slots__ = ()

    # Set by the subclass, if it has slots; None as long as nothing has been read ahead.
    _ahead: Ahead | None = None

    def _receive(self, max_bytes: int) -> Awaitable[bytes]:
        """Wait for some bytes from where they come from; none at the end. Cancel-safe."""
        raise NotImplementedError

    async def read(self, max_bytes: int = CHUNK) -> bytes:
        """Wait until there are some bytes, and take them.

        Args:
            max_bytes: how many at the most.

        Returns:
            Between 1 and `max_bytes` bytes; none (`b""`) at the end of the stream.

        Cancel-safe. Tokio: `AsyncReadExt::read`.
        """
        if self._ahead:
            data = self._ahead.take(max_bytes)
            if data or not max_bytes:
                return data
        return await self._receive(max_bytes)

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        """Read into `buffer`, as much as there is.

        Returns:
            How many bytes; 0 at the end of the stream.

        Cancel-safe. Tokio: `AsyncReadExt::read_buf`.
        """
        with memoryview(buffer).cast("B") as view:
            data = await self.read(len(view))
            view[: len(data)] = data
            return len(data)

    async def read_exact(self, count: int) -> bytes:
        """Read `count` bytes, neither more nor less.

        Raises:
            asyncio.IncompleteReadError: (an EOFError) the stream ended before; `partial` has
                what there was.

        Cancel-safe: what has come stays for the next read. Tokio: `AsyncReadExt::read_exact`,
        which is not.
        """
        if count < 0:
            raise ValueError(f"read_exact() takes a number of bytes, not {count}")
        while True:
            missing = count
            if self._ahead:
                if (data := self._ahead.take_exactly(count)) is not None:
                    return data
                missing -= len(self._ahead)
            elif not count:
                return b""
            # What else there is is kept: the next read need not ask the system.
            data = await self._receive(missing if missing > CHUNK else CHUNK)
            if len(data) == count and not self._ahead:
                return data
            if not data:
                rest = self._take(count)
                if len(rest) == count:  # another reader has had it
                    return rest
                raise asyncio.IncompleteReadError(rest, count)
            self._keep(data)

    async def read_to_end(self, limit: int | None = None) -> bytes:
        """Read until the end of the stream.

        Args:
            limit: how many bytes to take at the most; None is no limit.

        Raises:
            asyncio.LimitOverrunError: there are more; what was read stays to be read.

        Cancel-safe. Tokio: `AsyncReadExt::read_to_end`.
        """
        while True:
            have = len(self._ahead or b"")
            if limit is not None and have > limit:
                raise asyncio.LimitOverrunError(f"more than {limit} bytes", have)
            data = await self._receive(CHUNK)
            if not data:
                return self._take()
            self._keep(data)

    async def read_until(self, delimiter: bytes = b"\n", *, limit: int = LIMIT) -> bytes:
        """Read up to and with the next `delimiter`.

        Args:
            delimiter: one byte or more.
            limit: how many bytes may come before the delimiter.

        Returns:
            The bytes with the delimiter; without it what was left at the end of the stream,
            so `b""` is the end.

        Raises:
            asyncio.LimitOverrunError: it did not come within `limit` bytes. They can still
                be read, by `read`.

        Cancel-safe. Tokio: `AsyncBufReadExt::read_until`.
        """
        if not delimiter:
            raise ValueError("read_until() needs a delimiter of one byte or more")
        searched = 0
        ended = False
        while True:
            if self._ahead:
                taken, searched = self._ahead.take_until(delimiter, limit, searched)
                if taken is not None:
                    return taken
            if ended:
                return self._take()
            data = await self._receive(CHUNK)
            if data:
                self._keep(data)
            else:
                ended = True

    async def read_line(self, *, limit: int = LIMIT) -> str:
        """Read a line of UTF-8, with its end; "" at the end of the stream.

        Raises:
            asyncio.LimitOverrunError: the line is longer than `limit` bytes.
            UnicodeDecodeError: it is not UTF-8; it is used up.

        Cancel-safe. Tokio: `AsyncBufReadExt::read_line`.
        """
        return (await self.read_until(b"\n", limit=limit)).decode()

    def lines(self, *, limit: int = LIMIT) -> AsyncIterator[str]:
        r"""The lines of UTF-8, without their ends ("\n" or "\r\n"): for `async for`.

        Raises:
            asyncio.LimitOverrunError: a line is longer than `limit` bytes.
            UnicodeDecodeError: one is not UTF-8.

        Cancel-safe. Tokio: `AsyncBufReadExt::lines`.
        """
        return Lines(self, limit)

    # What has been read ahead.

    def buffer(self) -> bytes:
        """What has been read ahead, and comes out next. Tokio: `BufReader::buffer`."""
        return bytes(self._ahead or b"")

    async def _look_ahead(self, most: int) -> bytes:
        """What has been read ahead; if there is nothing, `most` bytes of what comes next."""
        while not (ahead := self.buffer()):
            data = await self._receive(most)
            if not data:
                break
            self._keep(data)
        return ahead

    def _keep(self, data: bytes) -> None:
        if self._ahead is None:
            with making:
                if self._ahead is None:
                    self._ahead = Ahead()  # type: ignore[misc]
        self._ahead.keep(data)

    def _take(self, most: int | None = None) -> bytes:
        """Out of what was read ahead."""
        return b"" if self._ahead is None else self._ahead.take(most)


class Lines:
    """The lines of a reader, one by one. Tokio: `io::Lines`."""

    __slots__ = ("_limit", "_reader")

    def __init__(self, reader: AsyncRead, limit: int) -> None:
        self._reader = reader
        self._limit = limit

    async def next_line(self) -> str | None:
        """The next line without its end; None at the end of the stream. Cancel-safe."""
        line = await self._reader.read_until(b"\n", limit=self._limit)
        if not line:
            return None
        if line.endswith(b"\n"):
            line = line[: -2 if line.endswith(b"\r\n") else -1]
        return line.decode()

    def __aiter__(self) -> Lines:
        return self

    async def __anext__(self) -> str:
        line = await self.next_line()
        if line is None:
            raise StopAsyncIteration
        return line


class AsyncWrite:
    """Something that bytes are written to. Base class of all writers.

    A writer of your own defines `write`, and `flush` and `shutdown` if they have something
    to do. Tokio: `io::AsyncWrite`, `AsyncWriteExt`.
    """

    __slots__ = ()

    async def write(self, data: BytesLike) -> int:
        """Write some of `data`, once there is room.

        Returns:
            How many bytes were taken, from the start.

        Cancel-safe. Tokio: `AsyncWriteExt::write`.
        """
        raise NotImplementedError

    async def write_all(self, data: BytesLike) -> None:
        """Write all of `data`.

        Not cancel-safe: how much has been written nobody knows then. Tokio:
        `AsyncWriteExt::write_all`.
        """
        with memoryview(data).cast("B") as view:
            sent = 0
            while sent < len(view):
                count = await self.write(view[sent:])
                if not count:
                    raise OSError("write() has taken nothing")
                sent += count

    async def write_vectored(self, buffers: Sequence[BytesLike]) -> int:
        """Write some of several buffers in turn, in one go if the writer can.

        Returns:
            How many bytes were taken, from the start of the first.

        Cancel-safe. Tokio: `AsyncWriteExt::write_vectored`.
        """
        for buffer in buffers:
            if len(buffer):
                return await self.write(buffer)
        return 0

    async def write_all_vectored(self, buffers: Sequence[BytesLike]) -> None:
        """Write all of several buffers, in turn. Not cancel-safe."""
        left = [view for data in buffers if len(view := memoryview(data).cast("B"))]
        while left:
            count = await self.write_vectored(left)
            if not count:
                raise OSError("write_vectored() has taken nothing")
            while left and count >= len(left[0]):
                count -= len(left.pop(0))
            if count:
                left[0] = left[0][count:]

    async def flush(self) -> None:
        """Wait until what was written has been passed on.

        Cancel-safe: what has not been passed on stays. Tokio: `AsyncWriteExt::flush`.
        """

    async def shutdown(self) -> None:
        """Write the rest, and tell the other side that there will be no more.

        Cancel-safe: another call goes on with it. Tokio: `AsyncWriteExt::shutdown`.
        """
