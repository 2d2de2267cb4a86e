"""Starting tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from contextvars import Context, copy_context
from sys import getrefcount
from types import CoroutineType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, final

from ..runtime.compat import place
from ..runtime.core import checked, close_coroutine
from ..runtime.here import current_core
from ..runtime.join import JoinHandle
from ..runtime.task import Spawnable, as_coroutine
from .local import LocalSet, spawn_local
from .loop_bound import DEV_MODE, warn_of_loop_bound

if TYPE_CHECKING:
    from ..runtime.handle import Handle
    from ..runtime.worker import Worker

T = TypeVar("T")
P = ParamSpec("P")


def spawn(
    coro: Coroutine[Any, Any, T] | Awaitable[T] | Future[T],
    *,
    name: str | None = None,
    context: Context | None = None,
) -> JoinHandle[T]:
    """Start a task. It runs at once, whether or not its handle is awaited.

    The task may run on any worker, and move: what it shares with others must be
    thread-safe. Once it awaits something of asyncio it stays on its worker.

    Args:
        coro: a coroutine, any awaitable, or a future of `concurrent.futures`, of which
            the task waits for the end; aborting the task does not cancel it.
        name: for logs and debuggers; `task-N` by default.
        context: the contextvars it runs in; by default a copy of the caller's.

    Returns:
        The handle, which gives the result when awaited. Dropping it detaches the task.
        On a runtime that shuts down, the handle of a task that is cancelled already.

    Raises:
        TypeError: `coro` cannot be awaited, an async function that was not called, say; or
            `context` is no Context.
        RuntimeError: the coroutine has been awaited before, or there is no runtime here.

    In Python's dev mode a RuntimeWarning says if an argument of the coroutine belongs to this
    worker's event loop.

    Thread-safe: on a thread of the blocking pool, and inside `Runtime.enter()`, it spawns
    onto that runtime. Tokio: `task::spawn`.
    """
    try:
        worker: Worker | None = place().worker
    except AttributeError:
        worker = None
    if worker is None:
        return _spawn_outside(coro, name, context)
    if type(coro) is not CoroutineType or getrefcount(coro) != _UNSHARED:
        # A mistake is an error at the line that makes it, not a puzzle at the first poll.
        # But to look at a coroutine's state makes a frame object, which lives as long as the
        # coroutine and is an eighth of a fan-out: what has no name has no past.
        coro = as_coroutine(coro)
        if DEV_MODE:
            warn_of_loop_bound(coro)
    return worker.spawn(coro, name, copy_context() if context is None else checked(context, coro))


def _references(coro: object, *, name: None = None, context: None = None) -> int:
    return getrefcount(coro)


def _unshared() -> int:
    if DEV_MODE:
        return 0  # to look at all of them
    named = object()
    count = _references(object())
    return count if _references(named) > count else 0  # 3.14 borrows: there they are the same


#: What `spawn` counts of a coroutine that is nowhere but in its argument; 0 if it can't be told.
_UNSHARED = _unshared()


def _spawn_outside(coro: Any, name: str | None, context: Context | None) -> JoinHandle[Any]:
    coro = as_coroutine(coro)
    try:
        core = current_core()
    except RuntimeError:
        close_coroutine(coro)
        raise
    return core.spawn(coro, name, context)


@final
class Builder:
    """Starts tasks with more to say about them.

        Builder(name="reader").spawn(read())

    Tokio: `task::Builder`.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str | None = None) -> None:
        self._name = name

    def name(self, name: str) -> Builder:
        """A builder that gives this name."""
        return Builder(name)

    def spawn(self, coro: Spawnable[T]) -> JoinHandle[T]:
        """As `spawn`."""
        return spawn(coro, name=self._name)

    def spawn_on(self, coro: Spawnable[T], handle: Handle) -> JoinHandle[T]:
        """As `Handle.spawn`."""
        return handle.spawn(coro, name=self._name)

    def spawn_local(self, coro: Spawnable[T]) -> JoinHandle[T]:
        """As `spawn_local`."""
        return spawn_local(coro, name=self._name)

    def spawn_local_on(self, coro: Spawnable[T], local_set: LocalSet) -> JoinHandle[T]:
        """As `LocalSet.spawn_local`."""
        return local_set.spawn_local(coro, name=self._name)

    def spawn_blocking(
        self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> JoinHandle[T]:
        """As `spawn_blocking`."""
        return current_core().pool.spawn(copy_context(), self._name, func, *args, **kwargs)

    def spawn_blocking_on(
        self, handle: Handle, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> JoinHandle[T]:
        """As `Handle.spawn_blocking`."""
        return handle._core.pool.spawn(copy_context(), self._name, func, *args, **kwargs)
