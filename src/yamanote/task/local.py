"""Tasks that stay on one thread."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any, TypeVar, final

from ..runtime.branches import Branch
from ..runtime.compat import current_task
from ..runtime.core import close_coroutine
from ..runtime.here import here
from ..runtime.join import Ended, JoinHandle
from ..runtime.local_queue import LocalQueue
from ..runtime.task import Spawnable, Task, as_coroutine
from .coop import yield_now

if TYPE_CHECKING:
    from ..runtime.runtime import Runtime

T = TypeVar("T")


@final
class LocalSet:
    """A set of tasks that run on one thread and never leave it.

        local = LocalSet()
        await local.run_until(main())      # main() may call spawn_local()

    The tasks run while the set is driven: inside `run_until`, `block_on`, or while it is
    awaited (which waits for all of them). The task that drives it stays on the thread too.
    While another task blocks the thread in place, they wait. Closing or dropping the set
    cancels its tasks.

    To be used on one thread, except for waking and aborting its tasks. Tokio:
    `task::LocalSet`.
    """

    __slots__ = ("__weakref__", "_local")

    def __init__(self) -> None:
        self._local = LocalQueue()

    def spawn_local(self, coro: Spawnable[T], *, name: str | None = None) -> JoinHandle[T]:
        """Start a task of this set. It runs when the set is driven.

        Raises:
            TypeError, RuntimeError: as `spawn`.
        """
        return self._local.spawn(coro, name)

    async def run_until(self, coro: Spawnable[T]) -> T:
        """Await `coro` in the calling task, and run the set's tasks meanwhile.

        The tasks that are left when it has ended wait for the set to be driven again.

        Raises:
            RuntimeError: not inside a Yamanote task, or on another thread than before.
        """
        coro = as_coroutine(coro)
        local = self._local
        task = current_task()
        if not isinstance(task, Task):
            coro.close()
            raise RuntimeError("LocalSet.run_until() needs a Yamanote task to run in")
        while isinstance(task, Branch):
            task = task._home.caller  # what is polled inside a task stays where that stays
        home = task._home
        bound = getattr(home, "bound_to_thread", False)
        main = task.main()
        seat = here.seat if main is None else main.seat
        try:
            if seat is None or (bound and home.seat is not seat):
                raise RuntimeError("this task is bound to another thread")
            local.enter(seat)
        except RuntimeError:
            coro.close()
            raise
        task._home = local
        try:
            while here.seat is not seat:
                await yield_now()  # to be polled by the caller of block_on
            return await coro
        finally:
            # Its asyncio objects, if it has any, belong to this worker.
            task._home = home if bound else here.worker
            local.exit()
            coro.close()
            del task  # an error's traceback refers to this frame

    def block_on(self, runtime: Runtime, coro: Spawnable[T]) -> T:
        """Run `coro` to its end on `runtime` and this thread, with the set's tasks.

        Raises:
            RuntimeError: as `Runtime.block_on`.
        """
        try:
            return runtime.block_on(self.run_until(coro))
        except BaseException:
            close_coroutine(coro)  # refused before it started
            raise

    def __await__(self) -> Generator[Any, None, None]:
        """Run the set's tasks until all have ended, in whatever way."""
        return self.run_until(self._all_ended()).__await__()

    async def _all_ended(self) -> None:
        tasks = self._local.tasks
        while tasks:
            try:
                task = next(iter(tasks))
            except (StopIteration, RuntimeError):
                continue
            await Ended(task)

    def enter(self) -> LocalEnterGuard:
        """A context manager inside which `spawn_local` uses this set, without running it."""
        return LocalEnterGuard(self)

    def close(self) -> None:
        """Cancel the set's tasks. Spawning onto it gives cancelled handles from now on.

        A task is given its CancelledError; what it would still await in its `finally`
        blocks is not waited for.
        """
        self._local.close()

    def __del__(self) -> None:
        local = getattr(self, "_local", None)
        if local is not None and local.tasks:
            local.close()

    def __repr__(self) -> str:
        return f"<LocalSet of {len(self._local.tasks)} tasks>"


@final
class LocalEnterGuard:
    """Inside this context manager `spawn_local` spawns onto the set.

    Tokio: `task::LocalEnterGuard`.
    """

    __slots__ = ("_outer", "_set")

    def __init__(self, local_set: LocalSet) -> None:
        self._set = local_set
        self._outer: list[Any] = []

    def __enter__(self) -> LocalSet:
        self._outer.append(here.local_set)
        here.local_set = self._set._local
        return self._set

    def __exit__(self, *_: object) -> None:
        here.local_set = self._outer.pop()


def spawn_local(coro: Spawnable[T], *, name: str | None = None) -> JoinHandle[T]:
    """Start a task on the LocalSet that the caller runs in; it stays on this thread.

    Args:
        coro: a coroutine, or any awaitable.
        name: for logs and debuggers; `task-N` by default.

    Raises:
        RuntimeError: not inside a LocalSet, nor inside its `enter()`.
        TypeError: as `spawn`.

    Tokio: `task::spawn_local`.
    """
    local = here.local_set
    if local is None:
        home = getattr(current_task(), "_home", None)
        local = getattr(home, "local", home)
        if not isinstance(local, LocalQueue):
            close_coroutine(coro)
            raise RuntimeError(
                "spawn_local() works inside a LocalSet only: use LocalSet.run_until() or "
                "LocalSet.enter() around it"
            )
    task: JoinHandle[T] = local.spawn(coro, name)
    return task
