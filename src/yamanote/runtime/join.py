"""Handles: waiting for what was spawned, and learning how it ended."""

from __future__ import annotations

import itertools
import logging
import threading
import weakref
from collections.abc import Generator
from typing import Any, Generic, TypeVar, final

from .compat import running_task
from .park import Park, Token, Waiter, leave, wait_in_thread, wait_outside, wake, wake_behind
from .registry import Registry

T = TypeVar("T")

logger = logging.getLogger("yamanote")

# Re-entrant, for destructors and signal handlers that ask for an id in the midst of it.
_id_lock = threading.RLock()
_next_id = itertools.count(1)


@final
class Id:
    """The number of a task: unique among all tasks of this process.

    Tokio: `task::Id`.
    """

    __slots__ = ("_value",)

    def __init__(self, value: int) -> None:
        self._value = value

    def __int__(self) -> int:
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Id) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Id, self._value))

    def __repr__(self) -> str:
        return f"Id({self._value})"

    def __str__(self) -> str:
        return str(self._value)


# Of each exception, by itself.
_args: Any = BaseException.__dict__["args"]


class JoinError(Exception):
    """Awaiting a task failed: the task panicked (an exception escaped it) or was
    cancelled. `__cause__` is the exception that escaped.

    Tokio: `task::JoinError`.
    """

    _panic: BaseException | None = None
    _task: JoinHandle[Any] | None = None
    _id: Id

    def __init__(self, message: str, id: Id, panic: BaseException | None = None) -> None:
        super().__init__(message)
        self._id = id
        self._panic = panic
        self.__cause__ = panic

    @classmethod
    def _of(cls, task: JoinHandle[Any], panic: BaseException | None) -> JoinError:
        """That of `task`, which makes the message and the id when they are asked for: that is
        seldom, and takes as long as to cancel a task."""
        error = cls.__new__(cls)
        error._task = task
        error._panic = panic
        error.__cause__ = panic
        return error

    @property
    def id(self) -> Id:
        """The task's number."""
        return self._id if self._task is None else self._task.id

    @property
    def args(self) -> tuple[Any, ...]:
        """The message."""
        args: tuple[Any, ...] = _args.__get__(self)
        if not args and self._task is not None:
            end = "was cancelled" if self._panic is None else f"panicked: {_repr(self._panic)}"
            self.args = args = (f"{self._task.name} {end}",)
        return args

    @args.setter
    def args(self, args: tuple[Any, ...]) -> None:
        _args.__set__(self, args)

    def __str__(self) -> str:
        return str(self.args[0]) if len(self.args) == 1 else super().__str__()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.args))})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.args[0], self.id, self._panic))

    def is_cancelled(self) -> bool:
        """Whether the task was cancelled."""
        return self._panic is None

    def is_panic(self) -> bool:
        """Whether an exception escaped the task."""
        return self._panic is not None

    def into_panic(self) -> BaseException:
        """The exception that escaped the task.

        Raises:
            RuntimeError: the task was cancelled, there is no such exception.
        """
        if self._panic is None:
            raise RuntimeError("into_panic() on the JoinError of a cancelled task")
        return self._panic

    def try_into_panic(self) -> BaseException | None:
        """The exception that escaped the task; None when it was cancelled."""
        return self._panic


class _Failure:
    """How a task failed: `panic` is the exception that escaped, None for a cancellation.

    A panic that nobody has seen is logged when the last reference to it goes, that is
    when the task has ended and its handle is gone.
    """

    __slots__ = ("label", "panic", "seen")

    def __init__(self, panic: BaseException | None, label: str = "") -> None:
        self.panic = panic
        self.label = label
        self.seen = panic is None

    def __del__(self) -> None:
        if not self.seen:
            logger.error("%s panicked, and nobody has joined it", self.label, exc_info=self.panic)


_CANCELLED = _Failure(None)

_NOBODY: list[Token] = []


def _repr(panic: BaseException) -> str:
    try:
        return repr(panic)
    except Exception:
        return f"{type(panic).__name__}, whose repr() fails"


class JoinHandle(Park, Generic[T]):
    """Awaits what was spawned.

    `await handle` gives the result of the task or raises JoinError. It may be awaited
    from several tasks, before and after the end, in tasks of any runtime, of plain
    asyncio and of trio; cancelling the one that waits does not touch the task. Plain
    threads `join` it. Dropping the handle detaches the task: it runs on, and a failure of
    it is logged.

    Thread-safe. Cancel-safe. Tokio: `task::JoinHandle`.
    """

    # The handle is the task itself, seen through the methods that Tokio gives it: a
    # handle of its own would be one more allocation for each spawn.
    __slots__ = ("__weakref__", "_done", "_id", "_name", "_registry", "_value")

    #: False as long as it runs, then True, or how it has failed.
    _done: bool | _Failure
    #: Given out when it is first asked for: most tasks are never asked.
    _id: Id
    _name: str | None
    _registry: Registry
    #: What it has returned; of a task that waits, what it is woken with.
    _value: T

    # Not `__init__`: see new_task().
    def _begin(self, name: str | None, registry: Registry) -> None:
        self._done = False
        self._name = name
        self._registry = registry

    @property
    def id(self) -> Id:
        """The task's number."""
        id: Id | None = getattr(self, "_id", None)
        if id is None:
            with _id_lock:
                fresh = Id(next(_next_id))
                id = getattr(self, "_id", None)
                if id is None:
                    id = self._id = fresh
        return id

    @property
    def name(self) -> str:
        """The name given at the spawn, or `task-N` with the task's number."""
        return self._name if self._name is not None else f"task-{self.id}"

    def is_finished(self) -> bool:
        """Whether the task has ended, in whatever way."""
        return bool(self._done)

    def abort(self) -> None:
        """Cancel the task: the await that it is suspended in raises CancelledError.

        A task that has not started never runs, one that has ended is left alone. Like
        every cancellation it is a request: the task ends when its `except` and
        `finally` blocks are through. Any thread may call it.
        """
        raise NotImplementedError

    def abort_handle(self) -> AbortHandle:
        """A handle that can abort the task but not join it."""
        return AbortHandle(self)

    def join(self, timeout: float | None = None) -> T:
        """Block this thread until the task has ended, and return its result.

        For threads outside of the runtime: plain threads and those of the blocking
        pool. Tasks of a current_thread runtime run while some thread is in its `block_on`.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            JoinError: the task panicked or was cancelled.
            TimeoutError: `timeout` seconds have passed. The task runs on.
            RuntimeError: called on a worker's thread, which would block its tasks; or on
                the only thread, while nobody runs its current_thread runtime.
        """
        if not self._done and not wait_in_thread(self, timeout, "join", "await the handle"):
            raise TimeoutError(f"{self.name} has not ended within {timeout} s")
        return self._outcome()

    def __await__(self) -> Generator[Any, None, T]:
        try:
            current: Any = running_task()
        except RuntimeError:
            current = None
        if not isinstance(current, Waiter):
            if not self._done:
                yield from wait_outside(self)
        elif self._done:
            if current._budget <= 0 and current._out_of_budget():
                yield None
            current._budget -= 1  # type: ignore[misc]
        else:
            while True:
                try:
                    yield self
                except BaseException:
                    self._unregister(current._token)
                    del current  # a cancellation's traceback refers to this frame
                    raise
                if self._done:  # or a cancellation was taken back before the task has seen it
                    break
        if self._done is True:
            return self._value
        del current  # the error's traceback refers to this frame, and it may end that task
        raise self._join_error()

    def _arm(self, waiter: Any) -> None:
        if waiter is self:
            raise RuntimeError("a task cannot await its own handle: it would never end")
        # Park's, without its calls.
        token = [waiter]
        waiter._token = token
        if self._registry.first_joiner.setdefault(self, token) is not token:
            self._line_up(token)
        if self._done or waiter._must_cancel:
            self._wake_late(token)

    def _register(self, token: Token) -> bool:
        if self._registry.first_joiner.setdefault(self, token) is not token:
            self._line_up(token)
        if self._done:
            self._wake_joiners()
            return False
        return True

    def _line_up(self, token: Token) -> None:
        self._registry.other_joiners.setdefault(self, []).append(token)

    def _wake_late(self, token: Token) -> None:
        if self._done:
            self._wake_joiners()
        wake(token)

    def _unregister(self, token: Token) -> None:
        # The first one keeps its place, which tells that there are others.
        tokens = self._registry.other_joiners.get(self)
        if tokens is not None:
            leave(tokens, token)

    def _settle(self, end: bool | _Failure) -> None:
        """Publish the outcome and wake all who wait; called once, by the task's owner."""
        self._done = end
        self._wake_joiners()

    def _wake_joiners(self) -> None:
        """Wake those who have registered, after the end.

        Who registers too late to be found sees that `_done` is set, for both sides lock the
        dict, or the list, in between. It calls this, too: lest its entry be left, with which
        it may take another one out.
        """
        registry = self._registry
        token = registry.first_joiner.pop(self, None)
        if token is not None:
            wake_behind(token)
        if registry.other_joiners:
            self._wake_others()

    def _wake_others(self) -> None:
        for token in self._registry.other_joiners.pop(self, _NOBODY).copy():
            wake_behind(token)

    def _fail(self, panic: BaseException | None) -> None:
        self._settle(_CANCELLED if panic is None else _Failure(panic, f"task {self.name!r}"))

    @property
    def _failure(self) -> _Failure | None:
        end = self._done
        return end if isinstance(end, _Failure) else None

    def _outcome(self) -> T:
        if self._done is True:
            return self._value
        raise self._join_error()

    def _join_error(self) -> JoinError:
        failure = self._done
        assert isinstance(failure, _Failure)
        failure.seen = True
        return JoinError._of(self, failure.panic)

    def _state(self) -> str:
        if not self._done:
            return "pending"
        if self._done is True:
            return "finished"
        return "cancelled" if self._done is _CANCELLED else "panicked"

    def __repr__(self) -> str:
        return f"<JoinHandle {self.name!r} {self._state()}>"


@final
class AbortHandle:
    """Aborts a task without being able to join it.

    Thread-safe. Tokio: `task::AbortHandle`.
    """

    __slots__ = ("_name", "_task", "id")

    def __init__(self, task: JoinHandle[Any]) -> None:
        self.id = task.id
        self._name = task._name
        # Weak: this handle shall not keep the result of a task alive.
        self._task = weakref.ref(task)

    @property
    def name(self) -> str:
        """The task's name."""
        return f"task-{self.id}" if self._name is None else self._name

    def abort(self) -> None:
        """Cancel the task, as `JoinHandle.abort` does."""
        task = self._task()
        if task is not None:
            task.abort()

    def is_finished(self) -> bool:
        """Whether the task has ended, in whatever way."""
        task = self._task()
        return task is None or task.is_finished()

    def __repr__(self) -> str:
        return f"<AbortHandle {self.name!r}>"


class Ended(Park):
    """Waits for a task's end without asking how it ended."""

    __slots__ = ("_task",)

    def __init__(self, task: JoinHandle[Any]) -> None:
        self._task = task

    def _register(self, token: Token) -> bool:
        return self._task._register(token)

    def _unregister(self, token: Token) -> None:
        self._task._unregister(token)

    def __await__(self) -> Generator[Any, None, None]:
        if not self._task.is_finished():
            yield from self._wait()
