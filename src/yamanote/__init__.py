"""Yamanote: Tokio's task system for Python."""

from . import net as net
from . import runtime as runtime
from . import signal as signal
from . import sync as sync
from . import task as task
from . import time as time
from .runtime.event_loop import EventLoop, new_event_loop
from .runtime.handle import Handle
from .runtime.join import JoinError, JoinHandle
from .runtime.runtime import Runtime, main, run
from .sync.cancellation import CancellationToken
from .task.blocking import block_in_place, spawn_blocking
from .task.combine import join, select, try_join
from .task.coop import yield_now
from .task.join_set import JoinSet
from .task.local import LocalSet, spawn_local
from .task.local_key import LocalKey
from .task.spawning import spawn
from .task.tracker import TaskTracker

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
