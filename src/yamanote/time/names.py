"""What `yamanote.time` has."""

from .delay_queue import DelayKey, DelayQueue, Expired
from .instant import Instant, now
from .intervals import Interval, MissedTickBehavior, interval, interval_at
from .pausing import advance, pause, resume
from .sleeping import Sleep, sleep, sleep_until
from .timeouts import Elapsed, Timeout, timeout, timeout_at

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
