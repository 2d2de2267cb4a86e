"""janus: queues between asyncio's tasks and threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import janus

from .between import Between, Ends
from .peer import one_thread


class Janus(Between):
    name = distribution = module = "janus"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        return asyncio.run(function(*args))

    def ends(self, size: int) -> Ends:
        queue: janus.Queue[Any] = janus.Queue(size)
        thread, task = queue.sync_q, queue.async_q
        return Ends(thread.put, thread.get, task.put, task.get)
