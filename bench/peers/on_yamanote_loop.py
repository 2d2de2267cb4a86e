"""asyncio's programs, unchanged, on Yamanote's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import yamanote

from .on_asyncio import Asyncio
from .peer import one_thread


class YamanoteLoop(Asyncio):
    name = "yamanote's loop"
    module = "yamanote"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        with asyncio.Runner(loop_factory=yamanote.new_event_loop) as runner:
            return runner.run(function(*args))
