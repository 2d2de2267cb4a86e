"""Readiness of any file descriptor."""

from __future__ import annotations

import errno
from collections.abc import Callable
from types import TracebackType
from typing import Generic, ParamSpec, Protocol, TypeVar, final

from ..runtime.readiness import Readiness, Source, closed_error
from .base import wait_for, would_block
from .interest import Interest, Ready


class HasFileno(Protocol):
    """Something with a file descriptor."""

    def fileno(self) -> int: ...


F = TypeVar("F", bound="int | HasFileno")
T = TypeVar("T")
P = ParamSpec("P")

BOTH = Interest.READABLE | Interest.WRITABLE


@final
class AsyncFd(Generic[F]):
    """A file descriptor that tasks wait for: a pipe, a socket of another library, inotify.

        async with AsyncFd(fd) as afd:
            data = await afd.async_io(Interest.READABLE, os.read, fd, 4096)

    The descriptor must not block (`os.set_blocking(fd, False)`), and stays the caller's: it is
    to be closed after the AsyncFd, of which it has one at a time. Any task on any worker may use
    it, several at once. Thread-safe. Tokio: `io::unix::AsyncFd`.

    Args:
        inner: the descriptor's number, or an object that has it.
        interest: what it will be waited for: to be read from or written to, unless it says
            otherwise.

    Raises:
        OSError: the system has no readiness for it, such as for a file on a disk (EPERM).
        RuntimeError: there is no runtime here, or something else waits for the descriptor.
        TypeError: `inner` has no descriptor.
        ValueError: `interest` is empty, or `inner` is closed.
    """

    __slots__ = ("__weakref__", "_inner", "_interest", "_source")

    def __init__(self, inner: F, interest: Interest = BOTH) -> None:
        if isinstance(inner, int):
            fd: int = inner
        elif hasattr(inner, "fileno"):
            fd = inner.fileno()
        else:
            raise TypeError(f"AsyncFd needs a file descriptor, not {inner!r}")
        if fd < 0:
            raise ValueError(f"AsyncFd needs an open file descriptor, not {inner!r}")
        if not interest:
            raise ValueError("AsyncFd needs an interest: Interest.READABLE, WRITABLE or both")
        self._inner = inner
        self._interest = interest
        self._source = source = Source(fd)
        try:
            for direction in self._directions(interest):
                source.watch(direction, used_up=True)
            if source.level_triggered and interest & ~BOTH:
                raise OSError(errno.ENOTSUP, "without epoll there is READABLE and WRITABLE only")
        except BaseException:
            source.close()
            raise

    def _directions(self, interest: Interest) -> list[Readiness]:
        source = self._source
        directions = []
        if interest & Interest.READABLE:
            directions.append(source.readable)
        if interest & Interest.WRITABLE:
            directions.append(source.writable)
        if interest & Interest.PRIORITY:
            directions.append(source.priority or Readiness(source))
            source.priority = directions[-1]
        if interest & Interest.ERROR:
            directions.append(source.error or Readiness(source))
            source.error = directions[-1]
        return directions

    async def ready(self, interest: Interest) -> AsyncFdReadyGuard[F]:
        """Wait until something of `interest` may be done.

        Returns:
            A guard, to be told if it was not so.

        Raises:
            OSError: (EBADF) it is closed, by `close`.
            ValueError: `interest` is empty, or not what the AsyncFd was made for.

        Cancel-safe. Tokio: `AsyncFd::ready`.
        """
        directions = self._checked(interest)
        if self._source.closed:
            raise closed_error()
        await wait_for(directions)
        return AsyncFdReadyGuard(self, directions)

    def _checked(self, interest: Interest) -> list[Readiness]:
        if not interest or interest & ~self._interest:
            raise ValueError(
                f"{interest!r} is not what this AsyncFd was made for, {self._interest!r}"
            )
        return self._directions(interest)

    async def readable(self) -> AsyncFdReadyGuard[F]:
        """Wait until it may be read from; as `ready`. Cancel-safe. Tokio: `AsyncFd::readable`."""
        return await self.ready(Interest.READABLE)

    async def writable(self) -> AsyncFdReadyGuard[F]:
        """Wait until it may be written to; as `ready`. Cancel-safe. Tokio:
        `AsyncFd::writable`."""
        return await self.ready(Interest.WRITABLE)

    async def async_io(
        self, interest: Interest, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `func` until it does not raise BlockingIOError, each time when something of
        `interest` may be done.

        Returns:
            What `func` returns.

        Raises:
            Exception: what `func` raises, and what `ready` does.

        Cancel-safe, if a call of `func` that would block does nothing. Tokio:
        `AsyncFd::async_io`.
        """
        while True:
            guard = await self.ready(interest)
            try:
                return guard.try_io(func, *args, **kwargs)
            except BlockingIOError:
                pass

    def try_io(
        self, interest: Interest, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call `func`, if something of `interest` may be done.

        Raises:
            BlockingIOError: nothing may, or `func` raises it: wait for `ready`.
            Exception: what `func` raises.

        Tokio: `AsyncFd::try_io`.
        """
        directions = self._checked(interest)
        if self._source.closed:
            raise closed_error()
        if not any(direction.is_ready() for direction in directions):
            raise would_block()
        return AsyncFdReadyGuard(self, directions).try_io(func, *args, **kwargs)

    def get_ref(self) -> F:
        """What it was made of. Tokio: `AsyncFd::get_ref`."""
        return self._inner

    def into_inner(self) -> F:
        """What it was made of; nothing is waited for any more. Tokio: `AsyncFd::into_inner`."""
        self.close()
        return self._inner

    def fileno(self) -> int:
        """The descriptor's number."""
        return self._source.fd

    def close(self) -> None:
        """Wait for nothing any more; who waits is woken by an OSError (EBADF).

        The descriptor itself stays open. Any thread may call it, more than once.
        """
        if not self._source.closed:
            self._source.close()

    def __del__(self) -> None:
        if hasattr(self, "_source"):
            self.close()

    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._source.closed

    def __enter__(self) -> AsyncFd[F]:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsyncFd[F]:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = " closed" if self._source.closed else ""
        return f"<AsyncFd {self._inner!r}{closed}>"


@final
class AsyncFdReadyGuard(Generic[F]):
    """That a descriptor was ready, as `AsyncFd.ready` has found it.

    It stays ready until `clear_ready`, or a `try_io` that would have blocked. What happens
    after the guard was made is not cleared. Tokio: `io::unix::AsyncFdReadyGuard`.
    """

    __slots__ = ("_afd", "_ticks")

    def __init__(self, afd: AsyncFd[F], directions: list[Readiness]) -> None:
        self._afd = afd
        self._ticks = [(each, each.tick) for each in directions]

    def ready(self) -> Ready:
        """What is ready, and has not been cleared. Tokio: `AsyncFdReadyGuard::ready`."""
        found = Ready.EMPTY
        for direction, _ in self._ticks:
            if direction.is_ready():
                found |= self._meaning(direction)
        return found

    def _meaning(self, direction: Readiness) -> Ready:
        source = self._afd._source
        if direction is source.readable:
            return Ready.READABLE | Ready.READ_CLOSED if direction.has_ended() else Ready.READABLE
        if direction is source.writable:
            return Ready.WRITABLE | Ready.WRITE_CLOSED if direction.has_ended() else Ready.WRITABLE
        return Ready.PRIORITY if direction is source.priority else Ready.ERROR

    def clear_ready(self) -> None:
        """It was not ready, or is not any more: let the next `ready` wait for an event.

        Where the other side has ended it stays ready: there is no event to come. Tokio:
        `AsyncFdReadyGuard::clear_ready`.
        """
        for direction, tick in self._ticks:
            if not direction.has_ended():
                direction.seen = tick

    def clear_ready_matching(self, ready: Ready) -> None:
        """As `clear_ready`, of what is in `ready`. Tokio:
        `AsyncFdReadyGuard::clear_ready_matching`."""
        for direction, tick in self._ticks:
            if self._meaning(direction) & ready and not direction.has_ended():
                direction.seen = tick

    def retain_ready(self) -> None:
        """It stays ready, as it does when nothing is called. Tokio:
        `AsyncFdReadyGuard::retain_ready`."""

    def try_io(self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call `func`; if that would block, it was not ready, as with `clear_ready`.

        Raises:
            BlockingIOError: `func` would have blocked.
            Exception: what `func` raises.

        Tokio: `AsyncFdReadyGuard::try_io`.
        """
        try:
            return func(*args, **kwargs)
        except BlockingIOError:
            self.clear_ready()
            raise

    def get_inner(self) -> F:
        """What the AsyncFd was made of. Tokio: `AsyncFdReadyGuard::get_inner`."""
        return self._afd._inner

    def __enter__(self) -> AsyncFdReadyGuard[F]:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pass
