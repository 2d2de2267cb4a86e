"""The time that a runtime's timers and its asyncio loops go by."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """The monotonic clock, or one that stands still until it is advanced.

    A paused clock belongs to a runtime with one worker: only the thread that drives it
    reads and moves it.
    """

    __slots__ = ("_elapsed", "now", "paused")

    now: Callable[[], float]

    def __init__(self, paused: bool) -> None:
        self.paused = paused
        self._elapsed = time.monotonic()
        self.now = self._paused_now if paused else time.monotonic

    def _paused_now(self) -> float:
        return self._elapsed

    def advance_to(self, instant: float) -> None:
        """Move the paused clock forward."""
        self._elapsed = max(self._elapsed, instant)
