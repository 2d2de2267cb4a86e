"""Counterparts of tokio/tests/task_hooks.rs.

The main coroutine of `block_on` may be reported as a task, named "main", which Tokio's is
not: it is left out where reports are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.gates import forever
from yamanote import JoinHandle, Runtime, spawn, yield_now
from yamanote.runtime import TaskMeta

TASKS = 8
ITERATIONS = 64
LATENCY = 0.05  # seconds

Hook = Callable[[TaskMeta], None]


class Reports:
    """What a hook was told; hooks are called on several threads at once."""

    def __init__(self) -> None:
        self.all: list[TaskMeta] = []

    def __call__(self, meta: TaskMeta) -> None:
        if meta.name != "main":
            self.all.append(meta)

    def of(self, task: JoinHandle[Any]) -> list[TaskMeta]:
        return [meta for meta in self.all if meta.id == task.id]


async def nothing() -> None:
    pass


async def tick() -> None:
    for _ in range(ITERATIONS):
        await yield_now()


def test_spawn_task_hook_fires() -> None:
    spawned = Reports()
    with Runtime(flavor="current_thread", on_task_spawn=spawned) as rt:
        handles = [rt.spawn(forever()) for _ in range(TASKS)]
        assert [(meta.id, meta.name) for meta in spawned.all] == [(h.id, h.name) for h in handles]
    assert len({meta.id for meta in spawned.all}) == TASKS


def test_terminate_task_hook_fires() -> None:
    terminated = Reports()
    with Runtime(flavor="current_thread", on_task_terminate=terminated) as rt:
        handles = [rt.spawn(nothing()) for _ in range(TASKS)]
        assert not terminated.all
        rt.block_on(tick())
        assert sorted(int(meta.id) for meta in terminated.all) == [int(h.id) for h in handles]


def task_hook_spawn_location(**config: Any) -> None:
    spawns, starts, ends = Reports(), Reports(), Reports()
    with Runtime(
        on_task_spawn=spawns, on_before_task_poll=starts, on_after_task_poll=ends, **config
    ) as rt:

        async def yields() -> None:
            await yield_now()

        from_outside = rt.spawn(yields())

        async def main() -> JoinHandle[None]:
            await from_outside
            from_inside = spawn(nothing())
            await from_inside
            await tick()
            return from_inside

        from_inside = rt.block_on(main())
    assert len(spawns.all) == 2
    assert len(starts.of(from_outside)) == 2
    assert len(starts.of(from_inside)) == 1
    assert sorted(int(meta.id) for meta in starts.all) == sorted(int(meta.id) for meta in ends.all)
    for meta in (*spawns.all, *starts.all, *ends.all):
        assert meta.spawned_at is not None
        assert meta.spawned_at.filename == __file__


def test_task_hook_spawn_location_current_thread() -> None:
    task_hook_spawn_location(flavor="current_thread")


def test_task_hook_spawn_location_multi_thread(workers: int) -> None:
    task_hook_spawn_location(worker_threads=workers)
