"""Streams of the signals that come."""

from __future__ import annotations

import signal as _signal
from collections.abc import Awaitable, Generator
from types import coroutine
from typing import Any, Final, Self, final

from ..runtime import main_thread
from ..runtime.compat import current_task
from ..runtime.core import runs_event_loop
from ..runtime.here import current_core
from ..runtime.park import Park, Token
from ..runtime.signals import SignalSource, signal_source
from ..runtime.task import Task
from ..sync.errors import RecvError

# Tokio's list: no handler can be installed, or none that may return.
_REFUSED: Final = frozenset(
    getattr(_signal, name, None) for name in ("SIGILL", "SIGFPE", "SIGKILL", "SIGSEGV", "SIGSTOP")
)


async def ctrl_c() -> None:
    """Wait for the next Ctrl-C (SIGINT).

    From the first step of the await until its end Ctrl-C does nothing else; before and
    after, it cancels the main task as ever. Who wants to hear each, and never be cancelled
    by one, keeps a stream: `unix(SIGINT)`.

    Raises:
        RuntimeError: as from `unix`.

    Cancel-safe: another await waits for the next. Tokio: `signal::ctrl_c`.
    """
    of = _source(_signal.SIGINT)
    with Signal(of) as stream:
        while (installing := of.install()) is not None:
            await installing
        await stream.recv()


def unix(signum: int) -> Signal:
    """Listen to a signal of Unix from now on.

    The handler that was there before, or the system's action, is replaced until the last
    stream of this signal is closed or dropped; then it is back, unless somebody else has
    installed another one meanwhile. SIGINT does not cancel the main task as long.

    On another thread than the main one this blocks until the main thread, which installs
    the handler, comes back to its event loop: for 10 seconds at the most. It is at once if
    there is a stream of this signal already.

    Args:
        signum: the signal: `signal.SIGTERM`, say, of the standard library.

    Raises:
        ValueError: there is no such signal, or it cannot be handled.
        RuntimeError: there is neither a runtime here nor a loop of asyncio or trio. Or this
            is not the main thread, and that is neither in `block_on` or `run` nor runs an
            `EventLoop`, or it blocks in place or does something else for too long.
        OSError: the system does not let the signal be handled.

    Thread-safe. Tokio: `signal::unix::signal`.
    """
    of = _source(signum)
    stream = Signal(of)
    try:
        while (installing := of.install()) is not None:
            installing.wait()
    except BaseException:
        stream.close()
        raise
    return stream


def _source(signum: int) -> SignalSource:
    if not isinstance(signum, int):
        raise TypeError(f"a signal is an int, such as signal.SIGTERM, not {signum!r}")
    if signum in _REFUSED:
        raise ValueError(
            f"{_signal.Signals(signum).name} cannot be waited for: "
            "no program can go on after it in order"
        )
    if signum not in _signal.valid_signals():
        raise ValueError(
            f"there is no signal {int(signum)} here: signal.valid_signals() has them all"
        )
    if not main_thread.attends() and not runs_event_loop():
        current_core()
    return signal_source(int(signum))


@final
class Signal:
    """A stream of the occurrences of one signal; made by `unix`.

        with signal.unix(SIGHUP) as hangups:
            async for _ in hangups:
                reload()

    Signals that come while nobody waits count as one, as the system does it too. Each
    stream hears all; but of several tasks that wait by the same stream any one may get it,
    so give each a stream of its own.

    Close it, or use `with` or `async with`: the signal has its former meaning then, if this
    was the last stream. A stream that is dropped is closed.

    Thread-safe. Tokio: `signal::unix::Signal`.
    """

    __slots__ = ("__weakref__", "_open", "_seen", "_source")

    def __init__(self, of: SignalSource) -> None:
        self._source = of
        self._seen = of.version
        self._open = True
        of.listeners[id(self)] = None

    def recv(self) -> Awaitable[None]:
        """Wait for the next signal, or see that there has been one since the last: an
        awaitable.

        Raises:
            RecvError: from the await: the stream has been closed.

        Cancel-safe: no signal is lost. Tokio: `Signal::recv`.
        """
        return _Recv(self)

    def __aiter__(self) -> Self:
        return self

    @coroutine
    def __anext__(self) -> Generator[Any, Any, None]:
        try:
            yield from _Recv(self).__await__()
        except RecvError:
            raise StopAsyncIteration from None

    def close(self) -> None:
        """Listen no more: who waits gets RecvError. A second time does nothing.

        On another thread than the main one, the main thread gives the signal its former
        meaning when it comes by. Until then it is passed on to the former handler.

        Tokio: dropping a `Signal`.
        """
        if self._open:
            self._open = False
            self._source.leave(id(self))
            self._source.crowd.wake()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._open:
            self._open = False
            self._source.leave(id(self))

    def __repr__(self) -> str:
        state = "" if self._open else " closed"
        return f"<Signal {self._source.signum}{state} at {id(self):#x}>"


@final
class _Recv(Park):
    """The wait for a signal that a stream has not seen."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Signal) -> None:
        self._stream = stream

    def _see(self) -> bool:
        stream = self._stream
        if not stream._open:
            raise RecvError("this stream of signals has been closed")
        version = stream._source.version
        if version == stream._seen:
            return False
        stream._seen = version
        return True

    def _register(self, token: Token) -> bool:
        stream = self._stream
        stream._source.crowd.join(token)
        return stream._source.version == stream._seen and stream._open

    def _unregister(self, token: Token) -> None:
        self._stream._source.crowd.leave(token)

    def __await__(self) -> Generator[Any, None, None]:
        task = current_task()
        if isinstance(task, Task):
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
        del task  # a cancellation's traceback refers to this frame
        while not self._see():
            yield from self._wait()
