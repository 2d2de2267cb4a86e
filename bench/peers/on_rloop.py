"""rloop: asyncio's programs on a loop in Rust."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import rloop

from .on_asyncio import Asyncio
from .peer import one_thread


class Rloop(Asyncio):
    name = distribution = module = "rloop"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        with asyncio.Runner(loop_factory=rloop.new_event_loop) as runner:
            return runner.run(function(*args))
