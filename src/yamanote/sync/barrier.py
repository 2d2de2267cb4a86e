"""A place where a number of tasks wait for each other."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any, final

from ..runtime.checks import check_whole
from ..runtime.compat import current_task
from ..runtime.crowd import Crowd
from ..runtime.park import Park, ThreadWaiter, Token, check_may_block
from ..runtime.task import Task


@final
class Barrier:
    """Lets nobody pass until `n` have come; then all of them pass, and it starts anew.

        if (await barrier.wait()).is_leader:
            ...  # one of the n

    Args:
        n: how many have to come; 0 is taken for 1.

    Raises:
        TypeError, ValueError: `n` is no whole number, or negative.

    Thread-safe. Tokio: `sync::Barrier`.
    """

    __slots__ = ("_arrived", "_crowd", "_lock", "_n", "_passed")

    def __init__(self, n: int) -> None:
        check_whole("how many have to come", n)
        if n < 0:
            raise ValueError(f"a barrier is for 0 or more, not {n}")
        self._n = max(n, 1)
        self._lock = threading.Lock()
        self._arrived = 0
        #: How often all have come and passed.
        self._passed = 0
        self._crowd = Crowd()

    def wait(self) -> _Wait:
        """Wait for the others: an awaitable of a BarrierWaitResult. Each await of it is one
        more who comes.

        Not cancel-safe: who has come and is cancelled has come all the same, and the others
        pass without. Tokio: `Barrier::wait`.
        """
        return _Wait(self)

    def blocking_wait(self, *, timeout: float | None = None) -> BarrierWaitResult:
        """Block this thread until the others have come.

        Args:
            timeout: the longest time to wait in seconds; None waits for ever.

        Raises:
            TimeoutError: `timeout` seconds have passed. It counts among those who have come.
            RuntimeError: called on a worker's thread, which would block its tasks.
        """
        check_may_block("blocking_wait", "await wait()")
        turn = self._arrive()
        if turn is None:
            return _LEADER
        if not ThreadWaiter().wait(_Turn(self, turn), timeout):
            raise TimeoutError(f"the others have not come within {timeout} s")
        return _FOLLOWER

    def _arrive(self) -> int | None:
        """Come, as one of those who pass next; None for the last of them."""
        with self._lock:
            self._arrived += 1
            if self._arrived < self._n:
                return self._passed
            self._arrived = 0
            self._passed += 1
        self._crowd.wake()
        return None

    def __repr__(self) -> str:
        return f"<Barrier {self._arrived}/{self._n} at {id(self):#x}>"


@final
class BarrierWaitResult:
    """Who one was among those who passed a Barrier. Tokio: `sync::BarrierWaitResult`."""

    __slots__ = ("is_leader",)

    #: True for one of those who passed together: the last to come.
    is_leader: bool

    def __init__(self, is_leader: bool) -> None:
        self.is_leader = is_leader

    def __repr__(self) -> str:
        return f"<BarrierWaitResult is_leader={self.is_leader}>"


_LEADER = BarrierWaitResult(True)
_FOLLOWER = BarrierWaitResult(False)


class _Turn(Park):
    """The wait for those who pass a barrier together."""

    __slots__ = ("_barrier", "_turn")

    def __init__(self, barrier: Barrier, turn: int) -> None:
        self._barrier = barrier
        self._turn = turn

    def _register(self, token: Token) -> bool:
        self._barrier._crowd.join(token)
        return self._barrier._passed == self._turn

    def _unregister(self, token: Token) -> None:
        self._barrier._crowd.leave(token)


@final
class _Wait:
    __slots__ = ("_barrier",)

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier

    def __await__(self) -> Generator[Any, None, BarrierWaitResult]:
        barrier = self._barrier
        task = current_task()
        if isinstance(task, Task):
            if task._budget <= 0 and task._out_of_budget():
                yield None
            task._budget -= 1
        del task  # a cancellation's traceback refers to this frame
        turn = barrier._arrive()
        if turn is None:
            return _LEADER
        park = _Turn(barrier, turn)
        while barrier._passed == turn:
            yield from park._wait()
        return _FOLLOWER
