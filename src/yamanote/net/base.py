"""What all native sockets have in common: a non-blocking socket and its readiness."""

from __future__ import annotations

import errno
import os
import socket
import warnings
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, TypeVar

from ..runtime.readiness import AnyReadiness, Readiness, Source, closed_error
from ..sync.budget import out_of_budget
from ..task import yield_now
from .interest import Interest, Ready

T = TypeVar("T")
S = TypeVar("S", bound="NativeSocket")


class NativeSocket:
    """A socket that any task on any worker may use. Thread-safe."""

    __slots__ = ("__weakref__", "_readable", "_sock", "_source", "_writable")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._source = source = Source(sock.fileno())
        self._readable = source.readable
        self._writable = source.writable

    # Ownership.

    @classmethod
    def from_std(cls: type[S], sock: socket.socket) -> S:
        """Take over a socket of the standard library, which is made non-blocking.

        The caller must not use it any more. Tokio: `from_std`.
        """
        if sock.fileno() < 0:
            raise ValueError(f"{cls.__name__}.from_std() needs an open socket, not {sock!r}")
        return cls(sock)

    def into_std(self) -> socket.socket:
        """Give the socket back, still non-blocking; this object is closed from then on.

        Whoever waits is woken by an error. Tokio: `into_std`.
        """
        with self._readable.lock, self._writable.lock:
            self._check_open()
            self._source.close()
            old = self._sock
            sock = socket.socket(old.family, old.type, old.proto, fileno=old.detach())
        sock.setblocking(False)
        return sock

    def close(self) -> None:
        """Close the socket. Whoever waits on it is woken by an OSError (EBADF).

        Any thread may call it, more than once.
        """
        source = self._source
        if source.closed:
            return
        # Not while another thread is in a system call with the descriptor.
        with source.readable.lock, source.writable.lock:
            source.close()
            self._close()

    def _close(self) -> None:
        self._sock.close()

    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._source.closed

    def __del__(self) -> None:
        source = getattr(self, "_source", None)
        if source is not None and not source.closed:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    async def __aenter__(self: S) -> S:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """The descriptor's number; -1 once it is closed."""
        return self._sock.fileno()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._describe()}>"

    def _describe(self) -> str:
        if self._source.closed:
            return "closed"
        try:
            return f"fd={self.fileno()} local={self._sock.getsockname()!r}"
        except OSError:
            return f"fd={self.fileno()}"

    # What the public methods are made of.

    def _check_open(self) -> None:
        if self._source.closed:
            raise closed_error()

    def _explain(self, error: OSError) -> OSError:
        """What to raise for an error of the system's."""
        return closed_error() if self._source.closed else error

    def _now(self, func: Callable[..., T], *args: Any) -> T:
        """Do what doesn't wait: options and addresses."""
        try:
            with self._writable.lock:
                return func(*args)
        except OSError as error:
            raise self._explain(error) from None

    def _try(self, readiness: Readiness, func: Callable[..., T], *args: Any) -> T:
        """Make a system call that is ready, or raise BlockingIOError."""
        tick = readiness.tick
        if readiness.seen == tick and readiness.watched:
            raise would_block()
        try:
            with readiness.lock:
                return func(*args)
        except BlockingIOError:
            readiness.seen = tick
            if readiness.final:
                self._check_ended(readiness)
            raise would_block() from None
        except OSError as error:
            raise self._explain(error) from None

    async def _io(self, readiness: Readiness, func: Callable[..., T], *args: Any) -> T:
        """Make a system call as soon as it is ready. Cancel-safe."""
        waited = False
        while True:
            tick = readiness.tick
            if readiness.seen != tick:
                if not waited and out_of_budget():
                    await yield_now()
                # A `with` makes two bound methods and a tuple: 70 to 180 ns more. Inside the `try`,
                # for a Ctrl-C may come just after.
                try:
                    readiness.lock.acquire()
                    return func(*args)
                except BlockingIOError:
                    readiness.seen = tick
                    if readiness.final:
                        self._check_ended(readiness)
                except OSError as error:
                    raise self._explain(error) from None
                finally:
                    readiness.lock.release()
            await readiness
            waited = True

    def _check_ended(self, readiness: Readiness) -> None:
        """Refuse to wait for what the system will not announce."""

    def _watch(self, readiness: Readiness) -> None:
        """See that the direction is announced, and take for ready only what is."""
        if not readiness.watched:
            self._source.watch(readiness, used_up=True)

    async def _ready(self, *directions: Readiness) -> None:
        """Wait until a system call of one of the directions may succeed. Cancel-safe."""
        for each in directions:
            self._watch(each)
        await wait_for(directions)

    async def ready(self, interest: Interest) -> Ready:
        """Wait until something of `interest` may be done: to read, to write or either.

        Returns:
            What of it may be; a `try_` method may have to wait all the same.

        Raises:
            ValueError: `interest` is empty, or something else.

        Cancel-safe. Tokio: `TcpStream::ready`.
        """
        source = self._source
        if not interest or interest & ~(Interest.READABLE | Interest.WRITABLE):
            raise ValueError("ready() needs an interest: Interest.READABLE, WRITABLE or both")
        if interest == Interest.READABLE:
            await self._ready(source.readable)
        elif interest == Interest.WRITABLE:
            await self._ready(source.writable)
        else:
            await self._ready(source.readable, source.writable)
        ready = Ready.EMPTY
        if interest & Interest.READABLE and source.readable.is_ready():
            ready |= Ready.READABLE
            if source.readable.has_ended():
                ready |= Ready.READ_CLOSED
        if interest & Interest.WRITABLE and source.writable.is_ready():
            ready |= Ready.WRITABLE
            if source.writable.has_ended():
                ready |= Ready.WRITE_CLOSED
        return ready

    async def readable(self) -> None:
        """Wait until it may be read from; a `try_` method may find nothing all the same.

        Cancel-safe. Tokio: `readable`.
        """
        await self._ready(self._readable)

    async def writable(self) -> None:
        """Wait until it may be written to; a `try_` method may find it full all the same.

        Cancel-safe. Tokio: `writable`.
        """
        await self._ready(self._writable)

    # Addresses and options.

    def local_addr(self) -> Any:
        """The address of this end: a host and a port (for IPv6 two numbers more), or the path
        of a Unix socket, "" without one. Tokio: `local_addr`."""
        return self._now(self._sock.getsockname)

    def take_error(self) -> OSError | None:
        """Take the error that the system keeps for this socket, if any.

        Tokio: `take_error`.
        """
        number = self._now(self._sock.getsockopt, socket.SOL_SOCKET, socket.SO_ERROR)
        return socket_error(number) if number else None

    def _get_option(self, level: int, option: int) -> int:
        return self._now(self._sock.getsockopt, level, option)

    def _set_option(self, level: int, option: int, value: int | bytes) -> None:
        self._now(self._sock.setsockopt, level, option, value)


async def wait_for(directions: Sequence[Readiness]) -> None:
    """Wait until one of them is ready, or has been since: somebody else may have used it up.
    Cancel-safe."""
    ticks = []
    for each in directions:
        ticks.append(each.tick)  # first: there may be an event any moment
        if each.seen != ticks[-1]:
            if out_of_budget():
                await yield_now()
            return
    while all(each.tick == tick for each, tick in zip(directions, ticks, strict=True)):
        await (directions[0] if len(directions) == 1 else AnyReadiness(list(directions)))


def would_block() -> BlockingIOError:
    return BlockingIOError(errno.EAGAIN, "not ready: wait for readable() or writable()")


def socket_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
