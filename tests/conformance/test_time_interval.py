"""Counterparts of tokio/tests/time_interval.rs.

Tokio's timers are as fine as 1 ms, and its tests run 1 ms ahead; these do too, to have the
same figures.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.polled import Polled
from yamanote import Runtime
from yamanote.time import Interval, MissedTickBehavior, advance, interval, interval_at, now

MS = 0.001


@pytest.fixture
def paused() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread", start_paused=True) as rt:
        yield rt


class Ticks:
    """An interval of 300 ms, 1 ms after its start."""

    def __init__(self, behavior: MissedTickBehavior = MissedTickBehavior.BURST) -> None:
        self.start = now()
        self.interval = interval_at(self.start, 300 * MS)
        self.interval.missed_tick_behavior = behavior

    async def after(self, milliseconds: float, *expected: float) -> None:
        """Advance, and see these ticks, and no more."""
        await advance(milliseconds * MS)
        for due in expected:
            ticked = await Polled(self.interval.tick()).ready()
            assert ticked - self.start == pytest.approx(due * MS)
        pending = Polled(self.interval.tick())
        await pending.pending()
        pending.abort()


def run(paused: Runtime, script: Callable[[], Coroutine[Any, Any, None]]) -> None:
    paused.block_on(script())


def test_interval_zero_duration() -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        interval_at(now(), 0)


def test_burst(paused: Runtime) -> None:
    async def main() -> None:
        ticks = Ticks()
        await ticks.after(1, 0)
        await ticks.after(100)
        await ticks.after(200, 300)
        await ticks.after(650, 600, 900)
        await ticks.after(200)
        await ticks.after(100, 1200)
        await ticks.after(250, 1500)
        await ticks.after(300, 1800)

    paused.block_on(main())


def test_delay(paused: Runtime) -> None:
    async def main() -> None:
        ticks = Ticks(MissedTickBehavior.DELAY)
        await ticks.after(1, 0)
        await ticks.after(100)
        await ticks.after(200, 300)
        await ticks.after(650, 600)
        await ticks.after(100)
        await ticks.after(201, 1251)
        await ticks.after(300, 1551)
        await ticks.after(300, 1851)

    paused.block_on(main())


def test_skip(paused: Runtime) -> None:
    async def main() -> None:
        ticks = Ticks(MissedTickBehavior.SKIP)
        await ticks.after(1, 0)
        await ticks.after(100)
        await ticks.after(200, 300)
        await ticks.after(650, 600)
        await ticks.after(250, 1200)
        await ticks.after(300, 1500)
        await ticks.after(300, 1800)

    paused.block_on(main())


def reset_at_401(
    paused: Runtime,
    reset: Callable[[Interval], None],
    rest: Callable[[Ticks], Coroutine[Any, Any, None]],
) -> None:
    async def main() -> None:
        ticks = Ticks()
        await ticks.after(1, 0)
        await ticks.after(100)
        await ticks.after(200, 300)
        await ticks.after(100)
        reset(ticks.interval)
        await rest(ticks)

    paused.block_on(main())


def test_reset(paused: Runtime) -> None:
    async def rest(ticks: Ticks) -> None:
        await ticks.after(250)
        await ticks.after(50.001, 701)
        await ticks.after(300, 1001)

    reset_at_401(paused, lambda ticks: ticks.reset(), rest)


def test_reset_immediately(paused: Runtime) -> None:
    async def rest(ticks: Ticks) -> None:
        await ticks.after(0, 401)
        await ticks.after(100)
        await ticks.after(200.001, 701)

    reset_at_401(paused, lambda ticks: ticks.reset_immediately(), rest)


def test_reset_after(paused: Runtime) -> None:
    async def rest(ticks: Ticks) -> None:
        await ticks.after(20.001, 421)
        await ticks.after(100)
        await ticks.after(200, 721)

    reset_at_401(paused, lambda ticks: ticks.reset_after(20 * MS), rest)


def test_reset_at(paused: Runtime) -> None:
    async def rest(ticks: Ticks) -> None:
        await ticks.after(40.001, 441)
        await ticks.after(100)
        await ticks.after(200, 741)

    reset_at_401(paused, lambda ticks: ticks.reset_at(now() + 40 * MS), rest)


def test_reset_at_bigger_than_interval(paused: Runtime) -> None:
    async def rest(ticks: Ticks) -> None:
        for _ in range(3):
            await ticks.after(300)
        await ticks.after(100.001, 1401)
        await ticks.after(300, 1701)

    reset_at_401(paused, lambda ticks: ticks.reset_at(now() + 1000 * MS), rest)


def test_interval_doesnt_panic_max_duration_when_polling(paused: Runtime) -> None:
    async def main() -> None:
        for period in (2.0**64, float("inf")):
            began = now()
            assert await Polled(interval(period).tick()).ready() == began

    paused.block_on(main())
