"""The event loop as uvicorn's HTTP protocols see it: what they do with it for each request
costs less here.

A request begins a task, and ends with a timer that closes the connection should nothing come
any more, which the next request cancels. All these timers take the same time, so that they
stand in line in the order in which they end: no heap, and nothing is left of one that is
cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..runtime.loop_task import LoopTask

if TYPE_CHECKING:
    from ..runtime.loop import WorkerLoop


class _Timeout:
    """A timer in the line."""

    __slots__ = ("_line", "callback", "when")

    def __init__(
        self, line: dict[_Timeout, None], when: float, callback: Callable[[], object]
    ) -> None:
        self._line = line
        self.when = when
        self.callback = callback
        line[self] = None

    def cancel(self) -> None:
        self._line.pop(self, None)


class RequestLoop:
    """A worker's loop, on its own thread."""

    __slots__ = ("_armed", "_keep_alive", "_line", "_loop")

    def __init__(self, loop: WorkerLoop, keep_alive: float) -> None:
        self._loop = loop
        self._keep_alive = keep_alive
        self._line: dict[_Timeout, None] = {}
        self._armed = False

    def create_task(self, coro: Any, **kwargs: Any) -> asyncio.Task[Any]:
        """As the loop's."""
        loop: Any = self._loop
        if kwargs or loop._debug or loop._task_factory is not None:
            task: asyncio.Task[Any] = loop.create_task(coro, **kwargs)
            return task
        return LoopTask(coro, loop)

    def call_later(self, delay: float, callback: Any, *args: Any) -> Any:
        """As the loop's."""
        loop = self._loop
        if delay != self._keep_alive or args:
            return loop.call_later(delay, callback, *args)
        when = loop.time() + delay
        if not self._armed:
            self._armed = True
            loop.call_at(when, self._close_idle)
        return _Timeout(self._line, when, callback)

    def _close_idle(self) -> None:
        now = self._loop.time()
        self._armed = False
        due = []
        for timeout in self._line:
            if timeout.when > now:
                self._armed = True
                self._loop.call_at(timeout.when, self._close_idle)
                break
            due.append(timeout)
        for timeout in due:
            timeout.cancel()
            timeout.callback()


def _as_the_loop_does(name: str) -> Callable[..., Any]:
    def method(self: RequestLoop, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._loop, name)(*args, **kwargs)

    return method


# No __getattr__: a class that has one finds each attribute in the slowest way, those above too,
# which takes 2 % of a short request.
for _name in dir(asyncio.AbstractEventLoop):
    if not (_name.startswith("_") or hasattr(RequestLoop, _name)):
        setattr(RequestLoop, _name, _as_the_loop_does(_name))
