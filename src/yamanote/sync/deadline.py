"""A time limit for several waits together."""

from __future__ import annotations

from time import monotonic

from ..runtime.checks import as_seconds


class Deadline:
    """The end of `timeout` seconds from now; None is never."""

    __slots__ = ("_end",)

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else monotonic() + as_seconds("a timeout", timeout)

    def left(self) -> float | None:
        """How many seconds are left, 0 when there are none."""
        return None if self._end is None else max(self._end - monotonic(), 0)
