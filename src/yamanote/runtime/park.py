"""Suspending and waking: the two halves of every await.

A coroutine never registers itself while it still runs. It *yields* a `Park`; once it
is suspended, whoever polled it calls `park._arm(waiter)`, which registers the waiter
or finds that there is nothing left to wait for and wakes it at once. So no wake-up on
another thread can resume a coroutine that has not yet suspended.

What is registered is a *token*: a one-element list that holds the waiter. Whoever pops
the element has won the right to wake the waiter, everybody else finds the list empty:
wakers, timers and cancellation race freely and exactly one of them wins. `list.pop`
locks the list on free-threaded builds and is atomic under the GIL.

Memory order. "Publish, then check" pairs (register/finish, park/push, cancel/park) need
an operation that locks on both sides. `_register` of every Park therefore contains one
(a method of a list, deque or dict, or a lock) between the store of `waiter._token` and
whatever is checked afterwards.

A waiter is anything with `_token`, `_must_cancel` and `_home`; it is woken by
`waiter._home.push(waiter)`. Tasks are waiters; so are the threads and the tasks of asyncio
and trio that wait through the small classes below.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Generator
from typing import Any

from .checks import as_seconds
from .compat import current_task
from .here import here
from .trio import running_trio

Token = list[Any]

#: The token of a waiter that has never parked: always empty, nobody can win it.
NO_TOKEN: Token = []


def wake(token: Token) -> bool:
    """Wake the token's waiter, unless somebody else has; any thread may call it."""
    if not token:
        return False
    try:
        waiter = token.pop()
    except IndexError:
        return False
    waiter._home.push(waiter)
    return True


def wake_behind(token: Token) -> None:
    """As `wake`, but behind what is queued here, past the LIFO slot: for the end of a task. Who
    waits for many is resumed once for all that have ended meanwhile, not for each."""
    if not token:
        return
    try:
        waiter = token.pop()
    except IndexError:
        return
    worker = here.worker
    home = waiter._home
    if worker is not None and home is worker.core:
        queue = worker.queue
        queue.append(waiter)
        if len(queue) > 1:
            worker.share()
    else:
        home.push(waiter)


# Re-entrant: the garbage collector may find a coroutine that waits.
_leaving = threading.RLock()


def leave(tokens: list[Token], token: Token) -> None:
    """Take a token out of a list that nobody takes others out of but by this.

    Lists compare by value, so what goes may be another one that is empty, too. But to compare
    two tokens locks them, and while a free-threaded build waits for that it lets go of the
    list: what another thread removed meanwhile would move a third one to the same place.
    """
    with _leaving:
        try:
            tokens.remove(token)
        except ValueError:
            pass


class Waiter:
    """Something that waits and can be woken."""

    __slots__ = ()

    _token: Token
    _must_cancel: bool | tuple[Any]
    _home: Any
    # Of those which are tasks: see task.py.
    _budget: int
    _future: Any
    _out_of_budget: Any
    _poller: Any


class Park:
    """What an awaitable yields in order to be suspended."""

    __slots__ = ()

    def _register(self, token: Token) -> bool:
        """Keep `token` for the wake-up; False when there is nothing to wait for."""
        raise NotImplementedError

    def _unregister(self, token: Token) -> None:
        """Forget a token that will not be needed: its waiter stopped waiting."""

    def _arm(self, waiter: Any) -> None:
        """Register a waiter that is suspended by now."""
        token = [waiter]
        waiter._token = token
        if not self._register(token) or waiter._must_cancel:
            wake(token)

    def _wait(self) -> Generator[Any, None, None]:
        """Suspend the current task, ours or another library's, until the token is popped."""
        current = current_task()
        if isinstance(current, Waiter):
            try:
                yield self
            except BaseException:
                self._unregister(current._token)
                del current  # a cancellation's traceback refers to this frame
                raise
        else:
            yield from wait_outside(self)


class _NativeWait:
    """A task's wait for a Park, to those who look for the future that it awaits."""

    __slots__ = ("_token",)

    def __init__(self, token: Token) -> None:
        self._token = token

    def done(self) -> bool:
        return not self._token

    def cancel(self, msg: Any = None) -> bool:
        return False  # as of a future that cannot be: the task itself has to

    def __repr__(self) -> str:
        return "<native wait>"


def awaited(task: Any) -> Any:
    """What asyncio's libraries find as the `_fut_waiter` of a task.

    anyio takes one that awaits nothing for one that runs. The token is asked for, so that to
    park costs nothing more.
    """
    token, future = task._token, task._future
    return _NativeWait(token) if token and future is None else future


class Callback(Waiter):
    """Calls a function, on whatever thread the wake-up comes from."""

    __slots__ = ("_func", "_token")

    _must_cancel = False

    def __init__(self, func: Callable[[], object]) -> None:
        self._token = NO_TOKEN
        self._func = func

    @property
    def _home(self) -> Callback:
        return self

    def push(self, _: Callback) -> None:
        self._func()


def lock_timeout(seconds: float | None) -> float:
    """A time limit as `Lock.acquire` takes it: -1 for none, and none too long for it."""
    try:
        if seconds is None or seconds >= threading.TIMEOUT_MAX:
            return -1
        return max(seconds, 0)
    except TypeError:
        as_seconds("a timeout", seconds)
        raise


class ThreadWaiter(Waiter):
    """A plain thread that waits for a Park."""

    __slots__ = ("_lock", "_token")

    _must_cancel = False

    def __init__(self) -> None:
        self._token = NO_TOKEN
        self._lock = threading.Lock()
        self._lock.acquire()

    @property
    def _home(self) -> ThreadWaiter:
        return self

    def push(self, _: ThreadWaiter) -> None:
        self._lock.release()

    def wait(self, park: Park, timeout: float | None) -> bool:
        """Block until woken; False when `timeout` seconds have passed."""
        park._arm(self)
        try:
            if self._lock.acquire(timeout=lock_timeout(timeout)):
                return True
            try:
                self._token.pop()
            except IndexError:  # somebody is about to wake us
                self._lock.acquire()
                return True
        except BaseException:  # Ctrl-C
            park._unregister(self._token)
            raise
        park._unregister(self._token)
        return False


def check_may_block(name: str, instead: str) -> None:
    """Refuse to block this thread in the method `name`.

    Raises:
        RuntimeError: it is a worker's thread, where one has to do what `instead` says.
    """
    if here.worker is not None:
        raise RuntimeError(
            f"{name}() would block a worker and the tasks on it: {instead}, or call this "
            "inside block_in_place()"
        )


def wait_in_thread(park: Park, timeout: float | None, name: str, instead: str) -> bool:
    """Block this thread for `park`, if it may be; False when `timeout` seconds have passed."""
    check_may_block(name, instead)
    return ThreadWaiter().wait(park, timeout)


class AsyncioWaiter(Waiter):
    """A task of plain asyncio, on any loop, that waits for a Park."""

    __slots__ = ("_token", "future")

    _must_cancel = False

    def __init__(self) -> None:
        self._token = NO_TOKEN
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def _home(self) -> AsyncioWaiter:
        return self

    def push(self, _: AsyncioWaiter) -> None:
        try:
            self.future.get_loop().call_soon_threadsafe(self._resolve)
        except RuntimeError:
            pass  # its loop is closed: nobody waits any more

    def _resolve(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class TrioWaiter(Waiter):
    """A task of trio that waits for a Park."""

    __slots__ = ("_entry", "_reschedule", "_token", "task")

    _must_cancel = False

    def __init__(self, trio: Any) -> None:
        self._token = NO_TOKEN
        self._entry = trio.lowlevel.current_trio_token()
        self._reschedule = trio.lowlevel.reschedule
        #: None once it waits no more: trio takes a wake-up that comes too late for a bug.
        self.task = trio.lowlevel.current_task()

    @property
    def _home(self) -> TrioWaiter:
        return self

    def push(self, _: TrioWaiter) -> None:
        try:
            self._entry.run_sync_soon(self._resume)
        except RuntimeError:
            pass  # its trio.run has ended: nobody waits any more

    def _resume(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            self._reschedule(task)


def wait_outside(park: Park) -> Generator[Any, None, None]:
    """Suspend a task of plain asyncio or of trio. Cancelling it ends the wait and nothing
    else.

    Both are armed while they run, which no wake-up can harm: it comes to them through
    their own loop, once they have been suspended.
    """
    trio = running_trio()
    yield from _wait_in_asyncio(park) if trio is None else _wait_in_trio(park, trio)


def _wait_in_asyncio(park: Park) -> Generator[Any, None, None]:
    try:
        waiter = AsyncioWaiter()
    except RuntimeError:
        raise RuntimeError(
            "this can be awaited in a task of Yamanote, asyncio or trio only; from a plain "
            "thread, use a method that blocks, such as JoinHandle.join() or Runtime.block_on()"
        ) from None
    park._arm(waiter)
    try:
        yield from waiter.future
    except BaseException:
        park._unregister(waiter._token)
        raise


def _wait_in_trio(park: Park, trio: Any) -> Generator[Any, None, None]:
    waiter = TrioWaiter(trio)

    def cancel(_: Any) -> Any:
        waiter.task = None
        return trio.lowlevel.Abort.SUCCEEDED

    try:
        park._arm(waiter)
        yield from trio.lowlevel.wait_task_rescheduled(cancel).__await__()
    except BaseException:
        waiter.task = None
        park._unregister(waiter._token)
        raise
