"""How a coroutine is resumed: by its own `send`, or by a carrier.

A coroutine that returns raises StopIteration out of `send`, and to make and catch that
exception takes longer than the rest of a short task: 365 ns for a coroutine that returns at
once, 140 with a carrier (CPython 3.13). A carrier is a generator that awaits one coroutine
after another. Of the end of one it tells by yielding ENDED, and is there for the next task.

But as long as the coroutine waits its carrier does, too: 300 bytes, and one more object for
the garbage collector to look at. So a worker takes a carrier for the first poll of a task if
the task before has returned at its first poll, and else none: short tasks come in flocks.

A task's `_runner` is what resumes it, the one or the other, and its `_step` is the `send` of
their class: one of its own, bound to the runner, would be another 72 bytes and another object
for the collector. A carrier is given the task itself, by the first `step(runner, task)`; else it
is `step(runner, None)`. The result is in `task._value`. An exception that escapes the coroutine
escapes the carrier too, and ends it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Generator
from types import CoroutineType, GeneratorType, TracebackType, coroutine
from typing import Any

from .shared import sentinel

Step = Callable[[Any, Any], Any]
Carrier = Generator[Any, Any, None]

#: The step of a carrier.
CARRY: Step = GeneratorType.send

#: That of most coroutines.
_SEND: Step = CoroutineType.send

#: What a carrier yields when the coroutine has returned.
ENDED: Any = sentinel("end of a coroutine")

#: How many carriers without a task are kept. Those of 10,000 sleepers that have woken are not.
SPARE = 64


@coroutine
def _carry() -> Carrier:
    task = yield
    while True:
        coro = task._runner
        if coro.cr_suspended:  # spawned twice, and the other task was first
            raise RuntimeError(started_already(coro))
        try:
            task._value = yield from coro
        except BaseException:
            coro = task = None  # the coroutine's frame, in the traceback, refers to this one
            raise
        coro = task = None  # or they would be kept from here until the next task comes
        task = yield ENDED


def own_step(coro: Any) -> Step:
    """The step of a coroutine that has not been polled, and has no carrier."""
    if coro.cr_suspended:
        raise RuntimeError(started_already(coro))
    if type(coro) is CoroutineType:
        return _SEND
    step: Step = coro.__class__.send
    return step


def started_already(coro: Any) -> str:
    """What is wrong with a coroutine that is somebody else's."""
    return (
        f"the coroutine {coro.__qualname__!r} has already been started by somebody else: call "
        "its function again for a new one"
    )


def new_carrier() -> Carrier:
    """A carrier that waits for its first task."""
    carrier: Carrier = _carry()
    carrier.send(None)
    return carrier


class Throw:
    """In the place of a task's step: raises `error` at the next poll instead."""

    __slots__ = ("_error", "_task", "step")

    def __init__(self, task: Any, error: BaseException) -> None:
        self.step: Step = task._step
        self._task = task
        self._error = error

    def __call__(self, runner: Any, _: None) -> Any:
        self._task._step = self.step
        try:
            return runner.throw(self._error)
        finally:
            del self, runner  # the error's traceback refers to this frame


def close_unstarted(coro: Any) -> None:
    """Close the coroutine of a task that has not been polled, if it is no other task's."""
    if not coro.cr_suspended:
        coro.close()


_HERE = os.path.join(os.path.dirname(__file__), "")


def users_part(traceback: TracebackType) -> TracebackType | None:
    """A traceback without the frames of the runtime that it begins with, those that polled."""
    entry = traceback
    while entry.tb_frame.f_code.co_filename.startswith(_HERE):
        if entry.tb_next is None:
            return None if entry is traceback else entry
        entry = entry.tb_next
    return entry


class Carried(Coroutine[Any, Any, Any]):
    """A coroutine that is no native one, Cython's say, as a carrier can await it."""

    __slots__ = ("coro",)

    cr_suspended = False

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.coro = coro

    def __await__(self) -> Carried:
        return self

    __iter__ = __await__

    def __next__(self) -> Any:
        return self.coro.send(None)

    def send(self, value: Any) -> Any:
        return self.coro.send(value)

    def throw(self, *error: Any) -> Any:
        return self.coro.throw(*error)

    def close(self) -> None:
        self.coro.close()
