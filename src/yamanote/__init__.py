"""Yamanote: Tokio's task system for Python."""

from . import net as net
from . import runtime as runtime
from . import signal as signal
from . import sync as sync
from . import task as task
from . import time as time
from .runtime import EventLoop, Handle, Runtime, main, new_event_loop, run
from .sync import CancellationToken
from .task import (
    JoinError,
    JoinHandle,
    JoinSet,
    LocalKey,
    LocalSet,
    TaskTracker,
    block_in_place,
    join,
    select,
    spawn,
    spawn_blocking,
    spawn_local,
    try_join,
    yield_now,
)

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
