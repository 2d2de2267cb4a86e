"""Figures about a runtime, read without stopping it."""

from __future__ import annotations

from typing import NamedTuple, final


@final
class WorkerMetrics(NamedTuple):
    """Figures of one worker.

    polls: polls of tasks so far.
    steals: tasks taken from other workers.
    parks: how often it has gone to sleep.
    local_queue_depth: runnable tasks that others may steal.
    pinned_queue_depth: runnable tasks that stay on the worker.
    busy_seconds: the time it has not slept.
    """

    polls: int
    steals: int
    parks: int
    local_queue_depth: int
    pinned_queue_depth: int
    busy_seconds: float


@final
class RuntimeMetrics(NamedTuple):
    """Figures of a runtime. The counters are kept by each worker for itself and added
    up here, so they cost next to nothing and may be a moment behind.

    num_workers: the number of workers.
    num_alive_tasks: tasks that have not ended.
    spawned_tasks_count: tasks spawned so far.
    injection_queue_depth: tasks spawned or woken from outside and not yet taken.
    num_blocking_threads: threads of the blocking pool.
    num_idle_blocking_threads: those of them without work.
    blocking_queue_depth: calls that wait for a thread.
    workers: the figures of each worker.

    Tokio: `runtime::RuntimeMetrics`.
    """

    num_workers: int
    num_alive_tasks: int
    spawned_tasks_count: int
    injection_queue_depth: int
    num_blocking_threads: int
    num_idle_blocking_threads: int
    blocking_queue_depth: int
    workers: tuple[WorkerMetrics, ...]

    @property
    def polls_count(self) -> int:
        """Polls of tasks so far, of all workers."""
        return sum(worker.polls for worker in self.workers)

    @property
    def steals_count(self) -> int:
        """Tasks that changed their worker by being stolen."""
        return sum(worker.steals for worker in self.workers)

    @property
    def parks_count(self) -> int:
        """How often workers have gone to sleep."""
        return sum(worker.parks for worker in self.workers)

    @property
    def busy_seconds(self) -> float:
        """The time that workers have not slept, added up."""
        return sum(worker.busy_seconds for worker in self.workers)
