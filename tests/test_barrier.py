"""Barrier, beyond what Tokio's tests of it cover."""

from __future__ import annotations

import asyncio
import threading

import pytest

from yamanote import Runtime, spawn, spawn_blocking
from yamanote.sync import Barrier

from .polled import Polled, on_one_worker

LIMIT = 30.0  # seconds that only a failure waits


def test_it_starts_anew_each_time(multi_rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        barrier = Barrier(5)
        rounds: list[int] = []

        async def walk() -> int:
            led = 0
            for round_ in range(40):
                rounds.append(round_)
                led += (await barrier.wait()).is_leader
                # Nobody is a round ahead of who has not come.
                assert rounds.count(round_) == 5
                await barrier.wait()
            return led

        handles = [spawn(walk()) for _ in range(5)]
        assert sum([await handle for handle in handles]) == 40

    multi_rt.block_on(main())


def test_who_is_cancelled_has_come() -> None:
    async def main() -> None:
        barrier = Barrier(3)
        first, second = Polled(barrier.wait()), Polled(barrier.wait())
        await first.pending()
        await second.pending()
        await first.drop()
        assert (await Polled(barrier.wait()).ready()).is_leader
        assert not (await second.ready()).is_leader

    on_one_worker(main())


def test_threads_and_tasks(multi_rt: Runtime) -> None:
    async def main() -> None:
        barrier = Barrier(3)
        threads = [
            spawn_blocking(lambda: barrier.blocking_wait(timeout=LIMIT).is_leader) for _ in range(2)
        ]
        leaders = [(await barrier.wait()).is_leader, *[await thread for thread in threads]]
        assert sum(leaders) == 1

    multi_rt.block_on(main())


def test_blocking_wait_gives_up_in_time() -> None:
    barrier = Barrier(2)
    with pytest.raises(TimeoutError, match="within 0 s"):
        barrier.blocking_wait(timeout=0)
    # It has come all the same.
    assert barrier.blocking_wait(timeout=0).is_leader


def test_blocking_wait_on_a_worker_says_what_to_do(rt: Runtime) -> None:
    async def main() -> None:
        barrier = Barrier(2)
        with pytest.raises(RuntimeError, match=r"await wait\(\)"):
            barrier.blocking_wait()
        # It has not come.
        handle = spawn(wait_for(barrier))
        leads = (await barrier.wait()).is_leader
        assert leads != await handle

    rt.block_on(main())


async def wait_for(barrier: Barrier) -> bool:
    return (await barrier.wait()).is_leader


def test_a_negative_number() -> None:
    with pytest.raises(ValueError, match="not -1"):
        Barrier(-1)


def test_plain_asyncio_and_a_thread() -> None:
    async def main() -> None:
        barrier = Barrier(3)
        thread = threading.Thread(target=barrier.blocking_wait)
        thread.start()
        waits = asyncio.gather(wait_for(barrier), wait_for(barrier))
        assert sum(await asyncio.wait_for(waits, LIMIT)) <= 1
        thread.join(LIMIT)
        assert not thread.is_alive()

    asyncio.run(main())


def test_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        barrier = Barrier(2)
        thread = threading.Thread(target=barrier.blocking_wait)
        thread.start()
        with trio.fail_after(LIMIT):
            await barrier.wait()
        thread.join()

    trio.run(main)
