"""The lock of a primitive, and what may not wait for it.

A primitive's state changes under its `_lock`, in a few steps that call nobody's code. But
the garbage collector may come in the midst of them, on the same thread, and find something
that has to change the same state: a permit or a sender that nobody holds any more, a
coroutine that was waiting. That takes its turn through `_soon`: at once if the lock is
free, else from who has it.

So whoever has held the lock looks at `_later` when it has let go of it:

    with self._lock:
        ...
    if self._later:
        self._catch_up()

Who wants to see what has been given back before looks at it when it has taken the lock, too.

`_soon` appends and then tries the lock, the other releases and then looks: each of the four
locks something, so one of the two sees the other.

Who has the lock takes as many steps as it finds, not those that come meanwhile: others may
make them without end. If they make more than are taken they wait for a moment.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

# With so many steps that wait, who makes another one waits for the lock, so many seconds at the
# most: it may be this very thread that has it.
_MANY: Final = 64
_PATIENCE: Final = 1e-4


class Section:
    """Something whose state changes under a lock."""

    __slots__ = ("_later", "_lock")

    def __init__(self) -> None:
        self._lock: threading.Lock | threading.RLock = threading.Lock()
        self._later: list[Callable[[], None]] = []

    def _soon(self, step: Callable[[], None]) -> None:
        """Have `step()` run with the lock held, without waiting for it."""
        self._later.append(step)
        self._catch_up(_PATIENCE if len(self._later) > _MANY else 0)

    def _catch_up(self, patience: float = 0) -> None:
        while self._later and self._lock.acquire(timeout=patience):
            try:
                self._run_later()
            finally:
                self._lock.release()

    def _run_later(self) -> None:
        """Take the steps that wait; with the lock held."""
        later = self._later
        for _ in range(len(later)):
            later.pop(0)()
