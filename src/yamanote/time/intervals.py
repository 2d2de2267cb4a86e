"""Ticking."""

from __future__ import annotations

import enum
from typing import final

from ..runtime.checks import as_seconds
from .instant import now
from .sleeping import sleep_until


class MissedTickBehavior(enum.Enum):
    """What an Interval does after ticks that came too late to be taken.

    BURST: tick at once as often as was missed, and go on in the old rhythm.
    DELAY: begin a new rhythm at the late tick.
    SKIP: leave out what was missed and go on in the old rhythm.

    Tokio: `time::MissedTickBehavior`.
    """

    BURST = "burst"
    DELAY = "delay"
    SKIP = "skip"


@final
class Interval:
    """Ticks every `period` seconds; made by `interval` and `interval_at`.

    For one task at a time. Tokio: `time::Interval`.
    """

    __slots__ = ("_next", "_period", "missed_tick_behavior")

    _next: float

    def __init__(self, start: float, period: float) -> None:
        if not as_seconds("an interval", period) > 0:
            raise ValueError(f"an interval's period must be more than 0 seconds, not {period!r}")
        self._next = as_seconds("an interval", start)
        self._period = period
        self.missed_tick_behavior = MissedTickBehavior.BURST

    @property
    def period(self) -> float:
        """The time between two ticks, in seconds."""
        return self._period

    async def tick(self) -> float:
        """Wait for the next tick.

        Returns:
            When it was due, in seconds of `time.now()`.

        Cancel-safe: a tick that is not waited for to the end is not used up.
        """
        due = self._next
        await sleep_until(due)
        late = now() - due
        if late <= 0.005 or self.missed_tick_behavior is MissedTickBehavior.BURST:
            # Tokio's tolerance: what is 5 ms late has not been missed.
            self._next = due + self._period
        elif self.missed_tick_behavior is MissedTickBehavior.DELAY:
            self._next = due + late + self._period
        else:
            self._next = due + self._period * (late // self._period + 1)
        return due

    def reset(self) -> None:
        """Let the next tick come one period from now."""
        self._next = now() + self._period

    def reset_immediately(self) -> None:
        """Let the next tick come at once."""
        self._next = now()

    def reset_after(self, seconds: float) -> None:
        """Let the next tick come in `seconds`.

        Raises:
            TypeError, ValueError: `seconds` is no number.
        """
        self._next = now() + as_seconds("reset_after()", seconds)

    def reset_at(self, deadline: float) -> None:
        """Let the next tick come at `deadline`, in seconds of `time.now()`.

        Raises:
            TypeError, ValueError: `deadline` is no number.
        """
        self._next = as_seconds("reset_at()", deadline)

    def __aiter__(self) -> Interval:
        return self

    async def __anext__(self) -> float:
        return await self.tick()


def interval(period: float) -> Interval:
    """Tick every `period` seconds, at once for the first time.

    Raises:
        TypeError, ValueError: `period` is no number, or 0 or less.

    Tokio: `time::interval`.
    """
    return Interval(now(), period)


def interval_at(start: float, period: float) -> Interval:
    """Tick every `period` seconds, for the first time at `start`, in seconds of
    `time.now()`.

    Raises:
        TypeError, ValueError: one of them is no number, or `period` is 0 or less.

    Tokio: `time::interval_at`.
    """
    return Interval(start, period)
