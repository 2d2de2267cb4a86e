"""Fewer and larger reads and writes."""

from __future__ import annotations

from typing import Generic, TypeVar, final

from .stream import AsyncRead, AsyncWrite, BytesLike

R = TypeVar("R", bound=AsyncRead)
W = TypeVar("W", bound=AsyncWrite)

#: The size of a buffer, in bytes (Tokio's).
CAPACITY = 8192


@final
class BufReader(AsyncRead, Generic[R]):
    """A reader that asks another one for much, and gives out little.

    What is read through it is not seen by those who read from the other one directly. Tokio:
    `io::BufReader`.

    Args:
        inner: where it reads from.
        capacity: how many bytes it asks for at once.
    """

    def __init__(self, inner: R, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"a buffer has a capacity of 1 byte or more, not {capacity}")
        self._inner = inner
        self._capacity = capacity
        self._ahead = None

    async def read(self, max_bytes: int = CAPACITY) -> bytes:
        if not self._ahead and max_bytes < self._capacity:
            await self.fill_buf()
        return await super().read(max_bytes)

    read.__doc__ = AsyncRead.read.__doc__

    async def _receive(self, max_bytes: int) -> bytes:
        return await self._inner.read(max(max_bytes, self._capacity))

    async def fill_buf(self) -> bytes:
        """What has been read ahead; if there is nothing, what comes next. `b""` is the end.

        Cancel-safe. Tokio: `AsyncBufReadExt::fill_buf`.
        """
        return await self._look_ahead(self._capacity)

    def consume(self, count: int) -> None:
        """Drop `count` bytes of what has been read ahead. Tokio: `AsyncBufReadExt::consume`."""
        if count and (self._ahead is None or self._ahead.take_exactly(count) is None):
            raise ValueError(f"there are only {len(self.buffer())} bytes, not {count}")

    def get_ref(self) -> R:
        """Where it reads from. Tokio: `BufReader::get_ref`."""
        return self._inner

    def into_inner(self) -> R:
        """Where it reads from; what has been read ahead is dropped. Tokio:
        `BufReader::into_inner`."""
        self._ahead = None
        return self._inner


@final
class BufWriter(AsyncWrite, Generic[W]):
    """A writer that collects small writes, and passes them on when there is enough, or by
    `flush` or `shutdown`. Tokio: `io::BufWriter`.

    Args:
        inner: where it writes to.
        capacity: how many bytes it collects.
    """

    def __init__(self, inner: W, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"a buffer has a capacity of 1 byte or more, not {capacity}")
        self._inner = inner
        self._capacity = capacity
        self._collected = bytearray()

    async def write(self, data: BytesLike) -> int:
        with memoryview(data).cast("B") as view:
            if len(self._collected) + len(view) > self._capacity:
                await self._pass_on()
            if len(view) >= self._capacity:
                return await self._inner.write(view)
            self._collected += view
            return len(view)

    write.__doc__ = AsyncWrite.write.__doc__

    async def flush(self) -> None:
        await self._pass_on()
        await self._inner.flush()

    flush.__doc__ = AsyncWrite.flush.__doc__

    async def shutdown(self) -> None:
        await self._pass_on()
        await self._inner.shutdown()

    shutdown.__doc__ = AsyncWrite.shutdown.__doc__

    async def _pass_on(self) -> None:
        """Cancel-safe: what was not written stays."""
        while self._collected:
            count = await self._inner.write(bytes(self._collected))
            if not count:
                raise OSError("write() has taken nothing")
            del self._collected[:count]

    def buffer(self) -> bytes:
        """What has been collected and not yet passed on. Tokio: `BufWriter::buffer`."""
        return bytes(self._collected)

    def get_ref(self) -> W:
        """Where it writes to. Tokio: `BufWriter::get_ref`."""
        return self._inner

    def into_inner(self) -> W:
        """Where it writes to; what has been collected is dropped. Tokio:
        `BufWriter::into_inner`."""
        self._collected.clear()
        return self._inner
