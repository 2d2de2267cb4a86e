"""What `asyncio.create_task` makes on a loop of ours: an asyncio task that the loop runs at
a third of the cost.

It is an `asyncio.Task` to everybody: awaiting it raises what it raised, `all_tasks` lists it,
it is cancelled as one. Below, two things differ. The task itself stands in the loop's queue
of callbacks, as if it were the handle of its own next step, so that the order of steps and
callbacks is asyncio's to the last one while nothing is allocated for a step. And it is a
`Waiter`, so that what is Yamanote's wakes it directly, from any thread.

asyncio's own constructor is not called, which would schedule asyncio's own step: of the C
type only the future is used, and what else a task has is overridden here. But for one thing: on
a free-threaded build, from 3.14 on, the constructor notes the thread, and whenever a task ends
on another one, or goes, all threads are stopped for a moment. There it is called with a loop
that schedules nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from asyncio import base_tasks, coroutines, futures
from collections.abc import Coroutine
from contextvars import Context, copy_context
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from .carrier import (
    CARRY,
    ENDED,
    SPARE,
    Carried,
    Step,
    new_carrier,
    own_step,
    users_part,
)
from .compat import (
    LISTED_WEAKLY,
    current_task,
    drop_current_task,
    register_task,
    swap_current_task,
    unregister_task,
)
from .park import NO_TOKEN, Park, Token, Waiter, awaited, wake
from .shared import FREE_THREADED
from .task import BUDGET, NO_WORKER, is_busy_context

if TYPE_CHECKING:
    from .loop import WorkerLoop

_Future = asyncio.Future
_set_result = _Future.set_result
_numbers = itertools.count(1)

_THREADS_COUNT = FREE_THREADED and sys.version_info >= (3, 14)


class _IdleLoop:
    """What asyncio's constructor is given for a loop."""

    def get_debug(self) -> bool:
        return False

    def call_soon(self, callback: object, *, context: Context) -> None:
        pass


_IDLE_LOOP: Any = _IdleLoop()


class LoopTask(asyncio.Task[Any], Waiter):
    """A task of asyncio's, on a loop of ours.

    Not thread-safe, as asyncio's: other threads use `loop.call_soon_threadsafe`.
    """

    __slots__ = (
        "_budget",
        "_cancels",
        "_context",
        "_coro",
        "_error",
        "_future",
        "_home",
        "_must_cancel",
        "_name",
        "_requeue",
        "_runner",
        "_step",
        "_token",
        "_value",
    )

    _poller = NO_WORKER
    # As the loop's handle of its next step.
    _cancelled = False
    _callback = None
    # As a future's callback: what the future's repr says.
    __name__ = "Task.task_wakeup"

    #: Also after the end, when the runner may resume another.
    _coro: Any
    _future: Any
    _home: WorkerLoop
    _name: str | None
    #: What the carrier leaves, for the future's own is C's; while it waits, what it is woken with.
    _value: Any
    #: What is resumed, and how, see carrier.py; no step before the first poll, nor after the end.
    _runner: Any
    _step: Step | None
    _token: Token

    def __init__(
        self,
        coro: Coroutine[Any, Any, Any],
        loop: WorkerLoop,
        *,
        name: object = None,
        context: Context | None = None,
        eager_start: bool = False,
    ) -> None:
        if _THREADS_COUNT:
            asyncio.Task.__init__(self, coro, loop=_IDLE_LOOP, name="", context=context)
        _Future.__init__(self, loop=loop)
        if loop._debug:  # type: ignore[attr-defined]
            del self._source_traceback[-1]  # type: ignore[attr-defined]
        if coro.__class__ is not CoroutineType:
            if not coroutines.iscoroutine(coro):
                raise TypeError(f"a coroutine was expected, got {coro!r}")
            coro = Carried(coro)
        self._home = loop
        self._requeue = loop.worker.queue_callback
        self._coro = self._runner = coro
        self._step = None
        self._context = copy_context() if context is None else context
        self._name = None if name is None else str(name)
        self._must_cancel = False
        self._cancels = 0
        self._error: BaseException | None = None
        self._future = None
        self._token = NO_TOKEN
        self._log_destroy_pending = True
        register_task(self)
        if LISTED_WEAKLY:
            loop.worker.loop_tasks.add(self)
        if eager_start and loop.is_running():
            outer = current_task()
            try:
                self._run()
            finally:
                if outer is not None:
                    swap_current_task(loop, outer)
        else:
            self._requeue(self)

    def _run(self) -> None:
        """Poll once. The loop calls it, as the handle's."""
        loop = self._home
        self._budget = BUDGET
        swap_current_task(loop, self)
        thrown: BaseException | None = None
        step = self._step
        try:
            if self._must_cancel or self._error is not None:
                thrown = self._take_error()
                self._future = None
                yielded = self._throw(thrown)
            else:
                self._future = None
                if step is not None:
                    yielded = self._context.run(step, self._runner, None)
                elif loop.worker.carry:
                    carriers = loop.worker.carriers
                    carrier = carriers.pop() if carriers else new_carrier()
                    yielded = self._context.run(CARRY, carrier, self)
                    self._runner = carrier
                    if yielded is not ENDED:
                        self._step = CARRY
                        loop.worker.carry = False
                else:
                    first_step = own_step(self._runner)
                    yielded = self._context.run(first_step, self._runner, None)
                    self._step = first_step
        except StopIteration as stop:
            if step is None:
                loop.worker.carry = True
            self._value = stop.value
            self._returned()
        except asyncio.CancelledError as error:
            self._end_cancelled(error)
        except (KeyboardInterrupt, SystemExit) as error:
            self._end(_Future.set_exception, error)
            raise
        except BaseException as error:
            if is_busy_context(error):
                self._error = thrown
                loop.call_later(0.001, self._requeue, self)  # as Worker._poll_later
                return
            if error.__traceback__ is not None:
                error.with_traceback(users_part(error.__traceback__))
            self._end(_Future.set_exception, error)
        else:
            if yielded is None:
                self._requeue(self)
                return
            if yielded is ENDED:
                if len(loop.worker.carriers) < SPARE:
                    loop.worker.carriers.append(self._runner)
                self._returned()
                return
            try:
                if isinstance(yielded, Park):
                    yielded._arm(self)
                else:
                    self._await_future(yielded)
            except Exception as error:
                # A fault of the awaitable, and the task's to hear of.
                self._token.clear()
                self._throw_next(error)
        finally:
            try:
                drop_current_task(loop, None)
            except KeyError:
                pass
            del self, thrown  # an error's traceback refers to this frame

    def _throw(self, error: BaseException) -> Any:
        try:
            return self._context.run(self._runner.throw, error)
        finally:
            del self, error  # its traceback refers to this frame

    def _returned(self) -> None:
        if self._must_cancel:  # asked for in the last step
            self._must_cancel = False
            self._end(_Future.cancel, self._cancel_message)
            return
        # _end() written out, for the usual case.
        unregister_task(self)
        if LISTED_WEAKLY:
            self._home.worker.loop_tasks.discard(self)
        self._runner = self._step = None
        try:
            _set_result(self, self._value)
        except asyncio.InvalidStateError as error:
            self._ended_before(error)

    def _end(self, settle: Any, *outcome: Any) -> None:
        unregister_task(self)
        if LISTED_WEAKLY:
            self._home.worker.loop_tasks.discard(self)
        self._runner = self._step = None
        try:
            settle(self, *outcome)
        except asyncio.InvalidStateError as error:
            self._ended_before(error)

    def _ended_before(self, error: asyncio.InvalidStateError) -> None:
        # Somebody has called Future.set_result or Future.set_exception on the task.
        self._home.call_exception_handler(
            {"message": "a task had a result before its end", "exception": error, "task": self}
        )

    def _end_cancelled(self, error: asyncio.CancelledError) -> None:
        # As in asyncio, the first to ask gets the error itself, whose traceback says where
        # the task was. A task that awaits this one would not: C makes a new error for it.
        if error.__traceback__ is not None:
            error.with_traceback(users_part(error.__traceback__))
        heir = self
        for callback, _ in self._callbacks or ():
            if callback.__class__ is LoopTask:
                heir = callback
                break
        heir._error = error
        self._end(_Future.cancel, *error.args[:1])

    def _take_error(self) -> BaseException:
        error, self._error = self._error, None
        if self._must_cancel:
            self._must_cancel = False
            if not isinstance(error, asyncio.CancelledError):
                waited: Any = self._future
                if isinstance(waited, _Future) and waited.done():  # it was first
                    if waited.cancelled():
                        made: BaseException = waited._make_cancelled_error()  # type: ignore[attr-defined]
                        return made
                    error = waited.exception()
                    if isinstance(error, asyncio.CancelledError):  # gather's
                        return error
                message = self._cancel_message
                if message is None:
                    return asyncio.CancelledError()
                return asyncio.CancelledError(message)
        assert error is not None
        return error

    def _throw_next(self, error: BaseException) -> None:
        self._error = error
        self._requeue(self)

    def _await_future(self, future: Any) -> None:
        kind = future.__class__
        if not (
            (kind is _Future or kind is LoopTask)
            and future._asyncio_future_blocking
            and future._loop is self._home
            and future is not self
        ):
            error = self._why_not(future)
            if error is not None:
                self._throw_next(error)
                return
        future._asyncio_future_blocking = False
        # Its own callback: the loop's call_soon knows it.
        future.add_done_callback(self)
        self._future = future
        if self._must_cancel and future.cancel(msg=self._cancel_message):
            self._must_cancel = False

    def _why_not(self, future: Any) -> Exception | None:
        """What is wrong with awaiting this, if something is."""
        blocking = getattr(future, "_asyncio_future_blocking", None)
        if blocking is None:
            return RuntimeError(f"Task got bad yield: {future!r}")
        if (
            getattr(future, "_loop", None) is not self._home
            and futures._get_loop(future) is not self._home  # type: ignore[attr-defined]
        ):
            return RuntimeError(f"Task {self!r} got Future {future!r} attached to a different loop")
        if not blocking:
            return RuntimeError(
                f"yield was used instead of yield from in task {self!r} with {future!r}"
            )
        if future is self:
            return RuntimeError(f"Task cannot await on itself: {self!r}")
        return None

    def __call__(self, _: object) -> None:
        # What looks like a future of asyncio's, and calls back by itself, is done.
        self._requeue(self)

    def _out_of_budget(self) -> bool:
        return self._budget <= 0

    # What asyncio's users ask of a task. Docstrings are asyncio's.

    _fut_waiter = property(awaited)

    def cancel(self, msg: Any = None) -> bool:
        self._log_traceback = False
        if self.done():
            return False
        self._cancels += 1
        if self._future is not None and self._future.cancel(msg=msg):
            return True
        self._must_cancel = True
        self._cancel_message = msg
        wake(self._token)
        return True

    def _make_cancelled_error(self) -> asyncio.CancelledError:
        error, self._error = self._error, None
        if isinstance(error, asyncio.CancelledError):
            return error
        made: asyncio.CancelledError = super()._make_cancelled_error()  # type: ignore[misc]
        return made

    def result(self) -> Any:
        if self._error is not None and self.cancelled():
            raise self._make_cancelled_error()
        return _Future.result(self)

    def exception(self) -> BaseException | None:
        if self._error is not None and self.cancelled():
            raise self._make_cancelled_error()
        return _Future.exception(self)

    def cancelling(self) -> int:
        return self._cancels

    def uncancel(self) -> int:
        if self._cancels > 0:
            self._cancels -= 1
            if self._cancels == 0:
                self._must_cancel = False
        return self._cancels

    def get_coro(self) -> Any:
        coro = self._coro
        return coro.coro if isinstance(coro, Carried) else coro

    def get_context(self) -> Context:
        return self._context

    def get_name(self) -> str:
        if self._name is None:
            # Given out when first asked for: most tasks are never asked.
            self._name = f"Task-{next(_numbers)}"
        return self._name

    def set_name(self, value: object) -> None:
        self._name = str(value)

    def get_stack(self, *, limit: int | None = None) -> list[Any]:
        stack: list[Any] = base_tasks._task_get_stack(self, limit)
        return stack

    def print_stack(self, *, limit: int | None = None, file: Any = None) -> None:
        base_tasks._task_print_stack(self, limit, file)


# What repr() says, and so asyncio's log messages.
LoopTask.__name__ = LoopTask.__qualname__ = "Task"
