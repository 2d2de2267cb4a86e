"""hypertile: a pool of threads in Rust. Its tasks are asyncio's, but for a mode with none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import hypertile

from bench.meter import Meter
from bench.work import burn, nap_on_thread, percentile

from .peer import Peer, Unable


class Hypertile(Peer):
    name = distribution = module = "hypertile"
    otherwise = "its tasks, channels and sockets are asyncio's, on asyncio's loop"
    workers = 0

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        self.workers = workers
        without_asyncio = function == self.yields
        return hypertile.run(function(*args), level1=without_asyncio)

    async def nothing(self) -> None:
        pass

    async def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                await asyncio.sleep(0)
        return count

    async def blocking(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += await hypertile.to_thread(int, "1")
        return total

    in_place = blocking

    async def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        stop, late = False, []

        async def block() -> None:
            while not stop:
                await hypertile.to_thread(nap_on_thread)

        tasks = [asyncio.create_task(block()) for _ in range(blockers)]
        for _ in range(beats):
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - began - 0.001)
        stop = True
        await asyncio.gather(*tasks)
        meter.read(percentile(late, 99))
        return len(late)

    heartbeat_in_place = heartbeat

    async def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        if hypertile.worker_count() is None:
            hypertile.configure(self.workers)
        if hypertile.worker_count() != self.workers:
            raise Unable("the size of its pool is fixed once it has been used")
        with meter:
            return sum(await hypertile.gather_to_thread(burn, [turns] * tasks))
