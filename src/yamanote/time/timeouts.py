"""Limiting how long something may take."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Awaitable, Coroutine
from concurrent.futures import Future
from types import TracebackType
from typing import Any, TypeVar, final, overload

from ..runtime.checks import as_seconds
from ..runtime.compat import current_task
from ..runtime.core import close_coroutine
from ..runtime.here import here
from ..runtime.park import NO_TOKEN, Token, Waiter
from ..runtime.task import Task, as_coroutine
from ..runtime.trio import running_trio
from .instant import now

T = TypeVar("T")


class Elapsed(TimeoutError):
    """The time was over before the thing was done.

    Tokio: `time::error::Elapsed`.
    """


@final
class Timeout(Waiter):
    """Cancels what runs inside `async with` when the deadline passes, and raises Elapsed.

    In a task of Yamanote, asyncio or trio; each is cancelled in its own way. Tokio:
    `time::Timeout`.
    """

    __slots__ = (
        "_cancelling",
        "_lock",
        "_native",
        "_scope",
        "_task",
        "_token",
        "deadline",
        "expired",
    )

    _must_cancel = False

    def __init__(self, deadline: float | None) -> None:
        if deadline.__class__ is not float and deadline is not None:
            as_seconds("a timeout", deadline)
        if deadline != deadline:
            raise ValueError("a timeout needs a number of seconds, not NaN; None for no limit")
        #: When, in seconds of `time.now()`; None for never.
        self.deadline = deadline
        #: Whether the deadline has passed before the end.
        self.expired = False
        self._token: Token = NO_TOKEN
        self._task: Task[Any] | None = None
        # What does the work in a task of asyncio, and in one of trio.
        self._native: asyncio.Timeout | None = None
        self._scope: Any = None
        self._cancelling = 0
        # The timer may fire on another worker than the one on which the task goes on.
        self._lock = threading.Lock()

    @property
    def _home(self) -> Timeout:
        return self

    def push(self, _: Timeout) -> None:
        with self._lock:
            task = self._task
            if task is not None:
                self.expired = True
                task.cancel()

    async def __aenter__(self) -> Timeout:
        task = current_task()
        worker = here.worker
        if not isinstance(task, Task) or worker is None:
            left = None if self.deadline is None else self.deadline - now()
            trio = running_trio()
            if trio is not None:
                self._scope = trio.move_on_after(math.inf if left is None else max(left, 0))
                self._scope.__enter__()
                return self
            loop = asyncio.get_running_loop()
            self._native = asyncio.timeout_at(None if left is None else loop.time() + left)
            await self._native.__aenter__()
            return self
        if self._task is not None:
            raise RuntimeError("this timeout is in use: make a new one for each `async with`")
        self._task = task
        self._cancelling = task.cancelling()
        if self.deadline is not None:
            self._token = [self]
            worker.timers.push(self.deadline, self._token)
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        native, self._native = self._native, None
        if native is not None:
            try:
                await native.__aexit__(error_type, error, traceback)
            except TimeoutError as timed_out:
                self.expired = True
                raise Elapsed("the deadline has passed") from timed_out.__cause__
            return
        scope, self._scope = self._scope, None
        if scope is not None:
            scope.__exit__(error_type, error, traceback)
            if scope.cancelled_caught:
                self.expired = True
                raise Elapsed("the deadline has passed") from error
            return
        with self._lock:
            task, self._task = self._task, None
        self._token.clear()
        assert task is not None
        remaining = task.uncancel() if self.expired else 0
        del task  # an error's traceback refers to this frame
        if (
            self.expired
            and remaining <= self._cancelling
            and error_type is not None
            and issubclass(error_type, asyncio.CancelledError)
        ):
            raise Elapsed("the deadline has passed") from error


@overload
def timeout(seconds: float | None) -> Timeout: ...
@overload
def timeout(
    seconds: float | None, coro: Coroutine[Any, Any, T] | Awaitable[T] | Future[T]
) -> Awaitable[T]: ...


def timeout(seconds: float | None, coro: Any = None) -> Any:
    """Limit something to `seconds`, None for no limit.

        async with timeout(1.5):
            ...
        value = await timeout(1.5, coro)

    When the time is over, what runs is cancelled, and Elapsed, a TimeoutError, is raised
    once it has ended.

    Args:
        seconds: the limit; None for none.
        coro: a coroutine, another awaitable, or a future of `concurrent.futures`, which is
            not cancelled, only waited for no longer.

    Returns:
        With `coro`, an awaitable of its result; without, an async context manager.

    Raises:
        Elapsed: from the await or the end of the `async with`.
        TypeError, ValueError: `seconds` is no number.

    Cancel-safe, if `coro` is, which is cancelled with its caller. Tokio: `time::timeout`.
    """
    try:
        deadline = None if seconds is None else now() + seconds
    except TypeError:
        close_coroutine(seconds)  # given in the wrong order
        close_coroutine(coro)
        as_seconds("timeout(seconds, coro)", seconds)
        raise
    return timeout_at(deadline, coro)


@overload
def timeout_at(deadline: float | None) -> Timeout: ...
@overload
def timeout_at(
    deadline: float | None, coro: Coroutine[Any, Any, T] | Awaitable[T] | Future[T]
) -> Awaitable[T]: ...


def timeout_at(deadline: float | None, coro: Any = None) -> Any:
    """As `timeout`, with a deadline in seconds of `time.now()`.

    Cancel-safe, if `coro` is. Tokio: `time::timeout_at`.
    """
    try:
        limit = Timeout(deadline)
    except (TypeError, ValueError):
        close_coroutine(coro)
        raise
    return limit if coro is None else _limited(limit, coro)


async def _limited(limit: Timeout, coro: Awaitable[T] | Future[T]) -> T:
    async with limit:
        result: T = await as_coroutine(coro)
        return result
