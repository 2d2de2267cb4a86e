"""One at a time."""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Any, TypeVar, final, overload

from .batch_semaphore import PAY_AFTER, Place, pay
from .errors import TryLockError
from .guard import Guard, Guarded, Locking, lock_in_thread

T = TypeVar("T")


@final
class MutexGuard(Guard[T]):
    """Holds a Mutex, and gives the value that it protects, until `release()`, the end of
    `with`, or until it is dropped.

    Tokio: `sync::MutexGuard`, `sync::OwnedMutexGuard`.
    """

    __slots__ = ()

    @property
    def value(self) -> T:
        """What the mutex protects; may be set.

        Raises:
            RuntimeError: the mutex is held no more.
        """
        return self._held()._value

    @value.setter
    def value(self, value: T) -> None:
        self._held()._value = value


@final
class Mutex(Guarded[T]):
    """A lock that is held across awaits, by one at a time.

        mutex = Mutex()
        async with mutex:
            ...

        total = Mutex(0)
        async with total.lock() as guard:
            guard.value += 1

    Fair: it is handed on in the order in which it was asked for. It is not re-entrant: a
    task that locks it twice waits for itself. Tasks on any worker and threads may share it.

    Args:
        value: what the mutex protects, to be had through a guard only.

    Thread-safe. Tokio: `sync::Mutex`.
    """

    __slots__ = ("_permit", "_unpaid")

    @overload
    def __init__(self: Mutex[None]) -> None: ...
    @overload
    def __init__(self, value: T) -> None: ...

    def __init__(self, value: Any = None) -> None:
        super().__init__(0, value)
        self._permit: list[None] = [None]
        self._unpaid = 0

    def lock(self) -> Locking[MutexGuard[T]]:
        """Wait for the lock: `await` it for the guard, or use it with `async with`.

        Cancel-safe, but who is cancelled loses the place in the line. Tokio: `Mutex::lock`,
        `lock_owned`.
        """
        return Locking(self, 1, MutexGuard)

    def try_lock(self) -> MutexGuard[T]:
        """The guard, if nobody has the lock.

        Raises:
            TryLockError: somebody has.

        Tokio: `Mutex::try_lock`, `try_lock_owned`.
        """
        if not self._try_take(1):
            raise TryLockError("the mutex is locked")
        return MutexGuard(self, 1)

    def blocking_lock(self, *, timeout: float | None = None) -> MutexGuard[T]:
        """Block this thread until it has the lock.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.

        Tokio: `Mutex::blocking_lock`.
        """
        return lock_in_thread(self, 1, MutexGuard, timeout, "blocking_lock")

    def locked(self) -> bool:
        """Whether somebody has the lock at the moment."""
        return not self._permit

    # The one permit lies in a list, which is popped without the lock: a free mutex is to cost
    # no more than asyncio.Lock, which is for one thread. Who releases it puts the permit back
    # and then looks at the line; who waits joins the line and then looks for the permit.

    def _try_take(self, count: int) -> bool:
        try:
            self._permit.pop()
        except IndexError:
            return False
        return True

    def _give(self, count: int) -> None:
        if self._line:
            super()._give(count)
        else:
            self._permit.append(None)
            if self._line:
                self._hand_on()

    def _hand_on(self) -> None:
        self._soon(lambda: self._hand_out(self._take_some(1)))

    def _take_some(self, most: int) -> int:
        return int(self._try_take(most))

    def _put_back(self, count: int) -> None:
        if count:
            self._permit.append(None)

    @coroutine
    def __aenter__(self) -> Generator[Any, None, None]:
        self._unpaid += 1
        if self._unpaid >= PAY_AFTER:
            yield from pay(self._unpaid)
            self._unpaid = 0
        try:
            self._permit.pop()
        except IndexError:
            yield from Place(self, 1).__await__()

    async def __aexit__(self, *_: object) -> None:
        # _give(1), written out.
        if self._line:
            super()._give(1)
        else:
            self._permit.append(None)
            if self._line:
                self._hand_on()

    def __repr__(self) -> str:
        return f"<Mutex{' locked' if self.locked() else ''} at {id(self):#x}>"
