"""What Python's dev mode finds at a spawn: an argument that belongs to one worker's loop."""

from __future__ import annotations

import inspect
import sys
import warnings
from types import CoroutineType
from typing import Any

from ..runtime.event_loop import EventLoop
from ..runtime.join import JoinHandle
from ..runtime.loop import WorkerLoop

#: `python -X dev`, or PYTHONDEVMODE=1.
DEV_MODE = sys.flags.dev_mode


def warn_of_loop_bound(coro: Any) -> None:
    """Warn, where `spawn` was called, of what the task could not use on another worker."""
    if not isinstance(coro, CoroutineType):
        return
    for name, value in inspect.getcoroutinelocals(coro).items():
        if isinstance(_loop_of(value), WorkerLoop) and not isinstance(_loop_of(value), EventLoop):
            warnings.warn(
                f"{coro.__qualname__}() is spawned with {name}={value!r}, which belongs to one "
                "worker's event loop, but a spawned task may run on another: start it with "
                "asyncio.create_task(), or in a LocalSet",
                RuntimeWarning,
                stacklevel=3,
            )


def _loop_of(value: Any) -> Any:
    if isinstance(value, JoinHandle):
        return None  # it may be awaited anywhere
    try:
        loop = getattr(value, "_loop", None)
        return value.get_loop() if loop is None else loop
    except Exception:
        return None
