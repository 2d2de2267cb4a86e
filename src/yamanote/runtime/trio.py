"""Where am I, if not in asyncio? In a task of trio."""

from __future__ import annotations

import sys
from typing import Any

from .compat import current_task


def running_trio() -> Any:
    """The module trio where one of trio's own tasks calls this, else None.

    Never imported here: without it there is no such task.
    """
    trio = sys.modules.get("trio")
    # Of two loops on one thread (trio's guest mode, or asyncio inside of trio), the one
    # whose task runs counts.
    if trio is None or current_task() is not None:
        return None
    try:
        trio.lowlevel.current_task()
    except (RuntimeError, AttributeError):  # the latter while it is being imported
        return None
    return trio
