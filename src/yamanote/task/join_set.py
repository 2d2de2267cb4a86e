"""Many tasks, joined one by one as they end.

Each task of a set has a `Member`, which waits for the task's end as anybody who awaits
its handle does; when it is woken it puts itself into the set's `ready` queue. So joining
one task of a thousand costs as much as joining one of two.

Any number of threads may spawn, finish and join at once, without a lock. A member is in
`live` from the spawn on; who takes it out of there owns it: joins, detaches or aborts it.
`ready` is only a hint where to look: it may hold members that were detached meanwhile.
Publishing and checking lock on both sides (see park.py): who waits appends its token to
the crowd and then looks at `ready` and `live`; who changes these looks at the crowd
afterwards, by a method that locks it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from concurrent.futures import Executor
from contextvars import Context
from types import coroutine
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, final, overload

from ..runtime.compat import current_task
from ..runtime.crowd import Crowd
from ..runtime.join import AbortHandle, Id, JoinHandle
from ..runtime.park import NO_TOKEN, Park, Token, Waiter, wake_behind
from ..runtime.task import Spawnable, Task
from .blocking import spawn_blocking
from .local import LocalSet, spawn_local
from .spawning import Builder, spawn

if TYPE_CHECKING:
    from ..runtime.handle import Handle

T = TypeVar("T")
P = ParamSpec("P")
M = TypeVar("M", bound="Member")


class JoinSetEmpty(LookupError):
    """There is no task to join.

    Tokio: the None of `JoinSet::join_next`, which in Python may be a task's result.
    """


class Member(Waiter):
    """A task of a set, waiting for the task's end in order to report it."""

    __slots__ = ("_members", "_token", "task")

    _must_cancel = False

    def __init__(self, members: Members[Any], task: JoinHandle[Any]) -> None:
        self._token = NO_TOKEN
        self._members: Members[Any] | None = members
        self.task = task

    @property
    def _home(self) -> Member:
        return self

    def push(self, _: Member) -> None:
        members = self._members
        if members is not None:
            members.report(self)

    def leave(self) -> None:
        """Report to nobody any more."""
        self._token.clear()
        # The token may have been won already: a report that comes late shall not tie
        # the member and the set into a cycle.
        self._members = None


class Members(Park, Generic[M]):
    """The tasks of a set, and what those who join them park on.

    It is apart from the set because the tasks refer to it, and dropping the set shall
    abort them.
    """

    __slots__ = ("_crowd", "_ready", "live")

    def __init__(self) -> None:
        #: Those that have not been joined.
        self.live: set[M] = set()
        #: Those of them that have ended, in this order.
        self._ready: deque[M] = deque()
        #: Who waits for one to end.
        self._crowd = Crowd()

    def add(self, member: M) -> None:
        """Watch a task for its end."""
        self.live.add(member)
        member.task._arm(member)

    def report(self, member: M) -> None:
        """A member's task has ended; any thread may call it."""
        self._ready.append(member)
        self._wake_all()

    def _wake_all(self) -> None:
        # All, not one: one who is cancelled at this moment would keep it from the others.
        for token in self._crowd.take([]):
            wake_behind(token)

    def try_take(self) -> M | None:
        """Remove a member whose task has ended; None if there is none."""
        while self._ready:
            try:
                member = self._ready.popleft()
                self.live.remove(member)
            except (IndexError, KeyError):
                continue  # taken by somebody else, or detached
            if not self.live:
                self._wake_all()  # nobody will report to those who wait
            return member
        return None

    @coroutine
    def take(self) -> Generator[Any, None, M]:
        """Wait for a member whose task has ended, and remove it.

        Raises:
            JoinSetEmpty: there is nothing to wait for.
        """
        task = current_task()
        if not isinstance(task, Task):
            task = None
        while True:
            if self._ready:
                if task is not None and task._budget <= 0 and task._out_of_budget():
                    yield None
                member = self.try_take()
                if member is not None:
                    if task is not None:
                        task._budget -= 1
                    return member
            elif self.live:
                yield from self._wait()
            else:
                raise JoinSetEmpty("there is no task to join")

    def detach(self) -> list[M]:
        """Remove all members, without touching their tasks."""
        detached = []
        try:
            while True:
                member = self.live.pop()
                member.leave()
                detached.append(member)
        except KeyError:
            pass
        for _ in range(len(self._ready)):
            # Let the results of the detached go. Those that have come meanwhile stay.
            try:
                member = self._ready.popleft()
            except IndexError:
                break
            if member in self.live:
                self.report(member)
        self._wake_all()
        return detached

    def abort(self) -> None:
        """Abort all tasks; they stay members until they are joined."""
        for member in self.live.copy():
            member.task.abort()

    def drop(self) -> None:
        """Abort all tasks and forget them."""
        for member in self.detach():
            member.task.abort()

    def _register(self, token: Token) -> bool:
        self._crowd.join(token)
        return bool(self.live) and not self._ready

    def _unregister(self, token: Token) -> None:
        self._crowd.leave(token)


@final
class JoinSet(Generic[T]):
    """A set of tasks, whose results come in the order in which the tasks end.

        async with JoinSet() as tasks:
            for url in urls:
                tasks.spawn(fetch(url))
            async for page in tasks:
                ...

    A task is in the set until it is joined: ended tasks count too. Leaving `async with`
    aborts all tasks in the set and waits for their end. Dropping the set aborts them too,
    at the latest when it is collected: on a free-threaded build, a set whose last
    reference goes on another thread than the one that made it waits until that one runs.

    Args:
        coros: coroutines to start with, as by `extend`.

    Thread-safe. Tokio: `task::JoinSet`.
    """

    __slots__ = ("__weakref__", "_members")

    def __init__(self, coros: Iterable[Spawnable[T]] = ()) -> None:
        self._members: Members[Member] = Members()
        self.extend(coros)

    def __len__(self) -> int:
        return len(self._members.live)

    def is_empty(self) -> bool:
        """Whether there is no task in the set."""
        return not self._members.live

    # Tasks come in.

    def spawn(
        self,
        coro: Spawnable[T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> AbortHandle:
        """Start a task in the set.

        Args:
            coro: a coroutine, or any awaitable.
            name: for logs and debuggers; `task-N` by default.
            context: the contextvars it runs in; by default a copy of the caller's.

        Returns:
            A handle that can abort the task; its `id` is the one of `join_next_with_id`.

        Raises:
            TypeError, RuntimeError: as `spawn`.

        Tokio: `JoinSet::spawn`.
        """
        return self._insert(spawn(coro, name=name, context=context))

    def spawn_on(
        self,
        coro: Spawnable[T],
        handle: Handle,
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> AbortHandle:
        """Start a task on the runtime of `handle`; for the rest as `spawn`.

        Tokio: `JoinSet::spawn_on`.
        """
        return self._insert(handle.spawn(coro, name=name, context=context))

    def spawn_local(self, coro: Spawnable[T], *, name: str | None = None) -> AbortHandle:
        """Start a task on the LocalSet that the caller runs in.

        Raises:
            RuntimeError: the caller runs in none.
            TypeError: as `spawn`.

        Tokio: `JoinSet::spawn_local`.
        """
        return self._insert(spawn_local(coro, name=name))

    def spawn_local_on(
        self,
        coro: Spawnable[T],
        local_set: LocalSet,
        *,
        name: str | None = None,
    ) -> AbortHandle:
        """Start a task on `local_set`; it runs when that is driven.

        Raises:
            TypeError, RuntimeError: as `spawn`.

        Tokio: `JoinSet::spawn_local_on`.
        """
        return self._insert(local_set.spawn_local(coro, name=name))

    @overload
    def spawn_blocking(
        self, func: Callable[..., T], /, *args: Any, executor: Executor | None, **kwargs: Any
    ) -> AbortHandle: ...
    @overload
    def spawn_blocking(
        self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> AbortHandle: ...
    def spawn_blocking(
        self, func: Callable[..., T], /, *args: Any, executor: Any = None, **kwargs: Any
    ) -> AbortHandle:
        """Run `func(*args, **kwargs)` on a thread where it may block.

        Args:
            func: a plain function.
            executor: where to run it instead of the runtime's blocking pool.

        Returns:
            A handle that can abort the call as long as it has not started.

        Raises:
            TypeError, RuntimeError: as `spawn_blocking`.

        Tokio: `JoinSet::spawn_blocking`.
        """
        return self._insert(spawn_blocking(func, *args, executor=executor, **kwargs))

    def spawn_blocking_on(
        self, handle: Handle, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> AbortHandle:
        """Run `func(*args, **kwargs)` on the blocking pool of the runtime of `handle`.

        Tokio: `JoinSet::spawn_blocking_on`.
        """
        return self._insert(handle.spawn_blocking(func, *args, **kwargs))

    def extend(self, coros: Iterable[Spawnable[T]]) -> None:
        """Start a task for each coroutine of an iterable.

        Raises:
            TypeError, RuntimeError: as `spawn`. The tasks before are in the set.

        Tokio: `Extend` of `JoinSet`.
        """
        for coro in coros:
            self.spawn(coro)

    def build_task(self, name: str | None = None) -> JoinSetBuilder[T]:
        """A builder of tasks in this set, with more to say about them.

        Tokio: `JoinSet::build_task`.
        """
        return JoinSetBuilder(self, Builder(name))

    def _insert(self, task: JoinHandle[T]) -> AbortHandle:
        self._members.add(Member(self._members, task))
        return task.abort_handle()

    # Results come out.

    async def join_next(self) -> T:
        """Wait until one of the tasks has ended, remove it, and return its result.

        Raises:
            JoinError: that task panicked or was cancelled; its `id` says which. It has
                been removed, the others are untouched.
            JoinSetEmpty: the set is empty.

        Cancel-safe: no task is removed then. Tokio: `JoinSet::join_next`.
        """
        task: JoinHandle[T] = (await self._members.take()).task
        return task._outcome()

    async def join_next_with_id(self) -> tuple[Id, T]:
        """As `join_next`, with the task's number.

        Tokio: `JoinSet::join_next_with_id`.
        """
        task: JoinHandle[T] = (await self._members.take()).task
        return task.id, task._outcome()

    def try_join_next(self) -> T:
        """Remove a task that has ended, and return its result, without waiting.

        Raises:
            JoinError: as `join_next`.
            JoinSetEmpty: none has ended, or there is none.

        Tokio: `JoinSet::try_join_next`.
        """
        return self._take_now()._outcome()

    def try_join_next_with_id(self) -> tuple[Id, T]:
        """As `try_join_next`, with the task's number.

        Tokio: `JoinSet::try_join_next_with_id`.
        """
        task = self._take_now()
        return task.id, task._outcome()

    def _take_now(self) -> JoinHandle[T]:
        member = self._members.try_take()
        if member is None:
            raise JoinSetEmpty("no task of the set has ended" if self else "the set is empty")
        return member.task

    async def join_all(self) -> list[T]:
        """Wait until all tasks have ended.

        Returns:
            Their results, in the order in which the tasks ended.

        Raises:
            JoinError: of the first task that panicked or was cancelled. The others have
                been aborted and have ended; panics of theirs are logged.

        Cancelling the caller aborts all tasks and waits for their end. Tokio:
        `JoinSet::join_all`.
        """
        async with self:
            return [result async for result in self]

    def __aiter__(self) -> AsyncIterator[T]:
        """The results, as by `join_next`, until the set is empty.

        A failed task ends the iteration with its JoinError; a new one goes on with the
        others.
        """
        return self

    async def __anext__(self) -> T:
        try:
            member = await self._members.take()
        except JoinSetEmpty:
            raise StopAsyncIteration from None
        task: JoinHandle[T] = member.task
        return task._outcome()

    # The end.

    def abort_all(self) -> None:
        """Abort all tasks. They stay in the set, to be joined.

        Tokio: `JoinSet::abort_all`.
        """
        self._members.abort()

    def detach_all(self) -> None:
        """Remove all tasks from the set; they run on.

        Tokio: `JoinSet::detach_all`.
        """
        self._members.detach()

    async def shutdown(self) -> None:
        """Abort all tasks, wait until they have ended, and drop their results.

        What panics is logged. Cancel-safe: the tasks are aborted all the same, and those
        that have not ended are still in the set. Tokio: `JoinSet::shutdown`.
        """
        self.abort_all()
        try:
            while True:
                await self._members.take()
        except JoinSetEmpty:
            pass

    async def __aenter__(self) -> JoinSet[T]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    def __del__(self) -> None:
        members = getattr(self, "_members", None)
        if members is not None:
            members.drop()

    def __repr__(self) -> str:
        return f"<JoinSet of {len(self)} tasks>"


@final
class JoinSetBuilder(Generic[T]):
    """Starts tasks in a set, with more to say about them.

        tasks.build_task("reader").spawn(read())

    Tokio: `task::join_set::Builder`.
    """

    __slots__ = ("_builder", "_set")

    def __init__(self, join_set: JoinSet[T], builder: Builder) -> None:
        self._set = join_set
        self._builder = builder

    def name(self, name: str) -> JoinSetBuilder[T]:
        """A builder that gives this name."""
        return JoinSetBuilder(self._set, self._builder.name(name))

    def spawn(self, coro: Spawnable[T]) -> AbortHandle:
        """As `JoinSet.spawn`."""
        return self._set._insert(self._builder.spawn(coro))

    def spawn_on(self, coro: Spawnable[T], handle: Handle) -> AbortHandle:
        """As `JoinSet.spawn_on`."""
        return self._set._insert(self._builder.spawn_on(coro, handle))

    def spawn_local(self, coro: Spawnable[T]) -> AbortHandle:
        """As `JoinSet.spawn_local`."""
        return self._set._insert(self._builder.spawn_local(coro))

    def spawn_local_on(self, coro: Spawnable[T], local_set: LocalSet) -> AbortHandle:
        """As `JoinSet.spawn_local_on`."""
        return self._set._insert(self._builder.spawn_local_on(coro, local_set))

    def spawn_blocking(
        self, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> AbortHandle:
        """As `JoinSet.spawn_blocking`."""
        return self._set._insert(self._builder.spawn_blocking(func, *args, **kwargs))

    def spawn_blocking_on(
        self, handle: Handle, func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> AbortHandle:
        """As `JoinSet.spawn_blocking_on`."""
        return self._set._insert(self._builder.spawn_blocking_on(handle, func, *args, **kwargs))
