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
from collections import deque
from collections.abc import Callable, Generator
from typing import Any

from .compat import current_task, swap_current_task
from .join import logger
from .park import Park, Token, wake
from .task import BUDGET, Task, new_task


class Branch(Task[Any]):
    """One of the coroutines."""

    __slots__ = ("_index",)

    _home: Branches
    #: Its place among the branches.
    _index: int

    def _poll(self) -> None:
        """Poll once, in the context of the task that awaits the group."""
        try:
            yielded = self._poll_cancelled() if self._must_cancel else self._send(None)  # type: ignore[misc]
        except StopIteration as stop:
            self._returned(stop.value)
        except BaseException as error:
            self._raised(error)
        else:
            if yielded is None:
                self._home.push(self)
                return
            try:
                if isinstance(yielded, Park):
                    yielded._arm(self)
                else:
                    self._await_foreign(yielded)
            except Exception as error:
                # As in Worker._poll: the awaitable's fault.
                self._token.clear()
                self._throw_next(error)

    def _poll_cancelled(self) -> Any:
        # As in Task, but the context is entered already.
        context, self._context = self._context, _ENTERED
        try:
            return super()._poll_cancelled()
        finally:
            if self._context is not None:
                self._context = context

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


class Branches(Park):
    """A group of branches, and what the task that awaits it parks on."""

    __slots__ = (
        "_biased",
        "_budget",
        "_by_force",
        "_exit",
        "_purse",
        "_ready",
        "_waiting",
        "branches",
        "caller",
        "ended",
        "tasks",
    )

    def __init__(self, coros: list[Any], order: list[int], biased: bool) -> None:
        #: The task that awaits the group.
        self.caller: Any = current_task()
        #: Whose `_budget` the branches use: the caller's, if it has one.
        self._purse: Any = self.caller if isinstance(self.caller, Task) else self
        self._budget = BUDGET
        self._biased = biased
        self._by_force = False
        #: The KeyboardInterrupt or SystemExit that a branch has raised.
        self._exit: BaseException | None = None
        #: The branches that have not ended.
        self.tasks: set[Any] = set()
        self._waiting: list[Token] = []
        context: Any = getattr(self.caller, "_context", None)
        locals = getattr(self.caller, "_locals", None)
        self.branches: list[Any] = []
        #: Those that have ended, in the order in which they did.
        self.ended: list[Any] = []
        for index, coro in enumerate(coros):
            branch: Any = new_task(coro, self, self.tasks, context, None, Branch)
            branch._index = index
            branch._locals = dict(locals) if locals else None
            self.branches.append(branch)
            self.tasks.add(branch)
        self._ready: deque[Branch] = deque(self.branches[index] for index in order)

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

    def push(self, branch: Branch) -> None:
        """A branch is runnable; any thread may call it."""
        self._ready.append(branch)
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

    def run(self, until: Callable[[], bool]) -> Generator[Any, None, None]:
        """Poll the branches until `until()`; then, and when the caller is cancelled, cancel
        those that are left and see them end.

        Raises:
            CancelledError: the caller was cancelled, at whatever point.
            KeyboardInterrupt, SystemExit: a branch raised it.
        """
        cancelled = None
        try:
            try:
                yield from self._start(until)
            except BaseException as error:
                if isinstance(error, GeneratorExit) or not self._is_polled():
                    self._cut_off()
                else:
                    yield from self._cancel_all(1)
                raise
            else:
                cancelled = yield from self._cancel_all(0)
        finally:
            if not self._by_force:
                # All have ended: nothing wakes them any more. Without this, a cycle.
                for branch in self.branches:
                    branch._home = None
            self.caller = self._purse = None
            exit, self._exit = self._exit, None
            try:
                if exit is not None:
                    raise exit
            finally:
                del exit  # its traceback refers to this frame
        try:
            if cancelled is not None:
                raise cancelled
        finally:
            del cancelled

    def _start(self, until: Callable[[], bool]) -> Generator[Any, None, None]:
        # No variable for the purse: it is a task, and an error's traceback refers to this frame.
        if self._purse._out_of_budget():
            yield None
        budget = self._purse._budget
        yield from self._poll_all(until)
        if self._purse._budget == budget:
            self._purse._budget -= 1  # as every await that is ready at once

    def _cancel_all(
        self, cancellations: int
    ) -> Generator[Any, None, asyncio.CancelledError | None]:
        """End what is left of the branches; returns the caller's cancellation meanwhile.

        Args:
            cancellations: how often the caller has been cancelled so far.
        """
        cancelled = None
        for branch in self.branches:
            branch.abort()
        try:
            while self.tasks:
                try:
                    yield from self._poll_all(self._none_left)
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

    def _poll_all(self, until: Callable[[], bool]) -> Generator[Any, None, None]:
        ready = self._ready
        while not until():
            if not ready:
                yield from self._wait()
                self._budget = BUDGET
            if self._biased:
                self._sort_ready()
            for _ in range(len(ready)):
                self._poll(ready.popleft())
                if until():
                    return
                if not self._biased and self._purse._out_of_budget():
                    break
            else:
                if not self._biased:
                    ready.rotate(-1)
            if ready:
                # A branch has yielded, or woken another one: the other tasks come first.
                yield None
                self._budget = BUDGET

    def _sort_ready(self) -> None:
        """Put those that are ready into the order given."""
        ready = self._ready
        batch = [ready.popleft() for _ in range(len(ready))]
        batch.sort(key=lambda branch: branch._index, reverse=True)
        ready.extendleft(batch)

    def _poll(self, branch: Branch) -> None:
        branch._budget = self._purse._budget
        loop = asyncio.get_running_loop()
        swap_current_task(loop, branch)
        try:
            branch._poll()
        finally:
            swap_current_task(loop, self.caller)
            self._purse._budget = branch._budget
        if branch._done:
            self.ended.append(branch)
            failure = branch._failure
            if failure is not None and isinstance(failure.panic, (KeyboardInterrupt, SystemExit)):
                failure.seen = True
                self._exit = failure.panic

    def _out_of_budget(self) -> bool:
        # For a caller that is none of our tasks.
        return self._budget <= 0

    def _none_left(self) -> bool:
        return not self.tasks

    def all_ended(self) -> bool:
        """Whether every branch has ended, or one asks to leave the program."""
        return not self.tasks or self._exit is not None

    def one_ended(self) -> bool:
        """Whether a branch has ended."""
        return bool(self.ended)

    def all_ended_or_one_failed(self) -> bool:
        """Whether every branch has ended, or one has failed."""
        return not self.tasks or any(branch._failure is not None for branch in self.ended)

    def log_failures(self, but: Branch | None) -> None:
        """Log what else went wrong; one failure only can be raised."""
        for branch in self.branches:
            failure = branch._failure
            if branch is not but and failure is not None and not failure.seen:
                failure.seen = True
                logger.error(
                    "a branch of join or select failed beside another one",
                    exc_info=failure.panic,
                )
