"""Counterparts of tokio/tests/task_hooks.rs.

The main coroutine of `block_on` may be reported as a task, named "main", which Tokio's is
not: it is left out where reports are counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.channels import LIMIT
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


def test_task_hook_schedule_latency_non_poll_callbacks() -> None:
    spawned, terminated = Reports(), Reports()
    with Runtime(
        flavor="current_thread",
        track_task_schedule_latency=True,
        on_task_spawn=spawned,
        on_task_terminate=terminated,
    ) as rt:
        rt.block_on(rt.spawn(nothing()))
        for reports in (spawned, terminated):
            [meta] = reports.all
            assert meta.schedule_latency is None


def test_task_hook_schedule_latency_disabled() -> None:
    polled = Reports()
    with Runtime(flavor="current_thread", on_before_task_poll=polled) as rt:
        rt.block_on(rt.spawn(nothing()))
    [meta] = polled.all
    assert meta.schedule_latency is None


def latency(reports: Reports, task: JoinHandle[Any]) -> float:
    [meta] = reports.of(task)
    assert meta.schedule_latency is not None
    return meta.schedule_latency


def test_task_hook_schedule_latency_current_thread() -> None:
    before, after = Reports(), Reports()
    with Runtime(
        flavor="current_thread",
        track_task_schedule_latency=True,
        on_before_task_poll=before,
        on_after_task_poll=after,
    ) as rt:
        task = rt.spawn(nothing())
        time.sleep(LATENCY)  # nobody runs the task meanwhile
        rt.block_on(task)
    assert latency(before, task) >= LATENCY
    assert latency(after, task) == latency(before, task)


def test_task_hook_schedule_latency_multi_thread() -> None:
    polled = Reports()
    started, release = threading.Event(), threading.Event()

    async def block() -> None:
        started.set()
        assert release.wait(LIMIT)

    with Runtime(
        worker_threads=1, track_task_schedule_latency=True, on_before_task_poll=polled
    ) as rt:
        blocker = rt.spawn(block())
        assert started.wait(LIMIT)
        task = rt.spawn(nothing())
        time.sleep(LATENCY)
        release.set()
        blocker.join(LIMIT)
        task.join(LIMIT)
    assert latency(polled, task) >= LATENCY


def test_task_hook_schedule_latency_multi_thread_lifo() -> None:
    polled = Reports()

    async def parent() -> JoinHandle[None]:
        task = spawn(nothing())
        time.sleep(LATENCY)  # the only worker is busy with this
        await task
        return task

    with Runtime(
        worker_threads=1, track_task_schedule_latency=True, on_before_task_poll=polled
    ) as rt:
        task = rt.block_on(rt.spawn(parent()))
    assert latency(polled, task) >= LATENCY


@pytest.mark.parametrize("where", ["before", "after"])
def test_latency_of_a_task_that_yields(where: str) -> None:
    polled = Reports()
    config: Any = {f"on_{where}_task_poll": polled}
    with Runtime(flavor="current_thread", track_task_schedule_latency=True, **config) as rt:
        task = rt.spawn(tick())
        rt.block_on(task)
    latencies = [meta.schedule_latency for meta in polled.of(task)]
    assert len(latencies) == ITERATIONS + 1
    assert all(each is not None and 0 <= each < LIMIT for each in latencies)
