"""Calls that block: on a thread of their own, or here."""

from __future__ import annotations

import functools
from collections.abc import Callable
from concurrent.futures import Executor
from contextvars import copy_context
from typing import Any, ParamSpec, TypeVar, overload

from ..runtime.blocking import check_function, submit_to
from ..runtime.here import current_core, here
from ..runtime.join import JoinHandle

T = TypeVar("T")
P = ParamSpec("P")


@overload
def spawn_blocking(
    func: Callable[..., T], /, *args: Any, executor: Executor | None, **kwargs: Any
) -> JoinHandle[T]: ...
@overload
def spawn_blocking(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> JoinHandle[T]: ...


def spawn_blocking(
    func: Callable[..., T], /, *args: Any, executor: Any = None, **kwargs: Any
) -> JoinHandle[T]:
    """Run `func(*args, **kwargs)` on a thread where it may block.

    The runtime's pool makes threads as they are needed, up to `max_blocking_threads`;
    beyond that the call waits. The caller's contextvars are carried in, and inside the
    call `spawn` and `Handle.current()` find the runtime.

    Args:
        func: a plain function.
        executor: where to run it instead: a ProcessPoolExecutor, an
            InterpreterPoolExecutor, or any other `concurrent.futures.Executor`. It gets
            the function and its arguments as they are, without the contextvars.

    Returns:
        A handle. Aborting it prevents the call if it has not started, and does nothing
        if it has. An exception of the call is a panic.

    Raises:
        TypeError: `func` is not a plain function.
        RuntimeError: there is no runtime here, and no executor was given.

    Thread-safe. Tokio: `task::spawn_blocking`.
    """
    if executor is not None:
        return submit_to(executor, None, func, *args, **kwargs)
    return current_core().pool.spawn(copy_context(), None, func, *args, **kwargs)


def block_in_place(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `func(*args, **kwargs)`, which may block, on this very thread.

    The worker that this thread drives (its loop, timers, sockets and other tasks) goes
    on in another thread meanwhile. Only the calling task waits, and the branches of a
    `join` or `select` in it.

    Outside of a runtime, and on a thread of the blocking pool, it simply calls `func`.

    Returns:
        What `func` returns.

    Raises:
        Exception: what `func` raises.
        RuntimeError: on a current_thread runtime, and inside a LocalSet.

    Tokio: `task::block_in_place`.
    """
    check_function("block_in_place", func)
    worker = here.worker
    if worker is None:
        return func(*args, **kwargs)
    return worker.core.block_in_place(functools.partial(func, *args, **kwargs))
