"""The present, on the clock that timers go by."""

from __future__ import annotations

import time

from ..runtime.here import here


def now() -> float:
    """Seconds of the monotonic clock; of the runtime's own where it is or was paused.

    Deadlines (`sleep_until`, `timeout_at`, `interval_at`) are on this clock, which is
    that of `loop.time()` too. Tokio: `time::Instant::now`.
    """
    core = here.core
    return time.monotonic() if core is None else core.clock.now()
