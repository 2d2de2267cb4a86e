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

from ..runtime.park import NO_TOKEN, Park, ThreadWaiter, Token, check_may_block
from .budget import spend_budget
from .section import Section

# Who finds a semaphore ready pays for so many at once from the task's budget, after it was ready so
# often: to look for the task takes 25 to 150 ns, asyncio.Lock altogether 400.
PAY_AFTER = 16


CLOSED = "the semaphore is closed"


class BatchSemaphore(Section):
    """Permits, handed out in the order in which they were asked for."""

    __slots__ = ("_closed", "_free", "_line", "_until_paid", "_waited")

    def __init__(self, permits: int) -> None:
        super().__init__()
        self._free = permits
        self._until_paid = PAY_AFTER
        self._closed = False
        # Ordered, and left at once from any place in it.
        self._line: OrderedDict[Place, None] = OrderedDict()
        #: False only if there is no line; quicker to ask.
        self._waited = False

    # Without `with`, which takes 170 ns for a lock: these 70.

    def _try_take(self, count: int) -> bool:
        """Take `count` permits, if they are free and it is not closed."""
        self._lock.acquire()
        try:
            if self._later:
                self._run_later()
            taken = self._free >= count and not self._closed
            if taken:
                self._free -= count
        finally:
            self._lock.release()
        if self._later:
            self._catch_up()
        return taken

    def _give(self, count: int) -> None:
        """Put `count` permits back, or more than there were; never waits for the lock."""
        if not self._lock.acquire(blocking=False):
            self._give_soon(count)
            return
        try:
            if self._waited:
                self._hand_out(count)
            else:
                self._put_back(count)
        finally:
            self._lock.release()
        if self._later:
            self._catch_up()

    def _give_soon(self, count: int) -> None:
        """As `_give`, by whoever has the lock at the moment."""
        self._soon(lambda: self._hand_out(count))

    def _forget(self, count: int) -> int:
        """Take away up to `count` free permits for good; returns how many there were."""
        with self._lock:
            self._run_later()
            taken = min(count, self._free)
            self._free -= taken
        if self._later:
            self._catch_up()
        return taken

    def _close(self) -> None:
        """Give no permits any more: who waits for some goes without."""
        with self._lock:
            self._closed = True
            places = list(self._line)
            self._line.clear()
            for place in places:
                self._put_back(place.count - place.missing)
                place.missing = place.count
                place.wake()
        if self._later:
            self._catch_up()

    # With the lock held.

    def _take_some(self, most: int) -> int:
        taken = min(self._free, most)
        self._free -= taken
        return taken

    def _put_back(self, count: int) -> None:
        self._free += count

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
            else:
                # If its cancellation is taken back it joins the line again, at the end: what
                # it kept, those before it there might wait for.
                count += place.count - place.missing
                place.missing = place.count
            del line[place]
        if not line:
            self._waited = False
        if count:
            self._put_back(count)


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
            # A cancellation may have won the token before it got here, and been taken back
            # since: then the task is waiting here again, with another, which has to stay.
            waits = bool(token) and self.missing > 0 and not of._closed
            if waits:
                self.token = token
                of._waited = True
                of._line[self] = None
                of._hand_out(of._take_some(self.missing))
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
        yield from spend_budget()
        if self._of._try_take(self.count):
            return True
        return (yield from self.in_line())

    def in_line(self) -> Generator[Any, None, bool]:
        """The await of who has not got the permits at once."""
        of = self._of
        if of._closed:
            return False
        # Once, unless a cancellation is taken back before the task has seen it.
        while self.missing and not of._closed:
            yield from self._wait()
        return not self.missing

    def take_in_thread(self, timeout: float | None, name: str, instead: str) -> bool | None:
        """Wait for the permits in a thread, `timeout` seconds at the most; None when they
        have passed, False when the semaphore is closed."""
        check_may_block(name, instead)
        of = self._of
        if of._try_take(self.count):
            return True
        if of._closed:
            return False
        if not ThreadWaiter().wait(self, timeout):
            return None
        return not self.missing
