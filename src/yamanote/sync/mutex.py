"""One at a time."""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Any, Generic, TypeVar, final, overload

from .batch_semaphore import PAY_AFTER, Place
from .budget import spend_budget
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
class MutexScope(Generic[T]):
    """What `async with mutex as guard` gives: the value, until the end of the block.

    Tokio: `sync::MutexGuard`, by the name of its scope.
    """

    # A Mutex has one, for one block after the other: to make one for each would take half as
    # long again as asyncio.Lock. Whoever uses it leaves the next block another, so that it is
    # of no use after its own.
    __slots__ = ("_before", "_lock")

    def __init__(self, before: MutexScope[T] | None = None) -> None:
        self._before = before
        #: None outside of the block.
        self._lock: Mutex[T] | None = None

    @property
    def value(self) -> T:
        """What the mutex protects; may be set.

        Raises:
            RuntimeError: the block has ended.
        """
        return self._held()._value

    @value.setter
    def value(self, value: T) -> None:
        self._held()._value = value

    def release(self) -> None:
        """Not for this one.

        Raises:
            RuntimeError: always, since the end of the block releases the mutex.
        """
        raise RuntimeError(
            "the end of `async with mutex` releases it: to do so earlier, take "
            "`async with mutex.lock() as guard`"
        )

    def _held(self) -> Mutex[T]:
        lock = self._lock
        if lock is None:
            raise RuntimeError("this `async with mutex` has ended: lock again")
        if lock._scope is self:
            lock._scope = MutexScope(self)
        return lock

    def __repr__(self) -> str:
        lock = self._lock
        return "<MutexScope ended>" if lock is None else f"<MutexScope of {lock._value!r}>"


@final
class Mutex(Guarded[T]):
    """A lock that is held across awaits, by one at a time.

        total = Mutex(0)
        async with total as guard:
            guard.value += 1

        guard = await total.lock()
        guard.release()

    Fair: it is handed on in the order in which it was asked for. It is not re-entrant: a
    task that locks it twice waits for itself. Tasks on any worker and threads may share it.

    Args:
        value: what the mutex protects, to be had through a guard only.

    Thread-safe. Tokio: `sync::Mutex`.
    """

    __slots__ = ("_permit", "_scope")

    @overload
    def __init__(self: Mutex[None]) -> None: ...
    @overload
    def __init__(self, value: T) -> None: ...

    def __init__(self, value: Any = None) -> None:
        super().__init__(0, value)
        self._permit: list[None] = [None]
        self._scope: MutexScope[T] = MutexScope()

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
    # and then looks at `_waited`; who waits sets that, joins the line, and then looks for the
    # permit: the list's own lock orders the two.

    def _try_take(self, count: int) -> bool:
        try:
            self._permit.pop()
        except IndexError:
            return False
        return True

    def _give(self, count: int) -> None:
        if self._waited:
            self._pass_on(count)
        else:
            self._permit.append(None)
            if self._waited:
                self._hand_on()

    # super() in the method itself would cost each call of it.
    def _pass_on(self, count: int) -> None:
        super()._give(count)

    def _hand_on(self) -> None:
        self._soon(lambda: self._hand_out(self._take_some(1)))

    def _take_some(self, most: int) -> int:
        return int(self._try_take(most))

    def _put_back(self, count: int) -> None:
        if count:
            self._permit.append(None)

    @coroutine
    def __aenter__(self) -> Generator[Any, None, MutexScope[T]]:
        left = self._until_paid
        if left:
            self._until_paid = left - 1
        else:
            yield from spend_budget(PAY_AFTER)
            self._until_paid = PAY_AFTER - 1
        try:
            self._permit.pop()
        except IndexError:
            yield from Place(self, 1).in_line()
        scope = self._scope
        scope._lock = self
        return scope

    # A generator, which is quicker than `async def`, and parameters by name: `*_` would make
    # a tuple.
    @coroutine
    def __aexit__(
        self, kind: object, error: object, traceback: object
    ) -> Generator[Any, None, None]:
        scope = self._scope
        if scope._lock is not self:
            scope = self._used(scope)
        scope._lock = None
        # _give(1), written out.
        if self._waited:
            self._pass_on(1)
        else:
            self._permit.append(None)
            if self._waited:
                self._hand_on()
        return
        yield

    def _used(self, following: MutexScope[T]) -> MutexScope[T]:
        scope, following._before = following._before, None
        if scope is None:
            raise RuntimeError("no `async with` holds this mutex: it can be left once only")
        return scope

    def __repr__(self) -> str:
        return f"<Mutex{' locked' if self.locked() else ''} at {id(self):#x}>"
