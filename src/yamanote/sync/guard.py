"""What a lock gives to the one who has it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from types import coroutine
from typing import Any, Generic, NoReturn, Protocol, TypeVar, final

from .batch_semaphore import CLOSED, PAY_AFTER, BatchSemaphore, Place
from .budget import spend_budget
from .errors import AcquireError

T = TypeVar("T")


class Guarded(BatchSemaphore, Generic[T]):
    """A lock with the value that it protects."""

    __slots__ = ("_value",)

    def __init__(self, permits: int, value: T) -> None:
        super().__init__(permits)
        self._value = value


G = TypeVar("G", bound="Guard[Any]")


class Guard(Generic[T]):
    """Holds a lock until `release()`, the end of `with`, or until it is dropped."""

    __slots__ = ("_count", "_lock")

    def __init__(self, lock: Guarded[T], count: int) -> None:
        self._lock = lock
        self._count = count

    @property
    def value(self) -> T:
        """What the lock protects.

        Raises:
            RuntimeError: the lock is held no more.
        """
        return self._held()._value

    def release(self) -> None:
        """Let go of the lock.

        Raises:
            RuntimeError: it has been released already.
        """
        count = self._count
        if not count:
            self._held()
        self._count = 0
        self._lock._give(count)

    def _held(self) -> Guarded[T]:
        if not self._count:
            raise RuntimeError(f"this {type(self).__name__} has been released: lock again")
        return self._lock

    def __enter__(self: G) -> G:
        self._held()
        return self

    def __exit__(self, *_: object) -> None:
        count = self._count
        if count:
            self._count = 0
            self._lock._give(count)

    def __del__(self) -> None:
        count = self._count
        if count:
            self._count = 0
            self._lock._give(count)

    def __repr__(self) -> str:
        if not self._count:
            return f"<{type(self).__name__} released>"
        return f"<{type(self).__name__} of {self._lock._value!r}>"


class _Releasable(Protocol):
    def release(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...


R = TypeVar("R", bound=_Releasable)


@final
class Locking(Generic[R]):
    """The wait for a lock or for permits: `await` gives the guard, `async with` holds it
    inside.

    Each await, and each `async with`, locks once more.
    """

    __slots__ = ("_count", "_guard", "_kind", "_lock")

    def __init__(self, lock: BatchSemaphore, count: int, kind: Callable[[Any, int], R]) -> None:
        self._lock = lock
        self._count = count
        self._kind = kind
        self._guard: R | None = None

    def __await__(self) -> Generator[Any, None, R]:
        lock, count = self._lock, self._count
        left = lock._until_paid
        if left:
            lock._until_paid = left - 1
        else:
            yield from spend_budget(PAY_AFTER)
            lock._until_paid = PAY_AFTER - 1
        if not lock._try_take(count) and not (yield from Place(lock, count).in_line()):
            raise AcquireError(CLOSED)
        return self._kind(lock, count)

    @coroutine
    def __aenter__(self) -> Generator[Any, None, R]:
        if self._guard is not None:
            self._refuse()
        # __await__(), written out.
        lock, count = self._lock, self._count
        left = lock._until_paid
        if left:
            lock._until_paid = left - 1
        else:
            yield from spend_budget(PAY_AFTER)
            lock._until_paid = PAY_AFTER - 1
        if not lock._try_take(count) and not (yield from Place(lock, count).in_line()):
            raise AcquireError(CLOSED)
        guard = self._kind(lock, count)
        if self._guard is not None:  # another has waited as well
            guard.release()
            self._refuse()
        self._guard = guard
        return guard

    # As Mutex.__aexit__.
    @coroutine
    def __aexit__(
        self, kind: object, error: object, traceback: object
    ) -> Generator[Any, None, None]:
        guard = self._guard
        if guard is None:
            raise RuntimeError("this has been left already: `async with` leaves it by itself")
        self._guard = None
        guard.__exit__()
        return
        yield

    def _refuse(self) -> NoReturn:
        raise RuntimeError("this is in use: call the method again for each `async with`")


def lock_in_thread(
    lock: Guarded[Any],
    count: int,
    kind: Callable[[Any, int], G],
    timeout: float | None,
    name: str,
) -> G:
    """What the `blocking_…` method `name` does."""
    instead = f"await {name.removeprefix('blocking_')}()"
    if Place(lock, count).take_in_thread(timeout, name, instead) is None:
        raise TimeoutError(f"the lock was not free within {timeout} s")
    return kind(lock, count)
