"""Sleeping."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any, final

from ..runtime.checks import as_seconds
from ..runtime.clock import SYSTEM_CLOCK
from ..runtime.compat import current_task, place, running_task
from ..runtime.here import here
from ..runtime.park import NO_TOKEN, Park, Token, Waiter, wake
from ..runtime.task import NO_WORKER, Task
from ..runtime.timer import RESOLUTION, Timers
from ..runtime.trio import running_trio
from .instant import now


@final
class Sleep(Park):
    """An awaitable that is ready once its deadline has passed.

    It may be awaited more than once, in a task of Yamanote, asyncio or trio. Cancel-safe.
    Tokio: `time::Sleep`.
    """

    # The first who waits on the worker where the Sleep was made is entered in `_token`, which
    # that worker's driver alone writes; all others in `_others`, under the lock. Most sleeps
    # are for one task: a list for each of them is a fifteenth of a spawn, a sleep and a join.
    __slots__ = ("_deadline", "_others", "_timers", "_token")

    def __init__(self, deadline: float, _timers: Timers | None = None) -> None:
        if deadline != deadline:
            raise ValueError("a Sleep needs a number of seconds, not NaN")
        self._deadline = deadline
        self._timers = _timers
        self._token = NO_TOKEN
        self._others: list[Token] | None = None

    @property
    def deadline(self) -> float:
        """When it is ready, in seconds of `time.now()`."""
        return self._deadline

    def is_elapsed(self) -> bool:
        """Whether the deadline has passed."""
        return now() >= self._deadline

    def reset(self, deadline: float) -> None:
        """Give it another deadline, in seconds of `time.now()`: for those who wait now, in
        other tasks or branches, and for the awaits to come. Any thread may call it.

        Raises:
            TypeError, ValueError: `deadline` is no number.

        Tokio: `Sleep::reset`.
        """
        self._deadline = as_seconds("reset()", deadline)
        # They look at the deadline, and wait again. Whoever is entered too late to be found,
        # for which both sides lock something, sees the new one.
        self._wake_all()

    def __await__(self) -> Generator[Any, None, None]:
        try:
            task = running_task()
        except RuntimeError:
            task = None
        if not isinstance(task, Waiter):
            yield from self._wait_outside()
            return
        clock = task._poller.clock
        if clock is None:
            core = here.core
            clock = SYSTEM_CLOCK if core is None else core.clock
        if self._deadline <= clock.now():
            if task._out_of_budget():
                yield None
            task._budget -= 1  # type: ignore[misc]
            return
        del task  # a cancellation's traceback refers to this frame
        while True:
            yield self
            if self._deadline <= clock.now() + RESOLUTION:
                return

    def _wait_outside(self) -> Generator[Any, None, None]:
        """In a task of asyncio or trio, whose own timers wake it."""
        trio = running_trio()
        while True:
            deadline = self._deadline
            left = max(deadline - now(), 0)
            waiting = _WaitUntil(self, deadline)
            if trio is not None:
                with trio.move_on_after(left):
                    yield from waiting._wait()
            else:
                timer = asyncio.get_running_loop().call_later(left, self._wake_all)
                try:
                    yield from waiting._wait()
                finally:
                    timer.cancel()
            if self._deadline <= now() + RESOLUTION:
                return

    def _arm(self, waiter: Any) -> None:
        worker = waiter._poller
        if worker is NO_WORKER:  # a branch, or a task of asyncio
            worker = here.worker
        timers = self._timers
        if worker is None or timers is not worker.timers or self._token:
            super()._arm(waiter)
            return
        token = [waiter]
        waiter._token = self._token = token
        deadline = self._deadline
        timers.push(deadline, token)
        if waiter._must_cancel or deadline != self._deadline:
            wake(token)

    def _register(self, token: Token) -> bool:
        fresh: list[Token] = []
        with _lock:
            others = self._others
            if others is None:
                others = self._others = fresh
            while NO_TOKEN in others:  # those who wait no more: lists compare by value
                others.remove(NO_TOKEN)
            others.append(token)
        worker = here.worker
        if worker is not None:
            worker.timers.push(self._deadline, token)
        elif isinstance(current_task(), Task):  # a branch in a task of plain asyncio
            asyncio.get_running_loop().call_later(self._deadline - now(), wake, token)
        return True

    def _wake_all(self) -> None:
        with _lock:
            others = None if self._others is None else self._others.copy()
        wake(self._token)
        for token in others or ():
            wake(token)


@final
class _WaitUntil(Park):
    """Waits for a Sleep, if its deadline is still the one that a timer was set for."""

    __slots__ = ("_deadline", "_sleep")

    def __init__(self, sleep: Sleep, deadline: float) -> None:
        self._sleep = sleep
        self._deadline = deadline

    def _register(self, token: Token) -> bool:
        return self._sleep._register(token) and self._sleep._deadline == self._deadline


# Re-entrant: the garbage collector may find something that resets a Sleep.
_lock = threading.RLock()


def sleep(seconds: float) -> Sleep:
    """Wait for `seconds`.

    Other tasks run meanwhile. The precision is that of the system's poll, 1 ms.

    Raises:
        TypeError, ValueError: `seconds` is no number.

    Cancel-safe. Tokio: `time::sleep`.
    """
    try:
        worker = place().worker
    except AttributeError:
        worker = None
    try:
        if worker is None:
            return Sleep(now() + seconds)
        return Sleep(worker.clock.now() + seconds, worker.timers)
    except TypeError:
        as_seconds("sleep()", seconds)
        raise


def sleep_until(deadline: float) -> Sleep:
    """Wait until `deadline`, in seconds of `time.now()`.

    Raises:
        TypeError, ValueError: `deadline` is no number.

    Cancel-safe. Tokio: `time::sleep_until`.
    """
    if deadline.__class__ is not float:
        as_seconds("sleep_until()", deadline)
    worker = here.worker
    return Sleep(deadline, None if worker is None else worker.timers)
