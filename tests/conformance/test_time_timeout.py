"""Counterparts of tokio/tests/time_timeout.rs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.gates import Gate, forever
from tests.polled import Polled
from yamanote import Runtime
from yamanote.task import coop
from yamanote.time import Elapsed, advance, now, pause, timeout, timeout_at

YEAR = 365 * 24 * 3600.0


@pytest.fixture
def current() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread") as rt:
        yield rt


async def nothing() -> None:
    pass


def test_simultaneous_deadline_future_completion(rt: Runtime) -> None:
    async def main() -> None:
        await timeout_at(now(), nothing())

    rt.block_on(main())


def test_completed_future_past_deadline(rt: Runtime) -> None:
    async def main() -> None:
        await timeout_at(now() - 1, nothing())

    rt.block_on(main())


def ends_in_time(current: Runtime, limited: Callable[[Any], Any], passes: float) -> None:
    async def main() -> None:
        pause()
        gate = Gate()
        polled = Polled(limited(gate.wait()))
        await polled.pending()
        await advance(passes)
        await polled.pending()
        gate.open()
        await polled.ready()

    current.block_on(main())


def test_future_and_deadline_in_future(current: Runtime) -> None:
    ends_in_time(current, lambda coro: timeout_at(now() + 0.1, coro), 0.09)


def test_future_and_timeout_in_future(current: Runtime) -> None:
    ends_in_time(current, lambda coro: timeout(0.1, coro), 0.09)


@pytest.mark.parametrize("longest", [2.0**64, float("inf"), None])
def test_very_large_timeout(current: Runtime, longest: float | None) -> None:
    ends_in_time(current, lambda coro: timeout(longest, coro), 10 * YEAR)


def test_deadline_now_elapses(current: Runtime) -> None:
    async def main() -> None:
        pause()
        polled = Polled(timeout_at(now(), forever()))
        await polled.poll()
        await advance(0.001)
        with pytest.raises(Elapsed):
            await polled.ready()

    current.block_on(main())


def test_deadline_future_elapses(current: Runtime) -> None:
    async def main() -> None:
        pause()
        polled = Polled(timeout_at(now() + 0.3, forever()))
        await polled.pending()
        await advance(0.301)
        with pytest.raises(Elapsed):
            await polled.ready()

    current.block_on(main())


def test_timeout_is_not_exhausted_by_future(rt: Runtime) -> None:
    async def busy() -> None:
        while True:
            await coop.consume_budget()

    async def main() -> None:
        with pytest.raises(Elapsed):
            await timeout(0.001, busy())

    rt.block_on(main())
