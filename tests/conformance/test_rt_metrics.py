"""Counterparts of tokio/tests/rt_metrics.rs."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from tests.channels import LIMIT, Counter, Oneshot, on_thread
from yamanote import Runtime, spawn, yield_now
from yamanote.time import sleep


def current_thread(**config: Any) -> Runtime:
    return Runtime(flavor="current_thread", **config)


def threaded(**config: Any) -> Runtime:
    return Runtime(worker_threads=2, **config)


BOTH = pytest.mark.parametrize("make", [current_thread, threaded])


async def nothing() -> None:
    pass


def test_num_workers() -> None:
    with current_thread() as rt:
        assert rt.metrics().num_workers == 1
    with threaded() as rt:
        assert rt.metrics().num_workers == 2


@BOTH
def test_num_alive_tasks(make: Any) -> None:
    with make() as rt:
        assert rt.metrics().num_alive_tasks == 0

        async def count() -> int:
            return rt.metrics().num_alive_tasks

        async def main() -> int:
            return await spawn(count())

        # It counts itself and the main task, which waits for it.
        assert rt.block_on(main()) == 2
        # A task has left before anyone hears of its end.
        assert rt.metrics().num_alive_tasks == 0


def test_global_queue_depth_current_thread() -> None:
    with current_thread() as rt:
        on_thread(lambda: rt.spawn(nothing())).result(LIMIT)
        assert rt.metrics().injection_queue_depth == 1
        rt.block_on(yield_now())
        assert rt.metrics().injection_queue_depth == 0


def test_global_queue_depth_multi_thread() -> None:
    with threaded() as rt:
        end = threading.Event()

        async def block(blocked: threading.Event) -> None:
            blocked.set()
            assert end.wait(LIMIT)

        handles = []
        for _ in range(rt.metrics().num_workers):
            blocked = threading.Event()
            handles.append(rt.spawn(block(blocked)))
            assert blocked.wait(LIMIT)
        for depth in range(10):
            assert rt.metrics().injection_queue_depth == depth
            handles.append(rt.spawn(nothing()))
        end.set()
        for handle in handles:
            handle.join(LIMIT)
        assert rt.metrics().injection_queue_depth == 0


@BOTH
def test_worker_total_busy_duration(make: Any) -> None:
    async def main() -> None:
        for _ in range(5):
            await spawn(yield_now())

    with make() as rt:
        rt.block_on(main())
    metrics = rt.metrics()
    assert all(worker.busy_seconds > 0 for worker in metrics.workers)
    assert metrics.busy_seconds == sum(worker.busy_seconds for worker in metrics.workers)


def test_worker_park_count() -> None:
    asleep = threading.Event()
    message: Oneshot[str] = Oneshot()

    def send_when_parked() -> None:
        assert asleep.wait(LIMIT)
        message.send("wake up")

    with current_thread(on_thread_park=asleep.set) as rt:
        on_thread(send_when_parked)
        assert rt.block_on(message.recv()) == "wake up"
    assert rt.metrics().workers[0].parks >= 1

    parked = Counter()
    both_parked = threading.Event()
    threads = set()

    def on_park() -> None:
        threads.add(threading.get_ident())
        parked.add()
        if len(threads) == 2:
            both_parked.set()

    async def main() -> None:
        while not both_parked.is_set():
            await sleep(0.001)

    with threaded(on_thread_park=on_park) as rt:
        rt.block_on(main())
    metrics = rt.metrics()
    assert all(worker.parks >= 1 for worker in metrics.workers)
    assert metrics.parks_count == parked.value


def test_worker_park_unpark_count() -> None:
    # Parks and unparks are counted apart, by the callbacks: each has its counterpart.
    parked, unparked = Counter(), Counter()
    with current_thread(on_thread_park=parked.add, on_thread_unpark=unparked.add) as rt:
        rt.block_on(rt.spawn(nothing()))
    assert parked.value == unparked.value == rt.metrics().parks_count

    parked, unparked = Counter(), Counter()
    idle = threading.Semaphore(0)

    def on_park() -> None:
        parked.add()
        idle.release()

    with threaded(on_thread_park=on_park, on_thread_unpark=unparked.add) as rt:
        rt.spawn(nothing()).join(LIMIT)
        for _ in rt.metrics().workers:
            assert idle.acquire(timeout=LIMIT)
        rt.block_on(rt.spawn(nothing()))
    assert parked.value == unparked.value == rt.metrics().parks_count
    assert parked.value >= 2
