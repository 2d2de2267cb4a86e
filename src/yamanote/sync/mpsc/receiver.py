"""The receiving end."""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Any, Generic, Self, TypeVar, final

from ...runtime.checks import check_whole
from ...runtime.compat import running_task
from ...runtime.park import ThreadWaiter, check_may_block, wait_outside
from ..budget import spend_budget
from ..deadline import Deadline
from ..errors import RecvError, TryRecvError
from .channel import NOTHING, Channel

T = TypeVar("T")

_OVER = "the channel is closed, and all that was sent has been received"


class UnboundedReceiver(Generic[T]):
    """Receives from a channel; made by `unbounded_channel`.

        async for value in rx:
            ...

    Several tasks and threads may receive from one receiver, which Tokio's does not allow:
    each value goes to one of them, whoever comes first. When the receiver is dropped, the
    channel is closed and what is left in it with it.

    Thread-safe. Tokio: `sync::mpsc::UnboundedReceiver`.
    """

    __slots__ = ("__weakref__", "_channel")

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    @coroutine
    def recv(self) -> Generator[Any, Any, T]:
        """Wait for the next value: an awaitable, which does nothing before it is awaited.

        Raises:
            RecvError: the channel is closed, and all that was sent has been received. As
                long as there are permits something may still come.

        Cancel-safe: cancelled, it has received nothing. Tokio: `Receiver::recv`.
        """
        channel = self._channel
        values = channel.values
        try:
            task = running_task()
            budget = task._budget
        except (RuntimeError, AttributeError):
            task = None  # not a task of ours
        else:
            if values:
                if budget <= 0 and task._out_of_budget():
                    yield None
                    budget = task._budget
                task._budget = budget - 1
        while True:
            while not values:
                if channel.closed and not channel.places:
                    raise RecvError(_OVER)
                if task is None:
                    yield from wait_outside(channel)
                else:
                    task._value = NOTHING
                    try:
                        yield channel
                    except BaseException:
                        if task._value is not NOTHING:
                            channel.put_back(task._value)
                            task._value = NOTHING
                        channel._unregister(task._token)
                        del task  # a cancellation's traceback refers to this frame
                        raise
                    gift: T = task._value
                    if gift is not NOTHING:
                        task._value = NOTHING
                        return gift
            try:
                value: T = values.popleft()
            except IndexError:
                continue  # another was faster
            channel.places.pop()
            if channel.limit < 0:
                channel.freed()
            return value

    @coroutine
    def recv_many(self, limit: int) -> Generator[Any, Any, list[T]]:
        """Wait for a value; returns it and those that are there already, up to `limit`.

        Returns:
            The values; none when `limit` is 0, or when the channel is closed and all that
            was sent has been received.

        Raises:
            TypeError, ValueError: `limit` is no whole number, or negative.

        Cancel-safe, as `recv`. Tokio: `Receiver::recv_many`.
        """
        got: list[T] = []
        if not _limit(limit):
            yield from spend_budget()
            return got
        try:
            got.append((yield from self.recv()))
        except RecvError:
            return got
        self._move(got, limit - 1)
        return got

    def try_recv(self) -> T:
        """The next value, at once.

        Raises:
            TryRecvError: there is none. `is_disconnected()` if none will come any more.

        Tokio: `Receiver::try_recv`.
        """
        got: list[T] = []
        if self._move(got, 1):
            return got[0]
        channel = self._channel
        if channel.closed and not channel.places:
            raise TryRecvError(_OVER, empty=False)
        raise TryRecvError("there is no value at the moment", empty=True)

    def blocking_recv(self, *, timeout: float | None = None) -> T:
        """Block this thread until there is a value.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            RecvError: the channel is closed, and all that was sent has been received.
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.

        Tokio: `Receiver::blocking_recv`.
        """
        check_may_block("blocking_recv", "await recv()")
        return self._wait_in_thread(1, timeout)[0]

    def blocking_recv_many(self, limit: int, *, timeout: float | None = None) -> list[T]:
        """As `recv_many`, blocking this thread.

        Args:
            limit: how many values at the most.
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            TimeoutError: `timeout` seconds have passed without a value.
            RuntimeError: called on a worker's thread, which would block its tasks.
            TypeError, ValueError: `limit` is no whole number, or negative.

        Tokio: `Receiver::blocking_recv_many`.
        """
        check_may_block("blocking_recv_many", "await recv_many()")
        if _limit(limit) == 0:
            return []
        try:
            return self._wait_in_thread(limit, timeout)
        except RecvError:
            return []

    def _wait_in_thread(self, limit: int, timeout: float | None) -> list[T]:
        channel = self._channel
        deadline = Deadline(timeout)
        got: list[T] = []
        while not self._move(got, limit):
            if channel.closed and not channel.places:
                raise RecvError(_OVER)
            if not ThreadWaiter().wait(channel, deadline.left()) and not channel.values:
                raise TimeoutError(f"nothing to receive within {timeout} s")
        return got

    def _move(self, to: list[T], limit: int) -> bool:
        """Append up to `limit` values to a list; whether there was any."""
        channel = self._channel
        values, places = channel.values, channel.places
        moved = 0
        while moved < limit and values:
            try:
                to.append(values.popleft())
            except IndexError:
                continue  # another was faster
            moved += 1
            places.pop()
        if moved and channel.limit < 0:
            channel.freed()
        return moved > 0

    def __aiter__(self) -> Self:
        return self

    @coroutine
    def __anext__(self) -> Generator[Any, Any, T]:
        try:
            value: T = yield from self.recv()
        except RecvError:
            raise StopAsyncIteration from None
        return value

    def close(self) -> None:
        """Take no more: who sends gets SendError. What has been sent can be received still,
        and so can what those send who have a permit.

        Tokio: `Receiver::close`.
        """
        channel = self._channel
        with channel._lock:
            channel.shut()
        if channel._later:
            channel._catch_up()

    def is_closed(self) -> bool:
        """Whether nothing can be sent any more: `close` has been called, or there is no
        sender left.

        Tokio: `Receiver::is_closed`.
        """
        return self._channel.closed

    def is_empty(self) -> bool:
        """Whether there is no value at the moment.

        Tokio: `Receiver::is_empty`.
        """
        return not self._channel.values

    def __len__(self) -> int:
        """How many values there are at the moment.

        Tokio: `Receiver::len`.
        """
        return len(self._channel.values)

    def __bool__(self) -> bool:
        return True  # though it be empty

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

    def __del__(self) -> None:
        self._channel._soon(self._channel.abandon)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._channel!r} at {id(self):#x}>"


@final
class Receiver(UnboundedReceiver[T]):
    """Receives from a bounded channel; made by `channel`.

    As UnboundedReceiver, and knows how much room there is. Tokio: `sync::mpsc::Receiver`.
    """

    __slots__ = ()

    def capacity(self) -> int:
        """How many values there is room for at the moment.

        Tokio: `Receiver::capacity`.
        """
        return self._channel.free()

    def max_capacity(self) -> int:
        """How many values there is room for in all.

        Tokio: `Receiver::max_capacity`.
        """
        return self._channel.capacity


def _limit(limit: int) -> int:
    if limit.__class__ is not int:
        check_whole("the limit", limit)
    if limit < 0:
        raise ValueError(f"the limit must be 0 or more, not {limit}")
    return limit
