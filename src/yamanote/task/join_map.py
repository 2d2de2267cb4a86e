"""Tasks with a key each, joined one by one as they end."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Hashable
from concurrent.futures import Executor
from contextvars import Context
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, final, overload

from ..runtime.core import close_coroutine
from ..runtime.join import AbortHandle, Id, JoinError, JoinHandle
from ..runtime.task import Spawnable
from .blocking import spawn_blocking
from .join_set import JoinSetEmpty, Member, Members
from .local import LocalSet, spawn_local
from .spawning import spawn

if TYPE_CHECKING:
    from ..runtime.handle import Handle

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
P = ParamSpec("P")


class JoinMapError(JoinError):
    """A task of a JoinMap panicked or was cancelled; `key` says which one.

    Tokio: the pair of key and `JoinError` that `JoinMap::join_next` returns.
    """

    def __init__(self, message: str, id: Id, panic: BaseException | None, key: Any) -> None:
        super().__init__(message, id, panic)
        #: The key of the task.
        self.key = key

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.args[0], self.id, self.try_into_panic(), self.key))


class _KeyedMember(Member):
    """A task of a map."""

    __slots__ = ("id", "key")

    def __init__(self, members: Members[Any], task: JoinHandle[Any], key: Any) -> None:
        super().__init__(members, task)
        self.key = key
        self.id = task.id


@final
class JoinMap(Generic[K, V]):
    """Tasks with a key each, whose results come in the order in which the tasks end.

        async with JoinMap() as fetches:
            for host, url in sources:
                fetches.spawn(host, fetch(url))
            async for host, page in fetches:
                ...

    A task that is spawned with the key of another one takes its place: the other is
    aborted and its result, if it has one, dropped. A task is in the map until it is
    joined: ended tasks count too. Dropping the map aborts all tasks in it; leaving
    `async with` aborts them and waits for their end.

    Thread-safe. Tokio: tokio-util's `task::JoinMap`.
    """

    __slots__ = ("__weakref__", "_by_id", "_by_key", "_lock", "_members")

    def __init__(self) -> None:
        # All tasks, also those whose key another one has taken over.
        self._members: Members[_KeyedMember] = Members()
        # The rest is guarded by the lock, which is re-entrant because comparing keys may
        # run code of the user's.
        self._lock = threading.RLock()
        self._by_key: dict[K, _KeyedMember] = {}
        self._by_id: dict[Id, _KeyedMember] = {}

    def __len__(self) -> int:
        return len(self._by_key)

    def is_empty(self) -> bool:
        """Whether there is no task in the map."""
        return not self._by_key

    # Tasks come in.

    def spawn(
        self,
        key: K,
        coro: Spawnable[V],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> AbortHandle:
        """Start a task under `key`, and abort the one that had the key.

        Args:
            key: anything hashable.
            coro: a coroutine, or any awaitable.
            name: for logs and debuggers; `task-N` by default.
            context: the contextvars it runs in; by default a copy of the caller's.

        Returns:
            A handle that can abort the task; its `id` is the one of `contains_task`.

        Raises:
            TypeError, RuntimeError: as `spawn`; and `key` is not hashable.

        Tokio: `JoinMap::spawn`.
        """
        return self._insert(key, coro, lambda: spawn(coro, name=name, context=context))

    def spawn_on(
        self,
        key: K,
        coro: Spawnable[V],
        handle: Handle,
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> AbortHandle:
        """Start a task on the runtime of `handle`; for the rest as `spawn`.

        Tokio: `JoinMap::spawn_on`.
        """
        return self._insert(key, coro, lambda: handle.spawn(coro, name=name, context=context))

    def spawn_local(self, key: K, coro: Spawnable[V], *, name: str | None = None) -> AbortHandle:
        """Start a task on the LocalSet that the caller runs in; for the rest as `spawn`.

        Raises:
            RuntimeError: the caller runs in none.

        Tokio: `JoinMap::spawn_local`.
        """
        return self._insert(key, coro, lambda: spawn_local(coro, name=name))

    def spawn_local_on(
        self,
        key: K,
        coro: Spawnable[V],
        local_set: LocalSet,
        *,
        name: str | None = None,
    ) -> AbortHandle:
        """Start a task on `local_set`, which runs when that is driven; for the rest as
        `spawn`.

        Tokio: `JoinMap::spawn_local_on`.
        """
        return self._insert(key, coro, lambda: local_set.spawn_local(coro, name=name))

    @overload
    def spawn_blocking(
        self,
        key: K,
        func: Callable[..., V],
        /,
        *args: Any,
        executor: Executor | None,
        **kwargs: Any,
    ) -> AbortHandle: ...
    @overload
    def spawn_blocking(
        self, key: K, func: Callable[P, V], /, *args: P.args, **kwargs: P.kwargs
    ) -> AbortHandle: ...
    def spawn_blocking(
        self,
        key: K,
        func: Callable[..., V],
        /,
        *args: Any,
        executor: Any = None,
        **kwargs: Any,
    ) -> AbortHandle:
        """Run `func(*args, **kwargs)` under `key` on a thread where it may block.

        Args:
            key: anything hashable.
            func: a plain function.
            executor: where to run it instead of the runtime's blocking pool.

        Returns:
            A handle that can abort the call as long as it has not started.

        Raises:
            TypeError, RuntimeError: as `spawn_blocking`; and `key` is not hashable.

        Tokio: `JoinMap::spawn_blocking`.
        """
        return self._insert(
            key, None, lambda: spawn_blocking(func, *args, executor=executor, **kwargs)
        )

    def spawn_blocking_on(
        self, key: K, handle: Handle, func: Callable[P, V], /, *args: P.args, **kwargs: P.kwargs
    ) -> AbortHandle:
        """Run `func(*args, **kwargs)` under `key` on the blocking pool of the runtime of
        `handle`.

        Tokio: `JoinMap::spawn_blocking_on`.
        """
        return self._insert(key, None, lambda: handle.spawn_blocking(func, *args, **kwargs))

    def _insert(self, key: K, coro: Any, start: Callable[[], JoinHandle[V]]) -> AbortHandle:
        try:
            hash(key)
        except TypeError:
            # Before the task is started, which nothing would lead to.
            close_coroutine(coro)
            raise
        task = start()
        member = _KeyedMember(self._members, task, key)
        with self._lock:
            replaced = self._by_key.pop(key, None)
            if replaced is not None:
                del self._by_id[replaced.id]
            self._by_key[key] = member
            self._by_id[member.id] = member
            self._members.add(member)
        if replaced is not None:
            replaced.task.abort()
        return task.abort_handle()

    # Results come out.

    async def join_next(self) -> tuple[K, V]:
        """Wait until one of the tasks has ended, remove it, and return its key and its
        result.

        Raises:
            JoinMapError: that task panicked or was cancelled; its `key` says which. It
                has been removed, the others are untouched.
            JoinSetEmpty: the map is empty.

        Cancel-safe: no task is removed then. Tokio: `JoinMap::join_next`.
        """
        while True:
            member = await self._members.take()
            if self._remove(member):
                return self._outcome(member)

    def try_join_next(self) -> tuple[K, V]:
        """Remove a task that has ended, and return its key and its result, without waiting.

        Raises:
            JoinMapError: as `join_next`.
            JoinSetEmpty: none has ended, or there is none.

        Tokio: `JoinMap::try_join_next`.
        """
        while True:
            member = self._members.try_take()
            if member is None:
                raise JoinSetEmpty("no task of the map has ended" if self else "the map is empty")
            if self._remove(member):
                return self._outcome(member)

    def _remove(self, member: _KeyedMember) -> bool:
        """Take a member's key out of the map; False if another task has it by now."""
        with self._lock:
            if self._by_id.pop(member.id, None) is None:
                return False
            del self._by_key[member.key]
            return True

    def _outcome(self, member: _KeyedMember) -> tuple[K, V]:
        try:
            return member.key, member.task._outcome()
        except JoinError as error:
            raise JoinMapError(
                error.args[0], error.id, error.try_into_panic(), member.key
            ) from error.__cause__

    def __aiter__(self) -> AsyncIterator[tuple[K, V]]:
        """Keys and results, as by `join_next`, until the map is empty.

        A failed task ends the iteration with its JoinMapError; a new one goes on with the
        others.
        """
        return self

    async def __anext__(self) -> tuple[K, V]:
        try:
            return await self.join_next()
        except JoinSetEmpty:
            raise StopAsyncIteration from None

    # Looking things up.

    def keys(self) -> list[K]:
        """The keys of the tasks in the map, at this moment.

        Tokio: `JoinMap::keys`.
        """
        return list(self._by_key)

    def contains_key(self, key: K) -> bool:
        """Whether there is a task with this key; the same as `key in map`.

        Tokio: `JoinMap::contains_key`.
        """
        return key in self._by_key

    def __contains__(self, key: object) -> bool:
        return key in self._by_key

    def contains_task(self, id: Id) -> bool:
        """Whether the task with this number is in the map.

        Tokio: `JoinMap::contains_task`.
        """
        return id in self._by_id

    # The end.

    def abort(self, key: K) -> bool:
        """Abort the task with this key. It stays in the map, to be joined.

        Returns:
            Whether there is one.

        Tokio: `JoinMap::abort`.
        """
        member = self._by_key.get(key)
        if member is None:
            return False
        member.task.abort()
        return True

    def abort_matching(self, predicate: Callable[[K], object]) -> None:
        """Abort the tasks for whose keys `predicate(key)` is true. They stay in the map.

        Tokio: `JoinMap::abort_matching`.
        """
        for key, member in self._by_key.copy().items():
            if predicate(key):
                member.task.abort()

    def abort_all(self) -> None:
        """Abort all tasks. They stay in the map, to be joined.

        Tokio: `JoinMap::abort_all`.
        """
        self._members.abort()

    def detach_all(self) -> None:
        """Remove all tasks from the map; they run on.

        Tokio: `JoinMap::detach_all`.
        """
        with self._lock:
            self._members.detach()
            self._by_key.clear()
            self._by_id.clear()

    async def shutdown(self) -> None:
        """Abort all tasks, wait until they have ended, and drop their results.

        What panics is logged. Cancel-safe: the tasks are aborted all the same, and those
        that have not ended are still in the map. Tokio: `JoinMap::shutdown`.
        """
        self.abort_all()
        try:
            while True:
                self._remove(await self._members.take())
        except JoinSetEmpty:
            pass

    async def __aenter__(self) -> JoinMap[K, V]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.shutdown()

    def __del__(self) -> None:
        members = getattr(self, "_members", None)
        if members is not None:
            members.drop()

    def __repr__(self) -> str:
        return f"<JoinMap of {len(self)} tasks>"
