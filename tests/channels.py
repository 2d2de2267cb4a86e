"""What the tests send between tasks and threads, both ends in one object."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from yamanote.sync import RecvError, mpsc, oneshot

T = TypeVar("T")

LIMIT = 60.0  # seconds that only a failure waits

#: There is no sender any more.
Closed = RecvError


class Oneshot(Generic[T]):
    """One value, from anywhere to one task."""

    def __init__(self) -> None:
        self._tx, self._rx = oneshot.channel[T]()

    def send(self, value: T) -> bool:
        """Whether it is the first."""
        try:
            self._tx.send(value)
        except RuntimeError:
            return False
        return True

    def close(self) -> None:
        """What a sender does that is dropped."""
        self._tx.close()

    def is_sent(self) -> bool:
        return not self._rx.is_empty() or self._rx.is_terminated()

    async def recv(self) -> T:
        return await self._rx

    def blocking_recv(self) -> T:
        return self._rx.blocking_recv(timeout=LIMIT)


class Channel(Generic[T]):
    """Many values, from anywhere to one task."""

    def __init__(self) -> None:
        self._tx, self._rx = mpsc.unbounded_channel[T]()

    def send(self, value: T) -> None:
        self._tx.send(value)

    def close(self) -> None:
        self._tx.close()

    async def recv(self) -> T:
        return await self._rx.recv()


class Counter:
    """Counts what happens on several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value = 0

    def add(self, *_: Any) -> int:
        with self._lock:
            self.value += 1
            return self.value

    def take(self) -> int:
        with self._lock:
            value, self.value = self.value, 0
            return value


def on_thread(func: Callable[..., T], *args: Any) -> Future[T]:
    """Call `func` on a thread of its own."""
    future: Future[T] = Future()

    def call() -> None:
        try:
            result = func(*args)
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(result)

    threading.Thread(target=call, daemon=True).start()
    return future
