"""Several coroutines inside one task: what `join` and `select` are made of.

Each branch is a task of its own to whoever asks (`asyncio.current_task()`, timeouts,
cancellation), but it is polled inside the poll of the task that awaits the group, in
that task's context: branches never run at the same time, see the caller's contextvars
and task-locals, move between workers with it, and none outlives the await.

They also share the caller's budget, for a poll of the task is a poll of them all. So that
the first one does not use it up every time, a round that is cut short goes on where it
stopped, and the one after a whole round begins with another branch.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from operator import attrgetter
from types import GeneratorType
from typing import Any

from .carrier import own_step
from .compat import current_task, swap_current_task
from .core import close_coroutine
from .join import logger
from .park import NO_TOKEN, Park, Token, Waiter, wake
from .registry import Registry
from .task import BUDGET, NO_WORKER, Task, as_coroutine, new_task
from .trio import running_trio


class Branch(Task[Any]):
    """One of the coroutines."""

    __slots__ = ("_index",)

    _home: Branches
    #: Its place among the branches.
    _index: int

    def _poll_cancelled(self) -> Any:
        # As in Task, but the context is entered already.
        context, self._context = self._context, _ENTERED
        try:
            return super()._poll_cancelled()
        finally:
            if self._context is not None:
                self._context = context

    def _drop(self) -> None:
        """Queued → done, without a poll: it has not been started."""
        coro = self._runner
        if self._release():
            coro.close()
            self._fail(None)

    def _close(self) -> None:
        if self._context is not None:
            self._context = _ENTERED
        super()._close()

    def _pin(self, worker: Any) -> None:
        pin = getattr(self._home.caller, "_pin", None)
        if pin is not None:
            pin(worker)


class _Entered:
    """Stands for a context that is entered already."""

    def run(self, func: Callable[..., Any], *args: Any) -> Any:
        try:
            return func(*args)
        finally:
            del args  # this frame outlives the call in the traceback of what is raised


_ENTERED: Any = _Entered()


class Alarm(Waiter):
    """Who wakes its token ends the wait for a group. It goes off as a branch that ends when it
    is polled: in a biased group, after all others that are ready."""

    __slots__ = ("_home", "_token")

    _index = sys.maxsize
    _must_cancel = False

    def __init__(self, home: Branches) -> None:
        self._home = home
        self._token = NO_TOKEN

    def _close(self) -> None:
        pass


class Branches(Park):
    """A group of branches, and what the task that awaits it parks on.

    To be awaited, once: polls the branches until enough of them have ended; then, and when the
    caller is cancelled, cancels those that are left and sees them end.

    Args:
        coros: the coroutines.
        enough: how many have to end.
        or_failed: whether one that fails is enough.
        biased: poll those that are ready in the order given, every time.
        first: which one to poll first.

    Raises:
        CancelledError: the caller was cancelled, at whatever point.
        KeyboardInterrupt, SystemExit: a branch raised it. What else one raises, it keeps.
    """

    __slots__ = (
        "_biased",
        "_budget",
        "_by_force",
        "_exit",
        "_missing",
        "_or_failed",
        "_purse",
        "_ready",
        "_waiting",
        "branches",
        "caller",
        "ended",
        "tasks",
    )

    def __init__(
        self,
        coros: list[Any],
        enough: int,
        or_failed: bool = False,
        biased: bool = False,
        first: int = 0,
    ) -> None:
        #: The task that awaits the group.
        self.caller: Any = current_task()
        self._missing = enough
        self._or_failed = or_failed
        self._biased = biased
        self._by_force = False
        #: The KeyboardInterrupt or SystemExit that a branch has raised.
        self._exit: BaseException | None = None
        #: The branches that have not ended.
        registry = Registry()
        self.tasks = registry.tasks
        self._waiting: list[Token] = []
        #: Those that have ended, in the order in which they did; and the Alarm.
        self.ended: list[Any] = []
        self._budget = BUDGET
        #: Whose `_budget` the branches use: the caller's, if it has one.
        self._purse: Any = self.caller if isinstance(self.caller, Task) else self
        context: Any = getattr(self.caller, "_context", None)
        locals = getattr(self.caller, "_locals", None)
        self.branches: list[Any] = []
        for coro in coros:
            branch: Any = new_task(Branch, coro, self, registry, context, None)
            branch._index = len(self.branches)
            branch._poller = NO_WORKER
            if locals:
                branch._locals = dict(locals)
            self.branches.append(branch)
        self.tasks.update(self.branches)
        self._ready: deque[Any] = deque(self.branches)
        if first:
            self._ready.rotate(-first)

    @property
    def bound_to_thread(self) -> bool:
        """Whether the caller is bound to its thread, by a LocalSet."""
        return getattr(getattr(self.caller, "_home", None), "bound_to_thread", False)

    @property
    def local(self) -> Any:
        """The LocalSet that the caller runs in."""
        home = getattr(self.caller, "_home", None)
        return getattr(home, "local", home)

    @property
    def loop(self) -> Any:
        """The loop that the caller is pinned to; None when it roams."""
        return getattr(getattr(self.caller, "_home", None), "loop", None)

    def push(self, branch: Any) -> None:
        """A branch is runnable, or the alarm has gone off; any thread may call it."""
        self._ready.append(branch)
        if self._waiting:  # the append has locked, see park.py
            try:
                token = self._waiting.pop()
            except IndexError:
                return
            wake(token)

    def _register(self, token: Token) -> bool:
        self._waiting.append(token)
        return not self._ready

    def _unregister(self, token: Token) -> None:
        self._waiting.clear()

    def __await__(self) -> Generator[Any, None, None]:
        cancelled = None
        try:
            try:
                # No variable for the purse: it is a task, and an error's traceback refers to
                # this frame.
                if self._purse._out_of_budget():
                    yield None
                budget = self._purse._budget
                yield from self._poll_all()
                if self._purse._budget == budget:
                    self._purse._budget -= 1  # as every await that is ready at once
            except BaseException as error:
                if isinstance(error, GeneratorExit) or not self._is_polled():
                    self._cut_off()
                else:
                    yield from self._cancel_all(1)
                raise
            else:
                if self.tasks:
                    cancelled = yield from self._cancel_all(0)
        finally:
            if not self._by_force:
                # All have ended: nothing wakes them any more. Without this, a cycle.
                for branch in self.branches:
                    branch._home = None
            self.caller = self._purse = None
            if self._exit is not None:
                self._leave()
        if cancelled is not None:
            try:
                raise cancelled
            finally:
                del cancelled

    def _leave(self) -> None:
        exit, self._exit = self._exit, None
        try:
            assert exit is not None
            raise exit
        finally:
            del exit  # its traceback refers to this frame

    def _cancel_all(
        self, cancellations: int
    ) -> Generator[Any, None, asyncio.CancelledError | None]:
        """End what is left of the branches; returns the caller's cancellation meanwhile.

        Args:
            cancellations: how often the caller has been cancelled so far.
        """
        cancelled = None
        ready = self._ready
        for _ in range(len(ready)):
            branch = ready.popleft()
            if branch.__class__ is Branch and branch._step is None:
                branch._drop()
            else:
                ready.append(branch)
        for branch in self.branches:
            if not branch._done:
                branch.abort()
        try:
            while self.tasks:
                self._missing = len(self.tasks)
                try:
                    yield from self._poll_all()
                except asyncio.CancelledError as error:
                    cancelled = error
                    cancellations += 1
                    if not self._is_polled():
                        self._cut_off()
                        break
                    # No branch outlives the call. The first time they have had theirs
                    # already: another one would interrupt their cleaning up.
                    if cancellations > 1:
                        for branch in self.branches:
                            branch.cancel()
                except GeneratorExit:
                    self._cut_off()
                    raise
            return cancelled
        finally:
            del cancelled  # its traceback refers to this frame

    def _is_polled(self) -> bool:
        """Whether it is a poll of the caller that runs: what ends a task at the end of a
        shutdown is none, and may be on any thread."""
        return asyncio._get_running_loop() is not None and current_task() is self.caller

    def _cut_off(self) -> None:
        """End the branches by force: nobody will poll them any more."""
        self._by_force = True  # somebody may be about to push one that has been woken
        for branch in self.branches:
            branch._cut_off()
        while self._ready:
            self._ready.popleft()._close()

    def _poll_all(self) -> Generator[Any, None, None]:
        """Poll the branches until no more are missing."""
        ready, biased = self._ready, self._biased
        while self._missing > 0:
            if not ready:
                if self._purse is self:
                    yield from self._wait()
                else:
                    try:
                        yield self
                    except BaseException:
                        self._waiting.clear()
                        raise
                self._budget = BUDGET
            if biased and len(ready) > 1:
                self._sort_ready()
            loop = asyncio.get_running_loop()
            for _ in range(len(ready)):
                self._poll(ready.popleft(), loop)
                if self._missing <= 0:
                    return
                if not biased and self._purse._out_of_budget():
                    break
            else:
                if not biased:
                    ready.rotate(-1)
            if ready:
                # A branch has yielded, or woken another one: the other tasks come first.
                yield None
                self._budget = BUDGET

    def _sort_ready(self) -> None:
        """Put those that are ready into the order given."""
        ready = self._ready
        batch = [ready.popleft() for _ in range(len(ready))]
        batch.sort(key=_index_of, reverse=True)
        ready.extendleft(batch)

    def _poll(self, branch: Any, loop: Any) -> None:
        """Poll a branch once, in the context of the caller."""
        if branch.__class__ is Alarm:
            self.ended.append(branch)
            self._missing = 0
            return
        branch._budget = self._purse._budget
        swap_current_task(loop, branch)
        step = branch._step
        try:
            try:
                if branch._must_cancel:
                    yielded = branch._poll_cancelled()
                else:
                    if step is None:
                        step = branch._step = own_step(branch._runner)
                    yielded = step(branch._runner, None)
            except StopIteration as stop:
                branch._value = stop.value
                branch._returned()
            except BaseException as error:
                branch._raised(error)
            else:
                self._suspended(branch, yielded)
                return
        finally:
            swap_current_task(loop, self.caller)
            self._purse._budget = branch._budget
        self.ended.append(branch)
        self._missing -= 1
        failure = branch._failure
        if failure is not None:
            if isinstance(failure.panic, (KeyboardInterrupt, SystemExit)):
                failure.seen = True
                self._exit = failure.panic
                self._missing = 0
            elif self._or_failed:
                self._missing = 0

    def _suspended(self, branch: Any, yielded: Any) -> None:
        if yielded is None:
            self.push(branch)
            return
        try:
            if isinstance(yielded, Park):
                yielded._arm(branch)
            else:
                branch._await_foreign(yielded)
        except Exception as error:
            # As in Worker._poll: the awaitable's fault.
            branch._token.clear()
            branch._throw_next(error)

    def _out_of_budget(self) -> bool:
        # For a caller that is none of our tasks.
        return self._budget <= 0

    def log_failures(self, but: Any) -> None:
        """Log what else went wrong; one failure only can be raised."""
        for branch in self.branches:
            failure = branch._failure
            if failure is not None and branch is not but and not failure.seen:
                failure.seen = True
                logger.error(
                    "a branch of join or select failed beside another one",
                    exc_info=failure.panic,
                )


_index_of = attrgetter("_index")


def group(
    awaitables: Sequence[Any],
    enough: int,
    or_failed: bool = False,
    biased: bool = False,
    first: int = 0,
) -> Branches:
    """Branches of what `join` and `select` were given. Closes all if that fails.

    Raises:
        TypeError, RuntimeError: one cannot be awaited, as for `spawn`.
        RuntimeError: one is there twice, or the caller is a task of trio.
    """
    coros: list[Any] = []
    try:
        for awaitable in awaitables:
            try:
                coros.append(as_coroutine(awaitable))
            except TypeError:
                if not isinstance(awaitable, (list, tuple, set, GeneratorType)):
                    raise
                raise TypeError(
                    "join() and select() take their branches as arguments, not in a "
                    f"{type(awaitable).__name__}: write join(*branches)"
                ) from None
        if len(set(map(id, coros))) < len(coros):
            raise RuntimeError(
                "the same coroutine was given to join() or select() twice: a coroutine runs "
                "once, call its function again for a new one"
            )
        made = Branches(coros, enough, or_failed, biased, first)
        if made.caller is None and running_trio() is not None:
            raise RuntimeError(
                "join() and select() need a task of Yamanote or asyncio to run in: "
                "in trio, open a nursery"
            )
        return made
    except BaseException:
        for awaitable in (*coros, *awaitables):
            close_coroutine(awaitable)
        raise
