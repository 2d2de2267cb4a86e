"""Where am I? What one thread knows of the runtime it belongs to."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .core import Core
    from .handle import EnterGuard
    from .seat import Seat
    from .worker import Worker


class _Here(threading.local):
    """`worker` while this thread drives one; `core` wherever `spawn` shall work:
    on workers, on threads of the blocking pool, and between `enter()` and its exit."""

    worker: Worker | None = None
    core: Core | None = None
    guard: EnterGuard | None = None
    blocked_in: Core | None = None
    seat: Seat | None = None
    own_seat: Seat | None = None
    local_set: Any = None
    blocking_call: Any = None


here = _Here()


#: The runtime that serves a web application. The libraries which run synchronous handlers on
#: threads of their own (anyio, asgiref) copy the context, so it is found there too.
serving: ContextVar[Core | None] = ContextVar("yamanote.serving", default=None)


def find_core() -> Core | None:
    """The runtime that this thread belongs to, or that the call is made for, or None."""
    core = here.core
    return serving.get() if core is None else core


def current_core() -> Core:
    """The runtime that this thread belongs to, or that the call is made for.

    Raises:
        RuntimeError: there is none.
    """
    core = find_core()
    if core is None:
        raise RuntimeError(
            "there is no Yamanote runtime here: call this inside yamanote.run(...) or "
            "Runtime.block_on(...), inside `with runtime.enter():`, or use a Handle"
        )
    return core
