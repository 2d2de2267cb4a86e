"""Which workers sleep, and whom to wake when there is more to do.

Tokio's rules (`scheduler/multi_thread/idle.rs`). A worker without work first *searches*
the others' queues; at most half of the workers search at once. What becomes runnable
wakes one sleeper, as a searcher, and only if nobody searches already; the last searcher
that finds something wakes the next. So a burst of work wakes the workers one by one and
a trickle wakes one.

No wake-up is lost: who adds a task pushes it (the queue's lock) and then looks at
`sleepers` and `searching`; who goes to sleep changes these (this lock) and then looks
at all queues once more. One of the two sees the other.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import Worker

#: Whether this build of CPython can run without the GIL.
FREE_THREADED = "t" in getattr(sys, "abiflags", "")

#: How many seconds a thread waits before it sees to what it has dropped: see Core.tidy.
TIDY_AFTER = 0.01


class Idle:
    """The sleepers and searchers among a runtime's workers."""

    __slots__ = ("_limit", "_lock", "searching", "sleepers")

    def __init__(self, workers: int) -> None:
        # Re-entrant: the collector may run inside, and a `__del__` that aborts tasks.
        self._lock = threading.RLock()
        self._limit = workers // 2
        self.sleepers: list[Worker] = []
        self.searching = 0

    def notify(self) -> None:
        """Wake one sleeper for a task that anyone may run, unless somebody searches.

        To be called when `sleepers` is not empty, which is looked at without the lock.
        """
        with self._lock:
            if self.searching:
                return
            try:
                worker = self.sleepers.pop()
            except IndexError:
                return
            worker.searching = True
            self.searching += 1
        worker.unpark()

    def start_search(self, worker: Worker) -> bool:
        """Whether `worker` may search now."""
        if worker.searching:
            return True
        with self._lock:
            if self.searching >= self._limit:
                return False
            worker.searching = True
            self.searching += 1
        return True

    def end_search(self, worker: Worker, found: bool) -> None:
        """`worker` stops searching; if it was the last one and `found`, another goes on."""
        if not worker.searching:
            return
        with self._lock:
            worker.searching = False
            self.searching -= 1
            last = self.searching == 0
        if found and last and self.sleepers:
            self.notify()

    def sleep(self, worker: Worker) -> bool:
        """`worker` is about to sleep; it must look at its queues once more after this, and
        at the others' if it was the last searcher, which is returned."""
        with self._lock:
            last = False
            if worker.searching:
                worker.searching = False
                self.searching -= 1
                last = self.searching == 0
            self.sleepers.append(worker)  # last, for the lock is re-entrant
            return last

    def awake(self, worker: Worker) -> None:
        """`worker` has woken up, whoever woke it."""
        with self._lock:
            if worker in self.sleepers:
                self.sleepers.remove(worker)
