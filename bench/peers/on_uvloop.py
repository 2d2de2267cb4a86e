"""uvloop: asyncio's programs on libuv."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import uvloop

from .on_asyncio import Asyncio
from .peer import one_thread


class Uvloop(Asyncio):
    name = distribution = module = "uvloop"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        return uvloop.run(function(*args))
