"""Ctrl-C: the first cancels the main task, the second does not wait."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import threading
from types import FrameType
from typing import Any

from . import task
from .here import here
from .task import Task
from .worker import Worker


class Interrupts:
    """Handles SIGINT while it is entered, on the main thread, if nobody else does."""

    def __init__(self) -> None:
        self.count = 0
        self._main: Task[Any] | None = None
        self._worker: Worker | None = None
        self._installed = False

    def __enter__(self) -> Interrupts:
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            signal.signal(signal.SIGINT, self._on_interrupt)
            self._installed = True
        return self

    def __exit__(self, *_: object) -> None:
        if self._installed and signal.getsignal(signal.SIGINT) == self._on_interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def watch(self, main: Task[Any], worker: Worker) -> None:
        """Let Ctrl-C cancel `main`, which is pinned to `worker`."""
        self._main, self._worker = main, worker
        if self._installed:
            # The handler runs between two bytecodes. A signal that comes just before the
            # worker sleeps has to wake it, so that there is a next bytecode.
            self._outer_fd = signal.set_wakeup_fd(worker.wakeup_fd(), warn_on_full_buffer=False)

    def unwatch(self) -> None:
        """Ctrl-C has nothing to cancel any more."""
        self._main = self._worker = None
        if self._installed:
            signal.set_wakeup_fd(self._outer_fd)

    def _on_interrupt(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        main, worker = self._main, self._worker
        driven = here.worker
        if self.count > 1 and driven is not None and frame is not None and _is_inner(frame):
            # Raised here it would tear the scheduler: its loop looks for it between turns.
            driven.core.interrupt()
            driven.unpark()
            return
        if self.count > 1 or main is None or worker is None or main.done():
            raise KeyboardInterrupt
        # Not here: this may be the middle of anything.
        worker.loop.call_soon_threadsafe(main.cancel)


# Where a KeyboardInterrupt must not come up: the runtime's own code, and asyncio's.
_INNER = tuple(os.path.dirname(str(module.__file__)) for module in (task, asyncio))


def _is_inner(frame: FrameType) -> bool:
    return os.path.dirname(frame.f_code.co_filename) in _INNER or (
        frame.f_code.co_filename == selectors.__file__
    )
