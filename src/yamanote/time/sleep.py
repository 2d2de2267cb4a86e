"""Sleeping."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Generator
from typing import Any, final

from ..runtime.compat import current_task
from ..runtime.here import here, running_trio
from ..runtime.park import Park, Token, wake
from ..runtime.task import Task
from .instant import now


@final
class Sleep(Park):
    """An awaitable that is ready once its deadline has passed.

    It may be awaited more than once, in a task of Yamanote, asyncio or trio. Cancel-safe.
    Tokio: `time::Sleep`.
    """

    __slots__ = ("_deadline",)

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    @property
    def deadline(self) -> float:
        """When it is ready, in seconds of `time.now()`."""
        return self._deadline

    def is_elapsed(self) -> bool:
        """Whether the deadline has passed."""
        return now() >= self._deadline

    def reset(self, deadline: float) -> None:
        """Give it another deadline, in seconds of `time.now()`, for the awaits to come."""
        self._deadline = deadline

    def __await__(self) -> Generator[Any, None, None]:
        task = current_task()
        if not isinstance(task, Task):
            trio = running_trio()
            left = self._deadline - now()
            if trio is None:
                yield from asyncio.sleep(left).__await__()
            else:
                yield from trio.sleep(max(left, 0)).__await__()
        elif self._deadline > now():
            del task  # a cancellation's traceback refers to this frame
            yield self
        else:
            if task._out_of_budget():
                yield None
            task._budget -= 1

    def _register(self, token: Token) -> bool:
        worker = here.worker
        if worker is None:  # a branch of `join` or `select` in a task of plain asyncio
            asyncio.get_running_loop().call_later(self._deadline - now(), wake, token)
        else:
            worker.timers.push(self._deadline, token)
        return True


def sleep(seconds: float) -> Sleep:
    """Wait for `seconds`.

    Other tasks run meanwhile. The precision is that of the system's poll, 1 ms.

    Raises:
        ValueError: `seconds` is not a number (NaN).

    Cancel-safe. Tokio: `time::sleep`.
    """
    if math.isnan(seconds):
        raise ValueError("sleep() needs a number of seconds, not NaN")
    return Sleep(now() + seconds)


def sleep_until(deadline: float) -> Sleep:
    """Wait until `deadline`, in seconds of `time.now()`.

    Raises:
        ValueError: `deadline` is not a number (NaN).

    Cancel-safe. Tokio: `time::sleep_until`.
    """
    if math.isnan(deadline):
        raise ValueError("sleep_until() needs a deadline in seconds, not NaN")
    return Sleep(deadline)
