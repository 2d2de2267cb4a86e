"""Waiting for time to pass. All durations are seconds, as floats.

Tokio: `tokio::time`.
"""

from .instant import now
from .interval import Interval, MissedTickBehavior, interval, interval_at
from .sleep import Sleep, sleep, sleep_until
from .timeout import Elapsed, Timeout, timeout, timeout_at

__all__ = [
    "Elapsed",
    "Interval",
    "MissedTickBehavior",
    "Sleep",
    "Timeout",
    "interval",
    "interval_at",
    "now",
    "sleep",
    "sleep_until",
    "timeout",
    "timeout_at",
]
