"""A task's life cycle: its states, and who may move it from which to which.

    spawn ──► queued ──► running ──► done
                ▲           │
                │ wake      │ yields a Park
                └── parked ◄┘

queued   In exactly one queue: a worker's, the injection queue, or a LocalSet's. Whoever
         pops it owns it.
running  Owned by the one local variable of the poll loop that popped it. The coroutine
         is resumed with `context.run(step, runner, None)`; what comes back decides:
           None        back to the queue (`yield_now`)
           a Park      `park._arm(task)`: the task is parked, or ready and queued again
           a future    asyncio's: the task is pinned to this worker's loop for good,
                       and parked until the future calls back; one of a loop on another
                       thread, if that is none of ours, pins nothing
           ENDED       it has returned: done, as by StopIteration
           any other exception: done
parked   Held by one token (see park.py) which something will wake it by. Popping the
         token makes the popper the owner, who queues the task at its `_home`.
done     The outcome is set, every waiter woken, the coroutine released.

No state is stored: a task *is* where it is referenced from, so nothing has to be kept
in step. Two flags can be set from outside at any time. `_must_cancel` is looked at
before each poll and after each arming; `cancel()` sets it and then tries to win the
token, so a task is woken for its cancellation if it was parked and sees the flag if it
was not. The `_registry` holds it from spawn to end; who removes it from there may publish
its outcome, so a task that is cut off at shutdown while it still runs somewhere
ends exactly once.

`_home` is where the task is queued when it becomes runnable, as an object with
`push(task)`: the runtime's Core (it roams: any worker may take it), a Worker (pinned),
a LocalSet's queue (bound to an operating-system thread), or the Branches of a `join` or
`select` (polled inside another task).
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from asyncio import CancelledError, base_tasks, events
from collections.abc import Awaitable, Callable, Coroutine, Generator
from concurrent.futures import Future
from contextvars import Context
from types import CoroutineType, GeneratorType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from .carrier import (
    CARRY,
    ENDED,
    Carried,
    Carrier,
    Step,
    Throw,
    close_unstarted,
    started_already,
    users_part,
)
from .compat import run_until_complete_callback
from .here import here
from .join import JoinError, JoinHandle
from .park import NO_TOKEN, Park, Token, Waiter, awaited, wake
from .trio import running_trio

if TYPE_CHECKING:
    from .registry import Registry
    from .seat import Seat
    from .worker import Worker

T = TypeVar("T")

#: How many awaits that are ready at once a task gets before it has to yield.
BUDGET = 128

#: The key in a task's `_locals` that says it need not heed its budget.
UNCONSTRAINED = object()

#: The key of the coroutine of a task that keeps a carrier.
_COROUTINE = object()

#: The key of a main task's `Main`.
_MAIN = object()

# Guards the two counters of cancellation, which asyncio.timeout and others use from one
# thread while another aborts. Re-entrant, because the handler of Ctrl-C cancels too.
_cancel_lock = threading.RLock()


class NoWorker:
    """What `_poller` says of a task that no worker polls, but another task, or nobody yet."""

    clock = None
    core = None
    slot = (None,)


NO_WORKER = NoWorker()


class Main:
    """What tells that a task is the one that `block_on` runs: nobody spawned it, and to Tokio's
    users it is none: it has no id to ask for, and no callback hears of it.

    To asyncio's users it is what `run_until_complete` was given: `all_tasks` lists it, and
    anyio, which knows such a task by its callback, keeps its threads until the end of it.

    Not a subclass of Task: CPython specializes the poll loop for one class, and where main and
    another take turns a spawn and join would take 8 % longer.
    """

    __slots__ = ("seat", "worker")

    def __init__(self, seat: Seat, worker: Worker) -> None:
        #: Of the thread that called `block_on`, where a LocalSet in it has to run.
        self.seat = seat
        #: The one that `block_on` drives.
        self.worker = worker


class Task(JoinHandle[T], Waiter):
    """A spawned coroutine: what the scheduler sees of it, and what asyncio's libraries
    see of it, for whom it answers as an `asyncio.Task` does.

    What a user sees is its base, JoinHandle.
    """

    _aborted: bool
    _budget: int
    _cancelling: int
    _context: Context | None
    _future: Any
    _home: Any
    _locals: dict[Any, Any] | None
    #: With what message, as a tuple of it, if it is to be cancelled.
    _must_cancel: Literal[False] | tuple[Any]
    #: The worker whose poll loop polls it; see NO_WORKER.
    _poller: Any
    #: What is resumed, and how, see carrier.py. There is no step before the first poll, and no
    #: runner after the end.
    _runner: Any
    _step: Step | None
    _token: Token

    __slots__ = (
        "_aborted",
        "_budget",
        "_cancelling",
        "_context",
        "_future",
        "_home",
        "_locals",
        "_must_cancel",
        "_poller",
        "_runner",
        "_step",
        "_token",
    )

    def become_main(self, seat: Seat, worker: Worker) -> None:
        """Be the task that a `block_on` runs; before anybody sees it."""
        self._locals = {_MAIN: Main(seat, worker)}

    def main(self) -> Main | None:
        """Of the main task; None of any other."""
        return (self._locals or {}).get(_MAIN)

    # The poll loop's side: each is called by the task's owner only.

    def _keep(self, carrier: Carrier) -> None:
        """It waits, after a first poll by `carrier`."""
        # Few tasks do, so this has no slot.
        if self._locals is None:
            self._locals = {}
        self._locals[_COROUTINE] = self._runner
        self._step = CARRY
        self._runner = carrier

    def _returned(self, worker: Any = NO_WORKER) -> None:
        """running → done, with a result, which has been stored; `worker` polls it."""
        # _release(), _settle() and wake_behind() written out: three calls less are 10 % of a
        # spawn and join.
        registry = self._registry
        try:
            registry.tasks.remove(self)
        except KeyError:
            return
        self._runner = self._context = None  # no task-local is left, and the step is its class's
        self._done = True
        token = registry.first_joiner.pop(self, None)
        if token is None:
            return
        try:
            waiter = token.pop()
        except IndexError:
            pass
        else:
            home = waiter._home
            if home is worker.core:
                queue = worker.queue
                queue.append(waiter)
                if worker.sleepers and len(queue) > 1:
                    worker.share()
            elif home is worker:
                worker.pinned.append(waiter)
            else:
                home.push(waiter)
        if registry.other_joiners:
            self._wake_others()

    def _raised(self, error: BaseException) -> bool:
        """running → done, by an exception; whether it is a panic, and not a cancellation, or the
        end of a task that was cut off before."""
        if not self._release():
            return False
        cancelled = isinstance(error, CancelledError) or (
            # It awaited a task that was cancelled a moment before itself.
            self._aborted and isinstance(error, JoinError) and error.is_cancelled()
        )
        traceback: TracebackType | None = error.__traceback__
        if traceback is not None and not cancelled:
            # The other frames' variables would keep this task alive. Not by assignment, which
            # an exception may refuse: one that is a frozen dataclass.
            error.with_traceback(users_part(traceback))
        self._fail(None if cancelled else error)
        return not cancelled

    def _release(self) -> bool:
        """Leave the registry and let the coroutine go; False if it was cut off before."""
        try:
            self._registry.tasks.remove(self)
        except KeyError:
            return False
        self._let_go()
        return True

    def _let_go(self) -> None:
        """Keep neither the coroutine nor the runtime: a JoinError keeps the task."""
        self._runner = self._context = self._step = None
        self._home = self._poller = NO_WORKER
        if self._locals is not None:
            self._drop_locals()

    def _drop_locals(self) -> None:
        main = self.main()  # which it is still asked for
        self._locals = None if main is None else {_MAIN: main}

    def _await_foreign(self, yielded: Any) -> None:
        """running → parked, by something that is not ours: a future of asyncio's."""
        blocking = getattr(yielded, "_asyncio_future_blocking", None)
        loop = None
        if blocking is not None:
            yielded._asyncio_future_blocking = False
            loop = yielded.get_loop()
        if loop is asyncio.get_running_loop() and blocking:
            _FuturePark(yielded)._arm(self)
        elif loop is None or loop is asyncio.get_running_loop():
            self._throw_next(
                RuntimeError(
                    f"{self!r} cannot await {yielded!r}: it is made for another "
                    "async library than asyncio"
                )
            )
        else:
            # `blocking` says nothing here: the future may be awaited on its own thread too.
            try:
                park = OtherLoopsFuture(yielded)
                self._future = park
                park._arm(self)
            except RuntimeError as error:
                self._token.clear()
                self._future = None
                self._throw_next(error)

    def _throw_next(self, error: BaseException) -> None:
        """Queue the task again, to have `error` raised where it is suspended."""

        self._step = Throw(self, error)
        self._home.push(self)

    def _poll_cancelled(self) -> Any:
        """Poll with the cancellation that `_must_cancel` asks for."""
        request, self._must_cancel = self._must_cancel, False
        message = request[0] if request else None
        runner, step, context = self._runner, self._step, self._context
        assert context is not None
        future = self._future
        if future is not None:
            self._future = None
            # Asked for on another thread: only here may the future be touched. It goes
            # on as in cancel(): the future's end brings the CancelledError.
            if future.cancel(msg=message):
                return _FuturePark(future)
            if asyncio.isfuture(future) and future.done():
                self._must_cancel = request
                return _FuturePark(future)
        if step is None:
            close_unstarted(runner)
            raise CancelledError
        if step.__class__ is Throw:  # its error comes too late
            self._step = step.step
        error = CancelledError() if message is None else CancelledError(message)
        try:
            return context.run(runner.throw, error)
        except RuntimeError as failure:
            if not is_busy_context(failure):
                raise
            self._must_cancel = request
            return _BusyContext()
        finally:
            # This frame outlives the call in the traceback of what is raised.
            del self, runner, step, context, error

    def _out_of_budget(self) -> bool:
        """Whether an await that is ready at once has to yield all the same."""
        return self._budget <= 0 and not (self._locals and UNCONSTRAINED in self._locals)

    def _pin(self, worker: Worker) -> None:
        """Keep this task, which runs right now on `worker`, to it for good."""
        if self._home is worker.core:
            self._home = worker

    def _cut_off(self) -> None:
        """Any state → done (cancelled), at the end of a shutdown that will not wait.

        Any thread may call it. A parked task's coroutine is ended, for the token is won;
        a queued one's by whoever empties the queue (`_close`); one that runs on some
        thread is left to itself, and its end goes unnoticed.
        """
        try:
            self._registry.tasks.remove(self)
        except KeyError:
            return
        self._fail(None)
        try:
            self._token.pop()
        except IndexError:
            return
        self._close()

    def _end(self) -> None:
        """Queued or parked → done, at once and by a cancellation. For the owner only, on
        the thread that the task is bound to."""
        runner, context = self._runner, self._context
        if runner is None or context is None:
            return
        # Not the one that has polled it: another thread may drive that by now.
        self._poller = here.worker or NO_WORKER
        try:
            if self._step is None:
                close_unstarted(runner)
                raise CancelledError
            yielded = context.run(runner.throw, CancelledError())
        except StopIteration as stop:
            self._value = stop.value
            self._returned()
        except BaseException as error:
            self._raised(error)
        else:
            if yielded is ENDED:
                self._returned()
            else:
                self._cut_off()
                self._close()
        finally:
            del self, runner, context  # an error's traceback refers to this frame

    def _close(self) -> None:
        """End the coroutine, which the caller owns: it is given its CancelledError, and no
        second chance if it awaits once more."""
        runner, step, context = self._runner, self._step, self._context
        if runner is None or context is None:
            return
        self._let_go()
        if step is not None:
            try:
                context.run(runner.throw, CancelledError())
            except BaseException:
                pass  # it has ended
        try:
            if step is None:
                context.run(close_unstarted, runner)
            else:
                context.run(runner.close)
        except BaseException:
            pass  # it would await in its `finally`, which nobody will resume

    # What a JoinHandle offers.

    def abort(self) -> None:
        with _cancel_lock:
            if self._aborted:
                return  # a second CancelledError would interrupt the cleaning up
            self._aborted = True
        self.cancel()

    abort.__doc__ = JoinHandle.abort.__doc__

    def join(self, timeout: float | None = None) -> T:
        alone = here.worker is None and threading.active_count() == 1
        if alone and timeout is None and not self._done:
            core = getattr(self._home, "core", self._home)
            if getattr(core, "runs_in_block_on_only", False):
                raise RuntimeError(
                    "this task would never end: a current_thread runtime runs inside block_on() "
                    "only, and there is no other thread to call it. Use block_on(handle), or a "
                    "multi_thread runtime"
                )
        return super().join(timeout)

    join.__doc__ = JoinHandle.join.__doc__

    # What asyncio's libraries expect of asyncio.current_task().

    _fut_waiter = property(awaited)
    _exception = None  # what the two that show the stack ask for

    def cancel(self, msg: Any = None) -> bool:
        """Request cancellation, as `asyncio.Task.cancel`; any thread may call it."""
        if self._done:
            return False
        future = self._future
        if future is None:
            with _cancel_lock:
                self._cancelling += 1
                self._must_cancel = (msg,)
            wake(self._token)
            return True
        with _cancel_lock:
            self._cancelling += 1
        touchable = future.get_loop() is asyncio._get_running_loop() and asyncio.isfuture(future)
        if touchable and future.cancel(msg=msg):
            return True
        with _cancel_lock:
            self._must_cancel = (msg,)
        if not touchable:
            wake(self._token)
        # Else the future wakes the task, in the order of its callbacks: the loop's own stand
        # before it, one of which forgets a socket that the task is about to close.
        return True

    def cancelling(self) -> int:
        """The number of cancellations requested and not taken back."""
        return self._cancelling

    def uncancel(self) -> int:
        """Take back one request of cancellation; returns how many remain."""
        with _cancel_lock:
            if self._cancelling > 0:
                self._cancelling -= 1
                if self._cancelling == 0:
                    self._must_cancel = False
            return self._cancelling

    def cancelled(self) -> bool:
        """Whether the task ended by a cancellation."""
        failure = self._failure
        return failure is not None and failure.panic is None

    def done(self) -> bool:
        """Whether the task has ended."""
        return bool(self._done)

    def result(self) -> T:
        """The result; raises what the task raised, as `asyncio.Task.result`."""
        error = self.exception()
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del self, error  # the error's traceback refers to this frame

    def exception(self) -> BaseException | None:
        """The exception that escaped the task, as `asyncio.Task.exception`."""
        if not self._done:
            raise asyncio.InvalidStateError("the task has not ended")
        failure = self._failure
        if failure is None:
            return None
        if failure.panic is None:
            raise CancelledError
        failure.seen = True
        return failure.panic

    def add_done_callback(
        self, callback: Callable[[Task[T]], object], *, context: Context | None = None
    ) -> None:
        """Have `callback(task)` called by the running loop once the task has ended."""
        _DoneCallback(self, callback, context)

    def remove_done_callback(self, callback: Callable[[Task[T]], object]) -> int:
        """Forget `callback`; returns how often it was registered."""
        removed = 0
        registry = self._registry
        first, others = registry.first_joiner.get(self), registry.other_joiners.get(self)
        for token in [first or NO_TOKEN, *(others or ())]:
            waiter = next(iter(token), None)
            if isinstance(waiter, _DoneCallback) and waiter.callback == callback:
                try:
                    token.pop()
                except IndexError:
                    continue  # the task has just ended
                self._unregister(token)
                removed += 1
        return removed

    def get_coro(self) -> Coroutine[Any, Any, T] | None:
        """The coroutine; None once the task has ended."""
        coro: Coroutine[Any, Any, T] | None = self._coro
        return coro

    def get_context(self) -> Context | None:
        """The context that the task runs in; None once it has ended."""
        return self._context

    def get_name(self) -> str:
        """The task's name."""
        return self.name

    def set_name(self, value: object) -> None:
        """Rename the task."""
        self._name = str(value)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the worker that the task is pinned to, or else runs on."""
        main = self.main()
        if main is not None:
            # all_tasks() asks from any thread, and inside a LocalSet too.
            return main.worker.loop
        loop = getattr(self._home, "loop", None)
        return loop if loop is not None else asyncio.get_running_loop()

    def get_stack(self, *, limit: int | None = None) -> list[Any]:
        """The frames of the suspended coroutine, as `asyncio.Task.get_stack`."""
        stack: list[Any] = base_tasks._task_get_stack(self, limit)  # type: ignore[arg-type]
        return stack

    def print_stack(self, *, limit: int | None = None, file: Any = None) -> None:
        """Print those frames, to standard error or to `file`."""
        base_tasks._task_print_stack(self, limit, file)  # type: ignore[arg-type]

    @property
    def _coro(self) -> Any:
        # asyncio's part of get_stack() asks for it so.
        runner = self._runner
        if isinstance(runner, GeneratorType):
            # Not its `gi_yieldfrom`: that is None while it runs, and to look at it while another
            # thread runs it crashes free-threaded builds.
            runner = (self._locals or {}).get(_COROUTINE)
        return runner.coro if isinstance(runner, Carried) else runner

    @property
    def _callbacks(self) -> list[tuple[Any, Context | None]]:
        return [] if self.main() is None else [(run_until_complete_callback, self._context)]

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self.get_loop()  # anyio asks for it so

    def __repr__(self) -> str:
        coro = getattr(self._coro, "__qualname__", None)
        return f"<Task {self.name!r} {self._state()}{f' coro={coro}' if coro else ''}>"


def new_task(
    kind: type[Task[Any]],
    coro: Coroutine[Any, Any, Any],
    home: Any,
    registry: Registry,
    context: Context,
    name: str | None,
) -> Task[Any]:
    """A task that nobody has queued yet.

    A function, because to call a class that has an `__init__` takes 150 ns more, a
    fifteenth of a spawn and join. Nor are there arguments with defaults, which make a call
    slower. `_budget`, `_poller` and `_value` are set before they are read.
    """
    task = kind()
    task._done = False
    task._name = name
    task._aborted = False
    task._cancelling = 0
    task._context = context
    task._future = None
    task._home = home
    task._locals = None
    task._must_cancel = False
    task._registry = registry
    task._runner = coro
    task._step = None
    task._token = registry.no_token
    return task


class _FuturePark(Park):
    """A task's wait for a future of its worker's loop."""

    __slots__ = ("future",)

    def __init__(self, future: Any) -> None:
        self.future = future

    def _arm(self, task: Task[Any]) -> None:
        worker = here.worker
        if worker is not None:
            task._pin(worker)
        token = [task]
        task._token = token
        task._future = self.future

        def wake_task(future: Any) -> None:
            try:
                token.pop()
            except IndexError:
                return  # a cancellation from another thread won
            task._future = None
            if task._must_cancel and _is_cancelled(future):
                # It was cancelled first, by us or by others: its error is the one to be raised.
                task._must_cancel = False
            task._home.push(task)

        self.future.add_done_callback(wake_task)
        if task._must_cancel and not self.future.done():
            wake(token)


def _is_cancelled(future: Any) -> bool:
    """Whether to await a future that is done raises CancelledError."""
    # gather()'s is not cancelled, but has the error of one that is.
    return future.cancelled() or isinstance(future.exception(), CancelledError)


class OtherLoopsFuture(Park):
    """The wait for a future of an event loop that is none of ours, on another thread.

    Beyond the `await` of a user's the future is only touched on that thread. It is never
    cancelled: others may wait for it too, there where it belongs.

    Raises:
        RuntimeError: the loop is a worker's, whose objects stay among its own tasks, or
            does not run.
    """

    __slots__ = ("_future", "_token")

    def __init__(self, future: Any) -> None:
        from .loop import WorkerLoop  # not at the top, which would be a cycle

        self._future = future
        self._token = NO_TOKEN
        loop = future.get_loop()
        if isinstance(loop, WorkerLoop):
            raise RuntimeError(
                f"{future!r} belongs to another event loop, that of another worker: keep the "
                "tasks that share an asyncio object on one loop (asyncio.create_task, or a "
                "LocalSet), or use asyncio.run_coroutine_threadsafe()"
            )
        if not loop.is_running():
            raise RuntimeError(
                f"{future!r} belongs to another event loop, which does not run: nobody would "
                "complete it"
            )

    def _register(self, token: Token) -> bool:
        self._token = token
        self._future.get_loop().call_soon_threadsafe(self._watch)
        return True

    def _watch(self) -> None:
        if self._token:
            self._future.add_done_callback(self._ended)

    def _ended(self, _: Any) -> None:
        try:
            waiter = self._token.pop()
        except IndexError:
            return  # it waits no more
        if isinstance(waiter, Task):
            waiter._future = None
        waiter._home.push(waiter)

    def _unregister(self, token: Token) -> None:
        try:
            self.get_loop().call_soon_threadsafe(self._future.remove_done_callback, self._ended)
        except RuntimeError:
            pass  # closed, and the callbacks with it

    def __await__(self) -> Generator[Any, None, None]:
        yield from self._wait()

    # As a task's `_fut_waiter` it hears of a cancellation.

    def get_loop(self) -> Any:
        return self._future.get_loop()

    def done(self) -> bool:
        return not self._token

    def cancel(self, msg: Any = None) -> bool:
        self._unregister(self._token)
        return False  # so the cancellation goes on as in every other wait


class _CallPark(Park):
    """The wait for a future of `concurrent.futures`."""

    __slots__ = ("_future",)

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def _register(self, token: Token) -> bool:
        self._future.add_done_callback(lambda _: wake(token))
        return True  # a future that is done has called back by now

    def __await__(self) -> Generator[Any, None, None]:
        while not self._future.done():
            yield from self._wait()


class _BusyContext(Park):
    """Yielded in the place of a task that could not be polled; see `Worker._poll_later`."""

    __slots__ = ()

    def _arm(self, task: Task[Any]) -> None:
        worker = here.worker
        assert worker is not None
        worker._poll_later(task)


class _DoneCallback(Waiter):
    """A callback that waits for a task."""

    __slots__ = ("_token", "callback", "context", "loop", "task")

    _must_cancel = False

    def __init__(
        self, task: Task[Any], callback: Callable[[Any], object], context: Context | None
    ) -> None:
        self.task = task
        self.callback = callback
        self.context = context
        self.loop = asyncio.get_running_loop()
        task._arm(self)

    @property
    def _home(self) -> _DoneCallback:
        return self

    def push(self, _: _DoneCallback) -> None:
        try:
            self.loop.call_soon_threadsafe(self.callback, self.task, context=self.context)
        except RuntimeError:
            pass  # the loop is closed, as when an asyncio callback comes too late


def is_busy_context(error: BaseException) -> bool:
    """Whether polling failed because the context is entered on another thread, so that
    nothing of the coroutine has run."""
    traceback = error.__traceback__
    return (
        isinstance(error, RuntimeError)
        and (traceback is None or traceback.tb_next is None)
        and "cannot enter context" in str(error)
    )


#: What `spawn` takes, and all else that runs a coroutine to its end.
Spawnable: TypeAlias = Coroutine[Any, Any, T] | Awaitable[T] | Future[T]


def as_coroutine(awaitable: Spawnable[T]) -> Coroutine[Any, Any, T]:
    """What `spawn` was given, as a coroutine that can be run: besides awaitables it may be
    a future of `concurrent.futures`, for which cancelling the coroutine does nothing.

    Raises:
        TypeError: it cannot be awaited.
        RuntimeError: it is a coroutine that has been awaited before.
    """
    if isinstance(awaitable, CoroutineType):
        if awaitable.cr_frame is None:
            raise RuntimeError(
                f"the coroutine {awaitable.__qualname__!r} has already ended: a coroutine "
                "runs once, call its function again for a new one"
            )
        if awaitable.cr_running or awaitable.cr_suspended:
            raise RuntimeError(started_already(awaitable))
        return awaitable
    if isinstance(awaitable, Coroutine):
        return awaitable if isinstance(awaitable, Carried) else Carried(awaitable)
    if inspect.isawaitable(awaitable):
        return _await_it(awaitable)
    if isinstance(awaitable, Future):
        return _result_of(awaitable)
    name = getattr(awaitable, "__qualname__", None) or repr(awaitable)
    if inspect.iscoroutinefunction(awaitable):
        raise TypeError(f"a coroutine is needed, not the async function {name}: call it, {name}()")
    if callable(awaitable):
        raise TypeError(
            f"a coroutine is needed, not the function {name}: make it `async def` and call "
            "it, or run it with spawn_blocking()"
        )
    raise TypeError(f"a coroutine or another awaitable is needed, not {name}")


async def _await_it(awaitable: Any) -> Any:
    if (
        asyncio.isfuture(awaitable)
        and not awaitable.done()
        and (awaitable.get_loop() is not events._get_running_loop() or running_trio() is not None)
    ):
        # Not by `await`: it marks the future for a moment, and if two threads do so at
        # once, one of them fails.
        await OtherLoopsFuture(awaitable)
    return await awaitable


async def _result_of(future: Future[T]) -> T:
    await _CallPark(future)
    return future.result()
