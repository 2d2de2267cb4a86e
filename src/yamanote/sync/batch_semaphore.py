"""What Semaphore, Mutex, RwLock and the bounded channel have in common: a number of permits
and a line for them.

The line is strict. Who stands at its head takes permits as they come, however few, until it
has as many as it asked for; nobody behind it gets any. So as long as there is a line no
permit is free, and a newcomer needs to look at the number only.

A place in the line ends in one of two ways. It is *granted*: with the lock held, its
`missing` becomes 0 and its token is popped, in this order. Or it is *given up*, by whoever
stops waiting; what it has been given until then goes back. A place whose token somebody else
has popped, to cancel the task, stands dead in the line until the task has come round to
giving it up; it is passed over.

Tokio: `sync::batch_semaphore`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from typing import Any

from ..runtime.compat import current_task
from ..runtime.park import NO_TOKEN, Park, Token, wait_in_thread
from ..runtime.task import Task
from .section import Section


class BatchSemaphore(Section):
    """Permits, handed out in the order in which they were asked for."""

    __slots__ = ("_closed", "_free", "_line")

    def __init__(self, permits: int) -> None:
        super().__init__()
        self._free = permits
        self._closed = False
        # Ordered, and left at once from any place in it.
        self._line: OrderedDict[Place, None] = OrderedDict()

    def free(self) -> int:
        """How many permits nobody has."""
        return self._free

    def is_closed(self) -> bool:
        return self._closed

    def try_take(self, count: int) -> bool:
        """Take `count` permits, if they are free and it is not closed."""
        with self._lock:
            taken = self._free >= count and not self._closed
            if taken:
                self._free -= count
        if self._later:
            self._catch_up()
        return taken

    def give(self, count: int) -> None:
        """Put `count` permits back, or more than there were."""
        with self._lock:
            self._hand_out(count)
        if self._later:
            self._catch_up()

    def give_soon(self, count: int) -> None:
        """As `give`, from a place that must not wait for the lock: `__del__`."""
        self._soon(lambda: self._hand_out(count))

    def forget(self, count: int) -> int:
        """Take away up to `count` free permits for good; returns how many there were."""
        with self._lock:
            taken = min(count, self._free)
            self._free -= taken
        if self._later:
            self._catch_up()
        return taken

    def close(self) -> None:
        """Give no permits any more: who waits for some goes without."""
        with self._lock:
            self._closed = True
            places = list(self._line)
            self._line.clear()
            for place in places:
                self._free += place.count - place.missing
                place.missing = place.count
                place.wake()
        if self._later:
            self._catch_up()

    def _hand_out(self, count: int) -> None:
        line = self._line
        while count and line:
            place = next(iter(line))
            if place.token:
                given = min(count, place.missing)
                place.missing -= given
                count -= given
                if place.missing:
                    return
                place.wake()
            del line[place]
        self._free += count


class Place(Park):
    """A place in the line for `count` permits.

    It is waited for once: `missing` is 0 at the end, or the semaphore was closed before.
    """

    __slots__ = ("_of", "count", "missing", "token")

    def __init__(self, of: BatchSemaphore, count: int) -> None:
        self._of = of
        self.count = count
        self.missing = count
        self.token: Token = NO_TOKEN

    def wake(self) -> None:
        """Wake who waits here, if nobody else has."""
        try:
            waiter = self.token.pop()
        except IndexError:
            return
        waiter._home.push(waiter)

    def _register(self, token: Token) -> bool:
        of = self._of
        with of._lock:
            if not of._closed:
                taken = min(of._free, self.missing)
                of._free -= taken
                self.missing -= taken
            waits = self.missing > 0 and not of._closed
            if waits:
                self.token = token
                of._line[self] = None
            else:
                of._line.pop(self, None)
        if of._later:
            of._catch_up()
        return waits

    def _unregister(self, token: Token) -> None:
        self._of._soon(self._give_up)

    def _give_up(self) -> None:
        of = self._of
        of._line.pop(self, None)
        held = self.count - self.missing
        self.missing = self.count
        of._hand_out(held)

    def __await__(self) -> Generator[Any, None, bool]:
        # False when the semaphore is closed.
        of = self._of
        task = current_task()
        if isinstance(task, Task):
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
        del task  # a cancellation's traceback refers to this frame
        if of.try_take(self.count):
            return True
        # Once, unless a cancellation is taken back before the task has seen it.
        while self.missing and not of._closed:
            yield from self._wait()
        return not self.missing

    def take_in_thread(self, timeout: float | None, name: str, instead: str) -> bool | None:
        """Wait for the permits in a thread, `timeout` seconds at the most; None when they
        have passed, False when the semaphore is closed."""
        of = self._of
        if of.try_take(self.count):
            return True
        if of._closed:
            return False
        if not wait_in_thread(self, timeout, name, instead):
            return None
        return not self.missing
