"""The keyword arguments of a runtime, for type checkers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from .hooks import TaskMeta

ThreadHook = Callable[[], object]
TaskHook: TypeAlias = "Callable[[TaskMeta], object]"


class RuntimeConfig(TypedDict, total=False):
    """The keyword arguments of `Runtime`, `run` and `main`; see `Config` for each."""

    flavor: Literal["multi_thread", "current_thread"]
    worker_threads: int | None
    name: str | None
    max_blocking_threads: int
    thread_keep_alive: float
    thread_name: str | Callable[[], str]
    event_interval: int
    global_queue_interval: int
    on_thread_start: ThreadHook | None
    on_thread_stop: ThreadHook | None
    on_thread_park: ThreadHook | None
    on_thread_unpark: ThreadHook | None
    on_task_spawn: TaskHook | None
    on_task_terminate: TaskHook | None
    on_before_task_poll: TaskHook | None
    on_after_task_poll: TaskHook | None
    unhandled_panic: Literal["log", "shutdown_runtime"]
    start_paused: bool
    seed: int | None
