"""References to a runtime, for whoever wants to spawn onto it."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, ParamSpec, TypeVar, final

from .here import current_core, find_core, here
from .join import JoinHandle
from .task import Spawnable

if TYPE_CHECKING:
    from .core import Core
    from .metrics import RuntimeMetrics

T = TypeVar("T")
P = ParamSpec("P")


@final
class EnterGuard:
    """Inside this context manager `spawn` and its like use a certain runtime.

    For one thread; guards are left in the reverse order of their entering. Tokio:
    `runtime::EnterGuard`.
    """

    __slots__ = ("_core", "_outer")

    def __init__(self, core: Core) -> None:
        self._core = core
        self._outer: list[tuple[Core | None, EnterGuard | None]] = []

    def __enter__(self) -> None:
        self._outer.append((here.core, here.guard))
        here.core, here.guard = self._core, self

    def __exit__(self, *_: object) -> None:
        if here.guard is not self:
            raise RuntimeError(
                "the guards of Runtime.enter() must be left in the reverse order of their "
                "entering, on the same thread: use `with`"
            )
        here.core, here.guard = self._outer.pop()


@final
class Handle:
    """A reference to a runtime. Thread-safe; it does not keep the runtime running.

    Tokio: `runtime::Handle`.
    """

    __slots__ = ("_core",)

    def __init__(self, core: Core) -> None:
        self._core = core

    @staticmethod
    def current() -> Handle:
        """The handle of the runtime that this thread belongs to.

        Raises:
            RuntimeError: there is none.
        """
        return Handle(current_core())

    @staticmethod
    def try_current() -> Handle | None:
        """The handle of the runtime that this thread belongs to, or None."""
        core = find_core()
        return None if core is None else Handle(core)

    def spawn(
        self,
        coro: Spawnable[T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> JoinHandle[T]:
        """Spawn a task onto this runtime from any thread; see `yamanote.spawn`."""
        return self._core.spawn(coro, name, context)

    def spawn_blocking(
        self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> JoinHandle[T]:
        """Run `func(*args, **kwargs)` on this runtime's blocking pool; see
        `yamanote.spawn_blocking`."""
        return self._core.pool.spawn(copy_context(), None, func, *args, **kwargs)

    def block_on(self, coro: Spawnable[T]) -> T:
        """Run a coroutine to its end on this thread; see `Runtime.block_on`."""
        result: T = self._core.block_on(coro)
        return result

    def enter(self) -> EnterGuard:
        """A context manager inside which `spawn` and its like use this runtime."""
        return EnterGuard(self._core)

    def metrics(self) -> RuntimeMetrics:
        """A snapshot of the runtime's figures."""
        return self._core.metrics()

    @property
    def name(self) -> str | None:
        """The name that the runtime was given."""
        return self._core.config.name

    def runtime_flavor(self) -> str:
        """ "multi_thread" or "current_thread"."""
        return self._core.config.flavor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Handle) and other._core is self._core

    def __hash__(self) -> int:
        return hash(self._core)

    def __repr__(self) -> str:
        return f"<Handle of a {self.runtime_flavor()} runtime>"
