"""What only the main thread may do, which is to install the handlers of signals.

Others *ask* it to: the step waits in `_steps` until the main thread comes by, in a callback of
the loop that it runs, when it begins or ends to run one, or while it waits for one. So no step
is left behind by a main thread that goes away: who asks enters the step, and then looks whether
the main thread attends; that one notes that it does not, and then takes the steps that wait.
Each locks the dict (see park.py), so one of the two sees the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .loop import WorkerLoop

Step = Callable[[], object]

#: A step that waits already is not entered twice.
_steps: dict[Step | None, None] = {}
#: The loop of ours that the main thread runs.
_loop: WorkerLoop | None = None
#: Whether it is in a `block_on`, even while another thread runs the worker for a moment.
_attends = False
#: Wakes it while it waits for a worker.
_nudge: Step | None = None


def is_here() -> bool:
    """Whether this is the main thread."""
    return threading.get_ident() == threading.main_thread().ident


def attend(attends: bool) -> bool:
    """This thread is in a `block_on` from now on, or is not; returns what was before.

    Without effect on other threads than the main one.
    """
    global _attends
    if not is_here():
        return False
    before, _attends = _attends, attends
    take_steps()
    return before


def runs(loop: WorkerLoop | None) -> None:
    """The main thread, which calls this, runs `loop` from now on, or none."""
    global _loop
    _loop = loop
    take_steps()


@contextmanager
def waits(nudge: Step) -> Iterator[None]:
    """The main thread, which calls this, waits for a worker; `nudge()` has it take steps."""
    global _nudge
    outer, _nudge = _nudge, nudge
    take_steps()
    try:
        yield
    finally:
        _nudge = outer


def attends() -> bool:
    """Whether the main thread runs a runtime, and so comes by soon."""
    return _attends or _loop is not None


def ask(step: Step) -> bool:
    """Have the main thread call `step()`; False if it may take long until it comes by.

    Any thread may call it, in the midst of anything. What has been asked so is done soon if
    somebody `hurry`s.
    """
    _steps[step] = None
    loop = _loop
    if loop is not None:
        try:
            loop.call_soon_threadsafe(take_steps)
        except RuntimeError:
            pass  # the main thread has left it, and somebody has closed it
        else:
            return True
    return _attends


def hurry() -> None:
    """Do not wait for the main thread to get a worker that this thread may be driving."""
    nudge = _nudge
    if nudge is not None:
        nudge()


def withdraw(step: Step) -> bool:
    """Take back what the main thread was asked for; False if it has begun with it."""
    return _steps.pop(step, _steps) is None


def take_steps() -> None:
    """Do what others have asked for; other threads than the main one do nothing."""
    _steps.pop(None, None)  # locks the dict, and costs less than an exception
    # The loop's callback may be run by another thread, while the main one blocks in place.
    while _steps and is_here():
        try:
            step, _ = _steps.popitem()
        except KeyError:
            return  # withdrawn
        assert step is not None
        step()
