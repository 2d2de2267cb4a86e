"""Passing on what is read."""

from __future__ import annotations

from typing import Protocol

from ..task import try_join
from .stream import CHUNK, AsyncRead, AsyncWrite


class Duplex(Protocol):
    """What can be read from and written to: a stream."""

    async def read(self, max_bytes: int = CHUNK) -> bytes: ...

    async def write_all(self, data: bytes) -> None: ...

    async def flush(self) -> None: ...

    async def shutdown(self) -> None: ...


async def copy(reader: AsyncRead, writer: AsyncWrite) -> int:
    """Read until the end of `reader` and write it all to `writer`, which stays open.

    Returns:
        How many bytes.

    Not cancel-safe: what was read and not yet written is lost. Tokio: `io::copy`.
    """
    return await _copy(reader, writer)


async def copy_bidirectional(one: Duplex, other: Duplex) -> tuple[int, int]:
    """Copy both ways between two streams until both have ended; the end of either is passed
    on to the other by `shutdown`.

    Returns:
        How many bytes went from `one` to `other`, and how many back.

    Raises:
        OSError: reading or writing failed; the other direction is stopped.

    Not cancel-safe. Tokio: `io::copy_bidirectional`.
    """
    there, back = await try_join(_pass_on(one, other), _pass_on(other, one))
    return there, back


async def _pass_on(reader: Duplex, writer: Duplex) -> int:
    count = await _copy(reader, writer)
    await writer.shutdown()
    return count


async def _copy(reader: AsyncRead | Duplex, writer: AsyncWrite | Duplex) -> int:
    count = 0
    while data := await reader.read(CHUNK):
        await writer.write_all(data)
        count += len(data)
    await writer.flush()
    return count
