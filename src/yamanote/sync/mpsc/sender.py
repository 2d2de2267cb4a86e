"""The sending end of a bounded channel."""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Any, Generic, TypeVar, final

from ...runtime.checks import check_whole
from ...runtime.compat import running_task
from ...runtime.park import check_may_block
from ...time import Elapsed, timeout
from ..budget import SENT, spend_budget
from ..errors import SendError, SendTimeoutError, TrySendError
from .channel import Channel, Place
from .handle import Handle, WeakHandle
from .permit import OwnedPermit, Permit, Permits

T = TypeVar("T")


@final
class Sender(Handle, Generic[T]):
    """Sends to a bounded channel; made by `channel`.

    A channel closes when its last sender does: by `close()`, at the end of `with`, or when it
    is dropped. Give each task that sends a `clone()` to have the receiver see the end of all.

    Thread-safe. Tokio: `sync::mpsc::Sender`.
    """

    __slots__ = ()

    @coroutine
    def send(self, value: T) -> Generator[Any, Any, None]:
        """Send `value`, once there is room: an awaitable, which does nothing before it is
        awaited. Those who wait for room get it in turn.

        Raises:
            SendError: the channel is closed. It holds the value.

        Cancel-safe: cancelled, it has not sent; but its turn is lost. Tokio: `Sender::send`.
        """
        channel = self._channel
        receivers = channel.receivers
        try:
            task = running_task()
            worker = task._poller
        except (RuntimeError, AttributeError):
            pass  # not a task of ours
        else:
            if receivers and not worker.slot and not channel.places:
                try:
                    waiter = receivers.popleft().pop()
                except IndexError:
                    pass
                else:
                    if waiter._home is worker.core:
                        waiter._value = value
                        worker.slot.append(waiter)
                        return
                    if channel.put_for(waiter, value):
                        task._budget -= 1
                        return
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
            del task  # a cancellation's traceback refers to this frame
        # Channel.take() and put(), without the calls.
        places = channel.places
        places.append(None)
        if len(places) <= channel.limit:
            channel.values.append(value)
            if receivers:
                channel.wake_receiver()
            return
        channel.give_back(1)
        if not (yield from Place(channel, 1).wait()):
            raise SendError(self._why(), value)
        channel.put(value)

    def try_send(self, value: T) -> None:
        """Send `value` at once, passing nobody by who waits for room.

        Raises:
            TrySendError: there is no room, or the channel is closed. It holds the value.

        Tokio: `Sender::try_send`.
        """
        self._take_now(1, value).put(value)

    async def send_timeout(self, value: T, seconds: float) -> None:
        """As `send`, but wait for room no longer than `seconds`.

        Raises:
            SendTimeoutError: there was no room in time. It holds the value.
            SendError: the channel is closed. It holds the value.

        Cancel-safe, as `send`. Tokio: `Sender::send_timeout`.
        """
        channel = self._channel
        if channel.take():
            await SENT
        else:
            try:
                async with timeout(seconds):
                    channel = await self._take(1, value)
            except Elapsed:
                raise SendTimeoutError(f"no room within {seconds} s", value) from None
        channel.put(value)

    def blocking_send(self, value: T, *, timeout: float | None = None) -> None:
        """Send `value`, and block this thread until there is room.

        Args:
            value: what to send.
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            SendTimeoutError: there was no room in time. It holds the value.
            SendError: the channel is closed. It holds the value.
            RuntimeError: called on a worker's thread, which would block its tasks.

        Tokio: `Sender::blocking_send`.
        """
        check_may_block("blocking_send", "await send()")
        channel = self._channel
        if not channel.take():
            taken = Place(channel, 1).wait_in_thread(timeout)
            if taken is None:
                raise SendTimeoutError(f"no room within {timeout} s", value)
            if not taken:
                raise SendError(self._why(), value)
        channel.put(value)

    async def reserve(self) -> Permit[T]:
        """Wait for a place in the queue; returns the permit that holds it, to send by it
        later and without waiting.

        Raises:
            SendError: the channel is closed.

        Cancel-safe, as `send`. Tokio: `Sender::reserve`.
        """
        return Permit(self, await self._take(1))

    async def reserve_many(self, count: int) -> Permits[T]:
        """Wait for `count` places; returns their permits, to be iterated over.

        Raises:
            SendError: the channel is closed.
            TypeError, ValueError: `count` is no whole number, negative, or more than
                `max_capacity()`.

        Cancel-safe, as `send`. Tokio: `Sender::reserve_many`.
        """
        check_whole("the number of places", count)
        if not 0 <= count <= self._channel.capacity:
            raise ValueError(f"this channel has {self._channel.capacity} places, never {count}")
        return Permits(self, await self._take(count), count)

    async def reserve_owned(self) -> OwnedPermit[T]:
        """As `reserve`, but the permit is a sender, too: it keeps the channel open though
        this one be closed, and returns a sender when it has been used.

        Raises:
            SendError: the channel is closed.

        Cancel-safe, as `send`. Tokio: `Sender::reserve_owned`.
        """
        sender = self.clone()
        return OwnedPermit(sender, await sender._take(1))

    def try_reserve(self) -> Permit[T]:
        """The permit for a place at once, passing nobody by.

        Raises:
            TrySendError: there is no room, or the channel is closed.

        Tokio: `Sender::try_reserve`.
        """
        return Permit(self, self._take_now(1))

    def try_reserve_many(self, count: int) -> Permits[T]:
        """The permits for `count` places at once, passing nobody by.

        Raises:
            TrySendError: there are fewer, or the channel is closed.
            TypeError, ValueError: `count` is no whole number, or negative.

        Tokio: `Sender::try_reserve_many`.
        """
        check_whole("the number of places", count)
        if count < 0:
            raise ValueError(f"the number of places must be 0 or more, not {count}")
        return Permits(self, self._take_now(count), count)

    def try_reserve_owned(self) -> OwnedPermit[T]:
        """As `reserve_owned`, at once and passing nobody by.

        Raises:
            TrySendError: there is no room, or the channel is closed.

        Tokio: `Sender::try_reserve_owned`.
        """
        sender = self.clone()
        return OwnedPermit(sender, sender._take_now(1))

    def capacity(self) -> int:
        """How many values there is room for at the moment.

        Tokio: `Sender::capacity`.
        """
        return self._channel.free()

    def max_capacity(self) -> int:
        """How many values there is room for in all.

        Tokio: `Sender::max_capacity`.
        """
        return self._channel.capacity

    def downgrade(self) -> WeakSender[T]:
        """A sender that does not keep the channel open.

        Tokio: `Sender::downgrade`.
        """
        return WeakSender(self._channel)

    def _take_now(self, count: int, value: Any = None) -> Channel:
        channel = self._channel
        if not channel.take_many(count):
            if channel.closed:
                raise TrySendError(self._why(), value, full=False)
            raise TrySendError("the channel is full", value, full=True)
        return channel

    @coroutine
    def _take(self, count: int, value: Any = None) -> Generator[Any, Any, Channel]:
        yield from spend_budget()
        channel = self._channel
        if not (channel.take_many(count) or (yield from Place(channel, count).wait())):
            raise SendError(self._why(), value)
        return channel


@final
class WeakSender(WeakHandle[Sender[T]]):
    """Made by `Sender.downgrade`: does not keep the channel open, but may become a sender.

    Thread-safe. Tokio: `sync::mpsc::WeakSender`.
    """

    __slots__ = ()

    _strong = Sender
