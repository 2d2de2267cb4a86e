"""Threads of their own for tasks that must stay on one."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from time import monotonic
from typing import Any, ParamSpec, TypeVar, final

from ..runtime.checks import as_seconds, check_whole
from ..runtime.core import close_coroutine, runs_event_loop
from ..runtime.join import JoinHandle
from ..runtime.park import NO_TOKEN, Waiter
from ..runtime.runtime import Runtime
from ..runtime.task import Spawnable, as_coroutine
from ..sync.cancellation import CancellationToken
from ..time.timeouts import timeout
from .local import LocalSet

T = TypeVar("T")
P = ParamSpec("P")


@final
class LocalPool:
    """A pool of threads, each with a current_thread runtime and a LocalSet of its own.

    What is spawned onto it is made on one of the threads and never leaves it: for objects
    that only one thread may use.

        async with LocalPool(4) as pool:
            rows = await pool.spawn_pinned(query, "select 1")

    Leaving `async with`, or `with` in a plain thread, cancels the tasks, waits until they
    have ended and ends the threads. A pool that is dropped without does not wait, and
    gives a ResourceWarning.

    Args:
        size: the number of threads.
        thread_name: the threads are named `<thread_name>-<index>`.

    Raises:
        TypeError, ValueError: `size` is no whole number, or less than 1.

    Thread-safe. Tokio: tokio-util's `task::LocalPoolHandle`.
    """

    __slots__ = ("__weakref__", "_lock", "_threads")

    def __init__(self, size: int, *, thread_name: str = "yamanote-local") -> None:
        check_whole("the size of a LocalPool", size)
        if size < 1:
            raise ValueError(f"LocalPool() needs a size of at least 1, not {size!r}")
        # Re-entrant, for destructors and signal handlers that spawn in the midst of it.
        self._lock = threading.RLock()
        self._threads: list[_PoolThread] = []
        for index in range(size):
            self._threads.append(_PoolThread(f"{thread_name}-{index}"))
        for thread in self._threads:
            thread.wait_until_started()

    def num_threads(self) -> int:
        """The number of threads.

        Tokio: `LocalPoolHandle::num_threads`.
        """
        return len(self._threads)

    def get_task_loads_for_each_worker(self) -> list[int]:
        """How many tasks that were spawned onto the pool each thread has.

        Tokio: `LocalPoolHandle::get_task_loads_for_each_worker`.
        """
        return [len(thread.load) for thread in self._threads]

    def spawn_pinned(
        self,
        func: Callable[P, Spawnable[T]],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JoinHandle[T]:
        """Start a task on the thread that has the fewest.

        On that thread `func(*args, **kwargs)` is called and what it returns awaited.
        `spawn_local` inside of it starts further tasks on the same thread.

        Args:
            func: an async function, or one that returns an awaitable.

        Returns:
            A handle, which may be awaited anywhere. An exception of the call is a panic as
            one of the coroutine is. When the pool has been shut down, the handle of a
            task that is cancelled already.

        Raises:
            TypeError: `func` cannot be called.

        Tokio: `LocalPoolHandle::spawn_pinned`.
        """
        return self._spawn(None, func, args, kwargs)

    def spawn_pinned_by_idx(
        self,
        func: Callable[P, Spawnable[T]],
        index: int,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> JoinHandle[T]:
        """As `spawn_pinned`, on the thread of that index, from 0 to `num_threads() - 1`.

        Raises:
            IndexError: there is no such thread.
            TypeError: `func` cannot be called.

        Tokio: `LocalPoolHandle::spawn_pinned_by_idx`.
        """
        if not 0 <= index < len(self._threads):
            raise IndexError(f"this LocalPool has no thread {index}, but {len(self._threads)}")
        return self._spawn(self._threads[index], func, args, kwargs)

    def _spawn(
        self, thread: _PoolThread | None, func: Any, args: Any, kwargs: Any
    ) -> JoinHandle[Any]:
        if not callable(func):
            close_coroutine(func)
            raise TypeError(
                f"a function is needed, which makes the coroutine on the pool's thread, not "
                f"{func!r}: write spawn_pinned(f, x), not spawn_pinned(f(x))"
            )
        with self._lock:
            if thread is None:
                # Those that have ended come last: an exit may have ended one alone.
                thread = min(
                    self._threads,
                    key=lambda thread: (thread.closing.is_cancelled(), len(thread.load)),
                )
            entry = _Load(thread.load)
        task = thread.spawn(_make_and_await(func, args, kwargs))
        task._arm(entry)
        return task

    # The end.

    def shutdown(self, timeout: float | None = None) -> None:
        """Cancel the tasks, block until they have ended, and end the threads.

        Args:
            timeout: the longest time to wait for the tasks in seconds; None waits for
                ever. What has not ended by then is cut off. It holds for the first call
                of any shutdown.

        Raises:
            TypeError, ValueError: `timeout` is no number.
            RuntimeError: called on a thread that runs tasks, which it would block: use
                `await aclose()` there, or `shutdown_background()`.
        """
        if runs_event_loop():
            raise RuntimeError(
                "LocalPool.shutdown() would block the event loop that runs on this thread: "
                "use `await pool.aclose()` or `async with`"
            )
        self._close(timeout)
        for thread in self._threads:
            thread.join()

    def shutdown_background(self) -> None:
        """Cut the tasks off and end the threads, without waiting for anything."""
        self._close(0)

    async def aclose(self, timeout: float | None = None) -> None:
        """As `shutdown`, for tasks of Yamanote, asyncio and trio: only the caller waits.

        Cancel-safe: the threads end all the same.
        """
        self._close(timeout)
        for thread in self._threads:
            await thread.ended.cancelled()
            thread.join()  # the thread has nothing left to do

    def _close(self, timeout: float | None) -> None:
        deadline = None if timeout is None else monotonic() + as_seconds("a shutdown", timeout)
        for thread in self._threads:
            thread.close(deadline)

    def __enter__(self) -> LocalPool:
        if runs_event_loop():
            self.shutdown_background()
            raise RuntimeError(
                "leaving `with LocalPool()` would block the event loop that runs on this "
                "thread: use `async with`"
            )
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    async def __aenter__(self) -> LocalPool:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        threads = getattr(self, "_threads", ())
        if any(not thread.closing.is_cancelled() for thread in threads):
            warnings.warn(
                "a LocalPool was dropped without being shut down: use `async with LocalPool(n)`",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
            self.shutdown_background()

    def __repr__(self) -> str:
        return f"<LocalPool of {len(self._threads)} threads>"


class _PoolThread:
    """One of a pool's threads."""

    def __init__(self, name: str) -> None:
        #: The tasks that it has been given and that have not ended.
        self.load: set[_Load] = set()
        #: Cancelled when the thread shall end, after `_deadline` has been set.
        self.closing = CancellationToken()
        self._deadline: float | None = None
        #: Cancelled when it has done all it will do.
        self.ended = CancellationToken()
        self._runtime = Runtime(flavor="current_thread")
        self._local = LocalSet()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the system has no more threads to give
            self._runtime.shutdown_background()
            raise

    def wait_until_started(self) -> None:
        # From then on the set has a thread which a task that is pushed can wake.
        self._started.wait()

    def spawn(self, coro: Any) -> JoinHandle[Any]:
        """Start a task; any thread may call it."""
        with self._runtime.enter():
            task = self._local.spawn_local(coro)
        # After the task was entered into the set: _serve aborts those that it finds there
        # when it is told to close, and waits for all.
        if self.closing.is_cancelled():
            task.abort()
        return task

    def close(self, deadline: float | None) -> None:
        if not self.closing.is_cancelled():
            self._deadline = deadline
            self.closing.cancel()

    def join(self) -> None:
        self._thread.join()

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(self._deadline - monotonic(), 0)

    def _run(self) -> None:
        try:
            self._local.block_on(self._runtime, self._serve())
        except (KeyboardInterrupt, SystemExit):
            pass  # a task's, whose handle has it
        finally:
            self._started.set()
            self.closing.cancel()
            self._local.close()
            self._runtime._core.shutdown(self._remaining())
            self.ended.cancel()

    async def _serve(self) -> None:
        self._started.set()
        await self.closing.cancelled()
        for task in self._local._local.tasks.copy():
            task.abort()
        try:
            await timeout(self._remaining(), self._local)
        except TimeoutError:
            self._local.close()


class _Load(Waiter):
    """Counts a task among those of its thread, until its end."""

    __slots__ = ("_load", "_token")

    _must_cancel = False

    def __init__(self, load: set[_Load]) -> None:
        self._token = NO_TOKEN
        self._load = load
        load.add(self)

    @property
    def _home(self) -> _Load:
        return self

    def push(self, _: _Load) -> None:
        self._load.discard(self)


async def _make_and_await(func: Any, args: Any, kwargs: Any) -> Any:
    return await as_coroutine(func(*args, **kwargs))
