"""A task that awaits one thing, and whether it waits already (`tokio_test::task::spawn`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from types import coroutine
from typing import Any, Generic, TypeVar

from tests.gates import Gate
from yamanote import JoinHandle, spawn
from yamanote.runtime.park import Park

T = TypeVar("T")


class _Told(Park):
    """A Park that tells when it has been armed: only then can others wake the task."""

    def __init__(self, park: Park, tell: Callable[[], None]) -> None:
        self._park = park
        self._tell = tell

    def _arm(self, waiter: Any) -> None:
        self._park._arm(waiter)
        self._tell()


class Waiting(Generic[T]):
    """Awaits `awaitable` in a task of its own."""

    def __init__(self, awaitable: Awaitable[T]) -> None:
        self._armed = Gate()
        self._waits = False
        self.handle: JoinHandle[T] = spawn(self._run(awaitable))

    async def pending(self) -> Waiting[T]:
        """Wait until it waits, for the first time; fail if it never had to."""
        await self._armed.wait()
        assert self._waits, "ready at once"
        return self

    def is_pending(self) -> bool:
        return self._waits and not self.handle.is_finished()

    def __await__(self) -> Generator[Any, Any, T]:
        return self.handle.__await__()

    def abort(self) -> None:
        self.handle.abort()

    def _arms(self) -> None:
        self._waits = True
        self._armed.open()

    @coroutine
    def _run(self, awaitable: Any) -> Generator[Any, Any, T]:
        steps = awaitable.__await__() if hasattr(awaitable, "__await__") else awaitable
        step, argument = steps.send, None
        try:
            while True:
                try:
                    yielded = step(argument)
                except StopIteration as stop:
                    return stop.value
                if isinstance(yielded, Park):
                    yielded = _Told(yielded, self._arms)
                try:
                    yield yielded
                except BaseException as error:
                    step, argument = steps.throw, error
                else:
                    step, argument = steps.send, None
        finally:
            self._armed.open()
