"""mt-asyncio: asyncio's programs, their tasks stepped by many threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .peer import free_threaded_only

free_threaded_only()

import mt_asyncio.asyncio as mt_asyncio  # noqa: E402

mt_asyncio.compat.install()  # `import asyncio` is this one from now on

from .on_asyncio import Asyncio  # noqa: E402


class MtAsyncio(Asyncio):
    name = distribution = "mt-asyncio"
    module = "mt_asyncio.asyncio"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        return mt_asyncio.run(function(*args), threads=workers)
