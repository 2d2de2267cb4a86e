"""Letting a limited number in at a time."""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Any, final

from ..runtime.checks import check_whole
from .batch_semaphore import CLOSED, PAY_AFTER, BatchSemaphore, Place
from .budget import spend_budget
from .errors import AcquireError, TryAcquireError
from .guard import Locking


@final
class Semaphore(BatchSemaphore):
    """A number of permits, for those who wait in turn for one or more.

        limit = Semaphore(10)
        async with limit:
            ...
        permit = await limit.acquire(3)
        permit.release()

    Fair: permits are given in the order in which they were asked for. Somebody who wants
    many holds up those behind them, and is never passed by.

    Args:
        permits: how many there are at first; `add_permits` makes more.

    Raises:
        TypeError, ValueError: `permits` is no whole number, or negative.

    Thread-safe. Tokio: `sync::Semaphore`.
    """

    __slots__ = ()

    def __init__(self, permits: int) -> None:
        check_whole("the number of permits", permits)
        if permits < 0:
            raise ValueError(f"a semaphore has 0 permits or more, not {permits}")
        super().__init__(permits)

    def available_permits(self) -> int:
        """How many permits are free."""
        if self._later:
            with self._lock:
                self._run_later()
        return self._free

    def acquire(self, permits: int = 1) -> Locking[SemaphorePermit]:
        """Wait for `permits` permits: `await` it for the SemaphorePermit that holds them, or
        use it with `async with`.

        Raises:
            AcquireError: from the await: the semaphore is closed.
            TypeError, ValueError: `permits` is no whole number, or negative.

        Cancel-safe, but who is cancelled loses the place in the line. Tokio:
        `Semaphore::acquire`, `acquire_many`, `acquire_owned`.
        """
        return Locking(self, _number(permits), SemaphorePermit)

    def try_acquire(self, permits: int = 1) -> SemaphorePermit:
        """The permit for `permits` at once, passing nobody by.

        Raises:
            TryAcquireError: fewer are free, or the semaphore is closed.
            TypeError, ValueError: `permits` is no whole number, or negative.

        Tokio: `Semaphore::try_acquire`, `try_acquire_many`.
        """
        if self._try_take(_number(permits)):
            return SemaphorePermit(self, permits)
        if self._closed:
            raise TryAcquireError(CLOSED, closed=True)
        raise TryAcquireError(f"fewer than {permits} permits are free", closed=False)

    def blocking_acquire(
        self, permits: int = 1, *, timeout: float | None = None
    ) -> SemaphorePermit:
        """Block this thread until it has `permits` permits.

        Args:
            permits: how many.
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            AcquireError: the semaphore is closed.
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.
            TypeError, ValueError: `permits` is no whole number, or negative.
        """
        place = Place(self, _number(permits))
        taken = place.take_in_thread(timeout, "blocking_acquire", "await acquire()")
        if taken is None:
            raise TimeoutError(f"no {permits} permits within {timeout} s")
        if not taken:
            raise AcquireError(CLOSED)
        return SemaphorePermit(self, permits)

    def add_permits(self, permits: int) -> None:
        """Make `permits` new permits.

        Raises:
            TypeError, ValueError: `permits` is no whole number, or negative.

        Tokio: `Semaphore::add_permits`.
        """
        self._give(_number(permits))

    def forget_permits(self, permits: int) -> int:
        """Take away up to `permits` free permits for good; returns how many.

        Raises:
            TypeError, ValueError: `permits` is no whole number, or negative.

        Tokio: `Semaphore::forget_permits`.
        """
        return self._forget(_number(permits))

    def close(self) -> None:
        """Give no permits any more; all who wait get AcquireError.

        Tokio: `Semaphore::close`.
        """
        self._close()

    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed

    @coroutine
    def __aenter__(self) -> Generator[Any, None, None]:
        left = self._until_paid
        if left:
            self._until_paid = left - 1
        else:
            yield from spend_budget(PAY_AFTER)
            self._until_paid = PAY_AFTER - 1
        # _try_take(1), written out.
        lock = self._lock
        lock.acquire()
        try:
            if self._later:
                self._run_later()
            taken = self._free > 0 and not self._closed
            if taken:
                self._free -= 1
        finally:
            lock.release()
        if self._later:
            self._catch_up()
        if not taken and not (yield from Place(self, 1).in_line()):
            raise AcquireError(CLOSED)

    # Parameters by name: `*_` would make a tuple.
    async def __aexit__(self, kind: object, error: object, traceback: object) -> None:
        # _give(1), written out. It must not wait: the collector may close a coroutine that is
        # inside, in the midst of anything.
        lock = self._lock
        if not lock.acquire(False):
            self._give_soon(1)
            return
        try:
            if self._waited:
                self._hand_out(1)
            else:
                self._free += 1
        finally:
            lock.release()
        if self._later:
            self._catch_up()

    def __repr__(self) -> str:
        state = "closed" if self.is_closed() else f"{self.available_permits()} free"
        return f"<Semaphore {state} at {id(self):#x}>"


def _number(permits: int) -> int:
    if permits.__class__ is not int:
        check_whole("the number of permits", permits)
    if permits < 0:
        raise ValueError(f"the number of permits must be 0 or more, not {permits}")
    return permits


@final
class SemaphorePermit:
    """Holds permits until `release()`, the end of `with`, or until it is dropped.

        async with semaphore: ...
        with await semaphore.acquire(3): ...

    Thread-safe, but for one holder: two threads should not change it at once. Tokio:
    `sync::SemaphorePermit`, `sync::OwnedSemaphorePermit`.
    """

    __slots__ = ("_permits", "_semaphore")

    def __init__(self, semaphore: Semaphore, permits: int) -> None:
        self._semaphore = semaphore
        self._permits = permits

    @property
    def num_permits(self) -> int:
        """How many permits it holds; 0 once they are released or forgotten."""
        return self._permits

    def release(self) -> None:
        """Give the permits back. A second time does nothing."""
        permits = self._permits
        if permits:
            self._permits = 0
            self._semaphore._give(permits)

    def forget(self) -> None:
        """Let the permits go without giving them back: the semaphore has fewer for good.

        Tokio: `SemaphorePermit::forget`.
        """
        self._permits = 0

    def merge(self, other: SemaphorePermit) -> None:
        """Take over the permits that `other` holds.

        Raises:
            ValueError: `other` is of another semaphore, or is this very permit.

        Tokio: `SemaphorePermit::merge`.
        """
        if other is self or other._semaphore is not self._semaphore:
            raise ValueError("merge() takes another permit of the same semaphore")
        permits, other._permits = other._permits, 0
        self._permits += permits

    def split(self, permits: int) -> SemaphorePermit | None:
        """A permit of its own for `permits` of these; None when there are fewer.

        Raises:
            TypeError, ValueError: `permits` is no whole number, or negative.

        Tokio: `SemaphorePermit::split`.
        """
        if _number(permits) > self._permits:
            return None
        self._permits -= permits
        return SemaphorePermit(self._semaphore, permits)

    def __enter__(self) -> SemaphorePermit:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        permits = self._permits
        if permits:
            self._permits = 0
            self._semaphore._give(permits)

    def __repr__(self) -> str:
        return f"<SemaphorePermit of {self._permits}>"
