"""A thread's place at a worker: what belongs to the operating-system thread itself."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from .baton import Baton, Ticket
from .join import JoinHandle
from .park import NO_TOKEN, Waiter

if TYPE_CHECKING:
    from .worker import Worker


class Seat:
    """The queues of the LocalSets that are active on this thread, and the worker that it
    drives, if any.

    Only its own thread changes `queues`; any thread pushes to them.
    """

    __slots__ = ("_ticket", "baton", "queues", "worker")

    def __init__(self) -> None:
        #: The baton that this thread holds.
        self.baton: Baton | None = None
        self.queues: list[deque[Any]] = []
        self.worker: Worker | None = None
        self._ticket: Ticket | None = None

    def has_work(self) -> bool:
        """Whether a task is runnable that only this thread may run."""
        return any(self.queues)

    def notice(self) -> None:
        """A task was pushed to one of the queues: see that this thread runs it."""
        worker = self.worker
        if worker is not None:
            worker.unpark()
            return
        ticket = self._ticket
        if ticket is not None:
            ticket.baton.promote(ticket)

    def wait_for(
        self,
        worker: Worker,
        rank: int,
        timeout: float | None = None,
        unless: JoinHandle[Any] | None = None,
    ) -> bool:
        """Wait for the worker's baton.

        Returns False when `timeout` seconds have passed, when `unless` has ended, or
        when the worker is closed.
        """
        baton = worker.baton
        ticket = baton.ticket(rank)
        if not ticket.granted:
            self._ticket = ticket
            if self.has_work():
                baton.promote(ticket)
            if unless is not None:
                unless._arm(_GiveBack(ticket))
        held = baton.wait(ticket, timeout)
        self._ticket = None
        if held:
            self.baton = baton
            if ticket.rank != rank:
                baton.hold_as(rank)
        return held

    def give_way(self) -> None:
        """Give the baton to whoever waits for it, or lay it down."""
        baton, self.baton = self.baton, None
        if baton is not None:
            baton.release()


class _GiveBack(Waiter):
    """Ends a thread's wait for a worker when a task has ended."""

    __slots__ = ("_ticket", "_token")

    _must_cancel = False

    def __init__(self, ticket: Ticket) -> None:
        self._token = NO_TOKEN
        self._ticket = ticket

    @property
    def _home(self) -> _GiveBack:
        return self

    def push(self, _: _GiveBack) -> None:
        self._ticket.baton.give_back(self._ticket)
