"""What tests hold tasks with, natively: nothing here pins a task to its worker."""

from __future__ import annotations

import asyncio
import sysconfig
import threading
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

from yamanote import Handle, JoinHandle, spawn, spawn_blocking, yield_now
from yamanote.sync import CancellationToken

PENDING = object()

FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


class Gate:
    """Opened once, for all who wait, from any thread."""

    def __init__(self) -> None:
        self._token = CancellationToken()

    def open(self) -> None:
        self._token.cancel()

    def is_open(self) -> bool:
        return self._token.is_cancelled()

    async def wait(self) -> None:
        await self._token.cancelled()


class Value:
    """One value, or failure, from any thread to all who wait for it."""

    def __init__(self) -> None:
        self._gate = Gate()
        self._value: Any = None
        self._error: Exception | None = None
        #: How many have got it.
        self.received = 0

    def send(self, value: Any) -> None:
        self._value = value
        self._gate.open()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._gate.open()

    async def recv(self) -> Any:
        await self._gate.wait()
        self.received += 1
        if self._error is not None:
            raise self._error
        return self._value


class Drop:
    """Tells when an object is gone: the sender that a Rust test drops."""

    def __init__(self) -> None:
        self._gate = Gate()

    def make(self) -> object:
        """The object, for one to hold."""
        return self._gate._token.drop_guard()

    def is_gone(self) -> bool:
        return self._gate.is_open()

    async def wait(self) -> None:
        # Not the gate: on a free-threaded build somebody must see that it is collected.
        await until(self.is_gone)


async def forever(_held: object = None) -> Any:
    """Never end; keep the argument as long as the coroutine lives."""
    await CancellationToken().cancelled()


@coroutine
def poll(coro: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Poll a coroutine once inside this task; PENDING if that did not end it, and then
    it is dropped (`now_or_never` of Rust's futures)."""
    try:
        coro.send(None)
    except StopIteration as stop:
        return stop.value
    coro.close()
    return PENDING
    yield


def litter(end: Any) -> None:
    """Leave a coroutine to the garbage collector that is inside of `with end:`."""

    @coroutine
    def hold(cycle: list[Any]) -> Generator[Any, Any, None]:
        with end:
            yield

    cycle: list[Any] = []
    cycle.append(hold(cycle))
    cycle[0].send(None)


async def until(condition: Any) -> None:
    """Give others their turn until `condition()` is true."""
    turns = 0
    while not condition():
        await yield_now()
        turns += 1
        if FREE_THREADED and turns % 100 == 0:
            await every_thread()


async def settled() -> None:
    """Wait until what was spawned or woken before this call has been polled.

    Each worker takes one of the tasks that meet, later than what was queued before them.
    """
    workers = Handle.current().metrics().num_workers
    together = threading.Barrier(workers)

    async def meet() -> None:
        together.wait(10)

    for handle in [spawn(meet()) for _ in range(workers)]:
        await handle


async def stays_pending(handle: JoinHandle[Any]) -> None:
    """See the task wait for something."""
    await settled()
    assert not handle.is_finished()


async def every_thread() -> None:
    """Have each worker run for a moment, and an idle thread of the blocking pool.

    On a free-threaded build what a thread made is collected by that thread, which must not
    sleep.
    """
    workers = Handle.current().metrics().num_workers
    together = threading.Barrier(workers)

    async def meet() -> None:
        try:
            together.wait(0.1)  # blocks the worker: the others must take the other tasks
        except threading.BrokenBarrierError:
            pass  # a worker is blocked by the test itself

    for _ in range(workers):
        spawn(meet())
    await spawn_blocking(int)


def on_plain_asyncio(coro: Coroutine[Any, Any, Any]) -> Any:
    """`asyncio.run`, but for its look at all tasks: an alpha of a free-threaded build fails
    there when another thread makes one at this moment."""
    loop = asyncio.SelectorEventLoop()
    try:
        return loop.run_until_complete(coro)
    finally:
        loop.close()
