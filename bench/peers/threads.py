"""The limit for parallel work: threads of the operating system."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Queue, SimpleQueue
from typing import Any

from bench.meter import Meter
from bench.work import burn

from .peer import Peer


class Threads(Peer):
    name = "bare threads"
    otherwise = "not what threads are for"
    workers = 1

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        self.workers = workers
        return function(*args)

    def spawn_join(self, meter: Meter, count: int) -> int:
        done: list[int] = []
        with meter:
            for _ in range(count):
                thread = threading.Thread(target=done.append, args=(1,))
                thread.start()
                thread.join()
        return sum(done)

    def ping_pong(self, meter: Meter, count: int) -> int:
        return self._ping_pong(meter, count, lambda: Queue(1))

    def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        return self._ping_pong(meter, count, SimpleQueue)

    def _ping_pong(self, meter: Meter, count: int, queue: Callable[[], Any]) -> int:
        there, back = queue(), queue()

        def echo() -> None:
            for _ in range(count):
                back.put(there.get())

        thread = threading.Thread(target=echo)
        thread.start()
        total = 0
        with meter:
            for _ in range(count):
                there.put(1)
                total += back.get()
        thread.join()
        return total

    def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        waiting: SimpleQueue[int | None] = SimpleQueue()
        for _ in range(tasks):
            waiting.put(turns)
        totals: list[int] = []

        def work() -> None:
            while (turns := waiting.get()) is not None:
                totals.append(burn(turns))

        threads = [threading.Thread(target=work) for _ in range(self.workers)]
        for _ in threads:
            waiting.put(None)
        with meter:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return sum(totals)
