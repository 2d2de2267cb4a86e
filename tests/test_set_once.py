"""SetOnce, beyond what Tokio's tests of it cover."""

from __future__ import annotations

import asyncio
import threading

import pytest

from yamanote import Runtime, spawn, spawn_blocking
from yamanote.sync import SetOnce, SetOnceError
from yamanote.task.coop import has_budget_remaining

from .polled import Polled, on_one_worker

LIMIT = 30.0  # seconds that only a failure waits


def test_all_who_wait_get_it() -> None:
    async def main() -> None:
        cell = SetOnce[str]()
        waiting = [Polled(cell.wait()) for _ in range(3)]
        for each in waiting:
            await each.pending()
        await waiting[1].drop()
        cell.set("value")
        assert await waiting[0].ready() == await waiting[2].ready() == "value"
        assert await cell.wait() == "value"

    on_one_worker(main())


def test_none_is_a_value() -> None:
    cell = SetOnce[None]()
    assert not cell.initialized()
    cell.set(None)
    assert cell.initialized()
    with pytest.raises(SetOnceError, match="before"):
        cell.set(None)


def test_one_of_many_sets_it(multi_rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        for _ in range(50):
            cell = SetOnce[int]()

            async def attempt(value: int, cell: SetOnce[int] = cell) -> int:
                try:
                    cell.set(value)
                except SetOnceError as error:
                    return -error.value
                return value

            waiters = [spawn(wait_for(cell)) for _ in range(3)]
            handles = [spawn(attempt(value)) for value in range(1, 5)]
            outcomes = [await handle for handle in handles]
            assert sorted(abs(value) for value in outcomes) == [1, 2, 3, 4]
            won = [value for value in outcomes if value > 0]
            assert won == [cell.get()]
            assert [await waiter for waiter in waiters] == won * 3

    multi_rt.block_on(main())


async def wait_for(cell: SetOnce[int]) -> int:
    return await cell.wait()


def test_a_value_that_is_there_costs_budget(rt: Runtime) -> None:
    async def main() -> None:
        cell = SetOnce(1)
        while has_budget_remaining():
            await cell.wait()

    rt.block_on(main())


def test_threads(multi_rt: Runtime) -> None:
    async def main() -> None:
        cell = SetOnce[int]()
        handle = spawn_blocking(cell.blocking_wait, timeout=LIMIT)
        cell.set(3)
        assert await handle == 3

    multi_rt.block_on(main())


def test_blocking_wait_gives_up_in_time_and_not_on_a_worker(rt: Runtime) -> None:
    cell = SetOnce[int]()
    with pytest.raises(TimeoutError, match="within 0 s"):
        cell.blocking_wait(timeout=0)

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"await wait\(\)"):
            cell.blocking_wait()

    rt.block_on(main())


def test_plain_asyncio() -> None:
    async def main() -> None:
        cell = SetOnce[int]()
        threading.Thread(target=cell.set, args=(4,)).start()
        assert await asyncio.wait_for(wait_for(cell), LIMIT) == 4
        assert await cell.wait() == 4

    asyncio.run(main())


def test_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        cell = SetOnce[int]()
        with trio.move_on_after(0):
            await cell.wait()
        threading.Thread(target=cell.set, args=(4,)).start()
        with trio.fail_after(LIMIT):
            assert await cell.wait() == 4

    trio.run(main)
