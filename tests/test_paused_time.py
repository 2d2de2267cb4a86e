"""The paused clock, DelayQueue and Sleep.reset, beyond what Tokio's tests say."""

from __future__ import annotations

import asyncio
import gc
import math
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import yamanote
from tests.gates import Gate, on_plain_asyncio, settled
from yamanote import Runtime, join, spawn, spawn_blocking, yield_now
from yamanote.time import (
    DelayQueue,
    Instant,
    advance,
    interval,
    now,
    pause,
    resume,
    sleep,
    sleep_until,
    timeout,
)

HOUR = 3600.0
LIMIT = 30.0  # seconds, which only a failure takes


@pytest.fixture
def paused() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread", start_paused=True) as rt:
        yield rt


@pytest.fixture
def current() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread") as rt:
        yield rt


def test_an_hour_takes_no_time(paused: Runtime) -> None:
    async def main() -> None:
        ended: list[int] = []

        async def end(hours: int) -> None:
            await sleep(hours * HOUR)
            ended.append(hours)

        for handle in [spawn(end(hours)) for hours in (3, 1, 2)]:
            await handle
        assert ended == [1, 2, 3]

    began = time.monotonic()
    paused.block_on(main())
    assert time.monotonic() - began < HOUR


WAYS: dict[str, Callable[[float], Any]] = {
    "sleep": sleep,
    "asyncio.sleep": asyncio.sleep,
    "asyncio task": lambda seconds: asyncio.create_task(asyncio.sleep(seconds)),
    "asyncio.wait_for": lambda seconds: limited(asyncio.wait_for, seconds),
    "asyncio.timeout": lambda seconds: limited_by_asyncio(seconds),
    "timeout": lambda seconds: limited(lambda coro, limit: timeout(limit, coro), seconds),
    "call_later": lambda seconds: called_later(seconds),
    "interval": lambda seconds: ticked(seconds),
}


async def limited(limit: Callable[[Any, float], Any], seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await limit(asyncio.Event().wait(), seconds)


async def limited_by_asyncio(seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


async def called_later(seconds: float) -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, event.set)
    await event.wait()


async def ticked(seconds: float) -> None:
    ticks = interval(seconds)
    await ticks.tick()
    await ticks.tick()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("years", [0, 20])
def test_all_that_has_to_do_with_time_obeys(paused: Runtime, way: Any, years: int) -> None:
    async def main() -> None:
        await advance(years * 365 * 24 * HOUR)  # floats are coarse then
        loop = asyncio.get_running_loop()
        began = now()
        assert loop.time() == began
        await way(HOUR)
        assert now() == loop.time() == pytest.approx(began + HOUR, rel=1e-12)

    with Runtime(flavor="current_thread", start_paused=True) as rt:
        rt.block_on(main())


def test_an_asyncio_program_on_an_event_loop() -> None:
    async def main() -> None:
        pause()
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(HOUR))
            group.create_task(asyncio.sleep(2 * HOUR))
        assert asyncio.get_running_loop().time() == pytest.approx(began + 2 * HOUR)

    with asyncio.Runner(loop_factory=yamanote.new_event_loop) as runner:
        runner.run(main())


def test_a_jump_wakes_in_the_order_of_the_deadlines(paused: Runtime) -> None:
    async def main() -> None:
        ended: list[int] = []
        lengths = [5, 7, 1, 3, 7, 2, 9, 3, 4, 1, 6]

        async def end(which: int) -> None:
            await sleep(lengths[which])
            ended.append(which)

        tasks = [spawn(end(which)) for which in range(len(lengths))]
        await yield_now()
        await advance(8)
        assert ended == [2, 9, 5, 3, 7, 8, 0, 10, 1, 4]
        for task in tasks:
            await task

    paused.block_on(main())


def test_seconds_come_out_exactly(current: Runtime) -> None:
    async def main() -> None:
        for seconds in range(1, 100):
            pause()
            began = now()
            await sleep(seconds)
            assert now() - began == seconds
            resume()

    current.block_on(main())


def test_advance_gives_the_woken_a_turn(paused: Runtime) -> None:
    async def main() -> None:
        ended: list[str] = []

        async def end(waiting: Any, name: str) -> None:
            await waiting
            ended.append(name)

        tasks = [
            spawn(end(sleep(1), "task")),
            asyncio.create_task(end(asyncio.sleep(1), "asyncio task")),
            spawn(end(sleep(3), "later")),
        ]
        await yield_now()
        await advance(2)
        assert sorted(ended) == ["asyncio task", "task"]
        for task in tasks:
            await task

    paused.block_on(main())


def test_time_stands_while_a_blocking_call_runs(paused: Runtime) -> None:
    go_on = threading.Event()

    async def main() -> None:
        began = now()
        sleeping = spawn(sleep_until(began + HOUR))
        blocking = spawn_blocking(go_on.wait, LIMIT)
        await settled()
        assert now() == began
        assert not sleeping.is_finished()
        go_on.set()
        assert await blocking
        await sleeping
        assert now() == began + HOUR

    paused.block_on(main())


def test_resume_goes_on_from_where_time_stands(current: Runtime) -> None:
    async def main() -> None:
        before = now()
        pause()
        await sleep(HOUR)
        resume()
        assert now() >= before + HOUR
        began = time.monotonic()
        await sleep(0.01)
        assert time.monotonic() - began >= 0.0099
        later = spawn(sleep(HOUR))
        await yield_now()
        pause()
        await later
        assert now() >= before + 2 * HOUR
        resume()

    current.block_on(main())


def test_misuse(current: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"resume\(\) while time is not paused"):
            resume()
        with pytest.raises(RuntimeError, match=r"start_paused=True"):
            await advance(1)
        pause()
        with pytest.raises(RuntimeError, match="paused already"):
            pause()
        with pytest.raises(ValueError, match="0 seconds or more"):
            await advance(-1)
        with pytest.raises(ValueError, match="NaN"):
            await advance(math.nan)
        resume()
        with pytest.raises(ValueError, match="NaN"):
            sleep(1).reset(math.nan)

    current.block_on(main())
    with pytest.raises(RuntimeError, match="no Yamanote runtime"):
        pause()


def test_reset_acts_on_all_who_wait(rt: Runtime) -> None:
    async def main() -> None:
        sleeping = sleep(HOUR)
        waits = [Gate(), Gate(), Gate(), Gate()]

        async def wait(gate: Gate) -> None:
            gate.open()
            await sleeping

        async def wait_twice(one: Gate, two: Gate) -> None:
            await join(wait(one), wait(two))

        tasks: list[Any] = [spawn(wait_twice(*waits[:2])), asyncio.create_task(wait(waits[2]))]
        tasks.append(spawn_blocking(on_plain_asyncio, wait(waits[3])))
        for gate in waits:
            await gate.wait()
        await settled()
        sleeping.reset(now())
        async with timeout(LIMIT):
            for task in tasks:
                await task

    rt.block_on(main())


def test_reset_to_later_while_awaited(paused: Runtime) -> None:
    async def main() -> None:
        began = now()
        sleeping = sleep(1)

        async def wait() -> float:
            await sleeping
            return now() - began

        waiters: list[Any] = [spawn(wait()), asyncio.create_task(wait())]
        await settled()
        sleeping.reset(began + 10)
        for waiter in waiters:
            assert await waiter == 10

    paused.block_on(main())


def test_instant(paused: Runtime) -> None:
    async def main() -> None:
        began = Instant.now()
        assert began == now()
        assert began.elapsed() == 0
        await sleep_until(began + 2)
        assert began.elapsed() == 2
        assert Instant.now().duration_since(began) == 2
        assert began.duration_since(now()) == 0
        assert Instant(now() + 1).elapsed() == 0

    paused.block_on(main())


class TestDelayQueue:
    def test_comes_out_in_the_order_of_the_deadlines(self, paused: Runtime) -> None:
        async def main() -> None:
            queue = DelayQueue[str]()
            began = now()
            queue.insert("b", 2)
            queue.insert("a", 1)
            key = queue.insert("c", 3)
            queue.insert("b too", 2)
            assert len(queue) == 4
            assert queue.deadline(key) == began + 3
            came = [(expired.value, now() - began) async for expired in queue]
            assert came == [("a", 1), ("b", 2), ("b too", 2), ("c", 3)]
            assert queue.is_empty()
            assert await queue.next() is None

        paused.block_on(main())

    def test_changes_act_on_who_waits(self, paused: Runtime) -> None:
        async def main() -> None:
            queue = DelayQueue[str]()
            began = now()
            key = queue.insert("late", 10)
            waiting = spawn(queue.next())
            await sleep(1)
            queue.insert("early", 1)
            expired = await waiting
            assert expired is not None
            assert (expired.value, now() - began) == ("early", 2)
            waiting = spawn(queue.next())
            await sleep(1)
            queue.reset(key, 20)
            expired = await waiting
            assert expired is not None
            assert (expired.value, expired.key, now() - began) == ("late", key, 23)
            queue.insert("never", HOUR)
            waiting = spawn(queue.next())
            await sleep(1)
            queue.clear()
            assert await waiting is None

        paused.block_on(main())

    def test_remove(self) -> None:
        queue = DelayQueue[str]()
        key, other = queue.insert("a", 1), queue.insert("b", 2)
        assert queue.peek() is key
        removed = queue.remove(key)
        assert (removed.value, removed.key) == ("a", key)
        assert queue.peek() is other
        assert queue.try_remove(key) is None
        for call in (queue.remove, queue.deadline, lambda key: queue.reset(key, 1)):
            with pytest.raises(KeyError):
                call(key)
        with pytest.raises(ValueError, match="NaN"):
            queue.insert("c", math.nan)
        queue.clear()
        assert queue.peek() is None

    def test_in_plain_asyncio_and_from_threads(self) -> None:
        async def main() -> None:
            queue = DelayQueue[str]()
            key = queue.insert("a", HOUR)
            waiting = asyncio.create_task(queue.next())
            await asyncio.sleep(0)
            await asyncio.to_thread(queue.reset, key, 0)
            async with asyncio.timeout(LIMIT):
                expired = await waiting
            assert expired is not None
            assert expired.value == "a"

        asyncio.run(main())

    def test_what_the_garbage_collector_finds_may_use_it(self) -> None:
        queue = DelayQueue[int]()

        class Session:
            """In a cycle; takes its entry out of the queue when it is collected."""

            def __init__(self, number: int) -> None:
                self.key = queue.insert(number, HOUR - number)
                self.itself = self

            def __del__(self) -> None:
                queue.try_remove(self.key)

        thresholds = gc.get_threshold()
        gc.set_threshold(1)
        try:
            for number in range(300):
                Session(number)
                queue.reset(queue.insert(-1, 1), 2)
        finally:
            gc.set_threshold(*thresholds)
        gc.collect()
        assert len(queue) == 300
        for _ in range(300):
            key = queue.peek()
            assert key is not None
            assert queue.remove(key).value == -1

    def test_each_value_to_one(self, multi_rt: Runtime, switch_interval: float) -> None:
        async def main() -> None:
            queue = DelayQueue[int]()
            came: list[int] = []

            async def take() -> None:
                async for expired in queue:
                    came.append(expired.value)

            for number in range(300):
                queue.insert(number, number % 7 / 1000)
            for handle in [spawn(take()) for _ in range(4)]:
                await handle
            assert sorted(came) == list(range(300))

        multi_rt.block_on(main())
