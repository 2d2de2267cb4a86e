"""Waiting for tasks to end, without their results.

A tracker counts what is going on by a token each, and is left alone when it is closed
and has none. A token may be collected, and thereby let go, in the midst of anything, so
that path takes no lock. Publishing and checking lock on both sides (see park.py): who
closes empties `_open` and then looks at `_tokens`; who lets a token go removes it from
`_tokens` and then looks at `_open`, by a method that locks it.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, final, overload

from ..runtime.compat import current_task
from ..runtime.crowd import Crowd
from ..runtime.join import JoinHandle
from ..runtime.park import NO_TOKEN, Park, Token, Waiter, wake_behind
from ..runtime.task import Spawnable, Task, as_coroutine
from .blocking import spawn_blocking
from .local import LocalSet, spawn_local
from .spawning import spawn

if TYPE_CHECKING:
    from ..runtime.handle import Handle

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")


@final
class TaskTracker:
    """Waits until all of many tasks have ended, as for an orderly shutdown.

        tracker = TaskTracker()
        tracker.spawn(serve(connection))
        ...
        tracker.close()
        await tracker.wait()

    Unlike a JoinSet it keeps no results, and does not abort anything. `close` says that
    the last task has been spawned; it does not prevent more.

    Thread-safe. Tokio: tokio-util's `task::TaskTracker`.
    """

    __slots__ = ("__weakref__", "_crowd", "_lock", "_open", "_quiet", "_tokens")

    def __init__(self) -> None:
        # For `close` and `reopen` only, whose answers are exact; but not those of a signal
        # handler that comes in the midst of one.
        self._lock = threading.RLock()
        #: Holds an element while the tracker is open.
        self._open: list[None] = [None]
        #: Of each tracked thing, what its token holds.
        self._tokens: set[object] = set()
        #: Another object each time that the tracker has become closed and empty, so that
        #: who waits learns of it even if that is over.
        self._quiet = object()
        self._crowd = Crowd()

    def __len__(self) -> int:
        """How many tasks and tokens are tracked."""
        return len(self._tokens)

    def __bool__(self) -> bool:
        return True

    def is_empty(self) -> bool:
        """Whether nothing is tracked."""
        return not self._tokens

    def is_closed(self) -> bool:
        """Whether the tracker is closed."""
        return not self._open

    def close(self) -> bool:
        """Let `wait` return once nothing is tracked any more.

        Returns:
            False if the tracker was closed already.

        Tokio: `TaskTracker::close`.
        """
        with self._lock:
            was_open = bool(self._open)
            self._open.clear()
        if was_open and not self._tokens:
            self._notify()
        return was_open

    def reopen(self) -> bool:
        """Undo `close`. What waits for a moment that has been goes on all the same.

        Returns:
            False if the tracker was open already.

        Tokio: `TaskTracker::reopen`.
        """
        with self._lock:
            was_closed = not self._open
            if was_closed:
                self._open.append(None)
        return was_closed

    def wait(self) -> Awaitable[None]:
        """Wait until the tracker is closed and empty.

        It is enough that it is so at one moment after this call, awaited or not: what is
        spawned afterwards is not waited for. Cancel-safe. Tokio: `TaskTracker::wait`.
        """
        return _Wait(self)

    def token(self) -> TaskTrackerToken:
        """Track something that is not a task, until the token is let go.

        Tokio: `TaskTracker::token`.
        """
        return TaskTrackerToken(self)

    def track_future(self, coro: Spawnable[T]) -> Coroutine[Any, Any, T]:
        """Track a coroutine that the caller will await or spawn by other means.

        It counts from now on until it has ended or is dropped.

        Returns:
            What to await in its place.

        Raises:
            TypeError, RuntimeError: as `spawn`.

        Tokio: `TaskTracker::track_future`.
        """
        return _Tracked(as_coroutine(coro), self.token())

    def spawn(
        self,
        coro: Spawnable[T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> JoinHandle[T]:
        """Start a task and track it until it has ended, in whatever way.

        Args, returns and raises: as `yamanote.spawn`. Tokio: `TaskTracker::spawn`.
        """
        return self._track(lambda: spawn(coro, name=name, context=context))

    def spawn_on(
        self,
        coro: Spawnable[T],
        handle: Handle,
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> JoinHandle[T]:
        """Start a task on the runtime of `handle`; for the rest as `spawn`.

        Tokio: `TaskTracker::spawn_on`.
        """
        return self._track(lambda: handle.spawn(coro, name=name, context=context))

    def spawn_local(self, coro: Spawnable[T], *, name: str | None = None) -> JoinHandle[T]:
        """Start a task on the LocalSet that the caller runs in; for the rest as `spawn`.

        Raises:
            RuntimeError: the caller runs in none.

        Tokio: `TaskTracker::spawn_local`.
        """
        return self._track(lambda: spawn_local(coro, name=name))

    def spawn_local_on(
        self,
        coro: Spawnable[T],
        local_set: LocalSet,
        *,
        name: str | None = None,
    ) -> JoinHandle[T]:
        """Start a task on `local_set`, which runs when that is driven; for the rest as
        `spawn`.

        Tokio: `TaskTracker::spawn_local_on`.
        """
        return self._track(lambda: local_set.spawn_local(coro, name=name))

    @overload
    def spawn_blocking(
        self, func: Callable[..., T], /, *args: Any, executor: Executor | None, **kwargs: Any
    ) -> JoinHandle[T]: ...
    @overload
    def spawn_blocking(
        self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> JoinHandle[T]: ...
    def spawn_blocking(
        self, func: Callable[..., T], /, *args: Any, executor: Any = None, **kwargs: Any
    ) -> JoinHandle[T]:
        """Run `func(*args, **kwargs)` on a thread where it may block, and track it.

        Args, returns and raises: as `yamanote.spawn_blocking`. Tokio:
        `TaskTracker::spawn_blocking`.
        """
        return self._track(lambda: spawn_blocking(func, *args, executor=executor, **kwargs))

    def spawn_blocking_on(
        self, handle: Handle, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> JoinHandle[T]:
        """Run `func(*args, **kwargs)` on the blocking pool of the runtime of `handle`, and
        track it.

        Tokio: `TaskTracker::spawn_blocking_on`.
        """
        return self._track(lambda: handle.spawn_blocking(func, *args, **kwargs))

    def _track(self, start: Callable[[], JoinHandle[T]]) -> JoinHandle[T]:
        token = self.token()
        try:
            task = start()
        except BaseException:
            token.release()
            raise
        task._arm(_End(token))
        return task

    def _let_go(self, held: object) -> None:
        try:
            self._tokens.remove(held)
        except KeyError:
            return
        # copy() locks the list, as its truth value does not.
        if not self._open.copy() and not self._tokens:
            self._notify()

    def _notify(self) -> None:
        self._quiet = object()
        for token in self._crowd.take([]):
            wake_behind(token)

    def __repr__(self) -> str:
        state = "closed" if self.is_closed() else "open"
        return f"<TaskTracker of {len(self)} tasks, {state}>"


@final
class TaskTrackerToken:
    """Is tracked until `release`, the end of `with`, or until it is dropped.

    Prefer `with`: on a free-threaded build, a token whose last reference goes on another
    thread than the one that made it is collected when that one runs.

    Thread-safe. Tokio: tokio-util's `task::TaskTrackerToken`.
    """

    __slots__ = ("_held", "task_tracker")

    def __init__(self, task_tracker: TaskTracker) -> None:
        #: The tracker that it belongs to.
        self.task_tracker = task_tracker
        self._held = object()
        task_tracker._tokens.add(self._held)

    def clone(self) -> TaskTrackerToken:
        """Another token of the same tracker."""
        return TaskTrackerToken(self.task_tracker)

    def release(self) -> None:
        """Let go; a second time it does nothing."""
        self.task_tracker._let_go(self._held)

    def __enter__(self) -> TaskTrackerToken:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def __del__(self) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<TaskTrackerToken of {self.task_tracker!r}>"


class _End(Waiter):
    """Waits for a task's end in order to let its token go."""

    __slots__ = ("_token", "_tracked")

    _must_cancel = False

    def __init__(self, tracked: TaskTrackerToken) -> None:
        self._token = NO_TOKEN
        self._tracked = tracked

    @property
    def _home(self) -> _End:
        return self

    def push(self, _: _End) -> None:
        self._tracked.release()


@final
class _Wait(Park):
    """The wait for a tracker."""

    __slots__ = ("_before", "_tracker")

    def __init__(self, tracker: TaskTracker) -> None:
        self._tracker = tracker
        #: None if there is nothing to wait for from the start.
        self._before: object = tracker._quiet
        if tracker.is_closed() and tracker.is_empty():
            self._before = None

    def _is_over(self) -> bool:
        tracker = self._tracker
        return self._before is not tracker._quiet or (tracker.is_closed() and tracker.is_empty())

    def __await__(self) -> Generator[Any, None, None]:
        if self._is_over():
            task = current_task()
            if isinstance(task, Task):
                if task._out_of_budget():
                    yield None
                task._budget -= 1
        while not self._is_over():
            yield from self._wait()

    def _register(self, token: Token) -> bool:
        self._tracker._crowd.join(token)
        return not self._is_over()

    def _unregister(self, token: Token) -> None:
        self._tracker._crowd.leave(token)


@final
class _Tracked(Coroutine[Any, Any, T_co]):
    """A coroutine that is tracked."""

    __slots__ = ("_coro", "_token")

    def __init__(self, coro: Coroutine[Any, Any, T_co], token: TaskTrackerToken) -> None:
        self._coro = coro
        self._token = token

    def send(self, value: Any) -> Any:
        try:
            return self._coro.send(value)
        except BaseException:
            self._token.release()
            raise

    def throw(self, *error: Any) -> Any:
        try:
            return self._coro.throw(*error)
        except BaseException:
            self._token.release()
            raise

    def close(self) -> None:
        try:
            self._coro.close()
        finally:
            self._token.release()

    def __await__(self) -> Generator[Any, Any, T_co]:
        try:
            return (yield from self._coro.__await__())
        finally:
            self._token.release()
