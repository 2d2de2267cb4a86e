"""The two halves of a stream, for two tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeAlias, final

from .ahead import Ahead
from .interest import Interest, Ready
from .stream import CHUNK, AsyncRead, AsyncWrite, BytesLike

if TYPE_CHECKING:
    from .socket_stream import SocketStream
    from .tls_stream import TlsStream

    Stream: TypeAlias = SocketStream | TlsStream[Any]


class ReuniteError(Exception):
    """The two halves are not of one stream. They are in `read` and `write`.

    Tokio: `tcp::ReuniteError`.
    """

    def __init__(self, read: OwnedReadHalf, write: OwnedWriteHalf) -> None:
        super().__init__("these two halves do not belong to one stream")
        self.read = read
        self.write = write


class ReadHalf(AsyncRead):
    """The half of a stream that is read from. Tokio: `tcp::ReadHalf`."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    # What was read ahead is the stream's, however it is read.
    @property
    def _ahead(self) -> Ahead | None:
        return self._stream._ahead

    @_ahead.setter
    def _ahead(self, ahead: Ahead | None) -> None:
        self._stream._ahead = ahead

    def read(self, max_bytes: int = CHUNK) -> Coroutine[Any, Any, bytes]:
        return self._stream.read(max_bytes)

    read.__doc__ = AsyncRead.read.__doc__

    def _receive(self, max_bytes: int) -> Awaitable[bytes]:
        return self._stream._receive(max_bytes)

    def peek(self, max_bytes: int = CHUNK) -> Coroutine[Any, Any, bytes]:
        """As `TcpStream.peek`. Cancel-safe. Tokio: `ReadHalf::peek`."""
        return self._stream.peek(max_bytes)

    def try_read(self, max_bytes: int = CHUNK) -> bytes:
        """As `TcpStream.try_read`. Tokio: `ReadHalf::try_read`."""
        return self._stream.try_read(max_bytes)

    def readable(self) -> Coroutine[Any, Any, None]:
        """As `TcpStream.readable`. Cancel-safe. Tokio: `ReadHalf::readable`."""
        return self._stream.readable()

    def ready(self, interest: Interest) -> Coroutine[Any, Any, Ready]:
        """As `TcpStream.ready`. Cancel-safe. Tokio: `ReadHalf::ready`, `WriteHalf::ready`."""
        return self._stream.ready(interest)

    def local_addr(self) -> Any:
        """The address of this end."""
        return self._stream.local_addr()

    def peer_addr(self) -> Any:
        """The address of the other end."""
        return self._stream.peer_addr()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._stream!r}>"


class WriteHalf(AsyncWrite):
    """The half of a stream that is written to. Tokio: `tcp::WriteHalf`."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def write(self, data: BytesLike) -> Coroutine[Any, Any, int]:
        return self._stream.write(data)

    write.__doc__ = AsyncWrite.write.__doc__

    def write_all(self, data: BytesLike) -> Coroutine[Any, Any, None]:
        return self._stream.write_all(data)

    write_all.__doc__ = AsyncWrite.write_all.__doc__

    def write_vectored(self, buffers: Sequence[BytesLike]) -> Coroutine[Any, Any, int]:
        return self._stream.write_vectored(buffers)

    write_vectored.__doc__ = AsyncWrite.write_vectored.__doc__

    def write_all_vectored(self, buffers: Sequence[BytesLike]) -> Coroutine[Any, Any, None]:
        return self._stream.write_all_vectored(buffers)

    write_all_vectored.__doc__ = AsyncWrite.write_all_vectored.__doc__

    def try_write(self, data: BytesLike) -> int:
        """As `TcpStream.try_write`. Tokio: `WriteHalf::try_write`."""
        return self._stream.try_write(data)

    def try_write_vectored(self, buffers: Sequence[BytesLike]) -> int:
        """As `TcpStream.try_write_vectored`. Tokio: `WriteHalf::try_write_vectored`."""
        return self._stream.try_write_vectored(buffers)

    def writable(self) -> Coroutine[Any, Any, None]:
        """As `TcpStream.writable`. Cancel-safe. Tokio: `WriteHalf::writable`."""
        return self._stream.writable()

    def flush(self) -> Coroutine[Any, Any, None]:
        return self._stream.flush()

    flush.__doc__ = AsyncWrite.flush.__doc__

    def shutdown(self) -> Coroutine[Any, Any, None]:
        return self._stream.shutdown()

    shutdown.__doc__ = AsyncWrite.shutdown.__doc__

    def ready(self, interest: Interest) -> Coroutine[Any, Any, Ready]:
        """As `TcpStream.ready`. Cancel-safe. Tokio: `ReadHalf::ready`, `WriteHalf::ready`."""
        return self._stream.ready(interest)

    def local_addr(self) -> Any:
        """The address of this end."""
        return self._stream.local_addr()

    def peer_addr(self) -> Any:
        """The address of the other end."""
        return self._stream.peer_addr()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._stream!r}>"


class _Owners:
    """How many of a stream's two halves are left. Shared by them; list methods lock."""

    __slots__ = ("_left", "stream")

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self._left = [None, None]

    def leave(self) -> None:
        self._left.pop()
        if not self._left.copy():
            self.stream.close()


@final
class OwnedReadHalf(ReadHalf):
    """The half that is read from, for a task of its own.

    `close`, the end of an `async with`, or being dropped gives it up; when the other half is
    gone too, the stream is closed. Tokio: `tcp::OwnedReadHalf`.
    """

    __slots__ = ("_owners",)

    def __init__(self, owners: _Owners) -> None:
        super().__init__(owners.stream)
        self._owners: _Owners | None = owners

    def reunite(self, write: OwnedWriteHalf) -> Stream:
        """Make one stream of the two halves again, which are used up.

        Raises:
            ReuniteError: `write` is of another stream, or one of them was given up.

        Tokio: `OwnedReadHalf::reunite`.
        """
        return reunite(self, write)

    def close(self) -> None:
        """Give this half up."""
        owners, self._owners = self._owners, None
        if owners is not None:
            owners.leave()

    __del__ = close

    async def __aenter__(self) -> OwnedReadHalf:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


@final
class OwnedWriteHalf(WriteHalf):
    """The half that is written to, for a task of its own.

    `close`, the end of an `async with`, or being dropped shuts that direction down, see
    `shutdown`, and gives it up; when the other half is gone too, the stream is closed.
    Tokio: `tcp::OwnedWriteHalf`.
    """

    __slots__ = ("_owners",)

    def __init__(self, owners: _Owners) -> None:
        super().__init__(owners.stream)
        self._owners: _Owners | None = owners

    def reunite(self, read: OwnedReadHalf) -> Stream:
        """As `OwnedReadHalf.reunite`. Tokio: `OwnedWriteHalf::reunite`."""
        return reunite(read, self)

    def forget(self) -> None:
        """Give this half up, and leave the direction open. Tokio: `OwnedWriteHalf::forget`."""
        owners, self._owners = self._owners, None
        if owners is not None:
            owners.leave()

    def close(self) -> None:
        """Shut the direction down, and give this half up."""
        if self._owners is not None and not self._stream.is_closed():
            try:
                self._stream._shut_down()
            except OSError:
                pass  # the connection is no more
        self.forget()

    __del__ = close

    async def __aenter__(self) -> OwnedWriteHalf:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def into_split(stream: Stream) -> tuple[OwnedReadHalf, OwnedWriteHalf]:
    owners = _Owners(stream)
    return OwnedReadHalf(owners), OwnedWriteHalf(owners)


def reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Stream:
    owners = read._owners
    if owners is None or owners is not write._owners:
        raise ReuniteError(read, write)
    read._owners = write._owners = None
    return owners.stream
