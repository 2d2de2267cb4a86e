"""Yamanote: Tokio's task system for Python."""

from typing import TYPE_CHECKING

from . import runtime as runtime
from . import task as task
from .later import importer
from .runtime import EventLoop, Handle, Runtime, main, new_event_loop, run
from .task import (
    JoinError,
    JoinHandle,
    LocalKey,
    LocalSet,
    block_in_place,
    spawn,
    spawn_blocking,
    spawn_local,
    yield_now,
)

if TYPE_CHECKING:
    from . import net as net
    from . import signal as signal
    from . import sync as sync
    from . import time as time
    from .sync import CancellationToken
    from .task import JoinSet, TaskTracker, join, select, try_join

__version__ = "0.1.0"

__all__ = [
    "CancellationToken",
    "EventLoop",
    "Handle",
    "JoinError",
    "JoinHandle",
    "JoinSet",
    "LocalKey",
    "LocalSet",
    "Runtime",
    "TaskTracker",
    "block_in_place",
    "join",
    "main",
    "new_event_loop",
    "run",
    "select",
    "spawn",
    "spawn_blocking",
    "spawn_local",
    "try_join",
    "yield_now",
]


# Together they take longer to import than the rest.
__getattr__ = importer(
    __name__,
    {
        "CancellationToken": "sync",
        "JoinSet": "task",
        "TaskTracker": "task",
        "join": "task",
        "net": "net",
        "select": "task",
        "signal": "signal",
        "sync": "sync",
        "time": "time",
        "try_join": "task",
    },
)
