"""The runtime as a user has it."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, Unpack, final, overload

from .config import Config, RuntimeConfig
from .core import Core, close_coroutine, refuse_nested
from .handle import EnterGuard, Handle
from .interrupt import Interrupts
from .join import JoinHandle
from .task import Spawnable

if TYPE_CHECKING:
    from .metrics import RuntimeMetrics

T = TypeVar("T")
P = ParamSpec("P")


@final
class Runtime:
    """Runs tasks, on one or more worker threads.

        with Runtime(worker_threads=4) as rt:
            rt.block_on(main())

    The keyword arguments are described at `yamanote.runtime.Config`; one that is
    impossible raises a ValueError that names it. A runtime need never be blocked on: a
    multi_thread one runs what is spawned onto it from plain threads in the background.

    Leaving the `with` block shuts it down and waits, for running blocking calls too; one
    that is dropped without is shut down in the background, with a ResourceWarning.

    Thread-safe. Tokio: `runtime::Runtime` and `runtime::Builder`.
    """

    def __init__(self, **config: Unpack[RuntimeConfig]) -> None:
        self._core = Core(Config(**config))

    @property
    def handle(self) -> Handle:
        """A handle, to spawn onto this runtime from anywhere."""
        return Handle(self._core)

    def block_on(self, coro: Spawnable[T]) -> T:
        """Run a coroutine to its end on this thread, which drives a worker meanwhile.

        Other tasks go on when it returns; on a current_thread runtime they wait for the
        next `block_on`. Several threads may call it at once. A task that blocks this thread
        in place holds the return up until its call ends.

        Returns:
            The coroutine's result.

        Raises:
            Exception: what the coroutine raised, as it is.
            RuntimeError: called inside a task or another running event loop, or after
                the shutdown.
            KeyboardInterrupt: Ctrl-C was pressed; the coroutine was cancelled.
        """
        with Interrupts(self._core) as interrupts:
            result: T = self._core.block_on(coro, interrupts=interrupts)
            return result

    def spawn(
        self,
        coro: Spawnable[T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> JoinHandle[T]:
        """Spawn a task onto this runtime from any thread; see `yamanote.spawn`."""
        return self.handle.spawn(coro, name=name, context=context)

    def spawn_blocking(
        self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> JoinHandle[T]:
        """Run a call on this runtime's blocking pool; see `yamanote.spawn_blocking`."""
        return self.handle.spawn_blocking(func, *args, **kwargs)

    def enter(self) -> EnterGuard:
        """A context manager inside which `spawn` and its like use this runtime."""
        return self.handle.enter()

    def metrics(self) -> RuntimeMetrics:
        """A snapshot of the runtime's figures."""
        return self._core.metrics()

    def shutdown_timeout(self, timeout: float) -> None:
        """Shut down: cancel all tasks and wait until they, and the blocking calls that
        run, have ended, but at most `timeout` seconds. What has not ended then is cut
        off: its handles report it as cancelled, a blocking call runs on unheeded.

        Raises:
            TypeError, ValueError: `timeout` is no number.
            RuntimeError: called inside a task.
        """
        self._core.shutdown(timeout)

    def shutdown_background(self) -> None:
        """Shut down without waiting for anything.

        Raises:
            RuntimeError: called inside one of the runtime's own tasks.
        """
        self._core.shutdown_background()

    def __enter__(self) -> Runtime:
        return self

    def __exit__(self, *_: object) -> None:
        self._core.shutdown(None)

    def __del__(self) -> None:
        core = getattr(self, "_core", None)
        if core is not None and not core.closing and not sys.is_finalizing():
            warnings.warn(
                "a Runtime was dropped without being shut down: use `with Runtime() as rt:`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
            # Elsewhere: the collector may have come in the midst of one of its tasks.
            threading.Thread(
                target=core.shutdown_background, name="yamanote-shutdown", daemon=True
            ).start()

    def __repr__(self) -> str:
        state = "shut down" if self._core.closing else "running"
        return f"<Runtime {self._core.config.flavor} {state}>"


def run(coro: Spawnable[T], **config: Unpack[RuntimeConfig]) -> T:
    """Run a coroutine on a runtime of its own, and shut the runtime down.

    At the end the tasks that are left are cancelled and may finish their `finally`
    blocks; blocking calls that run are waited for.

    Args:
        coro: the main coroutine. It stays on this thread.
        config: as for `Runtime`.

    Returns:
        The coroutine's result.

    Raises:
        Exception: what the coroutine raised, as it is.
        RuntimeError: called inside a task or another running event loop.
        KeyboardInterrupt: Ctrl-C was pressed: the main task was cancelled, and its
            `finally` blocks have run. A second Ctrl-C does not wait for them.

    Tokio: `#[tokio::main]`.
    """
    refuse_nested(coro, "run()")
    try:
        core = Core(Config(**config))
    except BaseException:
        close_coroutine(coro)
        raise
    with Interrupts(core) as interrupts:
        try:
            result: T = core.block_on(coro, stay=True, interrupts=interrupts)
            return result
        finally:
            try:
                core.shutdown(None if interrupts.count < 2 else 0)
            except KeyboardInterrupt:
                core.cut_short()
                raise
            if core.interrupted and not isinstance(sys.exc_info()[1], KeyboardInterrupt):
                raise KeyboardInterrupt


@overload
def main(function: Callable[P, Coroutine[Any, Any, T]], /) -> Callable[P, T]: ...


@overload
def main(
    **config: Unpack[RuntimeConfig],
) -> Callable[[Callable[P, Coroutine[Any, Any, T]]], Callable[P, T]]: ...


def main(function: Any = None, /, **config: Any) -> Any:
    """Turn an `async def` function into a plain one that runs it on a runtime.

        @yamanote.main(worker_threads=4)
        async def main() -> None: ...

    Raises:
        TypeError: what is decorated is no function; or, when called, not an async one.
        ValueError: the configuration is impossible.

    Tokio: `#[tokio::main]`.
    """
    if function is None:
        Config(**config)  # a mistake shall show where it is made
        return functools.partial(_main, config)
    return _main(config, function)


def _main(config: Any, function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    if not callable(function):
        raise TypeError(
            f"@yamanote.main is for an async function, not {function!r}; the configuration is "
            "given by keywords, @yamanote.main(worker_threads=4)"
        )

    @functools.wraps(function)
    def run_it(*args: Any, **kwargs: Any) -> Any:
        coro = function(*args, **kwargs)
        if not inspect.isawaitable(coro):
            raise TypeError(
                f"@yamanote.main is for an async function: {function!r} returned {coro!r}"
            )
        return run(coro, **config)

    return run_it
