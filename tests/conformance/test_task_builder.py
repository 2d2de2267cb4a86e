"""Counterparts of tokio/tests/task_builder.rs.

Tokio's LocalRuntime is here a runtime on which a LocalSet's `block_on` runs.
"""

from __future__ import annotations

import pytest

from yamanote import JoinHandle, LocalSet, Runtime
from yamanote.task import Builder

DONE = "task executed"


async def run() -> str:
    return DONE


def run_blocking() -> str:
    return DONE


async def check(handle: JoinHandle[str], name: str | None) -> None:
    assert handle.name == (f"task-{handle.id}" if name is None else name)
    assert await handle == DONE


def test_spawn_with_name(rt: Runtime) -> None:
    async def main() -> None:
        await check(Builder(name="name").spawn(run()), "name")
        await check(Builder().name("name").spawn(run()), "name")
        await check(Builder(name="name").spawn_on(run(), rt.handle), "name")

    rt.block_on(main())


def test_spawn_local_on_local_runtime() -> None:
    async def main() -> None:
        await check(Builder().spawn_local(run()), None)

    with Runtime(flavor="current_thread") as rt:
        LocalSet().block_on(rt, main())


async def spawn_local_outside() -> None:
    with pytest.raises(RuntimeError, match=r"spawn_local\(\) works inside a LocalSet only"):
        Builder().spawn_local(run())


def test_spawn_local_panics_outside_local_set_or_local_runtime() -> None:
    with Runtime(flavor="current_thread") as rt:
        rt.block_on(spawn_local_outside())
        rt.block_on(rt.spawn(spawn_local_outside()))


def test_spawn_local_panics_in_multi_thread_runtime(multi_rt: Runtime) -> None:
    multi_rt.block_on(spawn_local_outside())
    multi_rt.block_on(multi_rt.spawn(spawn_local_outside()))


def test_spawn_blocking_with_name(rt: Runtime) -> None:
    async def main() -> None:
        await check(Builder(name="name").spawn_blocking(run_blocking), "name")
        await check(Builder(name="name").spawn_blocking_on(rt.handle, run_blocking), "name")

    rt.block_on(main())


def test_spawn_local_with_name(rt: Runtime) -> None:
    local = LocalSet()

    async def main() -> None:
        await check(Builder(name="name").spawn_local(run()), "name")
        await check(Builder(name="name").spawn_local_on(run(), local), "name")

    rt.block_on(local.run_until(main()))


def test_spawn_without_name(rt: Runtime) -> None:
    async def main() -> None:
        await check(Builder().spawn(run()), None)

    rt.block_on(main())


def test_spawn_blocking_without_name(rt: Runtime) -> None:
    async def main() -> None:
        await check(Builder().spawn_blocking(run_blocking), None)

    rt.block_on(main())


def test_spawn_local_without_name(rt: Runtime) -> None:
    async def main() -> None:
        await check(Builder().spawn_local(run()), None)

    rt.block_on(LocalSet().run_until(main()))
