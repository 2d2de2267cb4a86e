"""Counterparts of tokio/tests/time_sleep.rs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.polled import Polled
from yamanote import JoinError, JoinHandle, Runtime, join, select, spawn
from yamanote.time import Sleep, now, pause, sleep, sleep_until

YEAR = 365 * 24 * 3600.0


@pytest.fixture
def current() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread") as rt:
        yield rt


def test_immediate_sleep(current: Runtime) -> None:
    async def main() -> None:
        pause()
        began = now()
        sleeping = sleep_until(began)
        await sleeping
        assert now() == began
        assert sleeping.is_elapsed()

    current.block_on(main())


def test_is_elapsed(current: Runtime) -> None:
    async def main() -> None:
        pause()
        sleeping = sleep(0.01)
        assert not sleeping.is_elapsed()
        polled = Polled(sleeping)
        await polled.pending()
        assert not sleeping.is_elapsed()
        await sleeping
        assert sleeping.is_elapsed()
        await polled.ready()

    current.block_on(main())


def sleeps(current: Runtime, *durations: float) -> None:
    async def main() -> None:
        pause()
        for seconds in durations:
            began = now()
            await sleep_until(began + seconds)
            assert now() == pytest.approx(began + seconds, rel=1e-12)

    current.block_on(main())


def test_delayed_sleep_level_0(current: Runtime) -> None:
    sleeps(current, 0.001, 0.01, 0.06)


def test_sub_ms_delayed_sleep(current: Runtime) -> None:
    sleeps(current, *[0.001 + 1e-9] * 5)


def test_delayed_sleep_wrapping_level_0(current: Runtime) -> None:
    sleeps(current, 0.005, 0.06)


def reset_while_awaited(current: Runtime, before: float, to: float) -> None:
    async def main() -> None:
        pause()
        began = now()
        sleeping = sleep_until(began + 0.1)
        polled = Polled(sleeping)
        await polled.pending()
        await sleep(before)
        await polled.pending()
        sleeping.reset(began + to)
        await sleeping
        assert now() == pytest.approx(began + to)
        await polled.ready()
        assert now() == pytest.approx(began + to)

    current.block_on(main())


def test_reset_future_sleep_before_fire(current: Runtime) -> None:
    reset_while_awaited(current, 0, to=0.2)


def test_reset_past_sleep_before_turn(current: Runtime) -> None:
    reset_while_awaited(current, 0, to=0.08)


def test_reset_past_sleep_before_fire(current: Runtime) -> None:
    reset_while_awaited(current, 0.01, to=0.08)


def test_reset_future_sleep_after_fire(current: Runtime) -> None:
    async def main() -> None:
        pause()
        began = now()
        sleeping = sleep_until(began + 0.1)
        await sleeping
        assert now() == began + 0.1
        sleeping.reset(began + 0.11)
        await sleeping
        assert now() == began + 0.11

    current.block_on(main())


def test_reset_sleep_to_past(current: Runtime) -> None:
    async def main() -> None:
        pause()
        began = now()
        sleeping = sleep_until(began + 0.1)
        polled = Polled(sleeping)
        await polled.pending()
        await sleep(0.05)
        await polled.pending()
        sleeping.reset(began + 0.04)
        await polled.ready()
        assert now() == began + 0.05

    current.block_on(main())


def test_greater_than_max(current: Runtime) -> None:
    sleeps(current, 5 * YEAR)


def test_short_sleeps(current: Runtime) -> None:
    async def main() -> None:
        for _ in range(1000):
            await sleep(0)

    current.block_on(main())


def test_multi_long_sleeps(current: Runtime) -> None:
    sleeps(current, *[YEAR] * 5, 10 * YEAR)


def test_long_sleeps(current: Runtime) -> None:
    sleeps(current, 10 * YEAR)


def test_reset_after_firing(current: Runtime) -> None:
    async def main() -> None:
        timer = sleep(0.001)
        deadline = timer.deadline
        await timer
        await Polled(timer).ready()
        timer.reset(now() + 600)
        assert timer.deadline != deadline
        polled = Polled(timer)
        await polled.pending()
        await polled.pending()
        polled.abort()

    current.block_on(main())


def test_exactly_max(current: Runtime) -> None:
    sleeps(current, 2.0**64)


def test_issue_5183(current: Runtime) -> None:
    async def main() -> None:
        pause()
        assert (await select(sleep(2.0**64 / 10), sleep(1e-9), biased=True)).branch == 1

    current.block_on(main())


def test_no_out_of_bounds_close_to_max(current: Runtime) -> None:
    sleeps(current, 2.0**64 - 2.0**20)


def test_drop_after_reschedule_at_new_scheduled_time(current: Runtime) -> None:
    async def main() -> None:
        pause()
        began = now()
        a, b, c = sleep(0.005), sleep(0.005), sleep(0.010)
        polled = [Polled(one) for one in (a, b, c)]
        for one in polled:
            await one.pending()
        b.reset(began + 0.010)
        await a
        await polled[0].ready()
        polled[1].abort()
        await polled[2].pending()
        polled[2].abort()

    current.block_on(main())


def test_drop_from_wake(current: Runtime) -> None:
    """The first to be woken drops all the others."""

    async def main() -> None:
        pause()
        handles: list[JoinHandle[None]] = []

        async def drop_all(timer: Sleep) -> None:
            await timer
            for handle in handles:
                handle.abort()

        handles += [spawn(drop_all(sleep(0.01))) for _ in range(100)]
        await join(sleep(0.011))
        ended = 0
        for handle in handles:
            try:
                await handle
            except JoinError:
                continue
            ended += 1
        assert ended == 1

    current.block_on(main())
