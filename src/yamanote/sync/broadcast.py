"""A queue whose every value goes to every receiver.

    tx, rx = broadcast.channel(16)
    other = tx.subscribe()
    tx.send("hello")
    assert await rx.recv() == await other.recv() == "hello"

The values are in a ring; `sent` counts those sent until now, and each receiver knows how
many are behind it. A sender never waits: it overwrites the oldest, and who has not received
that has lagged. Each slot counts those who are yet to receive its value, and the last of
them takes it away. All of this changes under the Section's lock; values leave the ring
under it, but are dropped when it has been let go of, for that runs the user's code.

A destructor that the collector calls, or a signal handler, may come in the midst of that, on
the same thread, and use the channel itself. So the lock is re-entrant, and `inside` says
whether this thread is at it already: then a send and a new receiver wait for it to be done,
and there is nothing to receive.

Tokio: `tokio::sync::broadcast`.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Generator
from types import coroutine
from typing import Any, Final, Generic, Self, TypeVar, final

from ..runtime.checks import check_whole
from ..runtime.compat import current_task
from ..runtime.crowd import Crowd
from ..runtime.park import Park, ThreadWaiter, Token, check_may_block
from ..runtime.shared import sentinel
from ..runtime.task import Task
from .deadline import Deadline
from .errors import Lagged, RecvError, SendError, TryRecvError
from .section import Section

__all__ = ["Receiver", "Sender", "WeakSender", "channel"]

T = TypeVar("T")

MAX_CAPACITY: Final = 1 << 30

NOTHING: Final[Any] = sentinel("nothing")
CLOSED: Final[Any] = sentinel("closed channel")
BUSY: Final[Any] = sentinel("busy channel")

_END: Final = "all senders are gone, and all that they sent has been received"
_BUSY: Final = (
    "a destructor or a signal handler waits for a value in the midst of what this thread does "
    "with the same channel: take try_recv()"
)


class _Channel(Section):
    """What the two sides share."""

    __slots__ = (
        "capacity",
        "deserted",
        "dropped",
        "due",
        "inside",
        "receivers",
        "sent",
        "strong",
        "values",
        "waiting",
        "weak",
    )

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self._lock = threading.RLock()
        #: Whether the state is being changed; with the lock held.
        self.inside = False
        # A power of two, as Tokio's.
        self.capacity = capacity = 1 << (capacity - 1).bit_length()
        # Both grow to the capacity as the first values come.
        self.values: list[Any] = []
        self.due: list[int] = []
        self.sent = 0
        self.receivers = 0
        self.strong = 1
        self.weak = 0
        #: Values that have left the ring and are to be dropped without the lock.
        self.dropped: list[Any] = []
        #: Who waits for a value, and who for the last receiver to go.
        self.waiting = Crowd()
        self.deserted = Crowd()

    def add_sender(self) -> bool:
        """Count one sender more, if there is any."""
        with self._lock:
            alive = self.strong > 0
            if alive:
                self.strong += 1
        if self._later:
            self._catch_up()
        return alive

    def add_weak(self) -> None:
        with self._lock:
            self.weak += 1
        if self._later:
            self._catch_up()

    def length(self) -> int:
        """How many values somebody is yet to receive, and can."""
        with self._lock:
            # Whoever has received a value has received those before it.
            low, high = max(self.sent - self.capacity, 0), self.sent
            while low < high:
                middle = (low + high) // 2
                if self.due[middle % self.capacity]:
                    high = middle
                else:
                    low = middle + 1
            length = self.sent - low
        if self._later:
            self._catch_up()
        return length

    # With the lock held.

    def put(self, value: Any) -> Any:
        """Send a value; returns the one that it overwrites."""
        slot = self.sent % self.capacity
        values, due = self.values, self.due
        # A signal handler that raises may have left one without the other.
        if slot == len(values):
            values.append(None)
        if slot == len(due):
            due.append(0)
        old, values[slot] = values[slot], value
        due[slot] = self.receivers
        self.sent += 1
        return old

    def put_late(self, value: Any) -> None:
        """As `put`, of who has not waited for it."""
        self.dropped.append(self.put(value) if self.receivers else value)
        self.waiting.wake()

    def drop_sender(self) -> None:
        self.strong -= 1
        if not self.strong:
            self.waiting.wake()

    def drop_weak(self) -> None:
        self.weak -= 1

    def drop_receiver(self, behind: int) -> None:
        """A receiver goes, and with it what only it had yet to receive."""
        self.receivers -= 1
        for number in range(max(behind, self.sent - self.capacity), self.sent):
            value = self.take(number)
            if value is not NOTHING:
                self.dropped.append(value)
        if not self.receivers:
            self.deserted.wake()

    def take(self, number: int) -> Any:
        """Have one receiver less due for a value; NOTHING unless it was the last."""
        slot = number % self.capacity
        self.due[slot] -= 1
        if self.due[slot]:
            return NOTHING
        value, self.values[slot] = self.values[slot], None
        return value

    def _catch_up(self, patience: float = 0) -> None:
        while self._later and self._lock.acquire(timeout=patience):
            try:
                if self.inside:
                    return
                self.inside = True
                try:
                    self._run_later()
                finally:
                    self.inside = False
            finally:
                self._lock.release()
        while self.dropped:
            try:
                self.dropped.pop()
            except IndexError:
                return


class channel(tuple["Sender[T]", "Receiver[T]"]):
    """A channel that holds the latest `capacity` values: `(sender, receiver)`.

    Typed code says what is sent: `broadcast.channel[int](16)`.

    Args:
        capacity: how many values a receiver may be behind before it misses some, rounded up
            to a power of two.

    Raises:
        TypeError, ValueError: `capacity` is no whole number, less than 1 or more than 2**30.

    Tokio: `broadcast::channel`.
    """

    __slots__ = ()

    def __new__(cls, capacity: int) -> tuple[Sender[T], Receiver[T]]:  # type: ignore[misc]
        sender: Sender[T] = Sender(capacity)
        return sender, sender.subscribe()


@final
class Sender(Generic[T]):
    """Sends values to all receivers. The channel is open as long as there is a sender.

    `Sender(capacity)` makes a channel that has no receiver yet.

    Thread-safe. Tokio: `sync::broadcast::Sender`.
    """

    __slots__ = ("__weakref__", "_channel", "_open")

    _channel: _Channel

    def __init__(self, capacity: int) -> None:
        #: Holds an element until it is closed, by whoever pops that.
        self._open: list[None] = []
        check_whole("a channel's capacity", capacity)
        if not 1 <= capacity <= MAX_CAPACITY:
            raise ValueError(f"a channel holds from 1 to 2**30 values, not {capacity}")
        self._channel = _Channel(capacity)
        self._open.append(None)

    def send(self, value: T) -> int:
        """Send a value to all who are receivers now; returns how many these are. It never
        waits; destructors and signal handlers may send, too.

        Raises:
            SendError: there is no receiver; the error holds the value.
            RuntimeError: this sender has been closed.

        Tokio: `Sender::send`.
        """
        if not self._open:
            raise RuntimeError("this sender has been closed: send by one that is open")
        channel = self._channel
        old = None
        with channel._lock:
            receivers = channel.receivers
            if receivers:
                if channel.inside:
                    channel._later.append(lambda: channel.put_late(value))
                    return receivers
                channel.inside = True
                try:
                    old = channel.put(value)
                finally:
                    channel.inside = False
        if channel._later or channel.dropped:
            channel._catch_up()
        if not receivers:
            raise SendError("there is no receiver", value)
        channel.waiting.wake()
        del old
        return receivers

    def subscribe(self) -> Receiver[T]:
        """Another receiver, of what is sent from now on.

        Tokio: `Sender::subscribe`.
        """
        return Receiver(self._channel)

    def __len__(self) -> int:
        """How many values the channel holds that somebody is yet to receive.

        Tokio: `Sender::len`.
        """
        return self._channel.length()

    def __bool__(self) -> bool:
        return True  # though there be nothing to receive

    def is_empty(self) -> bool:
        """Whether everybody has received everything.

        Tokio: `Sender::is_empty`.
        """
        return not self._channel.length()

    def receiver_count(self) -> int:
        """How many receivers there are.

        Tokio: `Sender::receiver_count`.
        """
        return self._channel.receivers

    def closed(self) -> Awaitable[None]:
        """Wait until there is no receiver: an awaitable.

        Cancel-safe. Tokio: `Sender::closed`.
        """
        return _Deserted(self._channel)

    def same_channel(self, other: Sender[T]) -> bool:
        """Whether `other` sends to the same channel.

        Tokio: `Sender::same_channel`.
        """
        return self._channel is other._channel

    def strong_count(self) -> int:
        """How many senders the channel has.

        Tokio: `Sender::strong_count`.
        """
        return self._channel.strong

    def weak_count(self) -> int:
        """How many weak senders the channel has.

        Tokio: `Sender::weak_count`.
        """
        return self._channel.weak

    def clone(self) -> Sender[T]:
        """Another sender of the channel.

        Raises:
            RuntimeError: this one has been closed.

        Tokio: `Sender::clone`.
        """
        if not self._open:
            raise RuntimeError("this sender has been closed: clone one that is open")
        sender = _another(self._channel)
        assert sender is not None
        return sender

    __copy__ = clone

    def downgrade(self) -> WeakSender[T]:
        """A sender that does not keep the channel open.

        Tokio: `Sender::downgrade`.
        """
        return WeakSender(self._channel)

    def close(self) -> None:
        """Send no more. When all senders have been closed or dropped the receivers get what
        is left, and then RecvError. A second time does nothing.

        Tokio: dropping a `Sender`.
        """
        try:
            self._open.pop()
        except IndexError:
            return
        self._channel._soon(self._channel.drop_sender)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<broadcast.Sender of {self._channel.length()} at {id(self):#x}>"


def _another(channel: _Channel) -> Sender[Any] | None:
    """One sender more, unless there is none."""
    sender: Sender[Any] = Sender.__new__(Sender)
    sender._open = []
    if not channel.add_sender():
        return None
    sender._channel = channel
    sender._open.append(None)
    return sender


@final
class WeakSender(Generic[T]):
    """Knows a channel without keeping it open.

    Made by `Sender.downgrade` and `clone`. Thread-safe. Tokio:
    `sync::broadcast::WeakSender`.
    """

    __slots__ = ("__weakref__", "_channel")

    def __init__(self, channel: _Channel) -> None:
        channel.add_weak()
        self._channel = channel

    def upgrade(self) -> Sender[T] | None:
        """A sender of the channel; None when all senders are gone.

        Tokio: `WeakSender::upgrade`.
        """
        return _another(self._channel)

    def strong_count(self) -> int:
        """How many senders the channel has.

        Tokio: `WeakSender::strong_count`.
        """
        return self._channel.strong

    def weak_count(self) -> int:
        """How many weak senders the channel has.

        Tokio: `WeakSender::weak_count`.
        """
        return self._channel.weak

    def clone(self) -> WeakSender[T]:
        """Another weak sender of the channel.

        Tokio: `WeakSender::clone`.
        """
        return WeakSender(self._channel)

    __copy__ = clone

    def __del__(self) -> None:
        self._channel._soon(self._channel.drop_weak)

    def __repr__(self) -> str:
        return f"<broadcast.WeakSender at {id(self):#x}>"


@final
class Receiver(Generic[T]):
    """Receives what is sent after it was made, in order.

        async for value in rx:
            ...

    Made by `channel`, `Sender.subscribe` and `resubscribe`. Thread-safe; if several tasks
    receive by one, each value goes to one of them. Tokio: `sync::broadcast::Receiver`.
    """

    __slots__ = ("__weakref__", "_behind", "_channel", "_open")

    def __init__(self, channel: _Channel) -> None:
        self._open = False
        self._channel = channel
        self._behind = 0
        with channel._lock:
            if channel.inside:
                channel._later.append(self._join)
                return
            self._join()
        if channel._later:
            channel._catch_up()

    def _join(self) -> None:
        # With the lock held.
        channel = self._channel
        channel.receivers += 1
        self._behind = channel.sent
        self._open = True

    def recv(self) -> Awaitable[T]:
        """Wait for the next value: an awaitable of it. Each await of it is for one more.

        Raises:
            Lagged: from the await: values have been overwritten before they were received;
                the next call receives the oldest there is.
            RecvError: from the await: all senders are gone and there is nothing left, or
                this receiver has been closed.

        Cancel-safe. Tokio: `Receiver::recv`.
        """
        return _Recv(self)

    def try_recv(self) -> T:
        """The next value, if there is one.

        Raises:
            Lagged: as from `recv`.
            TryRecvError: there is none at the moment; or all senders are gone, or this
                receiver has been closed. There is none, either, for a destructor or a signal
                handler in the midst of what its thread does with the channel.

        Tokio: `Receiver::try_recv`.
        """
        value: T = self._next()
        if value is NOTHING or value is BUSY:
            raise TryRecvError("there is no value at the moment", empty=True)
        if value is CLOSED:
            raise TryRecvError(_END, empty=False)
        return value

    def blocking_recv(self, *, timeout: float | None = None) -> T:
        """As `recv`, blocking this thread.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            Lagged: as from `recv`.
            RecvError: as from `recv`.
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.
        """
        check_may_block("blocking_recv", "await recv()")
        park = _Recv(self)
        deadline = Deadline(timeout)
        while True:
            value: T = self._next()
            if value is CLOSED:
                raise RecvError(_END)
            if value is BUSY:
                raise RuntimeError(_BUSY)
            if value is not NOTHING:
                return value
            if not ThreadWaiter().wait(park, deadline.left()):
                raise TimeoutError(f"nothing has been sent within {timeout} s")

    def _next(self) -> Any:
        """The next value, NOTHING, CLOSED or BUSY."""
        channel = self._channel
        missed = 0
        with channel._lock:
            if channel.inside:
                return BUSY
            channel.inside = True
            try:
                behind = self._behind
                if not self._open:
                    value = CLOSED
                elif behind == channel.sent:
                    value = NOTHING if channel.strong else CLOSED
                else:
                    missed = channel.sent - channel.capacity - behind
                    if missed > 0:
                        self._behind = behind + missed
                        value = NOTHING
                    else:
                        slot = behind % channel.capacity
                        value = channel.values[slot]
                        due = channel.due
                        due[slot] -= 1
                        if not due[slot]:
                            channel.values[slot] = None
                        self._behind = behind + 1
            finally:
                channel.inside = False
        if channel._later or channel.dropped:
            channel._catch_up()
        if missed > 0:
            raise Lagged(missed)
        return value

    def __aiter__(self) -> Self:
        return self

    @coroutine
    def __anext__(self) -> Generator[Any, Any, T]:
        try:
            value: T = yield from _Recv(self).__await__()
        except RecvError:
            raise StopAsyncIteration from None
        return value

    def __len__(self) -> int:
        """How many values have been sent that it has not received, those among them that it
        has missed and does not know of yet.

        Tokio: `Receiver::len`.
        """
        return self._channel.sent - self._behind

    def __bool__(self) -> bool:
        return True  # though there be nothing to receive

    def is_empty(self) -> bool:
        """Whether there is nothing to receive.

        Tokio: `Receiver::is_empty`.
        """
        return self._channel.sent == self._behind

    def is_closed(self) -> bool:
        """Whether all senders are gone. There may be values left to receive.

        Tokio: `Receiver::is_closed`.
        """
        return self._channel.strong == 0

    def resubscribe(self) -> Receiver[T]:
        """Another receiver, of what is sent from now on.

        Tokio: `Receiver::resubscribe`.
        """
        return Receiver(self._channel)

    def same_channel(self, other: Receiver[T]) -> bool:
        """Whether `other` receives from the same channel.

        Tokio: `Receiver::same_channel`.
        """
        return self._channel is other._channel

    def sender_strong_count(self) -> int:
        """How many senders the channel has.

        Tokio: `Receiver::sender_strong_count`.
        """
        return self._channel.strong

    def sender_weak_count(self) -> int:
        """How many weak senders the channel has.

        Tokio: `Receiver::sender_weak_count`.
        """
        return self._channel.weak

    def close(self) -> None:
        """Receive no more: who waits by this receiver gets RecvError. A second time does
        nothing.

        Tokio: dropping a `Receiver`.
        """
        self._channel._soon(self._leave)
        self._channel.waiting.wake()

    def _leave(self) -> None:
        # With the lock held: nobody receives meanwhile.
        if self._open:
            self._open = False
            self._channel.drop_receiver(self._behind)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._open:
            # A coroutine that is collected with it may still come to the end of its `with`.
            self._open = False
            channel, behind = self._channel, self._behind
            channel._soon(lambda: channel.drop_receiver(behind))

    def __repr__(self) -> str:
        return f"<broadcast.Receiver of {len(self)} at {id(self):#x}>"


@final
class _Recv(Park):
    """The wait for a receiver's next value."""

    __slots__ = ("_rx",)

    def __init__(self, rx: Receiver[Any]) -> None:
        self._rx = rx

    def _register(self, token: Token) -> bool:
        rx = self._rx
        channel = rx._channel
        channel.waiting.join(token)
        return channel.sent == rx._behind and channel.strong > 0 and rx._open

    def _unregister(self, token: Token) -> None:
        self._rx._channel.waiting.leave(token)

    def __await__(self) -> Generator[Any, None, Any]:
        task = current_task()
        if isinstance(task, Task):
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
        del task  # a cancellation's traceback refers to this frame
        while True:
            value = self._rx._next()
            if value is CLOSED:
                raise RecvError(_END)
            if value is BUSY:
                raise RuntimeError(_BUSY)
            if value is not NOTHING:
                return value
            yield from self._wait()


@final
class _Deserted(Park):
    """The wait for the last receiver to go."""

    __slots__ = ("_channel",)

    def __init__(self, channel: _Channel) -> None:
        self._channel = channel

    def _register(self, token: Token) -> bool:
        self._channel.deserted.join(token)
        return self._channel.receivers > 0

    def _unregister(self, token: Token) -> None:
        self._channel.deserted.leave(token)

    def __await__(self) -> Generator[Any, None, None]:
        task = current_task()
        if isinstance(task, Task):
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
        del task  # a cancellation's traceback refers to this frame
        while self._channel.receivers:
            yield from self._wait()
