"""Yamanote: Tokio's task system for Python."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import runtime as runtime
from . import task as task
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


def __getattr__(name: str) -> Any:
    # Imported when they are asked for: together they take longer than the rest.
    if name in ("net", "signal", "sync", "time"):
        return import_module(f"{__name__}.{name}")
    if name == "CancellationToken":
        value = import_module(f"{__name__}.sync").CancellationToken
    elif name in ("JoinSet", "TaskTracker", "join", "select", "try_join"):
        value = getattr(task, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
