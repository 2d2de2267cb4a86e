"""A value that is made when it is first asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar, final

from ..runtime.compat import current_task
from ..runtime.shared import sentinel
from ..task.coop import consume_budget
from .errors import SetError
from .notify import Notify

T = TypeVar("T")

UNSET: Final[Any] = sentinel("unset value")


@final
class OnceCell(Generic[T]):
    """A value that is made once, by whoever asks for it first.

        pool = OnceCell[Pool]()
        connection = (await pool.get_or_init(connect)).get()

    Args:
        value: the value, if it shall be there from the start.

    Thread-safe. Tokio: `sync::OnceCell`.
    """

    __slots__ = ("_by", "_freed", "_right", "_value")

    def __init__(self, value: T = UNSET) -> None:
        self._value = value
        # Whoever pops the element makes the value, or puts it back.
        self._right = [None] if value is UNSET else []
        self._by: Any = None
        self._freed = Notify()

    def get(self) -> T | None:
        """The value; None as long as there is none.

        Tokio: `OnceCell::get`.
        """
        value = self._value
        return None if value is UNSET else value

    def initialized(self) -> bool:
        """Whether there is a value.

        Tokio: `OnceCell::initialized`.
        """
        return self._value is not UNSET

    def set(self, value: T) -> None:
        """Set the value.

        Raises:
            SetError: there is one, or somebody is about to make it; the error holds this
                `value`.

        Tokio: `OnceCell::set`.
        """
        try:
            self._right.pop()
        except IndexError:
            if self._value is UNSET:
                message = "the value is being made by get_or_init()"
                raise SetError(message, value, initializing=True) from None
            raise SetError("the value has been set before", value, initializing=False) from None
        self._publish(value)

    async def get_or_init(self, init: Callable[[], Awaitable[T]]) -> T:
        """The value; if there is none, the one that `await init()` makes.

        Those who ask meanwhile wait. If `init` fails or is cancelled, its caller gets that,
        and the next of them calls its own `init`.

        Args:
            init: an `async def` without arguments, or what else gives an awaitable.

        Raises:
            RuntimeError: `init` itself asks for the value.
            TypeError: `init` cannot be called: it is a coroutine, perhaps.

        Cancel-safe, if `init` is. Tokio: `OnceCell::get_or_init`, `get_or_try_init`.
        """
        if self._value is not UNSET:
            await consume_budget()
            return self._value
        if not callable(init):
            close = getattr(init, "close", None)
            if close is not None:
                close()
            raise TypeError(
                f"get_or_init() takes a function that gives an awaitable, not {init!r}: "
                "pass the function without calling it"
            )
        while True:
            # Made before the look at the right, so that what happens after it is not missed.
            freed = self._freed.notified()
            if self._value is not UNSET:
                return self._value
            try:
                self._right.pop()
            except IndexError:
                pass
            else:
                return await self._make(init)
            task = current_task()
            if task is not None and self._by is task:
                raise RuntimeError("init() asks for the value that it makes: it would never end")
            del task
            await freed

    get_or_try_init = get_or_init

    async def _make(self, init: Callable[[], Awaitable[T]]) -> T:
        self._by = current_task()
        try:
            value = await init()
        except BaseException:
            self._by = None
            self._right.append(None)
            self._freed.notify_one()
            raise
        self._by = None
        self._publish(value)
        return value

    def _publish(self, value: T) -> None:
        self._value = value
        self._freed.notify_waiters()

    def __repr__(self) -> str:
        value = self._value
        return f"<OnceCell {'unset' if value is UNSET else repr(value)}>"
