"""What `yamanote.runtime` has."""

from .config import Config, RuntimeConfig
from .event_loop import EventLoop, new_event_loop
from .handle import EnterGuard, Handle
from .hooks import TaskMeta
from .metrics import RuntimeMetrics, WorkerMetrics
from .runtime import Runtime, main, run

__all__ = [
    "Config",
    "EnterGuard",
    "EventLoop",
    "Handle",
    "Runtime",
    "RuntimeConfig",
    "RuntimeMetrics",
    "TaskMeta",
    "WorkerMetrics",
    "main",
    "new_event_loop",
    "run",
]
