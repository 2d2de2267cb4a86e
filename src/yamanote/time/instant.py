"""The present, on the clock that timers go by."""

from __future__ import annotations

import time
from typing import final

from ..runtime.here import here


def now() -> float:
    """Seconds of the monotonic clock; of the runtime's own where it is or was paused.

    Deadlines (`sleep_until`, `timeout_at`, `interval_at`) are on this clock, which is
    that of `loop.time()` too. Tokio: `time::Instant::now`.
    """
    core = here.core
    return time.monotonic() if core is None else core.clock.now()


@final
class Instant(float):
    """A moment on the clock of `now()`: a float, in seconds, with the methods of Tokio's.

        began = Instant.now()
        ...
        print(began.elapsed())

    A plain float from `now()` does wherever an instant is asked for.

    Tokio: `time::Instant`.
    """

    __slots__ = ()

    @classmethod
    def now(cls) -> Instant:
        """This moment. Tokio: `Instant::now`."""
        return cls(now())

    def elapsed(self) -> float:
        """The seconds since this moment; 0 if it is yet to come. Tokio: `Instant::elapsed`."""
        return max(now() - self, 0.0)

    def duration_since(self, earlier: float) -> float:
        """The seconds from `earlier` to this moment; 0 if it is the earlier of the two.

        Tokio: `Instant::duration_since`.
        """
        return max(self - earlier, 0.0)
