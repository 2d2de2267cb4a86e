"""Nothing is left of tasks and runtimes: threads, file descriptors, objects."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest

from tests.pairs import connected
from yamanote import (
    JoinError,
    JoinHandle,
    Runtime,
    block_in_place,
    spawn,
    spawn_blocking,
    yield_now,
)
from yamanote.net import TcpStream
from yamanote.time import sleep, timeout

TASKS = 100_000
SOME_OBJECTS = 500  # caches, and lists that have grown: far less than one for each task


class Counts(NamedTuple):
    threads: int
    descriptors: int
    objects: int


def count() -> Counts:
    for _ in range(3):
        gc.collect()
    return Counts(threading.active_count(), len(os.listdir("/proc/self/fd")), len(gc.get_objects()))


pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")


def assert_back(before: Counts, after: Counts) -> None:
    # There may be fewer: a thread of the test before may have taken its time to end.
    assert after.threads <= before.threads
    assert after.descriptors <= before.descriptors
    assert after.objects < before.objects + SOME_OBJECTS


@pytest.fixture(autouse=True)
def no_logging() -> Iterator[None]:
    """What a detached task fails with is logged, and pytest keeps the records."""
    logger = logging.getLogger("yamanote")
    logger.disabled = True
    yield
    logger.disabled = False


class Thing:
    """What a task holds; it takes part in a cycle with the task's frame."""

    alive: Any = None


async def finished(number: int) -> int:
    await yield_now()
    return number


async def failed(number: int) -> None:
    thing = Thing()
    thing.alive = thing
    await yield_now()
    raise ValueError(number)


async def aborted() -> None:
    await sleep(1e6)


async def aborted_in_asyncio() -> None:
    await asyncio.sleep(1e6)


async def swarm(tasks: int) -> None:
    """Tasks that end in every way there is, 1,000 at a time."""
    for _ in range(tasks // 1000):
        joined: list[JoinHandle[Any]] = [spawn(finished(number)) for number in range(200)]
        failing = [spawn(failed(number)) for number in range(200)]
        unstarted = [spawn(finished(number)) for number in range(100)]
        for handle in unstarted:
            handle.abort()
        parked = [spawn(aborted()) for _ in range(100)]
        in_asyncio = [spawn(aborted_in_asyncio()) for _ in range(100)]
        for number in range(150):  # detached
            spawn(finished(number))
            spawn(failed(number))
        await yield_now()
        for handle in (*parked, *in_asyncio):
            handle.abort()
        for number, handle in enumerate(joined):
            assert await handle == number
        for handle in failing:
            with pytest.raises(JoinError) as error:
                await handle
            assert error.value.is_panic()
        for handle in (*unstarted, *parked, *in_asyncio):
            with suppress(JoinError):  # with more than one worker some may have ended before
                await handle


async def settle(rt: Runtime) -> None:
    """Wait for the detached ones."""
    while rt.metrics().num_alive_tasks > 1:
        await sleep(0.001)


def test_tasks(rt: Runtime) -> None:
    rt.block_on(swarm(2000))
    rt.block_on(settle(rt))
    before = count()
    rt.block_on(swarm(TASKS))
    rt.block_on(settle(rt))
    assert rt.metrics().num_alive_tasks == 0
    assert rt.metrics().spawned_tasks_count >= TASKS
    assert_back(before, count())


def test_tasks_from_other_threads(multi_rt: Runtime) -> None:
    def run(tasks: int) -> None:
        for _ in range(tasks // 100):
            handles: list[JoinHandle[Any]] = [
                multi_rt.spawn(finished(number) if number % 2 else failed(number))
                for number in range(100)
            ]
            for number, handle in enumerate(handles):
                if number % 2:
                    assert handle.join(60) == number
                else:
                    with pytest.raises(JoinError):
                        handle.join(60)
            del handles, handle

    run(1000)
    before = count()
    run(10_000)
    assert_back(before, count())


def test_blocking_calls(rt_config: dict[str, Any]) -> None:
    def fail() -> None:
        raise ValueError

    async def main(calls: int) -> None:
        for _ in range(calls // 100):
            handles: list[JoinHandle[Any]] = [spawn_blocking(int) for _ in range(50)]
            failing = [spawn_blocking(fail) for _ in range(50)]
            for handle in handles:
                assert await handle == 0
            for handle in failing:
                with pytest.raises(JoinError):
                    await handle

    with Runtime(**rt_config, max_blocking_threads=4) as rt:
        rt.block_on(main(1000))
        before = count()
        rt.block_on(main(10_000))
        after = count()
    assert before.threads - 4 <= after.threads <= before.threads + 4
    assert after.descriptors == before.descriptors
    assert after.objects < before.objects + SOME_OBJECTS


def test_timers(rt: Runtime) -> None:
    """Timers that are never due are thrown out."""

    async def main(timers: int) -> None:
        for _ in range(timers):
            async with timeout(1e6):
                await yield_now()

    rt.block_on(main(1000))
    before = count()
    rt.block_on(main(20_000))
    assert_back(before, count())


def test_block_in_place(multi_rt: Runtime) -> None:
    async def block() -> int:
        return block_in_place(int)

    async def main(calls: int) -> None:
        for _ in range(calls // 10):
            for handle in [spawn(block()) for _ in range(10)]:
                assert await handle == 0

    multi_rt.block_on(main(500))
    before = count()
    multi_rt.block_on(main(2_000))
    after = count()
    assert after.descriptors == before.descriptors
    assert after.objects < before.objects + SOME_OBJECTS


def test_waiters_that_give_up(rt: Runtime) -> None:
    """Those who wait for a task that runs on are forgotten when they give up."""

    async def main(waits: int) -> None:
        handle = spawn(aborted())
        for _ in range(waits):
            waiter = spawn(wait(handle))
            await yield_now()
            waiter.abort()
            with pytest.raises(JoinError):
                await waiter
        handle.abort()
        before.append(count())

    async def wait(handle: JoinHandle[None]) -> None:
        await handle

    before: list[Counts] = []
    rt.block_on(main(100))
    rt.block_on(main(5_000))
    assert before[1].objects < before[0].objects + SOME_OBJECTS


def test_runtimes(rt_config: dict[str, Any]) -> None:
    async def main() -> None:
        spawn(aborted())
        spawn(aborted_in_asyncio())
        await spawn(finished(1))
        await spawn_blocking(int)

    def run(runtimes: int) -> None:
        for _ in range(runtimes):
            with Runtime(**rt_config) as rt:
                rt.block_on(main())

    run(5)
    before = count()
    run(50)
    assert_back(before, count())


def test_a_failure_does_not_keep_its_frame(rt: Runtime) -> None:
    """No cycle keeps a finished task, its frame or its exception's traceback alive."""

    async def main() -> None:
        handle = spawn(failed(1))
        with pytest.raises(JoinError):
            await handle
        del handle
        spawn(failed(2))
        await finished(3)

    rt.block_on(main())
    rt.block_on(settle(rt))
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is Thing]


def test_a_connection_that_fails_keeps_nothing() -> None:
    """A task that waited for a socket, and the error that it got there, are no cycle."""

    async def read(stream: TcpStream) -> None:
        async with stream:
            _thing = Thing()
            await stream.read()

    async def main() -> None:
        client, server = await connected()
        handle = spawn(read(server))
        await yield_now()
        client.set_zero_linger()
        client.close()
        with suppress(JoinError):
            await handle
        del handle
        await yield_now()

    gc.collect()
    gc.disable()
    try:
        with Runtime(worker_threads=1) as rt:
            rt.block_on(main())
            assert not [thing for thing in gc.get_objects() if type(thing) is Thing]
    finally:
        gc.enable()
