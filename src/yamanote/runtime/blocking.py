"""The blocking pool: threads for calls that block."""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError as ExecutorCancelledError
from concurrent.futures import Executor, Future
from contextvars import Context
from typing import TYPE_CHECKING, Any, TypeVar

from .here import here
from .idle import TIDY_AFTER
from .join import JoinHandle
from .park import lock_timeout
from .registry import Registry
from .shared import FREE_THREADED

if TYPE_CHECKING:
    from .core import Core

T = TypeVar("T")


def _claim(right: list[None]) -> bool:
    """Take the one element of a list; False if somebody else has."""
    try:
        right.pop()
    except IndexError:
        return False
    return True


def check_function(what: str, func: Any) -> None:
    """Raise a TypeError unless `func` is a plain function, or another callable."""
    if not callable(func):
        raise TypeError(
            f"{what}() takes a function and its arguments, not {func!r}: "
            f"write {what}(f, x), not {what}(f(x))"
        )
    while isinstance(func, functools.partial):
        func = func.func
    # The flag of inspect.iscoroutinefunction, which takes 1 µs.
    code = getattr(func, "__code__", None)
    if code is not None and code.co_flags & 0x80:
        raise TypeError(
            f"{what}() runs plain functions; {func.__qualname__} is an async function: "
            f"use spawn({func.__qualname__}())"
        )


class BlockingTask(JoinHandle[T]):
    """A call that runs on a thread of the pool.

    Two one-element lists decide its races: who pops `_start` may run or abort the call,
    who pops `_end` may publish its outcome (a shutdown that does not wait is the rival).
    """

    __slots__ = ("_call", "_end", "_start")

    def __init__(self, call: Callable[[], T], name: str | None, registry: Registry) -> None:
        self._begin(name, registry)
        self._call: Callable[[], T] | None = call
        self._start: list[None] = [None]
        self._end: list[None] = [None]

    def run(self, returned: Callable[[], None]) -> None:
        """Make the call on this thread, unless it was aborted; `returned()` comes after it,
        before anybody hears of its end."""
        if not _claim(self._start):
            return
        call, self._call = self._call, None
        assert call is not None
        try:
            result = call()
        except BaseException as error:
            returned()
            # Without this frame, whose variables would keep the task alive.
            if error.__traceback__ is not None:
                error.with_traceback(error.__traceback__.tb_next)
            if _claim(self._end):
                self._fail(error)
        else:
            returned()
            if _claim(self._end):
                self._value = result
                self._settle(True)
        finally:
            del self  # the failure refers to this frame by the call's own frame's f_back

    def abort(self) -> None:
        """Cancel the call if it has not started; one that runs is not interrupted."""
        if _claim(self._start):
            self._call = None
            self.cut_off()

    def cut_off(self) -> None:
        """Report the call as cancelled, whatever becomes of it."""
        if _claim(self._end):
            self._fail(None)


class ExecutorTask(JoinHandle[T]):
    """A call that runs in an executor of `concurrent.futures`."""

    __slots__ = ("_future",)

    def __init__(self, future: Future[T], name: str | None) -> None:
        self._begin(name, Registry())
        self._future: Future[T] | None = future
        future.add_done_callback(self._ended)

    def _ended(self, future: Future[T]) -> None:
        self._future = None  # it refers to this task
        try:
            error = future.exception()
        except ExecutorCancelledError:
            self._fail(None)
            return
        if error is None:
            self._value = future.result()
            self._settle(True)
        else:
            self._fail(error)

    def abort(self) -> None:
        """Cancel the call if it has not started; one that runs is not interrupted."""
        future = self._future
        if future is not None:
            future.cancel()


def submit_to(
    executor: Executor, name: str | None, func: Callable[..., T], *args: Any, **kwargs: Any
) -> JoinHandle[T]:
    """Run a call in any executor of `concurrent.futures`."""
    check_function("spawn_blocking", func)
    return ExecutorTask(executor.submit(func, *args, **kwargs), name)


class BlockingPool:
    """Threads made on demand, up to a limit; one ends when it has had nothing to do for
    the keep-alive time. Work goes to the thread that became idle last, so that those
    which are not needed can end.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._registry = Registry()
        # Re-entrant: the collector, or a signal, may come inside, and a destructor or a handler
        # that makes a call. So a thread says that it is idle, or that it leaves, and then looks
        # at the queue once more.
        # The core's: a handler in the midst of the one and a destructor in the midst of the other
        # might wait for each other.
        self._lock = core.lock
        self._queue: deque[BlockingTask[Any]] = deque()
        self._idle: list[threading.Lock] = []
        self._running: set[BlockingTask[Any]] = set()
        self._threads: set[threading.Thread] = set()
        self._leaving: set[threading.Thread] = set()
        self._most = core.config.max_blocking_threads
        self._keep_alive = core.config.thread_keep_alive
        self._closed = False

    def spawn(
        self, context: Context, name: str | None, func: Callable[..., T], *args: Any, **kwargs: Any
    ) -> JoinHandle[T]:
        """Queue a call, to run in `context`."""
        check_function("spawn_blocking", func)
        call = functools.partial(context.run, func, *args, **kwargs)
        task = BlockingTask(call, name, self._registry)
        with self._lock:
            if not self._closed:
                self._queue.append(task)
                self._see_to(task)
        if self._closed:
            task.abort()
        return task

    def _see_to(self, task: BlockingTask[Any]) -> None:
        """Have a thread come for `task`, which is in the queue; with the lock held."""
        try:
            self._idle.pop().release()
            return
        except IndexError:
            pass
        if len(self._threads) >= self._most:
            return
        thread = threading.Thread(target=self._work, daemon=True)
        if not self._count_in(thread):
            return
        ended = [other for other in self._leaving.copy() if not other.is_alive()]
        self._leaving.difference_update(ended)
        try:
            thread.start()
        except RuntimeError:
            # The system has no more threads to give. Others will get to it.
            self._threads.discard(thread)
            if not self._threads:
                self._queue.remove(task)
                raise

    def _count_in(self, thread: threading.Thread) -> bool:
        """Count a thread among those that take calls, if there are not enough; with the lock
        held."""
        self._threads.add(thread)
        if len(self._threads) <= self._most:
            return True
        self._threads.discard(thread)
        return False

    def _work(self) -> None:
        here.core = self._core
        self._core.thread_started()
        turn = threading.Lock()
        turn.acquire()
        resting = False

        def rest() -> None:
            nonlocal resting
            resting = self._rest(turn)

        try:
            while (task := self._next(turn, resting)) is not None:
                here.blocking_call = task
                resting = False
                task.run(rest)
                here.blocking_call = None
                with self._lock:
                    self._running.discard(task)
                del task  # its result is not this thread's to keep
                self._core.blocking_call_ended()
        finally:
            self._leave()
            self._core.thread_stopped()

    def _leave(self) -> None:
        thread = threading.current_thread()
        with self._lock:
            self._leaving.add(thread)
            self._threads.discard(thread)

    def _rest(self, turn: threading.Lock) -> bool:
        """Count this thread among the idle ones, if there is no call for it.

        Before the end of its call is known: who has waited for that and makes the next call
        finds this thread, and need not start another one (a third of a round trip).
        """
        with self._lock:
            self._idle.append(turn)
            return not ((self._queue or self._closed) and self._take_back(turn))

    def _take_back(self, turn: threading.Lock) -> bool:
        """Be idle no more; False if the turn has come meanwhile."""
        try:
            self._idle.remove(turn)
        except ValueError:
            return False
        return True

    def _next(self, turn: threading.Lock, resting: bool) -> BlockingTask[Any] | None:
        """The next call; None when this thread shall end. `resting`: it is idle already."""
        while True:
            if not resting:
                with self._lock:
                    if self._queue:
                        task = self._queue.popleft()
                        self._running.add(task)
                        return task
                    if self._closed:
                        return None
                    if not self._rest(turn):
                        continue
            resting = False
            if FREE_THREADED:
                if turn.acquire(timeout=min(self._keep_alive, TIDY_AFTER)):
                    continue
                self._core.tidy()
            if turn.acquire(timeout=lock_timeout(self._keep_alive)):
                continue
            with self._lock:
                if self._take_back(turn):
                    # Counted out at once, lest new work be left to a thread that ends.
                    self._leave()
                    if self._queue and self._count_in(threading.current_thread()):
                        continue
                    return None
            turn.acquire()  # called in the last moment

    def busy(self) -> bool:
        """Whether a call runs or waits."""
        with self._lock:
            return bool(self._queue or self._running)

    def counts(self) -> tuple[int, int, int]:
        """The numbers of threads, of idle threads, and of calls that wait."""
        with self._lock:
            return len(self._threads), len(self._idle), len(self._queue)

    def close(self) -> list[threading.Thread]:
        """Take no more calls, cancel those that wait, let the threads end; returns the
        threads that are still there."""
        with self._lock:
            self._closed = True
            waiting = list(self._queue)
            self._queue.clear()
            while self._idle:
                self._idle.pop().release()
            threads = [*self._threads, *self._leaving]
        for task in waiting:
            task.abort()
        return threads

    def cut_off(self) -> None:
        """Report the calls that still run as cancelled."""
        with self._lock:
            running = list(self._running)
        for task in running:
            task.cut_off()
