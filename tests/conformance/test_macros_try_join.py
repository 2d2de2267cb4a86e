"""Counterparts of tokio/tests/macros_try_join.rs."""

from __future__ import annotations

import pytest

from tests.gates import Value, forever, poll, until
from yamanote import JoinError, Runtime, spawn, try_join, yield_now
from yamanote.sync import Semaphore

BUDGET = 128


@pytest.fixture(params=[False, True], ids=["fair", "biased"])
def biased(request: pytest.FixtureRequest) -> bool:
    return request.param


async def number(value: int) -> int:
    return value


def test_sync_one_lit_expr_comma(rt: Runtime, biased: bool) -> None:
    # fmt: off
    assert rt.block_on(try_join(number(1), biased=biased,)) == (1,)
    # fmt: on


def test_sync_one_lit_expr_no_comma(rt: Runtime, biased: bool) -> None:
    assert rt.block_on(try_join(number(1), biased=biased)) == (1,)


def test_sync_two_lit_expr_comma(rt: Runtime, biased: bool) -> None:
    # fmt: off
    assert rt.block_on(try_join(number(1), number(2), biased=biased,)) == (1, 2)
    # fmt: on


def test_sync_two_lit_expr_no_comma(rt: Runtime, biased: bool) -> None:
    assert rt.block_on(try_join(number(1), number(2), biased=biased)) == (1, 2)


def test_two_await(rt: Runtime) -> None:
    async def main() -> None:
        one, two = Value(), Value()
        joined = spawn(try_join(one.recv(), two.recv()))
        two.send(123)
        await until(lambda: two.received)
        assert not joined.is_finished()
        one.send("hello")
        assert await joined == ("hello", 123)

    rt.block_on(main())


def test_err_abort_early(rt: Runtime) -> None:
    class Dropped(Exception):
        pass

    async def main() -> None:
        one, two = Value(), Value()
        joined = spawn(try_join(one.recv(), two.recv(), forever()))
        two.send(123)
        await until(lambda: two.received)
        assert not joined.is_finished()
        one.fail(Dropped())
        with pytest.raises(JoinError) as failure:
            await joined
        assert isinstance(failure.value.__cause__, Dropped)

    rt.block_on(main())


async def non_cooperative_task(permits: Semaphore, little_turns: list[int]) -> list[int]:
    turns = []
    for _ in range(5):
        for _ in range(BUDGET):
            (await permits.acquire()).release()
        turns.append(len(little_turns))
    return turns


async def poor_little_task(permits: Semaphore, turns: list[int]) -> int:
    for turn in range(5):
        (await permits.acquire()).release()
        turns.append(turn)
        await yield_now()
    return len(turns)


def test_try_join_does_not_allow_tasks_to_starve(rt: Runtime) -> None:
    async def main() -> None:
        permits = Semaphore(10)
        turns: list[int] = []
        seen, little = await try_join(
            non_cooperative_task(permits, turns), poor_little_task(permits, turns)
        )
        assert little == 5
        # The other one has had its turns meanwhile, and not only in the end.
        assert len(seen) == 5
        assert seen[-1] >= 3

    rt.block_on(main())


async def poll_order(biased: bool) -> list[int]:
    order = []

    async def branch(name: int) -> None:
        for _ in range(4):
            order.append(name)
            await yield_now()

    await try_join(branch(1), branch(2), branch(3), biased=biased)
    return order


def test_a_different_future_is_polled_first_every_time_poll_fn_is_polled(rt: Runtime) -> None:
    assert rt.block_on(poll_order(False)) == [1, 2, 3, 2, 3, 1, 3, 1, 2, 1, 2, 3]


def test_futures_are_polled_in_order_in_biased_mode(rt: Runtime) -> None:
    assert rt.block_on(poll_order(True)) == [1, 2, 3] * 4


def test_empty_try_join(rt: Runtime, biased: bool) -> None:
    assert rt.block_on(try_join(biased=biased)) == ()


def test_caller_names_const_count(rt: Runtime) -> None:
    """What the branches refer to is the caller's, whatever its name."""

    async def main() -> None:
        group = branches = awaitables = 2
        value = Value()

        async def send() -> None:
            value.send(group + branches + awaitables)

        assert await poll(try_join(send())) == (None,)
        assert await value.recv() == 6

    rt.block_on(main())
