"""Places in the queue of a bounded channel that are held, to send by them later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Generic, Self, TypeVar, final

from ..errors import SendError
from .channel import Channel

if TYPE_CHECKING:
    from .sender import Sender

T = TypeVar("T")


class _Held(Generic[T]):
    """One place: sent by once, given back by `release()`, the end of `with`, or dropped."""

    __slots__ = ("_channel", "_held", "_sender")

    def __init__(self, sender: Sender[T], channel: Channel) -> None:
        # Of its own: the sender may have been closed.
        self._channel = channel
        self._sender = sender
        self._held = True

    def _send(self, value: T) -> Sender[T]:
        if not self._held:
            raise RuntimeError("this permit has been used or released: reserve another")
        self._held = False
        channel = self._channel
        if channel.abandoned:
            channel.give_back(1)
            raise SendError("the channel is closed: its receiver is gone", value)
        channel.put(value)
        return self._sender

    def _release(self) -> Sender[T]:
        if self._held:
            self._held = False
            self._channel.give_back(1)
        return self._sender

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._release()

    def __del__(self) -> None:
        self._release()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'' if self._held else 'used '}of {self._sender!r}>"


@final
class Permit(_Held[T]):
    """A place in the queue, made by `Sender.reserve`; a dropped permit gives it back.

        permit = await tx.reserve()
        permit.send(value)

    To be sent by though `Receiver.close` has been called: the receiver waits for it. For
    one holder: two threads should not use it at once. Tokio: `sync::mpsc::Permit`.
    """

    __slots__ = ()

    def send(self, value: T) -> None:
        """Send `value`, without waiting. Any thread may call it.

        Raises:
            SendError: the receiver is gone. It holds the value.
            RuntimeError: the permit has been used.

        Tokio: `Permit::send`.
        """
        self._send(value)

    def release(self) -> None:
        """Give the place back. Does nothing if the permit has been used.

        Tokio: dropping a `Permit`.
        """
        self._release()


@final
class OwnedPermit(_Held[T]):
    """A place in the queue, made by `Sender.reserve_owned`, and a sender of its own, which
    keeps the channel open.

    Otherwise as Permit. Tokio: `sync::mpsc::OwnedPermit`.
    """

    __slots__ = ()

    def send(self, value: T) -> Sender[T]:
        """Send `value`, without waiting; returns the sender. Any thread may call it.

        Raises:
            SendError: the receiver is gone. It holds the value.
            RuntimeError: the permit has been used.

        Tokio: `OwnedPermit::send`.
        """
        return self._send(value)

    def release(self) -> Sender[T]:
        """Give the place back; returns the sender.

        Tokio: `OwnedPermit::release`.
        """
        return self._release()


@final
class Permits(Iterator[Permit[T]]):
    """The permits of `Sender.reserve_many`, one after the other. What is left gives its
    places back at the end of `with`, or when this is dropped.

        for permit in await tx.reserve_many(len(values)):
            permit.send(...)

    For one holder. Tokio: `sync::mpsc::PermitIterator`.
    """

    __slots__ = ("_channel", "_left", "_sender")

    def __init__(self, sender: Sender[T], channel: Channel, count: int) -> None:
        self._channel = channel
        self._sender = sender
        self._left = count

    def __next__(self) -> Permit[T]:
        if not self._left:
            raise StopIteration
        self._left -= 1
        return Permit(self._sender, self._channel)

    def __len__(self) -> int:
        return self._left

    def release(self) -> None:
        """Give back the places that are left."""
        left, self._left = self._left, 0
        if left:
            self._channel.give_back(left)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<Permits {self._left} of {self._sender!r}>"
