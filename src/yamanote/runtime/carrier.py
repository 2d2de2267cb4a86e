"""Carriers: what awaits the coroutine of a task.

A coroutine that returns raises StopIteration out of `send`, and to make and catch that
exception takes longer than the rest of a short task: 365 ns for a coroutine that returns at
once, 140 with a carrier (CPython 3.13). A carrier is a generator that awaits one coroutine
after another. Of the end of one it tells by yielding ENDED, and is there for the next task.

Whoever polls a task takes a carrier for the first poll, `step(task)`, and resumes it by
`step(None)` from then on, `step` being the carrier's own `send`. The result is in
`task._result`. An exception that escapes the coroutine escapes the carrier too, and ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import GeneratorType, TracebackType, coroutine
from typing import Any

Step = Callable[[Any], Any]

#: What a carrier yields when the coroutine has returned.
ENDED: Any = type("ENDED", (), {"__slots__": ()})()

#: How many carriers without a task are kept. Those of 10,000 sleepers that have woken are not.
SPARE = 64


@coroutine
def _carry() -> Generator[Any, Any, None]:
    task = yield
    while True:
        coro = task._coro
        if coro.cr_suspended:  # spawned twice, and the other task was first
            raise RuntimeError(started_already(coro))
        task._result = yield from coro
        coro = task = None  # or they would be kept from here until the next task comes
        task = yield ENDED


def started_already(coro: Any) -> str:
    """What is wrong with a coroutine that is somebody else's."""
    return (
        f"the coroutine {coro.__qualname__!r} has already been started by somebody else: call "
        "its function again for a new one"
    )


def new_carrier() -> Step:
    """The `step` of a carrier that waits for its first task."""
    step: Step = _carry().send
    step(None)
    return step


def has_started(step: Step) -> bool:
    """Whether the carrier awaits a coroutine."""
    return step.__self__.gi_yieldfrom is not None  # type: ignore[attr-defined]


def keep(carriers: list[Step], step: Step) -> None:
    """Have a carrier whose task has ended among those that are there for the next one."""
    if len(carriers) < SPARE:
        carriers.append(step)


def throw(step: Step, error: BaseException) -> Any:
    """Raise `error` where the coroutine is suspended."""
    try:
        return step.__self__.throw(error)  # type: ignore[attr-defined]
    finally:
        del error  # its traceback refers to this frame


class Throw:
    """In the place of a task's step: raises `error` at the next poll instead."""

    __slots__ = ("__self__", "_error", "_task", "step")

    def __init__(self, task: Any, error: BaseException) -> None:
        self.step: Step = task._step
        self.__self__ = self.step.__self__
        self._task = task
        self._error = error

    def __call__(self, _: None) -> Any:
        self._task._step = self.step
        try:
            return throw(self.step, self._error)
        finally:
            del self  # the error's traceback refers to this frame


def close(step: Step) -> None:
    """End the coroutine and the carrier."""
    step.__self__.close()  # type: ignore[attr-defined]


def users_part(traceback: TracebackType) -> TracebackType | None:
    """A traceback from the coroutine on, without the frames that polled it."""
    entry: TracebackType | None = traceback
    while entry is not None:
        if entry.tb_frame.f_code is _carry.__code__:
            return entry.tb_next
        entry = entry.tb_next
    return traceback.tb_next


class Carried(Coroutine[Any, Any, Any]):
    """A coroutine that is no native one, Cython's say, as a carrier can await it."""

    __slots__ = ("coro",)

    cr_suspended = False

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self.coro = coro

    def __await__(self) -> Generator[Any, Any, Any]:
        coro: Any = self.coro
        return coro if isinstance(coro, GeneratorType) else coro.__await__()

    __iter__ = __await__

    def send(self, value: Any) -> Any:
        return self.coro.send(value)

    def throw(self, *error: Any) -> Any:
        return self.coro.throw(*error)

    def close(self) -> None:
        self.coro.close()
