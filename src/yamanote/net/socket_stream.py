"""A connection: what TCP's and Unix's have in common."""

from __future__ import annotations

import errno
import socket
from collections.abc import Generator, Sequence
from types import coroutine
from typing import Any

from ..runtime.compat import running_task
from ..runtime.park import Waiter, wait_outside
from ..sync.budget import out_of_budget
from ..task import yield_now
from .base import NativeSocket, socket_error
from .interest import Interest, Ready
from .split import OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, into_split
from .stream import CHUNK, AsyncRead, AsyncWrite, BytesLike

# The system takes no more buffers at once (IOV_MAX).
_MOST_BUFFERS = 1024


class SocketStream(NativeSocket, AsyncRead, AsyncWrite):
    """A connection of bytes both ways.

    One task may read while another one writes, each on any worker. Of two that read, or
    write, at the same time each gets, or writes, some; nobody says which.
    """

    __slots__ = ("_ahead",)

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._ahead = None

    @coroutine
    def _receive(self, max_bytes: int) -> Generator[Any, Any, bytes]:
        # _io() and Readiness.__await__(), written out: each message comes by here, and a generator
        # and two calls more would be a fortieth of what it costs.
        readable = self._readable
        waited = False
        while True:
            tick = readable.tick
            if readable.seen != tick:
                if not waited and out_of_budget():
                    yield
                try:
                    readable.lock.acquire()
                    data = self._sock.recv(max_bytes)
                except BlockingIOError:
                    readable.seen = tick
                except OSError as error:
                    raise self._explain(error) from None
                else:
                    if 0 < len(data) < max_bytes and not readable.final:
                        # There was no more. To find out by another call would be a third of
                        # what a message costs.
                        readable.seen = tick
                    return data
                finally:
                    readable.lock.release()
            waited = True
            try:
                task = running_task()
            except RuntimeError:
                task = None
            if isinstance(task, Waiter):
                try:
                    yield readable
                except BaseException:
                    readable._unregister(task._token)
                    raise
                finally:
                    del task  # the traceback of an error, now or later, refers to this frame
            else:
                yield from wait_outside(readable)

    async def read_into(self, buffer: bytearray | memoryview) -> int:
        if self._ahead:
            return await super().read_into(buffer)
        return await self._io(self._readable, self._sock.recv_into, buffer)

    read_into.__doc__ = AsyncRead.read_into.__doc__

    async def peek(self, max_bytes: int = CHUNK) -> bytes:
        """Wait for bytes and look at them: the next read gets them again.

        Cancel-safe. Tokio: `TcpStream::peek`.
        """
        if self._ahead:
            data = bytes(self._ahead[:max_bytes])
            if data or not max_bytes:
                return data
        return await self._io(self._readable, self._sock.recv, max_bytes, socket.MSG_PEEK)

    async def readable(self) -> None:
        if not self._ahead:
            await super().readable()

    readable.__doc__ = NativeSocket.readable.__doc__

    async def ready(self, interest: Interest) -> Ready:
        if self._ahead and interest & Interest.READABLE:
            return Ready.READABLE
        return await super().ready(interest)

    ready.__doc__ = NativeSocket.ready.__doc__

    def try_read(self, max_bytes: int = CHUNK) -> bytes:
        """Take what there is; none (`b""`) at the end of the stream.

        Raises:
            BlockingIOError: there is nothing yet; wait for `readable()`.

        Tokio: `TcpStream::try_read`.
        """
        if self._ahead:
            data = self._ahead.take(max_bytes)
            if data or not max_bytes:
                return data
        return self._try(self._readable, self._sock.recv, max_bytes)

    async def write(self, data: BytesLike) -> int:
        return await self._io(self._writable, self._sock.send, data)

    write.__doc__ = AsyncWrite.write.__doc__

    async def write_all(self, data: BytesLike) -> None:
        # _io(), written out as in _receive().
        writable = self._writable
        if out_of_budget():
            await yield_now()
        while True:
            tick = writable.tick
            if writable.seen != tick:
                try:
                    writable.lock.acquire()
                    count = self._sock.send(data)
                except BlockingIOError:
                    writable.seen = tick
                except OSError as error:
                    raise self._explain(error) from None
                else:
                    if count == len(data):
                        return
                    data = memoryview(data).cast("B")[count:]
                    if not data:
                        return  # its length was counted in something else than bytes
                    if not writable.final:
                        writable.seen = tick  # there was no more room
                finally:
                    writable.lock.release()
            await writable

    write_all.__doc__ = AsyncWrite.write_all.__doc__

    async def write_vectored(self, buffers: Sequence[BytesLike]) -> int:
        return await self._io(self._writable, self._sock.sendmsg, buffers[:_MOST_BUFFERS])

    write_vectored.__doc__ = AsyncWrite.write_vectored.__doc__

    def try_write(self, data: BytesLike) -> int:
        """Write what there is room for; returns how many bytes.

        Raises:
            BlockingIOError: there is no room; wait for `writable()`.

        Tokio: `TcpStream::try_write`.
        """
        return self._try(self._writable, self._sock.send, data)

    def try_write_vectored(self, buffers: Sequence[BytesLike]) -> int:
        """As `try_write`, of several buffers in turn. Tokio: `TcpStream::try_write_vectored`."""
        return self._try(self._writable, self._sock.sendmsg, buffers[:_MOST_BUFFERS])

    async def shutdown(self) -> None:
        """Tell the peer that there will be no more: it reads the end of the stream.

        One can still read. It never waits. Tokio: `AsyncWriteExt::shutdown`.
        """
        self._shut_down()

    def peer_addr(self) -> Any:
        """The address of the other end. Tokio: `TcpStream::peer_addr`."""
        return self._now(self._sock.getpeername)

    def _shut_down(self) -> None:
        try:
            with self._writable.lock:
                self._sock.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN or self._source.closed:  # the peer was faster
                raise self._explain(error) from None

    def into_std(self) -> socket.socket:
        if self._ahead:
            raise RuntimeError(
                f"{len(self._ahead)} bytes have been read ahead, which the socket has no more: "
                "read them first, see buffer()"
            )
        return super().into_std()

    into_std.__doc__ = NativeSocket.into_std.__doc__

    def split(self) -> tuple[ReadHalf, WriteHalf]:
        """A half to read from and one to write to, of a stream that stays here.

        Tokio: `TcpStream::split`.
        """
        return ReadHalf(self), WriteHalf(self)

    def into_split(self) -> tuple[OwnedReadHalf, OwnedWriteHalf]:
        """A half to read from and one to write to, which own the stream: the end of the
        one that writes ends that direction, the end of both closes the stream.

        Use the stream itself no more. Tokio: `TcpStream::into_split`.
        """
        return into_split(self)

    async def _connect(self, address: Any) -> None:
        """Connect a new socket; it is closed if that fails or is cancelled."""
        sock, writable = self._sock, self._writable
        try:
            number = sock.connect_ex(address)
            if number == errno.EINPROGRESS:
                await self._ready(writable)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                # Or each message that comes would be announced as room to write, too.
                writable.watched = False
            if number == errno.EAGAIN:
                raise BlockingIOError(number, "the listener's backlog is full: try again later")
            if number:
                raise socket_error(number)
        except BaseException:
            self.close()
            raise
