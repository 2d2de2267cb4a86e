"""The time that a runtime's timers and its asyncio loops go by."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

# A paused clock stands at a multiple of its inverse, so that seconds added to it come out
# exactly: `now() - began` after a sleep of 10 is 10, whatever the machine's uptime is.
_PER_SECOND = 2**20


class Clock:
    """The monotonic clock, until it is paused: then it stands still, and moves when it is
    told to.

    A clock that is paused belongs to a runtime with one worker, so that nobody but the
    thread that drives it has timers to fire.
    """

    __slots__ = ("_ahead", "_stands_at", "now", "paused")

    now: Callable[[], float]

    def __init__(self, paused: bool) -> None:
        self.paused = False
        self.now = time.monotonic
        self._ahead = 0.0
        self._stands_at = 0.0
        if paused:
            self.pause()

    def pause(self) -> None:
        self._stands_at = math.ceil(self.now() * _PER_SECOND) / _PER_SECOND
        self.now = self._paused_now
        self.paused = True

    def resume(self) -> None:
        """Go on from where it stands."""
        self._ahead = self._stands_at - time.monotonic()
        self.now = self._resumed_now
        self.paused = False

    def _paused_now(self) -> float:
        return self._stands_at

    def _resumed_now(self) -> float:
        return time.monotonic() + self._ahead

    def advance_to(self, instant: float) -> None:
        """Move the paused clock forward."""
        self._stands_at = max(self._stands_at, instant)


#: That of who has no runtime.
SYSTEM_CLOCK = Clock(paused=False)
