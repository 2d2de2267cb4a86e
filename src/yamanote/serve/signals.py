"""SIGINT and SIGTERM stop a server."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..runtime.here import here

HANDLED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping(stop: Callable[[], object], force: Callable[[], object]) -> Iterator[list[int]]:
    """On the first signal call `stop`, on another Ctrl-C `force`, both by the loop of this
    worker; a third Ctrl-C ends the process where it stands.

    For a task on the main thread. Gives a list of the signals that have come.
    """
    worker = here.worker
    assert worker is not None
    loop = worker.loop
    caught: list[int] = []

    def handle(signum: int, _: Any) -> None:
        first = not caught  # before: another signal's handler may run in the midst of this one
        caught.append(signum)
        if first:
            loop.call_soon_threadsafe(stop)
        elif signum == signal.SIGINT:
            if caught.count(signal.SIGINT) > 2:
                signal.signal(signum, signal.SIG_DFL)
                signal.raise_signal(signum)
            loop.call_soon_threadsafe(force)

    before = {signum: signal.signal(signum, handle) for signum in HANDLED}
    try:
        yield caught
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
