"""Ctrl-C: the first cancels the main task, the second does not wait."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from .task import Task


class Interrupts:
    """Handles SIGINT while it is entered, on the main thread, if nobody else does."""

    def __init__(self) -> None:
        self.count = 0
        self.main: Task[Any] | None = None
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
        self.main = None
        if self._installed and signal.getsignal(signal.SIGINT) == self._on_interrupt:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _on_interrupt(self, signum: int, frame: FrameType | None) -> None:
        self.count += 1
        main = self.main
        # Runs between two bytecodes of the main thread: cancel() takes no lock that
        # this thread might hold, but for one that is re-entrant.
        if self.count > 1 or main is None or not main.cancel():
            raise KeyboardInterrupt
