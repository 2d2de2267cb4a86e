"""Waking tasks, without a value.

A place in the line is *granted* with the lock held: its token is popped, then `got` says by
whom. Who stops waiting gives the place up under the same lock, and a notification meant for
one goes on to the next. A place whose token somebody else has popped, to cancel the task, is
passed over; if the cancellation is taken back it is registered anew.

To notify never waits for the lock, so that destructors and signal handlers may do it: who
finds it held leaves the step to the holder (see section.py). Everybody else takes these
steps first, so each thread sees its own notifications in order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from typing import Any, Final, final

from ..runtime.compat import current_task
from ..runtime.park import Park, ThreadWaiter, Token, check_may_block, wait_outside
from ..runtime.task import Task
from .section import Section

NOTHING: Final = 0
FIRST: Final = 1
LAST: Final = 2
ALL: Final = 3


@final
class Notify(Section):
    """Wakes one waiting task, or all of them.

        notify = Notify()
        await notify.notified()     # in one task
        notify.notify_one()         # in another

    `notify_one` with nobody waiting is remembered: the next to wait goes on at once. There
    is at most one such permit.

    Thread-safe; notifying never waits, and may be done in destructors and signal handlers.
    Tokio: `sync::Notify`.
    """

    __slots__ = ("__weakref__", "_calls", "_line", "_permit")

    def __init__(self) -> None:
        super().__init__()
        self._permit = False
        # How often notify_waiters has been called.
        self._calls = 0
        self._line: OrderedDict[_Place, None] = OrderedDict()

    def notified(self) -> Notified:
        """Wait for a notification: an awaitable for one of them.

        It takes its place among those who wait when it is awaited, or by `enable()`. But
        `notify_waiters` completes it from the moment in which it is made.

        Cancel-safe: a notification that a cancelled task has got goes on to the next.
        Cancelled, it loses its place. Tokio: `Notify::notified`, `notified_owned`.
        """
        if self._later:
            with self._lock:
                self._run_later()
        return Notified(self)

    def blocking_notified(self, *, timeout: float | None = None) -> None:
        """Block this thread until it is notified.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.
        """
        check_may_block("blocking_notified", "await notified()")
        place = _Place(self, self._calls)
        if not place.ready() and not ThreadWaiter().wait(place, timeout):
            raise TimeoutError(f"not notified within {timeout} s")

    def notify_one(self) -> None:
        """Wake the one that has waited longest; if nobody waits, the next who does goes on
        at once.

        Tokio: `Notify::notify_one`.
        """
        self._notify(FIRST)

    def notify_last(self) -> None:
        """As `notify_one`, but wake the one that came last.

        Tokio: `Notify::notify_last`.
        """
        self._notify(LAST)

    def notify_waiters(self) -> None:
        """Wake all who wait, and complete every `notified()` made before. It is not
        remembered for those who come later.

        Tokio: `Notify::notify_waiters`.
        """
        if not self._lock.acquire(blocking=False):
            self._soon(self._push_all)
            return
        try:
            if self._later:
                self._run_later()
            waiters = self._grant_all()
        finally:
            self._lock.release()
        if self._later:
            self._catch_up()
        for waiter in waiters:
            waiter._home.push(waiter)

    def _notify(self, which: int) -> None:
        if not self._lock.acquire(blocking=False):
            self._soon(lambda: self._push(which))
            return
        try:
            if self._later:
                self._run_later()
            waiter = self._grant(which)
        finally:
            self._lock.release()
        if self._later:
            self._catch_up()
        if waiter is not None:
            waiter._home.push(waiter)

    # With the lock held.

    def _push(self, which: int) -> None:
        waiter = self._grant(which)
        if waiter is not None:
            waiter._home.push(waiter)

    def _push_all(self) -> None:
        for waiter in self._grant_all():
            waiter._home.push(waiter)

    def _grant(self, which: int) -> Any:
        """Give a notification to one, and return whom to wake for it, if anybody."""
        line = self._line
        while line:
            place, _ = line.popitem(last=which == LAST)
            if place.token is None:
                place.got = which
                return None
            try:
                waiter = place.token.pop()
            except IndexError:
                continue
            place.got = which
            return waiter
        self._permit = True
        return None

    def _grant_all(self) -> list[Any]:
        self._calls += 1
        line = self._line
        waiters = []
        while line:
            place, _ = line.popitem(last=False)
            place.got = ALL
            if place.token:
                try:
                    waiters.append(place.token.pop())
                except IndexError:
                    pass  # it is being cancelled
        return waiters

    def __repr__(self) -> str:
        return f"<Notify with {len(self._line)} waiting at {id(self):#x}>"


class _Place(Park):
    """A place among those who wait."""

    __slots__ = ("calls", "got", "notify", "token")

    def __init__(self, notify: Notify, calls: int) -> None:
        self.notify = notify
        self.calls = calls
        self.got = NOTHING
        #: None until somebody waits.
        self.token: Token | None = None

    def take(self) -> bool:
        """Whether it is notified, or is now by what there is; with the lock held."""
        notify = self.notify
        if notify._later:
            notify._run_later()
        if not self.got:
            if self.calls != notify._calls:
                self.got = ALL
            elif notify._permit:
                notify._permit = False
                self.got = FIRST
        return self.got != NOTHING

    def ready(self) -> bool:
        """As `take`, taking the lock."""
        notify = self.notify
        with notify._lock:
            ready = self.take()
        if notify._later:
            notify._catch_up()
        return ready

    def stand(self) -> bool:
        """Take a place in the line; whether it is notified already."""
        notify = self.notify
        with notify._lock:
            ready = self.take()
            if not ready:
                notify._line[self] = None
        if notify._later:
            notify._catch_up()
        return ready

    def _register(self, token: Token) -> bool:
        notify = self.notify
        with notify._lock:
            # An empty one is stale: see Place._register in batch_semaphore.py.
            waits = bool(token) and not self.take()
            if waits:
                self.token = token
                notify._line[self] = None
        if notify._later:
            notify._catch_up()
        return waits

    def _unregister(self, token: Token) -> None:
        self.notify._soon(self.give_up)

    def give_up(self) -> None:
        """Leave, and pass on what was meant for one; with the lock held."""
        notify = self.notify
        notify._line.pop(self, None)
        self.token = None
        got, self.got = self.got, NOTHING
        if got in (FIRST, LAST):
            notify._push(got)


@final
class Notified:
    """The wait for one notification; see `Notify.notified`.

    Awaited again once it is notified, it returns at once. Only one task at a time may await
    it. Dropped after `enable()`, it passes a notification on. Tokio:
    `sync::futures::Notified`, `OwnedNotified`.
    """

    __slots__ = ("_done", "_enabled", "_place")

    def __init__(self, notify: Notify) -> None:
        self._place = _Place(notify, notify._calls)
        self._done = False
        self._enabled = False

    def enable(self) -> bool:
        """Take a place among those who wait, without waiting; whether it is notified.

        So nothing is missed between a look at what one waits for and the await.
        Tokio: `Notified::enable`.
        """
        if not self._done:
            self._enabled = True
            self._done = self._place.stand()
        return self._done

    def __await__(self) -> Generator[Any, None, None]:
        place = self._place
        if place.token:
            raise RuntimeError(
                "this notified() is awaited by another task: each needs one of its own"
            )
        task = current_task()
        if isinstance(task, Task):
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
        if not self._done and not place.ready():
            # Once, unless a cancellation is taken back before the task has seen it.
            while not place.got:
                if isinstance(task, Task):
                    try:
                        yield place
                    except BaseException:
                        place.notify._soon(place.give_up)
                        del task  # a cancellation's traceback refers to this frame
                        raise
                else:
                    yield from wait_outside(place)
        self._done = True

    def __del__(self) -> None:
        if self._enabled and not self._done:
            place = self._place
            place.notify._soon(place.give_up)

    def __repr__(self) -> str:
        return f"<Notified {'done' if self._done else 'pending'} at {id(self):#x}>"
