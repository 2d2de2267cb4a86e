"""The signals that somebody listens to, and their handlers.

Python runs handlers on the main thread, between two bytecodes of whatever it does, and lets
no other thread install one. So a handler takes no lock. Nor does anybody else here, because
one may come, like the garbage collector, in the midst of everything that the main thread does.

`_deliver` is installed as long as somebody listens. Who listens enters `listeners` and then
looks at `installed`; who takes the handler away clears `installed` and then copies
`listeners`: each locks the dict (see park.py), so one of the two sees the other.

If the last listener goes where the main thread cannot be asked, the handler stays until it
comes by. Meanwhile it passes signals on to the one that was there before.
"""

from __future__ import annotations

import itertools
import signal
import sys
from collections.abc import Generator
from types import FrameType
from typing import Any, Final, final

from . import main_thread
from .crowd import Crowd
from .here import here
from .park import Park, ThreadWaiter, Token

# How long a thread waits for the main one to end what it does, in seconds.
_PATIENCE: Final = 10.0

_UNREACHABLE: Final = (
    "signals can only be handled while the main thread runs block_on(), run() or "
    "yamanote.EventLoop, for Python lets no other thread install a handler, and now it runs "
    "none of them, or blocks in place: run the runtime on the main thread, or call "
    "signal.unix() on the main thread first, inside `with runtime.enter():`"
)


@final
class SignalSource:
    """One signal, and who listens to it."""

    __slots__ = ("_before", "_installed", "_versions", "crowd", "listeners", "signum", "version")

    def __init__(self, signum: int) -> None:
        self.signum = signum
        #: By their id.
        self.listeners: dict[int, None] = {}
        #: Changes with each signal.
        self.version = 0
        self._versions = itertools.count(1)
        #: Who waits for the next.
        self.crowd = Crowd()
        self._installed = False
        #: The handler that ours has replaced.
        self._before: Any = signal.SIG_DFL

    def leave(self, listener: int) -> None:
        """One listens no more; any thread may call it, in the midst of anything."""
        self.listeners.pop(listener, None)
        if self.listeners or sys.is_finalizing():
            return
        if main_thread.is_here():
            self.settle()
        else:
            main_thread.ask(self.settle)

    def install(self) -> Installing | None:
        """See that those who have entered `listeners` are heard.

        Returns:
            What to wait for: None if all is done.

        Raises:
            RuntimeError: the main thread cannot be asked.
            OSError: the system does not let this signal be handled.
        """
        if self._installed and signal.getsignal(self.signum) is _deliver:
            return None
        if main_thread.is_here():
            self.settle(again=True)
            return None
        installing = Installing(self)
        if not main_thread.ask(installing.step) and main_thread.withdraw(installing.step):
            raise RuntimeError(_UNREACHABLE)
        return installing

    def settle(self, again: bool = False) -> None:
        """Install the handler or take it away, as is needed; on the main thread.

        `again`: even if somebody has replaced it by another meanwhile.
        """
        signum = self.signum
        # Whatever is called here may run another handler, or the collector, and come here anew.
        while True:
            if self.listeners:
                if self._installed and not (again and signal.getsignal(signum) is not _deliver):
                    return
                before = signal.signal(signum, _deliver)
                if before is not _deliver:
                    self._before = before
                self._installed = True
                again = False
            else:
                if not self._installed:
                    return
                self._installed = False
                if self.listeners.copy():
                    self._installed = True
                elif self._before is not None and signal.getsignal(signum) is _deliver:
                    signal.signal(signum, self._before)
                    self._installed = False

    def deliver(self, frame: FrameType | None) -> None:
        """The signal has come."""
        if not self.listeners:
            self.settle()
        if self.listeners:
            self.version = next(self._versions)
            self.crowd.wake()
            _see_to_the_woken()
        elif callable(self._before):
            self._before(self.signum, frame)
        elif self._before is signal.SIG_DFL and signal.getsignal(self.signum) is signal.SIG_DFL:
            signal.raise_signal(self.signum)


_sources: dict[int, SignalSource] = {}


def signal_source(signum: int) -> SignalSource:
    """What stands for the signal."""
    known = _sources.get(signum)
    return _sources.setdefault(signum, SignalSource(signum)) if known is None else known


def _deliver(signum: int, frame: FrameType | None) -> None:
    _sources[signum].deliver(frame)


def _see_to_the_woken() -> None:
    """Tasks have been woken while this thread was about to do anything, even to sleep."""
    worker = here.worker
    if worker is not None:
        worker.unpark()
        # It may take long until the task that runs suspends: let others steal what roams.
        idle = worker.core.idle
        if idle.sleepers and not idle.searching:
            idle.notify()


def handler(signum: int) -> Any:
    """The handler of a signal that acts when nobody listens."""
    installed = signal.getsignal(signum)
    return _sources[signum]._before if installed is _deliver else installed


def set_handler(signum: int, function: Any) -> None:
    """As `signal.signal`, but it does not act while somebody listens."""
    if signal.getsignal(signum) is _deliver:
        _sources[signum]._before = function
    else:
        signal.signal(signum, function)


@final
class Installing(Park):
    """The wait for the main thread to install a handler."""

    __slots__ = ("_crowd", "_done", "_error", "_source")

    def __init__(self, of: SignalSource) -> None:
        self._source = of
        self._done = False
        self._error: Exception | None = None
        self._crowd = Crowd()

    def step(self) -> None:
        """The main thread's part."""
        try:
            self._source.settle(again=True)
        except Exception as error:
            self._error = error
        finally:
            # Also if Ctrl-C comes up just here; then it has to be asked again.
            self._done = True
            self._crowd.wake()

    def wait(self) -> None:
        """Block this thread until it is done.

        Raises:
            RuntimeError: the main thread does something else for too long.
            OSError: as `SignalSource.install`.
        """
        main_thread.hurry()
        if not ThreadWaiter().wait(self, _PATIENCE):
            if main_thread.withdraw(self.step):
                raise RuntimeError(
                    f"the main thread, which alone may install a handler of signal "
                    f"{self._source.signum}, has not come back to its event loop within "
                    f"{_PATIENCE:g} s: do not block it, or call signal.unix() there"
                )
            ThreadWaiter().wait(self, None)  # it has just begun
        self._check()

    def __await__(self) -> Generator[Any, None, None]:
        while not self._done:
            yield from self._wait()
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            try:
                raise self._error
            finally:
                self._error = None

    def _register(self, token: Token) -> bool:
        self._crowd.join(token)
        return not self._done

    def _unregister(self, token: Token) -> None:
        self._crowd.leave(token)
