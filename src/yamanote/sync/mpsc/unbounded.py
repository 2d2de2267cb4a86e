"""The sending end of an unbounded channel."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Generic, TypeVar, final

from ...runtime.compat import running_task
from ...runtime.task import NO_WORKER
from ..budget import SENT
from ..errors import SendError
from .handle import Handle, WeakHandle

T = TypeVar("T")


@final
class UnboundedSender(Handle, Generic[T]):
    """Sends to an unbounded channel; made by `unbounded_channel`.

    A channel closes when its last sender does: by `close()`, at the end of `with`, or when it
    is dropped. Give each task that sends a `clone()` to have the receiver see the end of all.

    Thread-safe. Tokio: `sync::mpsc::UnboundedSender`.
    """

    __slots__ = ()

    def send(self, value: T) -> Awaitable[None]:
        """Send `value` at once, from any thread or task, a destructor or a signal handler.

        What it returns may be awaited or not: the value has been sent. So code can take
        senders of both kinds, and a task that awaits it gives others their turn at times.

        Raises:
            SendError: the channel is closed. It holds the value.

        Tokio: `UnboundedSender::send`.
        """
        channel = self._channel
        receivers = channel.receivers
        places = channel.places
        if receivers:
            # As in Sender.send().
            try:
                worker = running_task()._poller
            except (RuntimeError, AttributeError):
                worker = NO_WORKER
            if not worker.slot and not places:
                try:
                    waiter = receivers.popleft().pop()
                except IndexError:
                    pass
                else:
                    if waiter._home is worker.core:
                        waiter._value = value
                        worker.slot.append(waiter)
                        return SENT
                    if channel.put_for(waiter, value):
                        return SENT
        places.append(None)
        if channel.limit < 0:
            channel.give_back(1)
            raise SendError(self._why(), value)
        channel.values.append(value)
        if receivers:
            channel.wake_receiver()
        return SENT

    def downgrade(self) -> WeakUnboundedSender[T]:
        """A sender that does not keep the channel open.

        Tokio: `UnboundedSender::downgrade`.
        """
        return WeakUnboundedSender(self._channel)


@final
class WeakUnboundedSender(WeakHandle[UnboundedSender[T]]):
    """Made by `UnboundedSender.downgrade`: does not keep the channel open, but may become a
    sender.

    Thread-safe. Tokio: `sync::mpsc::WeakUnboundedSender`.
    """

    __slots__ = ()

    _strong = UnboundedSender
