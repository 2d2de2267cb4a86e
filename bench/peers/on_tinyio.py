"""tinyio: generators. To yield one is to spawn it and to wait for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import tinyio

from bench.meter import Meter
from bench.work import burn, nap_on_thread, percentile

from .peer import Peer, one_thread

Coro = Generator[Any, Any, Any]
NO_CHANNELS = "it has no channels"


class Tinyio(Peer):
    name = distribution = module = "tinyio"
    unable = {  # noqa: RUF012
        "ping_pong": NO_CHANNELS,
        "ping_pong_unbounded": NO_CHANNELS,
        "send_receive": NO_CHANNELS,
        "many_to_many": NO_CHANNELS,
        "cancel": "it cancels all tasks of a loop, by an error, or none",
        "echo": "it has no sockets",
    }

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        return tinyio.Loop().run(function(*args))

    def nothing(self) -> Coro:
        yield

    def yields(self, meter: Meter, count: int) -> Coro:
        with meter:
            for _ in range(count):
                yield
        return count

    def spawn_join(self, meter: Meter, count: int) -> Coro:
        def one() -> Coro:
            return 1
            yield

        total = 0
        with meter:
            for _ in range(count):
                total += yield one()
        return total

    def fan_out(self, meter: Meter, width: int, times: int) -> Coro:
        def one() -> Coro:
            return 1
            yield

        total = 0
        with meter:
            for _ in range(times):
                total += sum((yield [one() for _ in range(width)]))
        return total

    def tree(self, meter: Meter, depth: int) -> Coro:
        def node(below: int) -> Coro:
            if not below:
                return 1
            return sum((yield [node(below - 1), node(below - 1)]))

        with meter:
            return (yield node(depth))

    def mutex(self, meter: Meter, count: int) -> Coro:
        lock = tinyio.Lock()
        with meter:
            for _ in range(count):
                with (yield lock()):
                    pass
        return count

    def sleeps(self, meter: Meter, width: int) -> Coro:
        def nap() -> Coro:
            yield tinyio.sleep(0.001)
            return 1

        with meter:
            return sum((yield [nap() for _ in range(width)]))

    def parked(self, meter: Meter, width: int) -> Coro:
        gate = tinyio.Event()

        def wait() -> Coro:
            yield gate.wait()
            return 1

        with meter:
            tasks = [wait() for _ in range(width)]
            yield set(tasks)
            yield
        gate.set()
        return sum((yield tasks))

    def blocking(self, meter: Meter, count: int) -> Coro:
        total = 0
        with meter:
            for _ in range(count):
                total += yield tinyio.run_in_thread(int, "1")
        return total

    in_place = blocking

    def heartbeat(self, meter: Meter, beats: int, blockers: int) -> Coro:
        stop, late = False, []

        def block() -> Coro:
            while not stop:
                yield tinyio.run_in_thread(nap_on_thread)

        blocking = [block() for _ in range(blockers)]
        yield set(blocking)
        for _ in range(beats):
            began = time.perf_counter()
            yield tinyio.sleep(0.001)
            late.append(time.perf_counter() - began - 0.001)
        stop = True
        yield blocking
        meter.read(percentile(late, 99))
        return len(late)

    heartbeat_in_place = heartbeat

    def cpu(self, meter: Meter, tasks: int, turns: int) -> Coro:
        def burning() -> Coro:
            return burn(turns)
            yield

        with meter:
            return sum((yield [burning() for _ in range(tasks)]))
