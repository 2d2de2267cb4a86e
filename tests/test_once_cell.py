"""OnceCell, beyond what Tokio's tests of it cover."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from yamanote import JoinError, Runtime, spawn, yield_now
from yamanote.sync import OnceCell, SetError

from .gates import Gate, forever
from .polled import Polled, on_one_worker

LIMIT = 30.0  # seconds that only a failure waits


async def seven() -> int:
    return 7


def test_the_next_takes_over_from_one_that_is_cancelled() -> None:
    async def main() -> None:
        cell = OnceCell[int]()
        first = Polled(cell.get_or_init(forever))
        second, third = Polled(cell.get_or_init(seven)), Polled(cell.get_or_init(seven))
        for each in (first, second, third):
            await each.pending()
        await first.drop()
        assert await second.ready() == await third.ready() == 7

    on_one_worker(main())


def test_the_next_takes_over_from_one_that_fails() -> None:
    async def main() -> None:
        cell = OnceCell[int]()
        gate = Gate()

        async def fail() -> int:
            await gate.wait()
            raise KeyError("no value")

        waiting = [Polled(cell.get_or_init(fail)) for _ in range(3)]
        waiting.append(Polled(cell.get_or_init(seven)))
        for each in waiting:
            await each.pending()
        gate.open()
        for each in waiting[:3]:
            with pytest.raises(KeyError):
                await each.ready()
        assert await waiting[3].ready() == 7

    on_one_worker(main())


def test_one_that_waits_and_is_cancelled_hands_its_turn_on() -> None:
    async def main() -> None:
        cell = OnceCell[int]()
        first = Polled(cell.get_or_init(forever))
        second, third = Polled(cell.get_or_init(seven)), Polled(cell.get_or_init(seven))
        for each in (first, second, third):
            await each.pending()
        first.abort()
        second.abort()
        assert await third.ready() == 7

    on_one_worker(main())


def test_set_wins_after_a_failure() -> None:
    async def main() -> None:
        cell = OnceCell[int]()

        async def fail() -> int:
            raise KeyError

        with pytest.raises(KeyError):
            await cell.get_or_init(fail)
        cell.set(3)
        assert await cell.get_or_init(fail) == 3

    on_one_worker(main())


def test_none_is_a_value() -> None:
    cell = OnceCell[None]()
    cell.set(None)
    assert cell.initialized()
    with pytest.raises(SetError, match="before"):
        cell.set(None)


def test_init_that_asks_for_its_own_value(rt: Runtime) -> None:
    async def main() -> None:
        cell = OnceCell[int]()

        async def ask() -> int:
            return await cell.get_or_init(seven)

        with pytest.raises(RuntimeError, match="would never end"):
            await cell.get_or_init(ask)
        assert await cell.get_or_init(seven) == 7

    rt.block_on(main())


def test_a_coroutine_in_place_of_a_function(rt: Runtime) -> None:
    async def main() -> None:
        wrong: Any = seven()
        with pytest.raises(TypeError, match="without calling it"):
            await OnceCell[int]().get_or_init(wrong)

    rt.block_on(main())


def test_made_once_by_one_of_many(multi_rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        for round_ in range(40):
            cell = OnceCell[int]()
            made: list[int] = []
            failures = [None] * (round_ % 4)

            async def make(made: list[int] = made, failures: list[None] = failures) -> int:
                await yield_now()
                if failures:
                    failures.pop()
                    raise KeyError
                made.append(1)
                return len(made)

            handles = [spawn(cell.get_or_init(make)) for _ in range(8)]
            handles[round_ % 8].abort()
            failed = 0
            for handle in handles:
                try:
                    assert await handle == 1
                except JoinError as error:
                    failed += error.is_panic()
            assert failed == round_ % 4 - len(failures)
            assert made == [1]

    multi_rt.block_on(main())


def test_plain_asyncio() -> None:
    async def main() -> None:
        cell = OnceCell[int]()
        first = asyncio.ensure_future(cell.get_or_init(forever))
        second = asyncio.ensure_future(cell.get_or_init(seven))
        await asyncio.sleep(0)
        first.cancel()
        assert await asyncio.wait_for(second, LIMIT) == 7

    asyncio.run(main())


def test_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        cell = OnceCell[int]()
        with trio.move_on_after(0):
            await cell.get_or_init(trio.sleep_forever)
        with trio.fail_after(LIMIT):
            assert await cell.get_or_init(seven) == 7

    trio.run(main)
