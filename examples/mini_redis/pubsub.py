"""Who hears what is published.

Each subscriber has a bounded channel, out of which its connection writes. A publisher never
waits: a subscriber that has fallen so far behind that its channel is full is shown out, as Redis
does it, too.
"""

from __future__ import annotations

import threading

from yamanote import CancellationToken
from yamanote.sync import TrySendError, mpsc

from .resp import NULL_3, array, bulk, integer

UNREAD = 1024  # messages that a subscriber may be behind


class Subscriber:
    """A connection that has subscribed to something, maybe to nothing any more.

    Args:
        outbox: takes what is to be written to the client.
        out: cancelled to show the client out.
        protocol: the version of RESP that it speaks.
    """

    def __init__(self, outbox: mpsc.Sender[bytes], out: CancellationToken, protocol: int) -> None:
        self.channels: dict[bytes, None] = {}
        self._outbox = outbox
        self._out = out
        self._protocol = protocol

    def tell(self, kind: bytes, channel: bytes | None, what: bytes) -> bool:
        """Have something written to the client; whether there was room for it."""
        name = NULL_3 if channel is None and self._protocol == 3 else bulk(channel)
        message = array([bulk(kind), name, what], b">" if self._protocol == 3 else b"*")
        try:
            self._outbox.try_send(message)
        except TrySendError:
            self._out.cancel()
            return False
        return True


class PubSub:
    """The channels and their subscribers. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channels: dict[bytes, dict[Subscriber, None]] = {}

    def subscribe(self, subscriber: Subscriber, channel: bytes) -> None:
        with self._lock:
            self._channels.setdefault(channel, {})[subscriber] = None
            subscriber.channels[channel] = None
            # With the lock held: no message may come before this.
            count = integer(len(subscriber.channels))
            subscriber.tell(b"subscribe", channel, count)

    def unsubscribe(self, subscriber: Subscriber, channel: bytes | None) -> None:
        """Of None, say that there was none to unsubscribe from."""
        with self._lock:
            if channel is not None:
                self._remove(subscriber, channel)
            count = integer(len(subscriber.channels))
            subscriber.tell(b"unsubscribe", channel, count)

    def leave(self, subscriber: Subscriber) -> None:
        with self._lock:
            for channel in list(subscriber.channels):
                self._remove(subscriber, channel)

    def publish(self, channel: bytes, message: bytes) -> int:
        """Tell all subscribers of a channel; returns how many these are."""
        # With the lock held all the way: they all hear the same in the same order.
        with self._lock:
            subscribers = self._channels.get(channel, {})
            text = bulk(message)
            return sum(subscriber.tell(b"message", channel, text) for subscriber in subscribers)

    def _remove(self, subscriber: Subscriber, channel: bytes) -> None:
        subscriber.channels.pop(channel, None)
        subscribers = self._channels.get(channel)
        if subscribers is not None:
            subscribers.pop(subscriber, None)
            if not subscribers:
                del self._channels[channel]
