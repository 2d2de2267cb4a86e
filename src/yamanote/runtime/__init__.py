"""How tasks run: runtimes, their configuration, handles to them, their figures.

Tokio: `tokio::runtime`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import Config, RuntimeConfig
from .event_loop import EventLoop, new_event_loop
from .handle import EnterGuard, Handle
from .runtime import Runtime, main, run

if TYPE_CHECKING:
    from .hooks import TaskMeta
    from .metrics import RuntimeMetrics, WorkerMetrics

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


# Imported when they are asked for: a tenth of the time that `import yamanote` takes.
_LATER = {"RuntimeMetrics": "metrics", "TaskMeta": "hooks", "WorkerMetrics": "metrics"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value
