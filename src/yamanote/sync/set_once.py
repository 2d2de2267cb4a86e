"""A value that is set once, and waited for."""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Final, Generic, TypeVar, final

from ..runtime.compat import current_task
from ..runtime.crowd import Crowd
from ..runtime.park import Park, ThreadWaiter, Token, check_may_block
from ..runtime.task import Task
from .errors import SetOnceError

T = TypeVar("T")

UNSET: Final[Any] = object()


@final
class SetOnce(Generic[T]):
    """A value that somebody sets, once, and that any number of tasks wait for.

        ready = SetOnce[int]()
        ready.set(5)
        assert await ready.wait() == 5

    Args:
        value: the value, if it shall be set from the start.

    Thread-safe. Tokio: `sync::SetOnce`.
    """

    __slots__ = ("_crowd", "_right", "_value")

    def __init__(self, value: T = UNSET) -> None:
        self._value = value
        # Whoever pops the element may set the value.
        self._right = [None] if value is UNSET else []
        self._crowd = Crowd()

    def set(self, value: T) -> None:
        """Set the value, and wake all who wait for it.

        Raises:
            SetOnceError: it has been set before; the error holds this `value`.

        Tokio: `SetOnce::set`.
        """
        try:
            self._right.pop()
        except IndexError:
            raise SetOnceError("the value has been set before", value) from None
        self._value = value
        self._crowd.wake()

    def get(self) -> T | None:
        """The value; None as long as there is none.

        Tokio: `SetOnce::get`.
        """
        value = self._value
        return None if value is UNSET else value

    def initialized(self) -> bool:
        """Whether there is a value.

        Tokio: `SetOnce::initialized`.
        """
        return self._value is not UNSET

    def wait(self) -> Awaitable[T]:
        """Wait for the value: an awaitable of it, for any number of awaits.

        Cancel-safe. Tokio: `SetOnce::wait`.
        """
        return _Wait(self)

    def blocking_wait(self, *, timeout: float | None = None) -> T:
        """Block this thread until there is a value, and return it.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.
        """
        check_may_block("blocking_wait", "await wait()")
        if self._value is UNSET and not ThreadWaiter().wait(_Wait(self), timeout):
            raise TimeoutError(f"no value has been set within {timeout} s")
        return self._value

    def __repr__(self) -> str:
        value = self._value
        return f"<SetOnce {'unset' if value is UNSET else repr(value)}>"


@final
class _Wait(Park, Generic[T]):
    __slots__ = ("_cell",)

    def __init__(self, cell: SetOnce[T]) -> None:
        self._cell = cell

    def _register(self, token: Token) -> bool:
        self._cell._crowd.join(token)
        return self._cell._value is UNSET

    def _unregister(self, token: Token) -> None:
        self._cell._crowd.leave(token)

    def __await__(self) -> Generator[Any, None, T]:
        cell = self._cell
        if cell._value is not UNSET:
            task = current_task()
            if isinstance(task, Task):
                if task._budget <= 0 and task._out_of_budget():
                    yield None
                task._budget -= 1
        while cell._value is UNSET:
            yield from self._wait()
        return cell._value
