"""Timers under a paused clock, and DelayQueue, against simple models; Sleep.reset from threads."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from tests.gates import on_plain_asyncio, settled
from tests.polled import settle
from yamanote import Runtime, join, spawn, spawn_blocking
from yamanote.time import DelayQueue, Sleep, advance, now, sleep, sleep_until, timeout

# Seconds; deadlines that are one by the model may differ as floats do.
NEAR = 1e-6


@pytest.fixture(scope="module")
def paused() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread", start_paused=True) as rt:
        yield rt


@dataclass
class Timer:
    deadline: float
    #: Where it can be reset, and waited for by several.
    sleep: Sleep | None = None


@dataclass
class Wait:
    timer: Timer
    handle: Any
    by_asyncio: bool
    expected: float | None = None
    ended: float | None = None


async def limited(seconds: float) -> None:
    with pytest.raises(TimeoutError):
        await timeout(seconds, asyncio.Event().wait())


async def limited_by_asyncio(seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.Event().wait()


async def called_later(seconds: float) -> None:
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, future.set_result, None)
    await future


FIXED = {
    "asyncio.sleep": asyncio.sleep,
    "timeout": limited,
    "asyncio.timeout": limited_by_asyncio,
    "call_later": called_later,
}
SHARED = ["task", "asyncio task", "branch"]
WHICH = st.integers(0, 99)


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.sampled_from([*FIXED]), st.integers(1, 9)),
            st.tuples(st.just("sleep"), st.integers(-1, 9)),
            st.tuples(st.sampled_from(SHARED), WHICH),
            st.tuples(st.just("reset"), WHICH, st.integers(-1, 9)),
            st.tuples(st.just("cancel"), WHICH),
            st.tuples(st.sampled_from(["advance", "pass"]), st.integers(0, 5)),
        ),
        min_size=15,
        max_size=40,
    )
)
def test_timers(paused: Runtime, steps: list[tuple[Any, ...]]) -> None:
    """Each wait ends at its deadline, or where a jump leads past it; and no other does."""

    async def main() -> None:
        sleeps: list[Timer] = []
        waits: list[Wait] = []

        def wait(timer: Timer, what: Any, way: str) -> None:
            async def end() -> None:
                if way == "branch":
                    await join(what, asyncio.sleep(0))
                else:
                    await what
                entry.ended = now()

            entry = Wait(timer, None, way == "asyncio task")
            entry.handle = asyncio.create_task(end()) if way == "asyncio task" else spawn(end())
            waits.append(entry)

        def live() -> list[Wait]:
            return [entry for entry in waits if entry.expected is None]

        def pass_to(instant: float, jump: bool, since: float) -> None:
            for entry in live():
                if entry.timer.deadline <= instant + NEAR:
                    entry.expected = instant if jump else max(entry.timer.deadline, since)

        async def look() -> None:
            await settle()
            for entry in waits:
                assert entry.ended == (
                    None if entry.expected is None else pytest.approx(entry.expected, abs=NEAR)
                ), entry

        for step, *arguments in steps:
            since = now()
            number = arguments[0]
            if step in FIXED:
                wait(Timer(since + number), FIXED[step](number), "task")
            elif step == "sleep":
                timer = Timer(since + number, sleep(number))
                sleeps.append(timer)
                wait(timer, timer.sleep, "task")
            elif step in SHARED and sleeps:
                timer = sleeps[number % len(sleeps)]
                wait(timer, timer.sleep, step)
            elif step == "reset" and sleeps:
                timer = sleeps[number % len(sleeps)]
                timer.deadline = since + arguments[1]
                assert timer.sleep is not None
                timer.sleep.reset(timer.deadline)
            elif step == "cancel" and live():
                entry = live()[number % len(live())]
                entry.handle.cancel() if entry.by_asyncio else entry.handle.abort()
                waits.remove(entry)
            await settle()
            pass_to(since, jump=True, since=since)
            await look()
            if step == "advance":
                await advance(number)
                assert now() == since + number
                pass_to(now(), jump=True, since=since)
            elif step == "pass":
                await sleep(number)
                assert now() == pytest.approx(since + number, abs=NEAR)
                pass_to(now(), jump=False, since=since)
            await look()
        await sleep(20)
        pass_to(now(), jump=False, since=now() - 20)
        await look()
        assert not live()

    paused.block_on(main())


@given(
    steps=st.lists(
        st.one_of(
            st.tuples(st.just("insert"), st.integers(-1, 9)),
            st.tuples(st.just("reset"), WHICH, st.integers(-1, 9)),
            st.tuples(st.just("remove"), WHICH),
            st.tuples(st.just("peek"), st.just(0)),
            st.tuples(st.just("clear"), st.just(0)),
            st.tuples(st.just("advance"), st.integers(0, 3)),
            st.tuples(st.just("pass"), st.integers(0, 3)),
        ),
        min_size=15,
        max_size=40,
    )
)
def test_delay_queue(paused: Runtime, steps: list[tuple[Any, ...]]) -> None:
    """Each value comes out once, at its time, in the order of the deadlines, or is removed."""

    async def main() -> None:
        queue = DelayQueue[int]()
        model: dict[Any, tuple[float, int]] = {}
        came: list[Any] = []
        expected: list[Any] = []
        orders = iter(range(1000))

        async def take() -> None:
            while True:
                async for expired in queue:
                    assert expired.deadline <= now() + NEAR
                    came.append(expired.key)
                await sleep(0.25)  # it was empty

        def expire(instant: float) -> None:
            due = sorted((p, key) for key, p in model.items() if p[0] <= instant + NEAR)
            for _, key in due:
                expected.append(key)
                del model[key]

        taking = spawn(take())
        for step, number, *rest in steps:
            keys = list(model)
            if step == "insert":
                # Such as are due come out when somebody looks: see below.
                key = queue.insert(number, number)
                model[key] = round(now() + number, 6), next(orders)
            elif step == "reset" and keys:
                key = keys[number % len(keys)]
                queue.reset(key, rest[0])
                model[key] = round(now() + rest[0], 6), next(orders)
            elif step == "remove" and keys:
                key = keys[number % len(keys)]
                removed = queue.remove(key)
                assert removed.key is key
                assert removed.deadline == pytest.approx(model.pop(key)[0], abs=NEAR)
                assert queue.try_remove(key) is None
            elif step == "peek":
                first = min(model, key=model.__getitem__, default=None)
                assert queue.peek() is first
            elif step == "clear":
                queue.clear()
                model.clear()
            elif step == "advance":
                await advance(number)
            elif step == "pass":
                await sleep(number)
            # Whoever found the queue empty looks again by now.
            await sleep(0.5)
            await settle()
            expire(now())
            assert came == expected
            assert len(queue) == len(model)
            assert queue.is_empty() == (not model)
        taking.abort()

    paused.block_on(main())


@pytest.mark.parametrize("seed", range(5))
def test_reset_from_threads(multi_rt: Runtime, switch_interval: float, seed: int) -> None:
    """Whoever waits for a Sleep, wherever, sees that it is reset."""
    rounds, sleepers = 40, 4

    async def main() -> None:
        chance = random.Random(seed)
        for _ in range(rounds):
            sleeping = sleep_until(now() + 3600)

            async def wait(sleeping: Sleep = sleeping) -> None:
                await sleeping

            tasks: list[Any] = [spawn(wait()) for _ in range(sleepers)]
            together = threading.Barrier(2)

            def reset(
                sleeping: Sleep = sleeping,
                together: threading.Barrier = together,
                later: float = chance.choice([0, 0.001, 1800]),
            ) -> None:
                together.wait(30)
                sleeping.reset(now() + later)

            resets = [spawn_blocking(reset) for _ in range(2)]
            tasks.append(asyncio.create_task(wait()))
            tasks.append(spawn_blocking(on_plain_asyncio, wait()))
            for handle in resets:
                await handle
            if chance.random() < 0.5:
                await settled()
            sleeping.reset(now())
            async with asyncio.timeout(30):
                for task in tasks:
                    await task

    multi_rt.block_on(main())
