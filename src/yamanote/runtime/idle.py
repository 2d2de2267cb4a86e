"""Which workers sleep, and whom to wake when there is more to do.

Tokio's rules (`scheduler/multi_thread/idle.rs`). A worker without work first *searches*
the others' queues; at most half of the workers search at once. What becomes runnable
wakes one sleeper, as a searcher, and only if nobody searches already; the last searcher
that finds something wakes the next. So a burst of work wakes the workers one by one and
a trickle wakes one.

One rule more: who is woken and finds nothing, since the task's own worker was faster, keeps
*watch*. It sleeps for `WATCH` at the most and then looks at the others' queues, as long as
there was something to look for. Meanwhile a task that is alone in its queue wakes nobody. A
spawn and join, one by one on two workers, would wake the other one each time: 8.0 µs instead
of 5.1 (CPython 3.14, free-threaded).

No wake-up is lost: who adds a task pushes it (the queue's lock) and then looks at
`sleepers` and `searching`; who goes to sleep changes these (this lock) and then looks
at all queues once more. One of the two sees the other.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core import Core
    from .worker import Worker

#: How many seconds a thread waits before it sees to what it has dropped: see Core.tidy.
TIDY_AFTER = 0.01

#: How many seconds a task may wait alone for its worker while another could take it.
WATCH = 0.001


class Idle:
    """The sleepers and searchers among a runtime's workers."""

    __slots__ = ("_limit", "_lock", "overlooked", "searching", "sleepers", "watcher")

    def __init__(self, workers: int) -> None:
        # Re-entrant: the collector may run inside, and a `__del__` that aborts tasks.
        self._lock = threading.RLock()
        self._limit = workers // 2
        self.sleepers: list[Any] = []
        self.searching = 0
        #: Who keeps watch, and whether there is something to look for.
        self.watcher: Worker | None = None
        self.overlooked = False

    def share(self, queue: deque[Any]) -> None:
        """Somebody else may take from `queue`, to which a task has been added: see to it."""
        if self.searching:
            return
        if self.watcher is not None and len(queue) < 2:
            self.overlooked = True
        else:
            self.notify()

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

    def watch(self, worker: Worker) -> None:
        """`worker` was woken and has found nothing: it keeps watch, if nobody else does."""
        with self._lock:
            if self.watcher is None:
                self.watcher = worker
                self.overlooked = True  # maybe, before it was there

    def watch_on(self, worker: Worker) -> bool:
        """Whether `worker` keeps watch once more; it must look at the others' queues if not."""
        with self._lock:
            if self.watcher is not worker:
                return False
            if self.overlooked:
                self.overlooked = False
                return True
            self.watcher = None
            return False

    def end_watch(self, worker: Worker) -> None:
        """`worker` has something else to do."""
        with self._lock:
            if self.watcher is not worker:
                return
            self.watcher = None
            overlooked = self.overlooked
        if overlooked and self.sleepers:
            self.notify()

    def awake(self, worker: Worker) -> None:
        """`worker` has woken up, whoever woke it."""
        with self._lock:
            if worker in self.sleepers:
                self.sleepers.remove(worker)


class Lonely(Idle):
    """Where there is one worker. Nobody searches, and among the sleepers is something while it
    sleeps."""

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        super().__init__(1)
        self._core = core

    def notify(self) -> None:
        self._core.workers[0].unpark()
