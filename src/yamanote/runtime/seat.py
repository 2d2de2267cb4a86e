"""A thread's place at a worker: what belongs to the operating-system thread itself."""

from __future__ import annotations

import functools
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from . import main_thread
from .baton import Baton, Ticket
from .here import here
from .join import JoinHandle
from .park import Callback

if TYPE_CHECKING:
    from .worker import Worker


class Seat:
    """The queues of the LocalSets that are active on this thread, and the worker that it
    drives, if any.

    Only its own thread changes `queues`; any thread pushes to them.
    """

    __slots__ = ("_ticket", "baton", "present", "queues", "thread", "worker")

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        #: Whether the thread drives a worker, or waits or blocks meaning to go on with it.
        self.present = False
        #: The baton that this thread holds.
        self.baton: Baton | None = None
        self.queues: list[deque[Any]] = []
        self.worker: Worker | None = None
        self._ticket: Ticket | None = None

    @staticmethod
    def of_this_thread() -> Seat:
        """The calling thread's seat; it outlasts a `block_on`, so that a LocalSet finds the
        same one in the next. A thread that blocks in place gets another one for what it
        drives meanwhile: the tasks bound to it wait until it is back."""
        seat = here.own_seat
        if seat is None:
            seat = here.own_seat = Seat()
        return Seat() if seat.present else seat

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
                unless._arm(Callback(functools.partial(baton.give_back, ticket)))
        if ticket.granted or not main_thread.is_here():
            held = baton.wait(ticket, timeout)
        else:
            # Who drives the worker may wait for something that only this thread may do.
            with main_thread.waits(functools.partial(baton.nudge, ticket)):
                held = baton.wait(ticket, timeout, main_thread.take_steps)
        self._ticket = None
        # None, too: of a worker that this thread has closed it still has the baton.
        self.baton = baton if held else None
        if held and ticket.rank != rank:
            baton.hold_as(rank)
        return held

    def give_way(self) -> bool:
        """Give the baton to whoever waits for it, or lay it down; whether somebody has it."""
        baton, self.baton = self.baton, None
        return baton is not None and baton.release()
