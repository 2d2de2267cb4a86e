"""Channels between a task and a thread, and between two threads.

Yamanote's, and two libraries for asyncio.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from bench.meter import Meter

from .peer import Peer


class Ends(NamedTuple):
    """What a channel is used by, on a thread and in a task."""

    put: Callable[[Any], Any]
    get: Callable[[], Any]
    send: Callable[[Any], Awaitable[Any]]
    receive: Callable[[], Awaitable[Any]]


class Between(Peer):
    def ends(self, size: int) -> Ends:
        """Of a new channel in which so many values may wait."""
        raise NotImplementedError

    async def thread_and_task(self, meter: Meter, count: int) -> int:
        there, back = self.ends(1), self.ends(1)

        def echo() -> None:
            for _ in range(count):
                back.put(there.get())

        thread = threading.Thread(target=echo)
        thread.start()
        total = 0
        with meter:
            for _ in range(count):
                await there.send(1)
                total += await back.receive()
        thread.join()
        return total

    async def two_threads(self, meter: Meter, count: int) -> int:
        there, back = self.ends(1), self.ends(1)
        total = 0

        def echo() -> None:
            for _ in range(count):
                back.put(there.get())

        def ask() -> None:
            nonlocal total
            with meter:
                for _ in range(count):
                    there.put(1)
                    total += back.get()

        threads = [threading.Thread(target=echo), threading.Thread(target=ask)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return total

    async def thread_to_task(self, meter: Meter, count: int) -> int:
        channel = self.ends(100)

        def put() -> None:
            for _ in range(count):
                channel.put(1)

        thread = threading.Thread(target=put)
        total = 0
        with meter:
            thread.start()
            for _ in range(count):
                total += await channel.receive()
        thread.join()
        return total

    async def task_to_thread(self, meter: Meter, count: int) -> int:
        channel = self.ends(100)
        total = 0

        def get() -> None:
            nonlocal total
            for _ in range(count):
                total += channel.get()

        thread = threading.Thread(target=get)
        with meter:
            thread.start()
            for _ in range(count):
                await channel.send(1)
        thread.join()
        return total
