"""Counterparts of tokio/tests/rt_poll_callbacks.rs."""

from __future__ import annotations

from typing import Any

from yamanote import Runtime, yield_now
from yamanote.runtime import TaskMeta


async def yield_three_times() -> None:
    await yield_now()
    await yield_now()
    await yield_now()


def callbacks_fire(**config: Any) -> None:
    calls: list[tuple[str, TaskMeta]] = []

    def before(meta: TaskMeta) -> None:
        calls.append(("before", meta))

    def after(meta: TaskMeta) -> None:
        calls.append(("after", meta))

    with Runtime(on_before_task_poll=before, on_after_task_poll=after, **config) as rt:
        task = rt.handle.spawn(yield_three_times(), name="mine")
        rt.block_on(task)
    # The main task of block_on, which waits for it, is a task here; Tokio's is not.
    mine = [(when, meta.name) for when, meta in calls if meta.id == task.id]
    assert mine == [("before", "mine"), ("after", "mine")] * 4


def test_callbacks_fire_multi_thread(workers: int) -> None:
    callbacks_fire(worker_threads=workers)


def test_callbacks_fire_current_thread() -> None:
    callbacks_fire(flavor="current_thread")
