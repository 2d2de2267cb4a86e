"""Waiting for time to pass. All durations are seconds, as floats.

Tokio: `tokio::time`.
"""

from .delay_queue import DelayKey, DelayQueue, Expired
from .instant import Instant, now
from .interval import Interval, MissedTickBehavior, interval, interval_at
from .pause import advance, pause, resume
from .sleep import Sleep, sleep, sleep_until
from .timeout import Elapsed, Timeout, timeout, timeout_at

__all__ = [
    "DelayKey",
    "DelayQueue",
    "Elapsed",
    "Expired",
    "Instant",
    "Interval",
    "MissedTickBehavior",
    "Sleep",
    "Timeout",
    "advance",
    "interval",
    "interval_at",
    "now",
    "pause",
    "resume",
    "sleep",
    "sleep_until",
    "timeout",
    "timeout_at",
]
