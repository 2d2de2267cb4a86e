"""The few names of asyncio that differ between CPython 3.11 and 3.15, in one place.

`place().worker` is the worker that this thread drives; if it drives none, it is None or raises
AttributeError.

`swap_current_task(loop, task)` makes `task` the answer of `asyncio.current_task()`
on the calling thread, which runs `loop`, and `clear_current_task(loop)` leaves it without
one, as does `drop_current_task(loop, None)`, a third of the call, which may raise KeyError if
there was none; `running_task()` is that answer, and raises RuntimeError or
returns None where no loop runs.

`register_task(task)` has `asyncio.all_tasks()` list a task; `unregister_task` takes it off.
`LISTED_WEAKLY` says that one of asyncio's type is not kept by that.
`run_until_complete_callback` is what `run_until_complete` leaves on its task.
"""

from __future__ import annotations

import sys
from asyncio import base_events, events, tasks
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from .here import here

place: Callable[[], Any]
swap_current_task: Callable[[Any, Any], Any]
drop_current_task: Callable[[Any, None], Any]
running_task: Callable[[], Any]
register_task: Callable[[Any], Any]
unregister_task: Callable[[Any], Any]

LISTED_WEAKLY = not (3, 12) <= sys.version_info < (3, 14)

run_until_complete_callback: Any = base_events._run_until_complete_cb  # type: ignore[attr-defined]

if sys.version_info >= (3, 12):
    # A thread-local's attribute takes 58 ns, this 18: which is 4 % of a spawn and join.
    place = events._get_running_loop
    swap_current_task = drop_current_task = tasks._swap_current_task
    running_task = tasks.current_task
    # Not the other tasks' WeakSet, but a plain set, and from 3.14 on C's list for all that are of
    # asyncio's type: ten times as fast.
    register_task = tasks._register_eager_task  # type: ignore[attr-defined]
    unregister_task = tasks._unregister_eager_task  # type: ignore[attr-defined]

else:
    _current_tasks = tasks._current_tasks  # type: ignore[attr-defined]
    _get_running_loop = events._get_running_loop

    # To ask for the running loop asks the system for the process's number: 124 ns. Of what always
    # returns the same this is the fastest, 6 ns.
    place = ContextVar("yamanote.here", default=here).get

    # asyncio.current_task is plain Python here: 260 ns a call, where these take 60.
    swap_current_task = _current_tasks.__setitem__
    drop_current_task = _current_tasks.pop

    # asyncio's functions call these, from C, and take a quarter longer.
    register_task = tasks._all_tasks.add  # type: ignore[attr-defined]
    unregister_task = tasks._all_tasks.discard  # type: ignore[attr-defined]

    def running_task() -> Any:
        worker = here.worker
        return _current_tasks.get(_get_running_loop() if worker is None else worker.loop)


def clear_current_task(loop: Any) -> None:
    try:
        drop_current_task(loop, None)
    except KeyError:
        pass  # 3.12 and 3.13


def all_tasks(loop: Any) -> set[Any]:
    """`asyncio.all_tasks(loop)`, which may fail on free-threaded builds while other threads
    make tasks."""
    for _ in range(1000):  # as often as asyncio itself tries again
        try:
            return tasks.all_tasks(loop)
        except RuntimeError:
            continue
    return tasks.all_tasks(loop)


def current_task() -> Any:
    """The task that runs on this thread, asyncio's or ours; None outside of any."""
    try:
        return running_task()
    except RuntimeError:
        return None
