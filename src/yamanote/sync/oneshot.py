"""One value, from one end to the other.

`open` decides how it goes: an element that is popped once, by the sender with its value, by
the sender that goes without, or by the receiver that closes. Nobody takes a lock: what ends
a wait is published first and the tokens are copied then; who waits enters its token first
and looks then (see park.py).

Tokio: `tokio::sync::oneshot`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Generator
from typing import Any, Generic, Self, TypeVar, final

from ..runtime.compat import running_task
from ..runtime.park import Park, ThreadWaiter, Token, check_may_block, wait_outside, wake
from .budget import spend_budget
from .deadline import Deadline
from .errors import RecvError, SendError, TryRecvError

__all__ = ["Receiver", "Sender", "channel"]

T = TypeVar("T")

_NO_VALUE = "the channel was closed before a value was sent"
_TAKEN = "the value has been received already, or the end of the channel has"


class _Waiting(Park):
    """Those who wait until `over` is set."""

    __slots__ = ("over", "tokens")

    def __init__(self) -> None:
        self.over = False
        self.tokens: dict[int, Token] = {}

    def end(self) -> None:
        """Have nobody wait any more."""
        self.over = True
        for token in list(self.tokens.values()):  # locks; not copy(), see crowd.py
            wake(token)

    def _register(self, token: Token) -> bool:
        self.tokens[id(token)] = token
        return not self.over

    def _unregister(self, token: Token) -> None:
        self.tokens.pop(id(token), None)


class _Shared:
    """What the two ends have in common."""

    __slots__ = ("box", "closed", "open", "receiving", "taken", "unsent")

    def __init__(self) -> None:
        self.open: list[None] = [None]
        #: The value, from `send` to the receiver that pops it.
        self.box: list[Any] = []
        #: The sender goes without having sent, or has been refused.
        self.unsent = False
        #: The receiver knows how it ended.
        self.taken = False
        #: Ends when there is something to take.
        self.receiving = _Waiting()
        #: Ends when the receiver has closed.
        self.closed = _Waiting()

    def decide(self) -> bool:
        """Whether it is the caller who decides how it goes."""
        try:
            self.open.pop()
        except IndexError:
            return False
        return True

    def end_unsent(self) -> None:
        """There will be no value, if there is none yet."""
        if self.decide():
            self.unsent = True
            self.receiving.end()


class channel(tuple["Sender[T]", "Receiver[T]"]):
    """A channel for one value: `(sender, receiver)`.

    Typed code says what is sent: `oneshot.channel[int]()`.

    Tokio: `oneshot::channel`.
    """

    __slots__ = ()

    def __new__(cls) -> tuple[Sender[T], Receiver[T]]:  # type: ignore[misc]
        shared = _Shared()
        return Sender(shared), Receiver(shared)


@final
class Sender(Generic[T]):
    """Sends one value; made by `channel`. If it is dropped before, the receiver gets
    RecvError.

    Thread-safe. Tokio: `sync::oneshot::Sender`.
    """

    __slots__ = ("__weakref__", "_shared")

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    def send(self, value: T) -> None:
        """Send the value, from any thread or task, a destructor or a signal handler.

        Raises:
            SendError: the receiver has closed, or is gone. It holds the value.
            RuntimeError: this sender has sent before, or has been closed.

        Tokio: `Sender::send`.
        """
        shared = self._shared
        if shared.decide():
            shared.box.append(value)
            shared.receiving.end()
        elif shared.closed.over:
            raise SendError("the channel is closed: nobody receives any more", value)
        else:
            raise RuntimeError("a oneshot sender sends once, and not after close(): use mpsc")

    def close(self) -> None:
        """Go without sending: the receiver gets RecvError. Does nothing once it has sent.

        Tokio: dropping a `Sender`.
        """
        self._shared.end_unsent()

    def closed(self) -> Awaitable[None]:
        """Wait until the receiver closes, or is dropped: an awaitable.

        Cancel-safe. Tokio: `Sender::closed`.
        """
        return _Closed(self._shared.closed)

    def is_closed(self) -> bool:
        """Whether the receiver has closed, or is gone.

        Tokio: `Sender::is_closed`.
        """
        return self._shared.closed.over

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._shared.end_unsent()

    def __repr__(self) -> str:
        return f"<oneshot.Sender {_state(self._shared)} at {id(self):#x}>"


class _Closed:
    """The wait for the receiver to close."""

    __slots__ = ("_of",)

    def __init__(self, of: _Waiting) -> None:
        self._of = of

    def __await__(self) -> Generator[Any, None, None]:
        if self._of.over:
            yield from spend_budget()
        while not self._of.over:
            yield from self._of._wait()


@final
class Receiver(Generic[T]):
    """Awaits one value; made by `channel`.

        value = await rx

    Thread-safe: of several that wait, one gets the value and the others RecvError. When it
    is dropped the sender gets SendError, or the value goes with it. Tokio:
    `sync::oneshot::Receiver`.
    """

    __slots__ = ("__weakref__", "_shared")

    def __init__(self, shared: _Shared) -> None:
        self._shared = shared

    def __await__(self) -> Generator[Any, None, T]:
        """Wait for the value.

        Raises:
            RecvError: the sender is gone without having sent, `close` was called before, or
                the value has been received already.

        Cancel-safe: cancelled, it has received nothing, and may be awaited again.
        """
        receiving = self._shared.receiving
        try:
            task = running_task()
            budget = task._budget
        except (RuntimeError, AttributeError):
            task = None  # not a task of ours
        else:
            if receiving.over:
                if budget <= 0 and task._out_of_budget():
                    yield None
                    budget = task._budget
                task._budget = budget - 1
        while not receiving.over:
            if task is None:
                yield from wait_outside(receiving)
            else:
                try:
                    yield receiving
                except BaseException:
                    receiving._unregister(task._token)
                    del task  # a cancellation's traceback refers to this frame
                    raise
        return self._take()

    def _take(self) -> T:
        shared = self._shared
        try:
            value: T = shared.box.pop()
        except IndexError:
            known, shared.taken = shared.taken, True
            raise RecvError(_NO_VALUE if shared.unsent and not known else _TAKEN) from None
        shared.taken = True
        return value

    def try_recv(self) -> T:
        """The value, at once.

        Raises:
            TryRecvError: there is none. `is_disconnected()` if none will come any more.

        Tokio: `Receiver::try_recv`.
        """
        if not self._shared.receiving.over:
            raise TryRecvError("no value has been sent yet", empty=True)
        try:
            return self._take()
        except RecvError as error:
            raise TryRecvError(str(error), empty=False) from None

    def blocking_recv(self, *, timeout: float | None = None) -> T:
        """Block this thread until there is the value.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            RecvError: as from the await.
            TimeoutError: `timeout` seconds have passed.
            RuntimeError: called on a worker's thread, which would block its tasks.

        Tokio: `Receiver::blocking_recv`.
        """
        check_may_block("blocking_recv", "await the receiver")
        receiving = self._shared.receiving
        deadline = Deadline(timeout)
        while not receiving.over:
            if not ThreadWaiter().wait(receiving, deadline.left()) and not receiving.over:
                raise TimeoutError(f"no value within {timeout} s")
        return self._take()

    def close(self) -> None:
        """Take no value any more: who sends gets SendError. One that has been sent before
        can be received still.

        Tokio: `Receiver::close`.
        """
        self._shared.closed.end()
        self._shared.end_unsent()

    def is_terminated(self) -> bool:
        """Whether the value has been received, or RecvError.

        Tokio: `Receiver::is_terminated`.
        """
        return self._shared.taken

    def is_empty(self) -> bool:
        """Whether there is no value to receive at the moment.

        Tokio: `Receiver::is_empty`.
        """
        return not self._shared.box

    def __del__(self) -> None:
        self.close()
        self._shared.box.clear()

    def __repr__(self) -> str:
        return f"<oneshot.Receiver {_state(self._shared)} at {id(self):#x}>"


def _state(shared: _Shared) -> str:
    if shared.taken:
        return "received"
    if shared.unsent:
        return "closed"
    return "sent" if shared.receiving.over else "pending"
