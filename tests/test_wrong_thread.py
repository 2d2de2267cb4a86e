"""Completing an asyncio future from another worker is an error there, and no lost wake-up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

import yamanote
from tests.channels import LIMIT
from yamanote import JoinError, spawn


async def elsewhere(func: Callable[[], object]) -> None:
    """Call `func` in a task on another worker; it must be refused."""
    ended = threading.Event()

    async def task() -> None:
        try:
            func()
        finally:
            ended.set()

    handle = spawn(task())
    assert ended.wait(LIMIT)  # it blocks this worker, so the task is on another
    with pytest.raises(JoinError) as caught:
        await handle
    assert "runs on another thread" in str(caught.value.__cause__)


def test_queue() -> None:
    async def main() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def put() -> None:
            await elsewhere(lambda: queue.put_nowait(42))

        async with asyncio.TaskGroup() as group:
            got = group.create_task(queue.get())
            group.create_task(put())
        assert got.result() == 42

    yamanote.run(main(), worker_threads=4)


@pytest.mark.parametrize("waiters", [1, 2, 5])
@pytest.mark.parametrize("native", [False, True])
def test_future_with_several_who_wait(waiters: int, native: bool) -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()

        async def wait() -> int:
            return await future

        async with asyncio.TaskGroup() as group:
            if native:
                local = yamanote.LocalSet()
                tasks = [local.spawn_local(wait()) for _ in range(waiters)]
                await local.run_until(yamanote.yield_now())
            else:
                tasks = [group.create_task(wait()) for _ in range(waiters)]
            group.create_task(elsewhere(lambda: future.set_result(42)))
            if native:
                assert [await local.run_until(t) for t in tasks] == [42] * waiters
            else:
                assert [await t for t in tasks] == [42] * waiters

    yamanote.run(main(), worker_threads=4)


def test_cancelled_future() -> None:
    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            group.create_task(elsewhere(future.cancel))
            with pytest.raises(asyncio.CancelledError):
                await future

    yamanote.run(main(), worker_threads=4)
