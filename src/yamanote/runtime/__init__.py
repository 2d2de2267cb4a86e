"""How tasks run: runtimes, their configuration, handles to them, their figures.

Tokio: `tokio::runtime`.
"""

from typing import TYPE_CHECKING

from ..later import importer
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


# A tenth of the time that `import yamanote` takes.
__getattr__ = importer(
    __name__, {"RuntimeMetrics": "metrics", "TaskMeta": "hooks", "WorkerMetrics": "metrics"}
)
