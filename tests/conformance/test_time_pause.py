"""Counterparts of tokio/tests/time_pause.rs.

Tokio's timers are as fine as 1 ms, these as the clock: where Tokio's tests allow for that,
these don't.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.polled import Polled
from yamanote import JoinError, Runtime, spawn
from yamanote.time import advance, interval_at, now, pause, sleep, sleep_until, timeout


@pytest.fixture
def paused() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread", start_paused=True) as rt:
        yield rt


def test_pause_time_in_main() -> None:
    async def main() -> None:
        pause()

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


def test_pause_time_in_task() -> None:
    async def child() -> None:
        pause()

    async def main() -> None:
        await spawn(child())

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


def test_pause_time_in_main_threads() -> None:
    async def main() -> None:
        pause()

    with Runtime(worker_threads=1) as rt, pytest.raises(RuntimeError, match="one thread"):
        rt.block_on(main())


def test_pause_time_in_spawn_threads() -> None:
    async def child() -> None:
        pause()

    async def main() -> None:
        with pytest.raises(JoinError) as error:
            await spawn(child())
        assert isinstance(error.value.__cause__, RuntimeError)

    with Runtime(worker_threads=1) as rt:
        rt.block_on(main())


def test_paused_time_is_deterministic() -> None:
    async def stress() -> list[float]:
        chance = random.Random(1)
        began = now()
        times = []
        for _ in range(1000):
            await sleep(chance.random())
            times.append(now() - began)
        return times

    def run() -> list[float]:
        with Runtime(flavor="current_thread", start_paused=True) as rt:
            return rt.block_on(stress())

    # The clock begins with the machine's, so the last digits differ.
    assert run() == pytest.approx(run(), abs=1e-6)


def test_advance_after_poll(paused: Runtime) -> None:
    async def main() -> None:
        start = now()
        sleeping = Polled(sleep_until(start + 0.3))
        await sleeping.pending()
        before = now()
        await advance(0.1)
        assert now() == before + 0.1
        await sleeping.pending()

    paused.block_on(main())


def test_sleep_no_poll(paused: Runtime) -> None:
    async def main() -> None:
        start = now()
        sleeping = Polled(sleep_until(start + 0.3))
        before = now()
        await advance(0.1)
        assert now() == before + 0.1
        await sleeping.pending()

    paused.block_on(main())


def sleep_in_one_task(paused: Runtime, awaits: bool) -> None:
    async def main() -> None:
        sleeping = sleep_until(now() + 0.3)
        if awaits:
            with pytest.raises(TimeoutError):
                await timeout(0, sleeping)
        before = now()
        await advance(0.1)
        assert now() == before + 0.1
        assert not sleeping.is_elapsed()
        await sleeping
        assert now() == pytest.approx(before + 0.3)

    paused.block_on(main())


def test_sleep_same_task(paused: Runtime) -> None:
    sleep_in_one_task(paused, awaits=True)


def test_sleep_same_task_no_poll(paused: Runtime) -> None:
    sleep_in_one_task(paused, awaits=False)


def test_interval(paused: Runtime) -> None:
    async def main() -> None:
        start = now()
        ticks = interval_at(start, 0.3)

        async def tick(*expected: float) -> None:
            for seconds in expected:
                assert await Polled(ticks.tick()).ready() == pytest.approx(start + seconds)
            pending = Polled(ticks.tick())
            await pending.pending()
            pending.abort()

        await tick(0)
        await advance(0.1)
        await tick()
        await advance(0.21)
        await tick(0.3)
        await advance(0.4)
        await tick(0.6)
        await advance(0.5)
        await tick(0.9, 1.2)

    paused.block_on(main())


def advanced_by(paused: Runtime, *seconds: float) -> None:
    async def main() -> None:
        for one in seconds:
            before = now()
            await advance(one)
            assert now() == before + one

    paused.block_on(main())


def test_time_advance_sub_ms(paused: Runtime) -> None:
    advanced_by(paused, 0.051592, 0.000001)


def test_time_advance_3ms_and_change(paused: Runtime) -> None:
    advanced_by(paused, 3.141592, 3.123456)


def test_regression_3710_with_submillis_advance(paused: Runtime) -> None:
    async def main() -> None:
        start = now()
        await advance(0.001)
        sleeping = Polled(sleep_until(start + 60))
        await sleeping.pending()
        before = now()
        await advance(0.051592)
        assert now() == before + 0.051592
        await sleeping.pending()

    paused.block_on(main())


def test_exact_1ms_advance(paused: Runtime) -> None:
    advanced_by(paused, 0.001, 0.001)


def test_advance_once_with_timer(paused: Runtime) -> None:
    async def main() -> None:
        sleeping = Polled(sleep(0.001))
        await sleeping.pending()
        await advance(0.00025)
        await sleeping.pending()
        await advance(0.0015)
        await sleeping.ready()

    paused.block_on(main())


def test_advance_multi_with_timer(paused: Runtime) -> None:
    async def main() -> None:
        sleeping = Polled(sleep(0.001))
        await sleeping.pending()
        for _ in range(3):
            await advance(0.00025)
            await sleeping.pending()
        await advance(0.00026)
        await sleeping.ready()

    paused.block_on(main())
