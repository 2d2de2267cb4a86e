"""Who drives a worker: a lock that its holder gives up, between two turns of the loop,
to whoever has a better claim.

The ranks, from the least claim to the best: a thread of the runtime's own, waiting to
drive whenever nobody else does (BACKGROUND); the caller of `block_on` (CALLER); a
thread that must have the worker because a task on its stack goes on, as after
`block_in_place`, or because a LocalSet's task is runnable that only this thread may
run (RETURNING).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from .park import lock_timeout

BACKGROUND, CALLER, RETURNING = 1, 2, 3


class Ticket:
    """A thread's place in the queue for a baton."""

    __slots__ = ("baton", "granted", "lock", "rank", "released")

    def __init__(self, baton: Baton, rank: int) -> None:
        self.baton = baton
        self.rank = rank
        self.granted = False
        self.lock = threading.Lock()
        self.lock.acquire()
        #: Whether the lock is, so that the thread has to look.
        self.released = False

    def release(self) -> None:
        """Let the thread look; with the baton's lock held."""
        if not self.released:
            self.released = True
            self.lock.release()


class Baton:
    """The right to drive one worker.

    `wanted` is read without a lock by the holder, after each turn: somebody with a
    better claim waits. The worker's `unpark` wakes a holder that sleeps.
    """

    __slots__ = ("_closed", "_lock", "_queue", "_unpark", "rank", "wanted")

    def __init__(self, unpark: Any) -> None:
        # Re-entrant: the collector may run inside, and a `__del__` that wakes a LocalSet.
        self._lock = threading.RLock()
        #: The holder's, 0 when there is none.
        self.rank = 0
        self._queue: list[Ticket] = []
        self._closed = False
        self._unpark = unpark
        self.wanted = False

    def ticket(self, rank: int) -> Ticket:
        """Queue up; follow it with `wait`."""
        ticket = Ticket(self, rank)
        with self._lock:
            if self._closed:
                ticket.release()
            else:
                self._queue.append(ticket)
                self._settle()
        return ticket

    def wait(
        self,
        ticket: Ticket,
        timeout: float | None = None,
        nudged: Callable[[], object] | None = None,
    ) -> bool:
        """Block until the baton is here; False after `timeout` seconds, or when the
        worker is closed or the ticket was given back. Calls `nudged()` after `nudge`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                woken = ticket.lock.acquire(timeout=lock_timeout(timeout))
                with self._lock:
                    if not woken and ticket in self._queue:
                        self._queue.remove(ticket)
                        self._settle()
                    if ticket not in self._queue:
                        return ticket.granted
                    ticket.released = False
                if nudged is not None:
                    nudged()
                if deadline is not None:
                    timeout = deadline - time.monotonic()
        except BaseException:  # Ctrl-C
            self.give_back(ticket)
            if ticket.granted:
                self.release()
            raise

    def give_back(self, ticket: Ticket) -> None:
        """End the wait of a ticket that is no longer needed, unless it was granted."""
        with self._lock:
            if ticket in self._queue:
                self._queue.remove(ticket)
                self._settle()
                ticket.release()

    def nudge(self, ticket: Ticket) -> None:
        """Have the thread that waits with this ticket do something else for a moment."""
        with self._lock:
            if ticket in self._queue:
                ticket.release()

    def promote(self, ticket: Ticket) -> None:
        """Make a waiting ticket one that must be served."""
        with self._lock:
            if ticket in self._queue:
                ticket.rank = RETURNING
                self._settle()

    def hold_as(self, rank: int) -> None:
        """The holder goes on with another claim than the one it came with."""
        with self._lock:
            self.rank = rank
            self._settle()

    def release(self) -> bool:
        """Pass the baton on, or lay it down; whether somebody has it now."""
        with self._lock:
            self.rank = 0
            self._settle()
            return self.rank != 0

    def close(self) -> None:
        """Send all who wait away: the worker will not be driven again."""
        with self._lock:
            self._closed = True
            for ticket in self._queue:
                ticket.release()
            self._queue.clear()
            self._settle()

    def _settle(self) -> None:
        best = max(self._queue, key=lambda ticket: ticket.rank, default=None)
        if best is not None and not self.rank:
            # In this order, for the lock is re-entrant.
            self.rank = best.rank
            self._queue.remove(best)
            best.granted = True
            best.release()
            best = max(self._queue, key=lambda ticket: ticket.rank, default=None)
        self.wanted = best is not None and best.rank > self.rank
        if self.wanted:
            self._unpark()
