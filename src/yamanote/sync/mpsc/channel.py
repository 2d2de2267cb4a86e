"""What the two ends of a channel share.

    places     one element for each place that is taken: by a value in the queue, by a
               permit, by a sender that is about to append its value
    values     the queue
    receivers  the tokens of those who wait for a value
    line       the senders that wait for a place, in strict order (with the lock held)

Nobody who sends or receives takes the lock unless the channel is full: each of the first
three is worked on by single methods of a list or deque. So a value may be sent to an
unbounded channel from a signal handler or a destructor, in the midst of whatever.

A sender takes its place first and looks then whether there was one: two that meet at the
last place may both find that they are one too many. Both give theirs back, and go to the
line, which settles it. Whoever takes an element out of `places` looks at `limit` afterwards, and
whoever joins the line sets it and looks at `places` afterwards: so no place stays free
while somebody stands there.

`limit` is how many places may be taken by a newcomer: the capacity; or NONE, while there is
a line, and when the channel is closed. So who finds his place within the limit has nothing
else to look at.

A value keeps its place until it has been received, and a sender takes its place before it
looks at `limit`. So when the channel is closed and no place is taken, nothing can come any
more: that, and no sooner, is the end for the receivers. Whoever takes the last element out
of `places` of a closed channel wakes them.

A receiver that is woken takes what it finds, which may be nothing if another was faster:
then it waits again. One that was woken and will not receive, because it is cancelled,
wakes the next.

The hot path passes all this by. A sender that runs on the only worker, and finds a
receiver that is the next to run there, wakes it with the value itself, as `_value`. Should
the receiver be cancelled meanwhile, it puts that back at the head of the queue. It must
find no place taken, by a value that comes first or by a permit; a channel that is closed
has nobody waiting then.

Tokio: `sync::mpsc::chan`.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Generator
from sys import maxsize
from typing import Any, Final

from ...runtime.compat import current_task
from ...runtime.park import NO_TOKEN, Park, ThreadWaiter, Token, Waiter, wait_outside, wake
from ...runtime.shared import sentinel
from ..budget import spend_budget
from ..section import Section

#: A limit that no newcomer is within.
NONE: Final = -1

#: The gift of a receiver that has got none.
NOTHING: Final = sentinel("nothing")


class Channel(Section, Park):
    """The state of a channel; as a Park, the wait for a value."""

    __slots__ = (
        "abandoned",
        "capacity",
        "closed",
        "closing",
        "dead",
        "limit",
        "line",
        "places",
        "receivers",
        "strong",
        "values",
        "weak",
    )

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = self.limit = capacity
        self.places: list[None] = []
        self.values: deque[Any] = deque()
        self.receivers: deque[Token] = deque()
        #: Roughly how many of `receivers` wait no more.
        self.dead = 0
        self.line: OrderedDict[Place, None] = OrderedDict()
        #: Nobody may send any more, but for those who have a place.
        self.closed = False
        #: There is no receiver any more.
        self.abandoned = False
        #: Those who wait for the channel to be closed, by their tokens' ids.
        self.closing: dict[int, Token] = {}
        self.strong = 1
        self.weak = 0

    # Values.

    def put(self, value: Any) -> None:
        """Queue a value, whose place is taken."""
        self.values.append(value)
        if self.receivers:
            self.wake_receiver()

    def put_for(self, waiter: Any, value: Any) -> bool:
        """Queue a value, if there is room, and wake a receiver whose token is ours."""
        taken = self.take()
        if taken:
            self.values.append(value)
        waiter._home.push(waiter)
        return taken

    def wake_receiver(self) -> None:
        """Wake one of those who wait for a value."""
        receivers = self.receivers
        while receivers:
            try:
                waiter = receivers.popleft().pop()
            except IndexError:
                continue  # it waits no more
            waiter._home.push(waiter)
            return

    def wake_receivers(self) -> None:
        """Wake all who wait for a value: there may come none any more."""
        # Not copy(): it fails on a free-threaded build if others take some out.
        for _ in range(len(self.receivers)):
            self.wake_receiver()

    def _register(self, token: Token) -> bool:
        self.receivers.append(token)
        return not self.values and not (self.closed and not self.places)

    def _arm(self, waiter: Any) -> None:
        # Park's, and _register: two calls less.
        token = [waiter]
        waiter._token = token
        self.receivers.append(token)
        if self.values or (self.closed and not self.places) or waiter._must_cancel:
            wake(token)

    def _unregister(self, token: Token) -> None:
        token.clear()
        self.dead += 1
        receivers = self.receivers
        if self.dead * 2 > len(receivers):
            # Once around, which keeps the order. Not remove(): it fails if others append.
            self.dead = 0
            for _ in range(len(receivers)):
                try:
                    waiting = receivers.popleft()
                except IndexError:
                    break
                if waiting:
                    receivers.append(waiting)
        # It may have been woken for a value, and a sender may have missed the others just now.
        if self.values:
            self.wake_receiver()
        elif self.closed and not self.places:
            self.wake_receivers()

    def put_back(self, gift: Any) -> None:
        """Queue a value first, which was handed to a receiver that is cancelled."""
        self.places.append(None)
        self.values.appendleft(gift)

    # Places.

    def take(self) -> bool:
        """Take a place for a newcomer, if one is free and the channel not closed."""
        places = self.places
        places.append(None)
        if len(places) <= self.limit:
            return True
        self.give_back(1)
        return False

    def take_many(self, count: int) -> bool:
        """Take `count` places for a newcomer, all or none, as `take` does."""
        if not count:
            return not self.closed
        if len(self.places) + count > self.limit:
            return False  # also if no list could be so long
        places = self.places
        places.extend([None] * count)
        if len(places) <= self.limit:
            return True
        self.give_back(count)
        return False

    def _take_up_to(self, count: int) -> int:
        """Take `count` places, or as many as are free; returns how many."""
        places = self.places
        count = min(count, self.capacity - len(places))
        if count <= 0:
            return 0
        places.extend([None] * count)
        excess = min(len(places) - self.capacity, count)
        if excess <= 0:
            return count
        self.give_back(excess)
        return count - excess

    def give_back(self, count: int) -> None:
        """Let go of `count` places."""
        if count:
            del self.places[-count:]
        if self.limit < 0:
            self.freed()

    def freed(self) -> None:
        """A place has been given back, which somebody may wait for."""
        if self.line:
            self._soon(self.hand_out)
        if self.closed and not self.places:
            self.wake_receivers()

    def hand_out(self) -> None:
        """Give the places that are free to those in line; with the lock held."""
        line = self.line
        while line:
            place = next(iter(line))
            if place.token:
                place.missing -= self._take_up_to(place.missing)
                if place.missing:
                    return
                place.wake()
            del line[place]
        if not self.closed:
            self.limit = self.capacity

    def free(self) -> int:
        """How many places nobody has."""
        return max(self.capacity - len(self.places), 0)

    # The ends.

    def add_sender(self) -> bool:
        """Count one sender more, if there is any."""
        with self._lock:
            alive = self.strong > 0
            if alive:
                self.strong += 1
        if self._later:
            self._catch_up()
        return alive

    def drop_sender(self) -> None:
        """A sender is closed or collected; with the lock held."""
        self.strong -= 1
        if not self.strong:
            self.shut()

    def add_weak(self) -> None:
        """Count one weak sender more."""
        with self._lock:
            self.weak += 1
        if self._later:
            self._catch_up()

    def drop_weak(self) -> None:
        """A weak sender is collected; with the lock held."""
        self.weak -= 1

    def abandon(self) -> None:
        """The receiver is collected; with the lock held."""
        self.abandoned = True
        self.shut()

    def shut(self) -> None:
        """Close the channel; with the lock held."""
        if self.closed:
            return
        self.closed = True
        self.limit = NONE
        # Locks; from here on, who comes to wait sees that it is closed.
        closing = list(self.closing.values())
        line = self.line
        while line:
            place, _ = line.popitem(last=False)
            held = place.count - place.missing
            if held:
                del self.places[-held:]
            place.missing = place.count
            place.wake()
        if not self.places:
            self.wake_receivers()
        for token in closing:
            wake(token)
        self.closing.clear()

    def _catch_up(self, patience: float = 0) -> None:
        super()._catch_up(patience)
        if self.abandoned:
            # Not with the lock held: it calls the values' destructors.
            self.values.clear()

    def __repr__(self) -> str:
        limit = "" if self.capacity == maxsize else f"/{self.capacity}"
        return f"{'closed ' if self.closed else ''}{len(self.values)}{limit}"


class Place(Park):
    """A place in the line of those who want `count` places in the queue."""

    __slots__ = ("channel", "count", "missing", "token")

    def __init__(self, channel: Channel, count: int) -> None:
        self.channel = channel
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
        channel = self.channel
        with channel._lock:
            # An empty one is stale: see Place._register in batch_semaphore.py.
            waits = bool(token) and not channel.closed and self.missing > 0
            if waits:
                self.token = token
                channel.limit = NONE
                channel.line[self] = None
                channel.hand_out()
        if channel._later:
            channel._catch_up()
        return waits

    def _unregister(self, token: Token) -> None:
        self.channel._soon(self._give_up)

    def _give_up(self) -> None:
        channel = self.channel
        channel.line.pop(self, None)
        channel.hand_out()
        held = self.count - self.missing
        self.missing = self.count
        channel.give_back(held)

    def wait(self) -> Generator[Any, None, bool]:
        """Wait for the places; False when the channel is closed, and then there are none."""
        channel = self.channel
        task = current_task()
        while self.missing and not channel.closed:
            if isinstance(task, Waiter):
                try:
                    yield self
                except BaseException:
                    channel._soon(self._give_up)
                    del task  # a cancellation's traceback refers to this frame
                    raise
            else:
                yield from wait_outside(self)
        return self._outcome()

    def wait_in_thread(self, timeout: float | None) -> bool | None:
        """As `wait`, in a thread; None when `timeout` seconds have passed."""
        if not ThreadWaiter().wait(self, timeout):
            return None
        return self._outcome()

    def _outcome(self) -> bool:
        if not self.channel.closed:
            return True
        self.channel._soon(self._give_up)
        return False


class Closing(Park):
    """The wait for the channel to be closed."""

    __slots__ = ("channel",)

    def __init__(self, channel: Channel) -> None:
        self.channel = channel

    def _register(self, token: Token) -> bool:
        self.channel.closing[id(token)] = token
        return not self.channel.closed

    def _unregister(self, token: Token) -> None:
        self.channel.closing.pop(id(token), None)

    def __await__(self) -> Generator[Any, None, None]:
        if self.channel.closed:
            yield from spend_budget()
        while not self.channel.closed:
            yield from self._wait()
