"""What the tests send between tasks and threads: small, and made of asyncio's parts.

A task that receives is pinned to its worker, as by every await of asyncio.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Generic, TypeVar

T = TypeVar("T")

LIMIT = 60.0  # seconds that only a failure waits


class Closed(Exception):
    """There is no sender any more."""


class Oneshot(Generic[T]):
    """One value, from anywhere to one task."""

    def __init__(self) -> None:
        self._future: Future[T] = Future()

    def send(self, value: T) -> bool:
        """Whether somebody may still receive it."""
        try:
            self._future.set_result(value)
        except InvalidStateError:
            return False
        return True

    def close(self) -> bool:
        """What a sender does that is dropped."""
        try:
            self._future.set_exception(Closed())
        except InvalidStateError:
            return False
        return True

    def is_sent(self) -> bool:
        return self._future.done()

    async def recv(self) -> T:
        return await asyncio.wrap_future(self._future)

    def blocking_recv(self) -> T:
        return self._future.result(LIMIT)


class Channel(Generic[T]):
    """Many values, from anywhere to one task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: deque[T] = deque()
        self._waiting: Oneshot[T] | None = None
        self._closed = False

    def send(self, value: T) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, None
            if waiting is None or not waiting.send(value):
                self._values.append(value)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                waiting.close()

    async def recv(self) -> T:
        with self._lock:
            if self._values:
                return self._values.popleft()
            if self._closed:
                raise Closed
            waiting = self._waiting = Oneshot[T]()
        return await waiting.recv()


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
