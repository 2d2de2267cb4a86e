"""What a runtime can be configured with, and whether it makes sense."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, final

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


@final
class Config:
    """A checked configuration.

    flavor: "multi_thread" (work-stealing workers, tasks run in the background) or
        "current_thread" (one worker, which runs inside `block_on` only).
    worker_threads: the number of workers. By default YAMANOTE_WORKER_THREADS, or else
        the CPUs this process may use on a free-threaded build, and 1 on a build with a
        GIL, where more threads cannot run Python at once.
    name: what the runtime is called, for logs and `Handle.name`.
    max_blocking_threads: the most threads that `spawn_blocking` uses at once.
    thread_keep_alive: after how many seconds without work such a thread ends.
    thread_name: what the runtime's threads are called, with a number appended; or a
        function that returns the whole name.
    event_interval: after how many polls a worker looks for I/O and timers.
    global_queue_interval: after how many polls a worker looks into the injection queue.
    on_thread_start, on_thread_stop: called on each thread of the runtime's own.
    on_thread_park, on_thread_unpark: called when a worker goes to sleep and wakes up.
    on_task_spawn, on_task_terminate, on_before_task_poll, on_after_task_poll: called
        with the `TaskMeta` of the task.
    unhandled_panic: "log" (a task's failure that nobody has joined is logged) or
        "shutdown_runtime" (any task's failure stops the runtime, `block_on` raises).
    start_paused: whether the clock stands still and jumps from timer to timer when all
        tasks wait; on a current_thread runtime only.
    seed: of the random choices (whom to steal from, which branch `select` tries first).
    """

    def __init__(
        self,
        *,
        flavor: str = "multi_thread",
        worker_threads: int | None = None,
        name: str | None = None,
        max_blocking_threads: int = 512,
        thread_keep_alive: float = 10.0,
        thread_name: str | Callable[[], str] = "yamanote-worker",
        event_interval: int = 61,
        global_queue_interval: int = 31,
        on_thread_start: ThreadHook | None = None,
        on_thread_stop: ThreadHook | None = None,
        on_thread_park: ThreadHook | None = None,
        on_thread_unpark: ThreadHook | None = None,
        on_task_spawn: TaskHook | None = None,
        on_task_terminate: TaskHook | None = None,
        on_before_task_poll: TaskHook | None = None,
        on_after_task_poll: TaskHook | None = None,
        unhandled_panic: str = "log",
        start_paused: bool = False,
        seed: int | None = None,
    ) -> None:
        self.flavor = flavor
        self.worker_threads = worker_threads
        self.name = name
        self.max_blocking_threads = max_blocking_threads
        self.thread_keep_alive = thread_keep_alive
        self.thread_name = thread_name
        self.event_interval = event_interval
        self.global_queue_interval = global_queue_interval
        self.on_thread_start = on_thread_start
        self.on_thread_stop = on_thread_stop
        self.on_thread_park = on_thread_park
        self.on_thread_unpark = on_thread_unpark
        self.on_task_spawn = on_task_spawn
        self.on_task_terminate = on_task_terminate
        self.on_before_task_poll = on_before_task_poll
        self.on_after_task_poll = on_after_task_poll
        self.unhandled_panic = unhandled_panic
        self.start_paused = start_paused
        self.seed = seed
        self._check()

    def _check(self) -> None:
        _one_of("flavor", self.flavor, "multi_thread", "current_thread")
        _one_of("unhandled_panic", self.unhandled_panic, "log", "shutdown_runtime")
        if self.worker_threads is not None:
            _whole("worker_threads", self.worker_threads)
        for name in ("max_blocking_threads", "event_interval", "global_queue_interval"):
            _whole(name, getattr(self, name))
        if self.name is not None and not (isinstance(self.name, str) and self.name.strip()):
            raise ValueError(f"name must be a str that is not blank, not {self.name!r}")
        keep_alive = self.thread_keep_alive
        if not _is_number(keep_alive) or not keep_alive >= 0:
            raise ValueError(f"thread_keep_alive must be seconds, 0 or more, not {keep_alive!r}")
        if not callable(self.thread_name) and not isinstance(self.thread_name, str):
            raise ValueError(f"thread_name must be a str or a function, not {self.thread_name!r}")
        for name, hook in vars(self).items():
            if name.startswith("on_") and hook is not None and not callable(hook):
                raise ValueError(f"{name} must be a function, not {hook!r}")
        if not isinstance(self.start_paused, bool):
            raise ValueError(f"start_paused must be a bool, not {self.start_paused!r}")
        if self.seed is not None and not isinstance(self.seed, int):
            raise ValueError(f"seed must be an int, not {self.seed!r}")
        if self.flavor == "current_thread":
            if self.worker_threads not in (None, 1):
                raise ValueError(
                    "worker_threads: a current_thread runtime has one worker, "
                    f"not {self.worker_threads}"
                )
        elif self.start_paused:
            raise ValueError("start_paused needs flavor='current_thread'")
        if self.flavor == "multi_thread" and self.worker_threads is None:
            self.worker_threads = default_worker_threads()

    @property
    def workers(self) -> int:
        """The number of workers."""
        return self.worker_threads or 1


def default_worker_threads() -> int:
    """The number of workers where none is given.

    Raises:
        ValueError: YAMANOTE_WORKER_THREADS is not a positive whole number.
    """
    text = os.environ.get("YAMANOTE_WORKER_THREADS")
    if text:
        if not text.strip().isdecimal() or int(text) == 0:
            raise ValueError(f"YAMANOTE_WORKER_THREADS must be 1 or more, not {text!r}")
        return int(text)
    if getattr(sys, "_is_gil_enabled", lambda: True)():
        return 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _one_of(name: str, value: Any, *choices: str) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}")


def _whole(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number, 1 or more, not {value!r}")
