"""A value that changes, and those who want to know its latest.

    tx, rx = watch.channel(config)
    tx.send(new_config)         # on one side
    await rx.changed()          # on the other
    config = rx.borrow_and_update()

The value and its version are one tuple, replaced as a whole: who reads it takes no lock.
Who writes holds `writing` meanwhile, and may run the user's code thereby, which may write
again: it is an RLock, held by nobody who reads or waits. The senders and receivers are
counted with the Section's lock, under which nobody's code runs.

Tokio: `tokio::sync::watch`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, Generic, Self, TypeVar, final

from ..runtime.compat import current_task
from ..runtime.crowd import Crowd
from ..runtime.park import Park, ThreadWaiter, Token, check_may_block
from ..runtime.task import Task
from ..task.coop import consume_budget
from .deadline import Deadline
from .errors import RecvError, SendError
from .section import Section

__all__ = ["UNCHANGED", "Receiver", "Sender", "channel"]

T = TypeVar("T")

#: What the function of `Sender.send_if_modified` returns to leave the value as it is.
UNCHANGED: Final[Any] = object()

_CLOSED: Final = "all senders are gone, and their last value has been seen"


class _Channel(Section):
    """What the two sides share."""

    __slots__ = (
        "changed",
        "closed",
        "deserted",
        "receivers",
        "senders",
        "state",
        "versions",
        "writing",
    )

    def __init__(self, value: Any) -> None:
        super().__init__()
        #: The version and the value. A later version need not be higher, if one write comes
        #: in the midst of another, but no two are the same.
        self.versions = itertools.count(1)
        self.state: tuple[int, Any] = (0, value)
        self.writing = threading.RLock()
        self.senders = 0
        self.receivers = 0
        #: There is no sender any more, and there comes none.
        self.closed = False
        #: Who waits for another value, and who for the last receiver to go.
        self.changed = Crowd()
        self.deserted = Crowd()

    def add_sender(self) -> None:
        with self._lock:
            self.senders += 1
        if self._later:
            self._catch_up()

    def add_receiver(self) -> None:
        with self._lock:
            self.receivers += 1
        if self._later:
            self._catch_up()

    # With the lock held.

    def drop_sender(self) -> None:
        self.senders -= 1
        if not self.senders:
            self.closed = True
            self.changed.wake()

    def drop_receiver(self) -> None:
        self.receivers -= 1
        if not self.receivers:
            self.deserted.wake()

    def publish(self, value: Any) -> Any:
        """Replace the value, with `writing` held; returns the old one."""
        old = self.state[1]
        self.state = (next(self.versions), value)
        self.changed.wake()
        return old


class channel(tuple["Sender[T]", "Receiver[T]"]):
    """A channel that holds one value at a time, `value` at first: `(sender, receiver)`.

    The receiver has seen the first value. Tokio: `watch::channel`.
    """

    __slots__ = ()

    def __new__(cls, value: T) -> tuple[Sender[T], Receiver[T]]:  # type: ignore[misc]
        sender = Sender(value)
        return sender, sender.subscribe()


@final
class Sender(Generic[T]):
    """Changes the value. The channel is open to receivers as long as there is a sender.

    `Sender(value)` makes a channel that has no receiver yet.

    Thread-safe. Tokio: `sync::watch::Sender`.
    """

    __slots__ = ("__weakref__", "_channel", "_open")

    _channel: _Channel

    def __init__(self, value: T) -> None:
        self._join(_Channel(value))

    def _join(self, channel: _Channel) -> None:
        #: Holds an element until it is closed, by whoever pops that.
        self._open: list[None] = []
        self._channel = channel
        channel.add_sender()
        self._open.append(None)

    def _writing(self) -> threading.RLock:
        if not self._open:
            raise RuntimeError("this sender has been closed: send by one that is open")
        return self._channel.writing

    def send(self, value: T) -> None:
        """Replace the value, and wake all who wait for a change.

        Raises:
            SendError: there is no receiver, and the value is as it was; the error holds the
                one that was to be sent. `send_replace` sends without.
            RuntimeError: this sender has been closed.

        Tokio: `Sender::send`.
        """
        with self._writing():
            received = self._channel.receivers > 0
            old = self._channel.publish(value) if received else None
        del old  # with no lock held
        if not received:
            raise SendError("there is no receiver", value)

    def send_replace(self, value: T) -> T:
        """Replace the value, whether there is a receiver or not; returns the old one.

        Raises:
            RuntimeError: this sender has been closed.

        Tokio: `Sender::send_replace`.
        """
        with self._writing():
            old: T = self._channel.publish(value)
        return old

    def send_modify(self, modify: Callable[[T], T]) -> None:
        """Replace the value by `modify(value)`, whether there is a receiver or not.

        No other sender comes in between. What `modify` raises is passed on, and nobody is
        told of a change. A value that it changes in place it must return.

        Raises:
            RuntimeError: this sender has been closed.

        Tokio: `Sender::send_modify`.
        """
        self.send_if_modified(modify)

    def send_if_modified(self, modify: Callable[[T], T]) -> bool:
        """As `send_modify`, unless `modify(value)` returns `watch.UNCHANGED`: then nobody is
        told of a change. Returns whether there was one.

        Raises:
            RuntimeError: this sender has been closed.

        Tokio: `Sender::send_if_modified`.
        """
        with self._writing():
            value = modify(self._channel.state[1])
            modified = value is not UNCHANGED
            old = self._channel.publish(value) if modified else None
        del old  # with no lock held
        return modified

    def borrow(self) -> T:
        """The value.

        Tokio: `Sender::borrow`.
        """
        value: T = self._channel.state[1]
        return value

    def subscribe(self) -> Receiver[T]:
        """Another receiver, which has seen the present value.

        Tokio: `Sender::subscribe`.
        """
        return Receiver(self._channel, self._channel.state[0])

    def closed(self) -> Awaitable[None]:
        """Wait until there is no receiver: an awaitable.

        Cancel-safe. Tokio: `Sender::closed`.
        """
        return _Deserted(self._channel)

    def is_closed(self) -> bool:
        """Whether there is no receiver. `subscribe` may make one.

        Tokio: `Sender::is_closed`.
        """
        return self._channel.receivers == 0

    def receiver_count(self) -> int:
        """How many receivers there are.

        Tokio: `Sender::receiver_count`.
        """
        return self._channel.receivers

    def sender_count(self) -> int:
        """How many senders there are.

        Tokio: `Sender::sender_count`.
        """
        return self._channel.senders

    def same_channel(self, other: Sender[T]) -> bool:
        """Whether `other` changes the same value.

        Tokio: `Sender::same_channel`.
        """
        return self._channel is other._channel

    def clone(self) -> Sender[T]:
        """Another sender of the channel.

        Raises:
            RuntimeError: this one has been closed.

        Tokio: `Sender::clone`.
        """
        if not self._open:
            raise RuntimeError("this sender has been closed: clone one that is open")
        sender: Sender[T] = Sender.__new__(Sender)
        sender._join(self._channel)
        return sender

    __copy__ = clone

    def close(self) -> None:
        """Send no more. When all senders have been closed or dropped the receivers get
        RecvError, once they have seen the last value. A second time does nothing.

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
        return f"<watch.Sender of {self._channel.state[1]!r} at {id(self):#x}>"


@final
class Receiver(Generic[T]):
    """Reads the value, and waits for another. It knows which value it has seen last.

    Made by `channel`, `Sender.subscribe` and `clone`. Several tasks and threads may read by
    one, but what one of them has seen the others have, too. Tokio: `sync::watch::Receiver`.
    """

    __slots__ = ("__weakref__", "_channel", "_open", "_seen")

    def __init__(self, channel: _Channel, seen: int) -> None:
        #: As a Sender's.
        self._open: list[None] = []
        self._channel = channel
        self._seen = seen
        channel.add_receiver()
        self._open.append(None)

    def borrow(self) -> T:
        """The value; it is not seen thereby.

        Tokio: `Receiver::borrow`.
        """
        value: T = self._channel.state[1]
        return value

    def borrow_and_update(self) -> T:
        """The value, which is seen now: `changed` waits for another.

        Tokio: `Receiver::borrow_and_update`.
        """
        value: T
        self._seen, value = self._channel.state
        return value

    def has_changed(self) -> bool:
        """Whether there is a value that has not been seen.

        Raises:
            RecvError: all senders are gone.

        Tokio: `Receiver::has_changed`.
        """
        if self._channel.closed or not self._open:
            raise RecvError("all senders are gone, or this receiver has been closed")
        return self._channel.state[0] != self._seen

    def mark_changed(self) -> None:
        """Take the value for one that has not been seen.

        Tokio: `Receiver::mark_changed`.
        """
        self._seen = -1

    def mark_unchanged(self) -> None:
        """Take the value for one that has been seen.

        Tokio: `Receiver::mark_unchanged`.
        """
        self._seen = self._channel.state[0]

    def changed(self) -> Awaitable[None]:
        """Wait for a value that has not been seen, and take it for seen: an awaitable.

        Raises:
            RecvError: from the await: all senders are gone and their last value has been
                seen, or this receiver has been closed.

        Cancel-safe. Tokio: `Receiver::changed`.
        """
        return _Changed(self, last=True)

    async def wait_for(self, predicate: Callable[[T], object]) -> T:
        """Wait for a value for which `predicate(value)` is true, and return it; it is seen
        then. The present value is asked first. What `predicate` raises is passed on.

        Raises:
            RecvError: all senders are gone, and the predicate is not true of their last
                value; or this receiver has been closed.

        Cancel-safe. Tokio: `Receiver::wait_for`.
        """
        asked = None
        while True:
            closed = self._channel.closed
            version, value = self._channel.state
            self._seen = version
            if version != asked and predicate(value):
                await consume_budget()
                matching: T = value
                return matching
            asked = version
            del value  # while it waits
            await _Changed(self, last=closed)

    def blocking_changed(self, *, timeout: float | None = None) -> None:
        """As `changed`, blocking this thread.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            RecvError: as from `changed`.
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.
        """
        check_may_block("blocking_changed", "await changed()")
        park = _Changed(self, last=True)
        deadline = Deadline(timeout)
        while not park.see():
            if not ThreadWaiter().wait(park, deadline.left()):
                raise TimeoutError(f"no other value within {timeout} s")

    def blocking_wait_for(
        self, predicate: Callable[[T], object], *, timeout: float | None = None
    ) -> T:
        """As `wait_for`, blocking this thread.

        Args:
            predicate: as for `wait_for`.
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            RecvError: as from `wait_for`.
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.
        """
        check_may_block("blocking_wait_for", "await wait_for()")
        deadline = Deadline(timeout)
        asked = None
        while True:
            closed = self._channel.closed
            version, value = self._channel.state
            self._seen = version
            if version != asked and predicate(value):
                matching: T = value
                return matching
            asked = version
            del value  # while it waits
            park = _Changed(self, last=closed)
            if not park.see() and not ThreadWaiter().wait(park, deadline.left()):
                raise TimeoutError(f"no such value within {timeout} s")

    def same_channel(self, other: Receiver[T]) -> bool:
        """Whether `other` reads the same value.

        Tokio: `Receiver::same_channel`.
        """
        return self._channel is other._channel

    def clone(self) -> Receiver[T]:
        """Another receiver of the channel, which has seen what this one has.

        Tokio: `Receiver::clone`.
        """
        return Receiver(self._channel, self._seen)

    __copy__ = clone

    def close(self) -> None:
        """Wait for no more values: who does gets RecvError. `borrow` reads on. A second time
        does nothing.

        Tokio: dropping a `Receiver`.
        """
        if self._leave():
            self._channel.changed.wake()

    def _leave(self) -> bool:
        try:
            self._open.pop()
        except IndexError:
            return False
        self._channel._soon(self._channel.drop_receiver)
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._leave()

    def __repr__(self) -> str:
        return f"<watch.Receiver of {self._channel.state[1]!r} at {id(self):#x}>"


@final
class _Changed(Park):
    """The wait for a value that a receiver has not seen."""

    __slots__ = ("_last", "_rx")

    def __init__(self, rx: Receiver[Any], last: bool) -> None:
        self._rx = rx
        #: Whether the caller has had the last value, if the channel is closed: else its end
        #: is something to come back for.
        self._last = last

    def see(self) -> bool:
        """Whether there is such a value, which is seen now."""
        rx = self._rx
        channel = rx._channel
        # In this order: what has been sent before the end is there to be seen.
        closed = channel.closed
        version = channel.state[0]
        if not rx._open:
            raise RecvError("this receiver has been closed")
        if version != rx._seen:
            rx._seen = version
            return True
        if closed and self._last:
            raise RecvError(_CLOSED)
        return closed

    def _register(self, token: Token) -> bool:
        rx = self._rx
        channel = rx._channel
        channel.changed.join(token)
        return channel.state[0] == rx._seen and not channel.closed and bool(rx._open)

    def _unregister(self, token: Token) -> None:
        self._rx._channel.changed.leave(token)

    def __await__(self) -> Generator[Any, None, None]:
        task = current_task()
        if isinstance(task, Task):
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
        del task  # a cancellation's traceback refers to this frame
        while not self.see():
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
