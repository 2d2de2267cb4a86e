"""Sleeping."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Generator
from time import monotonic
from typing import Any, final

from ..runtime.compat import current_task, running_task
from ..runtime.here import here, running_trio
from ..runtime.park import NO_TOKEN, Park, Token, Waiter, wake
from ..runtime.task import Task
from ..runtime.timer import RESOLUTION
from .instant import now


@final
class Sleep(Park):
    """An awaitable that is ready once its deadline has passed.

    It may be awaited more than once, in a task of Yamanote, asyncio or trio. Cancel-safe.
    Tokio: `time::Sleep`.
    """

    __slots__ = ("_deadline", "_waits")

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        #: The tokens of those who wait, for `reset`.
        self._waits: list[Token] = []

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
            ValueError: `deadline` is not a number (NaN).

        Tokio: `Sleep::reset`.
        """
        if math.isnan(deadline):
            raise ValueError("reset() needs a deadline in seconds, not NaN")
        self._deadline = deadline
        # They look at the deadline, and wait again. Whoever is entered too late for the
        # copy, which locks the list as append() does, sees the new one.
        self._wake_all()

    def __await__(self) -> Generator[Any, None, None]:
        try:
            task = running_task()
        except RuntimeError:
            task = None
        if not isinstance(task, Waiter):
            yield from self._wait_outside()
            return
        if self._deadline <= now():
            if task._out_of_budget():
                yield None
            task._budget -= 1  # type: ignore[misc]
            return
        del task  # a cancellation's traceback refers to this frame
        while True:
            yield self
            try:
                self._waits.remove(NO_TOKEN)  # _forget_one()
            except ValueError:
                pass
            if self._deadline <= now() + RESOLUTION:
                return

    def _wait_outside(self) -> Generator[Any, None, None]:
        """In a task of asyncio or trio, whose own timers wake it."""
        trio = running_trio()
        while True:
            left = max(self._deadline - now(), 0)
            if trio is not None:
                with trio.move_on_after(left):
                    yield from self._wait()
            else:
                timer = asyncio.get_running_loop().call_later(left, self._wake_all)
                try:
                    yield from self._wait()
                finally:
                    timer.cancel()
            self._forget_one()
            if self._deadline <= now() + RESOLUTION:
                return

    def _arm(self, waiter: Any) -> None:
        worker = here.worker
        waits = self._waits
        if waits or worker is None:
            super()._arm(waiter)
            return
        # What it does, in one call.
        token = [waiter]
        waiter._token = token
        waits.append(token)
        worker.timers.push(self._deadline, token)
        if waiter._must_cancel:
            wake(token)

    def _register(self, token: Token) -> bool:
        while self._waits and self._forget_one():
            pass  # those who were cancelled
        self._waits.append(token)
        worker = here.worker
        if worker is not None:
            worker.timers.push(self._deadline, token)
        elif isinstance(current_task(), Task):  # a branch in a task of plain asyncio
            asyncio.get_running_loop().call_later(self._deadline - now(), wake, token)
        return True

    def _forget_one(self) -> bool:
        try:
            self._waits.remove(NO_TOKEN)  # one that is empty: lists compare by value
        except ValueError:
            return False
        return True

    def _wake_all(self) -> None:
        for token in self._waits.copy():
            wake(token)


def sleep(seconds: float) -> Sleep:
    """Wait for `seconds`.

    Other tasks run meanwhile. The precision is that of the system's poll, 1 ms.

    Raises:
        ValueError: `seconds` is not a number (NaN).

    Cancel-safe. Tokio: `time::sleep`.
    """
    core = here.core  # now(), without the call
    deadline = (monotonic() if core is None else core.clock.now()) + seconds
    if deadline != deadline:
        raise ValueError("sleep() needs a number of seconds, not NaN")
    return Sleep(deadline)


def sleep_until(deadline: float) -> Sleep:
    """Wait until `deadline`, in seconds of `time.now()`.

    Raises:
        ValueError: `deadline` is not a number (NaN).

    Cancel-safe. Tokio: `time::sleep_until`.
    """
    if math.isnan(deadline):
        raise ValueError("sleep_until() needs a deadline in seconds, not NaN")
    return Sleep(deadline)
