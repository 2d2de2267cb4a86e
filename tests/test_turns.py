"""Who gets a turn while others want one, too."""

from __future__ import annotations

import pytest

from yamanote import LocalSet, run, spawn, yield_now
from yamanote.sync import Notify

ENOUGH = 100
FAR_TOO_MANY = 100_000


@pytest.mark.parametrize("interval", [1, 2, 3, 4, 31])
def test_a_short_interval_starves_nobody(interval: int) -> None:
    """Two that wake each other take the LIFO slot, one roams, and one is bound to its thread."""
    turns = {"ping": 0, "roam": 0, "local": 0}

    def goes_on() -> bool:
        return min(turns.values()) < ENOUGH and sum(turns.values()) < FAR_TOO_MANY

    async def spin(who: str) -> None:
        while goes_on():
            turns[who] += 1
            await yield_now()

    async def ping(mine: Notify, others: Notify) -> None:
        while goes_on():
            await mine.notified()
            turns["ping"] += 1
            others.notify_one()
        others.notify_one()

    async def main() -> None:
        first, second = Notify(), Notify()
        pings = [spawn(ping(first, second)), spawn(ping(second, first))]
        first.notify_one()
        roams = spawn(spin("roam"))
        local = LocalSet()
        local.spawn_local(spin("local"))
        await local
        for handle in (*pings, roams):
            await handle

    run(main(), worker_threads=1, global_queue_interval=interval)
    assert min(turns.values()) >= ENOUGH
