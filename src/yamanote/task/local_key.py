"""Data that belongs to one task."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar, final, overload
from weakref import WeakKeyDictionary

from ..runtime.compat import current_task
from ..runtime.task import Spawnable, Task, as_coroutine
from ..runtime.trio import running_trio

T = TypeVar("T")
R = TypeVar("R")
D = TypeVar("D")

_thread = threading.local()
_others_tasks: WeakKeyDictionary[Any, dict[Any, Any]] = WeakKeyDictionary()


class AccessError(LookupError):
    """A LocalKey was read outside of its scope.

    Tokio: `task::AccessError` of `LocalKey::try_with`.
    """


@final
class LocalKey(Generic[T]):
    """A key for task-local data.

        REQUEST = LocalKey[str]("request")
        await REQUEST.scope("42", handle())      # handle() may call REQUEST.get()

    A value is set for the time of a scope. It moves between threads with its task;
    tasks that are spawned inside the scope do not inherit it (contextvars they do);
    branches of a `join` or `select` see the values of their caller.

    Thread-safe. Tokio: `task_local!`, `task::LocalKey`.
    """

    __slots__ = ("__weakref__", "name")

    def __init__(self, name: str) -> None:
        self.name = name

    async def scope(self, value: T, coro: Spawnable[R]) -> R:
        """Await `coro` with the key set to `value`; the former value, if any, is back
        afterwards, and after an error.

        Returns:
            The result of `coro`.
        """
        locals = _locals()
        outer = locals.get(self, _UNSET)
        locals[self] = value
        try:
            return await as_coroutine(coro)
        finally:
            self._restore(locals, outer)

    def sync_scope(self, value: T, func: Callable[[], R]) -> R:
        """Call `func()` with the key set to `value`.

        Returns:
            What `func` returns.

        Raises:
            TypeError: `func` is an async function, which runs when its coroutine is awaited.
        """
        if inspect.iscoroutinefunction(func):
            raise TypeError(
                "sync_scope() runs plain functions: for an async one, await "
                f"{self.name}.scope(value, {getattr(func, '__name__', 'f')}())"
            )
        locals = _locals()
        outer = locals.get(self, _UNSET)
        locals[self] = value
        try:
            return func()
        finally:
            self._restore(locals, outer)

    def get(self) -> T:
        """The value of the scope that the caller runs in.

        Raises:
            AccessError: it runs in none, or the value was taken.
        """
        value: T = _locals().get(self, _UNSET)
        if value is _UNSET:
            raise AccessError(
                f"{self!r} has no value here: it has one inside {self.name}.scope(value, coro) "
                "only, and spawned tasks do not inherit it"
            )
        return value

    @overload
    def try_get(self) -> T | None: ...
    @overload
    def try_get(self, default: D) -> T | D: ...
    def try_get(self, default: Any = None) -> Any:
        """The value of the scope that the caller runs in, or `default`."""
        return _locals().get(self, default)

    def take_value(self) -> T | None:
        """Remove the value from the scope that the caller runs in, and return it.

        Returns None when there is none. Tokio: `TaskLocalFuture::take_value`.
        """
        value: T | None = _locals().pop(self, None)
        return value

    def _restore(self, locals: dict[Any, Any], outer: Any) -> None:
        if outer is _UNSET:
            locals.pop(self, None)
        else:
            locals[self] = outer

    def __repr__(self) -> str:
        return f"LocalKey({self.name!r})"


_UNSET: Any = object()


def _locals() -> dict[Any, Any]:
    """The data of the task that calls this; of the thread, outside of any task."""
    task = current_task()
    if isinstance(task, Task):
        locals = task._locals
        if locals is None:
            locals = task._locals = {}
        return locals
    if task is None and (trio := running_trio()) is not None:
        task = trio.lowlevel.current_task()
    if task is not None:
        return _others_tasks.setdefault(task, {})
    try:
        found: dict[Any, Any] = _thread.locals
    except AttributeError:
        found = _thread.locals = {}
    return found
