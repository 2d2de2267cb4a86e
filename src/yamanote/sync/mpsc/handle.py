"""What the senders of both kinds of channel have in common."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final, Generic, Self, TypeVar

from .channel import Channel, Closing

H = TypeVar("H", bound="Handle")

#: What a sender that has been closed sends to.
NO_CHANNEL: Final = Channel(1)
NO_CHANNEL.strong = 0
NO_CHANNEL.shut()


class Handle:
    """One of a channel's senders: the channel is open as long as there is one."""

    __slots__ = ("__weakref__", "_channel", "_counted")

    def __init__(self, channel: Channel) -> None:
        # Whoever calls this has counted it.
        self._channel = channel
        #: Who pops the element counts it out.
        self._counted: list[None] = [None]

    def clone(self) -> Self:
        """Another sender of the channel.

        Raises:
            RuntimeError: this one has been closed.

        Tokio: `Sender::clone`.
        """
        if not self._channel.add_sender():
            raise RuntimeError("this sender has been closed: clone one that is open")
        return type(self)(self._channel)

    __copy__ = clone

    def close(self) -> None:
        """Send no more. When all senders have been closed or dropped the channel is closed,
        and the receiver gets what is left. A second time does nothing.

        Tokio: dropping a `Sender`.
        """
        try:
            self._counted.pop()
        except IndexError:
            return
        channel, self._channel = self._channel, NO_CHANNEL
        channel._soon(channel.drop_sender)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        # A coroutine that is collected with it may still come to the end of its `with`.
        self.close()

    def closed(self) -> Awaitable[None]:
        """Wait until the channel is closed, by its receiver: an awaitable.

        Cancel-safe. Tokio: `Sender::closed`.
        """
        return Closing(self._channel)

    def is_closed(self) -> bool:
        """Whether nothing can be sent any more: the receiver has closed the channel or is
        gone, or this sender has been closed.

        Tokio: `Sender::is_closed`.
        """
        return self._channel.closed

    def same_channel(self, other: Self) -> bool:
        """Whether `other` sends to the same channel.

        Tokio: `Sender::same_channel`.
        """
        return self._channel is other._channel is not NO_CHANNEL

    def strong_count(self) -> int:
        """How many senders the channel has, those of `reserve_owned` among them.

        Tokio: `Sender::strong_count`.
        """
        return self._channel.strong

    def weak_count(self) -> int:
        """How many weak senders the channel has.

        Tokio: `Sender::weak_count`.
        """
        return self._channel.weak

    def _why(self) -> str:
        """Why nothing can be sent."""
        if self._channel is NO_CHANNEL:
            return "this sender has been closed: clone() it before, if others still use it"
        return "the channel is closed: nobody receives any more"

    def __repr__(self) -> str:
        state = "closed" if self._channel is NO_CHANNEL else repr(self._channel)
        return f"<{type(self).__name__} {state} at {id(self):#x}>"


class WeakHandle(Generic[H]):
    """A sender that does not keep the channel open."""

    __slots__ = ("__weakref__", "_channel")

    _strong: Any

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_weak()

    def upgrade(self) -> H | None:
        """A sender of the channel; None when there is none left.

        Tokio: `WeakSender::upgrade`.
        """
        if not self._channel.add_sender():
            return None
        sender: H = self._strong(self._channel)
        return sender

    def clone(self) -> Self:
        """Another weak sender of the channel.

        Tokio: `WeakSender::clone`.
        """
        return type(self)(self._channel)

    __copy__ = clone

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

    def __del__(self) -> None:
        self._channel._soon(self._channel.drop_weak)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._channel!r} at {id(self):#x}>"
