"""Ctrl-C: the first cancels the main task, the second does not wait."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from . import main_thread, task
from .baton import Baton
from .core import call_in_place
from .park import ThreadWaiter
from .signals import handler, set_handler

if TYPE_CHECKING:
    from .core import Core
    from .task import Task
    from .worker import Worker


class Interrupts:
    """Handles SIGINT while it is entered, on the main thread, if nobody else does.

    Who listens to it (`yamanote.signal`) has it first.
    """

    def __init__(self, core: Core) -> None:
        self.count = 0
        self._core = core
        self._main: Task[Any] | None = None
        self._worker: Worker | None = None
        self._installed = False

    def __enter__(self) -> Interrupts:
        if main_thread.is_here() and handler(signal.SIGINT) is signal.default_int_handler:
            set_handler(signal.SIGINT, self._on_interrupt)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed and handler(signal.SIGINT) == self._on_interrupt:
            set_handler(signal.SIGINT, signal.default_int_handler)

    def watch(self, main: Task[Any], worker: Worker) -> None:
        """Let Ctrl-C cancel `main`, which is pinned to `worker`."""
        self._main, self._worker = main, worker

    def unwatch(self) -> None:
        """Ctrl-C has nothing to cancel any more."""
        self._main = self._worker = None

    def _on_interrupt(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        main, worker = self._main, self._worker
        if self.count == 1 and main is not None and worker is not None and not main.done():
            # Not here: this may be the middle of anything.
            worker.loop.call_soon_threadsafe(main.cancel)
        elif _would_tear(frame):
            self._core.interrupt()
        else:
            raise KeyboardInterrupt


# The runtime's own code, that of `yamanote.sync` and asyncio's.
_RUNTIME = os.path.dirname(str(task.__file__))
_SYNC = os.path.join(os.path.dirname(_RUNTIME), "sync")
_INNER = (_RUNTIME, _SYNC, os.path.dirname(str(asyncio.__file__)))

# What they call of the standard library, now and then without a call that one would see: an
# isinstance() that asks an abstract class, a WeakSet that hears of a death.
_HELPERS = (os.path.join(os.path.dirname(threading.__file__), ""), "<frozen ")
_INSTALLED = f"{os.sep}site-packages{os.sep}"

# Where the runtime blocks a thread, and is prepared for the exception; and where it calls a
# function of the user's, which may be one of the standard library.
_LEFT = (Baton.wait.__code__, ThreadWaiter.wait.__code__, call_in_place.__code__)


def _would_tear(frame: FrameType | None) -> bool:
    """Whether a KeyboardInterrupt that comes up at `frame` would tear the scheduler."""
    while frame is not None:
        if frame.f_code in _LEFT:
            return False
        filename = frame.f_code.co_filename
        if os.path.dirname(filename) in _INNER:
            return True
        if not filename.startswith(_HELPERS) or _INSTALLED in filename:
            return False
        frame = frame.f_back
    return False
