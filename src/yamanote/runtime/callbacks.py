"""Calling what the user has given to a runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .join import logger


def call_hook(hook: Callable[..., object], *args: Any) -> None:
    """Call a hook; what it raises is logged and stops nothing."""
    try:
        hook(*args)
    except Exception:
        logger.exception("the callback %r of the runtime failed", hook)
