"""Many who read, or one who writes."""

from __future__ import annotations

from typing import Any, TypeVar, final, overload

from ..runtime.checks import check_whole
from .errors import TryLockError
from .guard import Guard, Guarded, Locking, lock_in_thread

T = TypeVar("T")

#: How many may read at the same time, unless said otherwise.
MAX_READERS = 2**29 - 1


@final
class RwLockReadGuard(Guard[T]):
    """Holds an RwLock for reading until `release()`, the end of `with`, or until it is
    dropped. Others may read at the same time.

    Tokio: `sync::RwLockReadGuard`, `sync::OwnedRwLockReadGuard`.
    """

    __slots__ = ()


@final
class RwLockWriteGuard(Guard[T]):
    """Holds an RwLock alone until `release()`, the end of `with`, or until it is dropped.

    Tokio: `sync::RwLockWriteGuard`, `sync::OwnedRwLockWriteGuard`.
    """

    __slots__ = ()

    @property
    def value(self) -> T:
        """What the lock protects; may be set.

        Raises:
            RuntimeError: the lock is held no more.
        """
        return self._held()._value

    @value.setter
    def value(self, value: T) -> None:
        self._held()._value = value

    def downgrade(self) -> RwLockReadGuard[T]:
        """Go on holding the lock for reading only, with no other writer in between.

        Returns:
            The guard that holds it; this one is released.

        Raises:
            RuntimeError: it has been released already.

        Tokio: `RwLockWriteGuard::downgrade`.
        """
        lock = self._held()
        count, self._count = self._count, 0
        guard = RwLockReadGuard(lock, 1)
        lock._give(count - 1)
        return guard


@final
class RwLock(Guarded[T]):
    """A lock that many may hold for reading, or one for writing.

        config = RwLock({})
        async with config.read() as guard:
            print(guard.value)
        async with config.write() as guard:
            guard.value = load()

    Fair: it is handed on in the order in which it was asked for, so that a writer who waits
    lets no later reader pass. A task that reads must not ask to read again while it does:
    with a writer between the two, both would wait for ever.

    Args:
        value: what the lock protects, to be had through a guard only.
        max_readers: how many may read at the same time (Tokio: `with_max_readers`).

    Raises:
        TypeError, ValueError: `max_readers` is no whole number, less than 1 or more than 2**29 - 1.

    Thread-safe. Tokio: `sync::RwLock`.
    """

    __slots__ = ("_all",)

    @overload
    def __init__(self: RwLock[None], *, max_readers: int = ...) -> None: ...
    @overload
    def __init__(self, value: T, *, max_readers: int = ...) -> None: ...

    def __init__(self, value: Any = None, *, max_readers: int = MAX_READERS) -> None:
        check_whole("max_readers", max_readers)
        if not 1 <= max_readers <= MAX_READERS:
            raise ValueError(f"max_readers must be from 1 to {MAX_READERS}, not {max_readers}")
        super().__init__(max_readers, value)
        self._all = max_readers

    def read(self) -> Locking[RwLockReadGuard[T]]:
        """Wait until it may be read: `await` it for the guard, or use it with `async with`.

        Cancel-safe, but who is cancelled loses the place in the line. Tokio: `RwLock::read`,
        `read_owned`.
        """
        return Locking(self, 1, RwLockReadGuard)

    def write(self) -> Locking[RwLockWriteGuard[T]]:
        """Wait for the lock alone: `await` it for the guard, or use it with `async with`.

        Cancel-safe, but who is cancelled loses the place in the line. Tokio:
        `RwLock::write`, `write_owned`.
        """
        return Locking(self, self._all, RwLockWriteGuard)

    def try_read(self) -> RwLockReadGuard[T]:
        """The guard for reading, if it can be had at once.

        Raises:
            TryLockError: somebody writes or waits, or too many read.

        Tokio: `RwLock::try_read`, `try_read_owned`.
        """
        if not self._try_take(1):
            raise TryLockError("the lock is held for writing, or waited for")
        return RwLockReadGuard(self, 1)

    def try_write(self) -> RwLockWriteGuard[T]:
        """The guard for writing, if nobody has the lock.

        Raises:
            TryLockError: somebody has.

        Tokio: `RwLock::try_write`, `try_write_owned`.
        """
        if not self._try_take(self._all):
            raise TryLockError("the lock is held")
        return RwLockWriteGuard(self, self._all)

    def blocking_read(self, *, timeout: float | None = None) -> RwLockReadGuard[T]:
        """Block this thread until it may read.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.

        Tokio: `RwLock::blocking_read`.
        """
        return lock_in_thread(self, 1, RwLockReadGuard, timeout, "blocking_read")

    def blocking_write(self, *, timeout: float | None = None) -> RwLockWriteGuard[T]:
        """Block this thread until it has the lock alone; otherwise as `blocking_read`.

        Tokio: `RwLock::blocking_write`.
        """
        return lock_in_thread(self, self._all, RwLockWriteGuard, timeout, "blocking_write")

    def __repr__(self) -> str:
        free = self._free
        state = "free" if free == self._all else "read" if free else "locked"
        return f"<RwLock {state} at {id(self):#x}>"
