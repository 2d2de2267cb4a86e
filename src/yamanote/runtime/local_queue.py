"""The runnable tasks of a LocalSet, and the thread that they are bound to."""

from __future__ import annotations

from asyncio import events
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from .compat import clear_current_task, current_task, swap_current_task
from .here import here
from .registry import Registry
from .task import Task, as_coroutine, new_task

if TYPE_CHECKING:
    from .seat import Seat


class LocalQueue:
    """The home of a LocalSet's tasks.

    It is apart from the LocalSet because the tasks refer to it, and dropping the LocalSet
    shall cancel them.
    """

    bound_to_thread = True

    def __init__(self) -> None:
        self.queue: deque[Task[Any]] = deque()
        self.registry = Registry()
        self.tasks = self.registry.tasks
        self.closed = False
        #: The thread that the tasks run on, from the first time that they do.
        self.thread: int | None = None
        self.seat: Seat | None = None
        self.depth = 0

    def push(self, task: Task[Any]) -> None:
        """A task of the set is runnable; any thread may call it."""
        self.queue.append(task)
        seat = self.seat
        if seat is not None:
            seat.notice()

    def spawn(self, coro: Any, name: str | None) -> Task[Any]:
        """A new task of the set."""
        core = here.core
        make = new_task if core is None else core.new_task
        task = make(Task, as_coroutine(coro), self, self.registry, copy_context(), name)
        self.tasks.add(task)
        if self.closed:
            task._cut_off()
            task._close()
        else:
            self.push(task)
        return task

    def enter(self, seat: Seat) -> None:
        """Let the tasks run on the thread of `seat`."""
        if self.thread is None:
            self.thread = seat.thread
        elif self.thread != seat.thread:
            raise RuntimeError(
                "this LocalSet has run on another thread, which its tasks cannot leave"
            )
        if self.depth == 0:
            self.seat = seat
            seat.queues.append(self.queue)
        self.depth += 1

    def exit(self) -> None:
        """Undo one `enter`."""
        self.depth -= 1
        if self.depth == 0:
            seat, self.seat = self.seat, None
            if seat is not None:
                # Not remove(): queues are equal when what they hold is.
                seat.queues[:] = [queue for queue in seat.queues if queue is not self.queue]

    def close(self) -> None:
        """End all tasks, and those to come."""
        self.closed = True
        for task in self.tasks.copy():
            try:
                task._token.pop()
            except IndexError:
                continue  # it runs, or is in the queue
            self._end(task)
        while self.queue:
            self._end(self.queue.popleft())

    def _end(self, task: Task[Any]) -> None:
        loop = events._get_running_loop()
        if loop is None:
            # Whatever it would await now fails: how it ends tells nothing.
            task._cut_off()
            task._close()
            return
        outer = current_task()
        swap_current_task(loop, task)
        try:
            task._end()
        finally:
            if outer is None:
                clear_current_task(loop)
            else:
                swap_current_task(loop, outer)
