"""Several coroutines inside one task: what `join` and `select` are made of.

Each branch is a task of its own to whoever asks (`asyncio.current_task()`, timeouts,
cancellation), but it is polled inside the poll of the task that awaits the group, in
that task's context: branches never run at the same time, see the caller's contextvars
and task-locals, move between workers with it, and none outlives the await.
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

    __slots__ = ()

    _home: Branches

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

    __slots__ = ("_ready", "_waiting", "branches", "caller", "ended", "tasks")

    def __init__(self, coros: list[Any], order: list[int]) -> None:
        #: The task that awaits the group.
        self.caller: Any = current_task()
        #: The branches that have not ended.
        self.tasks: set[Any] = set()
        self._waiting: list[Token] = []
        context: Any = getattr(self.caller, "_context", None)
        locals = getattr(self.caller, "_locals", None)
        self.branches: list[Any] = []
        #: Those that have ended, in the order in which they did.
        self.ended: list[Any] = []
        for coro in coros:
            branch = new_task(coro, self, self.tasks, context, None, Branch)
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
        those that are left and see them end."""
        try:
            yield from self._poll_all(until)
        except BaseException:
            yield from self._cancel_all()
            raise
        else:
            yield from self._cancel_all()
        finally:
            # All have ended: nothing wakes them any more. Without this, a cycle.
            for branch in self.branches:
                branch._home = None
            self.caller = None

    def _cancel_all(self) -> Generator[Any, None, None]:
        for branch in self.branches:
            branch.abort()
        while self.tasks:
            try:
                yield from self._poll_all(lambda: not self.tasks)
            except asyncio.CancelledError:
                # No branch outlives the call, however often it is cancelled.
                for branch in self.branches:
                    branch.cancel()
            except GeneratorExit:
                # Closed by force: nobody will poll the branches any more.
                for branch in self.branches:
                    branch._cut_off()
                while self._ready:
                    self._ready.popleft()._close()
                raise

    def _poll_all(self, until: Callable[[], bool]) -> Generator[Any, None, None]:
        ready = self._ready
        while not until():
            if not ready:
                yield from self._wait()
            for _ in range(len(ready)):
                self._poll(ready.popleft())
                if until():
                    return
            if ready:
                # A branch has yielded, or woken another one: the other tasks come first.
                yield None

    def _poll(self, branch: Branch) -> None:
        branch._budget = BUDGET
        loop = asyncio.get_running_loop()
        swap_current_task(loop, branch)
        try:
            branch._poll()
        finally:
            swap_current_task(loop, self.caller)
        if branch._done:
            self.ended.append(branch)

    def all_ended(self) -> bool:
        """Whether every branch has ended."""
        return not self.tasks

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
