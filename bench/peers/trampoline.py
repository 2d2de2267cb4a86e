"""The limit for Python code: a deque of coroutines, each sent into its context."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Generator
from types import coroutine
from typing import Any

from bench.meter import Meter

from .peer import Peer, one_thread


@coroutine
def _yield() -> Generator[None, None, None]:
    yield


class Trampoline(Peer):
    name = "bare trampoline"
    otherwise = "it can do nothing but poll"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        context = contextvars.copy_context()
        queue = deque([function(*args)])
        while True:
            coro = queue.popleft()
            try:
                context.run(coro.send, None)
            except StopIteration as end:
                return end.value
            queue.append(coro)

    async def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                await _yield()
        return count
