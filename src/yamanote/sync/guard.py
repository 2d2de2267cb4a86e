"""What a lock gives to the one who has it."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

from .batch_semaphore import BatchSemaphore, Place

T = TypeVar("T")


class Guarded(BatchSemaphore, Generic[T]):
    """A lock with the value that it protects."""

    __slots__ = ("_value",)

    def __init__(self, permits: int, value: T) -> None:
        super().__init__(permits)
        self._value = value


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
        self._held()
        count, self._count = self._count, 0
        self._lock._give(count)

    def _held(self) -> Guarded[T]:
        if not self._count:
            raise RuntimeError(f"this {type(self).__name__} has been released: lock again")
        return self._lock

    def __enter__(self: G) -> G:
        self._held()
        return self

    def __exit__(self, *_: object) -> None:
        if self._count:
            self.release()

    def __del__(self) -> None:
        count, self._count = self._count, 0
        if count:
            self._lock._give(count)

    def __repr__(self) -> str:
        if not self._count:
            return f"<{type(self).__name__} released>"
        return f"<{type(self).__name__} of {self._lock._value!r}>"


G = TypeVar("G", bound=Guard[Any])


class Locking(Generic[G]):
    """The wait for a lock: `await` gives the guard, `async with` holds it inside.

    Each await, and each `async with`, locks once more.
    """

    __slots__ = ("_count", "_guard", "_kind", "_lock")

    def __init__(self, lock: Guarded[Any], count: int, kind: Callable[..., G]) -> None:
        self._lock = lock
        self._count = count
        self._kind = kind
        self._guard: G | None = None

    def __await__(self) -> Generator[Any, None, G]:
        yield from Place(self._lock, self._count).__await__()
        return self._kind(self._lock, self._count)

    async def __aenter__(self) -> G:
        if self._guard is not None:
            raise RuntimeError("this is in use: call the lock's method again for each `async with`")
        guard = self._guard = await self
        return guard

    async def __aexit__(self, *_: object) -> None:
        guard, self._guard = self._guard, None
        assert guard is not None
        guard.__exit__()


def lock_in_thread(
    lock: Guarded[Any], count: int, kind: Callable[..., G], timeout: float | None, name: str
) -> G:
    """What the `blocking_…` method `name` does."""
    instead = f"await {name.removeprefix('blocking_')}()"
    if Place(lock, count).take_in_thread(timeout, name, instead) is None:
        raise TimeoutError(f"the lock was not free within {timeout} s")
    return kind(lock, count)
