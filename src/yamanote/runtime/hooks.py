"""Callbacks on the life of tasks, installed only in a runtime that has them.

A task with hooks is a task whose coroutine is wrapped when it is spawned; the poll loop
knows nothing of them, so they cost nothing where they are not used.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Coroutine
from contextvars import Context
from types import FrameType
from typing import Any, NamedTuple, final

from .callbacks import call_hook
from .join import Id
from .park import Callback
from .registry import Registry
from .task import Task, new_task


@final
class Location(NamedTuple):
    """A line of code."""

    filename: str
    lineno: int


@final
class TaskMeta(NamedTuple):
    """What a callback learns of a task: its `id`, its `name`, and the line that spawned it.

    Tokio: `runtime::TaskMeta`.
    """

    id: Id
    name: str
    spawned_at: Location | None


_PACKAGE = os.path.dirname(os.path.dirname(__file__))


def _spawned_at() -> Location | None:
    """The innermost line on the stack that is not of this package."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return None if frame is None else Location(frame.f_code.co_filename, frame.f_lineno)


class TaskHooks:
    """Makes tasks that report to the callbacks; takes the place of `Task` in the core."""

    __slots__ = ("_after", "_before", "_spawned", "_terminated")

    def __init__(self, spawned: Any, terminated: Any, before: Any, after: Any) -> None:
        self._spawned = spawned
        self._terminated = terminated
        self._before = before
        self._after = after

    def new_task(
        self,
        kind: type[Task[Any]],
        coro: Coroutine[Any, Any, Any],
        home: Any,
        registry: Registry,
        context: Context,
        name: str | None,
    ) -> Task[Any]:
        """A task whose life is reported."""
        task = new_task(kind, coro, home, registry, context, name)
        meta = TaskMeta(task.id, task.name, _spawned_at())
        if self._before or self._after:
            task._runner = _Polled(coro, meta, self._before, self._after)
        if self._terminated:
            report = functools.partial(call_hook, self._terminated, meta)
            task._register([Callback(report)])
        if self._spawned:
            call_hook(self._spawned, meta)
        return task


class _Polled(Coroutine[Any, Any, Any]):
    """A coroutine whose polls are reported."""

    __slots__ = ("_after", "_before", "_meta", "coro")

    cr_suspended = False

    def __init__(self, coro: Any, meta: TaskMeta, before: Any, after: Any) -> None:
        self.coro = coro
        self._meta = meta
        self._before = before
        self._after = after

    def send(self, value: Any) -> Any:
        return self._poll(self.coro.send, value)

    def throw(self, *error: Any) -> Any:
        return self._poll(self.coro.throw, *error)

    def close(self) -> None:
        self.coro.close()

    def __await__(self) -> _Polled:
        return self

    __iter__ = __await__

    def __next__(self) -> Any:
        return self._poll(self.coro.send, None)

    def _poll(self, step: Any, *args: Any) -> Any:
        if self._before:
            call_hook(self._before, self._meta)
        try:
            return step(*args)
        finally:
            if self._after:
                call_hook(self._after, self._meta)
