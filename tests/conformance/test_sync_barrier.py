"""Counterpart of tokio/tests/sync_barrier.rs."""

from __future__ import annotations

from yamanote.sync import Barrier

from ..polled import Polled, on_one_worker


def test_zero_does_not_block() -> None:
    async def main() -> None:
        barrier = Barrier(0)
        for _ in range(2):
            assert (await Polled(barrier.wait()).ready()).is_leader

    on_one_worker(main())


def test_single() -> None:
    async def main() -> None:
        barrier = Barrier(1)
        for _ in range(3):
            assert (await Polled(barrier.wait()).ready()).is_leader

    on_one_worker(main())


def test_tango() -> None:
    async def main() -> None:
        barrier = Barrier(2)
        first = Polled(barrier.wait())
        await first.pending()
        results = [await Polled(barrier.wait()).ready(), await first.ready()]
        assert sorted(result.is_leader for result in results) == [False, True]

    on_one_worker(main())


def test_lots() -> None:
    async def main() -> None:
        barrier = Barrier(100)
        for _ in range(10):
            waiting = [Polled(barrier.wait()) for _ in range(99)]
            for each in waiting:
                await each.pending()
            for each in waiting:
                await each.pending()
            results = [await Polled(barrier.wait()).ready()]
            results += [await each.ready() for each in waiting]
            assert sum(result.is_leader for result in results) == 1

    on_one_worker(main())
