"""Queues from many senders to a receiver.

    async def produce(tx):
        with tx:
            await tx.send(42)

    tx, rx = mpsc.channel(100)
    spawn(produce(tx))
    async for value in rx:  # until the last sender is closed
        ...

Tokio: `tokio::sync::mpsc`.
"""

from __future__ import annotations

import sys
from typing import TypeVar

from ...runtime.checks import check_whole
from .channel import Channel
from .permit import OwnedPermit, Permit, Permits
from .receiver import Receiver, UnboundedReceiver
from .sender import Sender, WeakSender
from .unbounded import UnboundedSender, WeakUnboundedSender

__all__ = [
    "OwnedPermit",
    "Permit",
    "Permits",
    "Receiver",
    "Sender",
    "UnboundedReceiver",
    "UnboundedSender",
    "WeakSender",
    "WeakUnboundedSender",
    "channel",
    "unbounded_channel",
]

T = TypeVar("T")


class channel(tuple[Sender[T], Receiver[T]]):
    """A channel for `capacity` values that wait to be received: `(sender, receiver)`.

    Typed code says what is sent: `mpsc.channel[int](100)`.

    Args:
        capacity: how many values may wait; who sends more has to wait.

    Raises:
        TypeError, ValueError: `capacity` is no whole number, or less than 1.

    Tokio: `mpsc::channel`.
    """

    __slots__ = ()

    def __new__(cls, capacity: int) -> tuple[Sender[T], Receiver[T]]:  # type: ignore[misc]
        check_whole("a channel's capacity", capacity)
        if capacity < 1:
            raise ValueError(f"a channel has room for 1 value or more, not {capacity}")
        shared = Channel(capacity)
        return Sender(shared), Receiver(shared)


class unbounded_channel(tuple[UnboundedSender[T], UnboundedReceiver[T]]):
    """A channel without a limit to the values that wait: `(sender, receiver)`.

    Typed code says what is sent: `mpsc.unbounded_channel[int]()`. If values come faster than
    they are received memory runs out: prefer `channel`.

    Tokio: `mpsc::unbounded_channel`.
    """

    __slots__ = ()

    def __new__(cls) -> tuple[UnboundedSender[T], UnboundedReceiver[T]]:  # type: ignore[misc]
        shared = Channel(sys.maxsize)
        return UnboundedSender(shared), UnboundedReceiver(shared)
