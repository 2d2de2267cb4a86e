"""A destructor that the collector calls, or a signal's handler, comes in the midst of the
runtime's own code, on the same thread, and spawns, aborts and calls: nothing hangs, and nothing
is lost.

Here it comes once before each instruction that could be interrupted, and before many that
could not.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, on_thread
from tests.gates import forever
from yamanote import JoinError, JoinHandle, Runtime
from yamanote.task import LocalPool, TaskTracker

PACKAGE = yamanote.__name__ + "."


@contextmanager
def between(interloper: Callable[[], object], *modules: str) -> Iterator[None]:
    """Call `interloper()` once before each instruction of `modules`, on this thread and on those
    that are started meanwhile."""
    names = {PACKAGE + module for module in modules}
    places: set[tuple[CodeType, int]] = set()
    collecting = threading.Lock()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if frame.f_globals.get("__name__") not in names:
            return None
        frame.f_trace_opcodes = True
        place = frame.f_code, frame.f_lasti
        # The collector does not come to two threads at once.
        if event == "opcode" and place not in places and collecting.acquire(blocking=False):
            try:
                places.add(place)
                interloper()
            finally:
                collecting.release()
        return trace

    threading.settrace(trace)
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)
        threading.settrace(None)


async def answer() -> int:
    return 42


class Interloper:
    """Spawns, aborts and calls, and remembers what."""

    def __init__(self, rt: Runtime) -> None:
        self._rt = rt
        self.answers: list[JoinHandle[int]] = []
        self.aborted: list[JoinHandle[Any]] = []

    def __call__(self) -> None:
        self.answers.append(self._rt.spawn(answer()))
        self.answers.append(self._rt.spawn_blocking(int, "42"))
        aborted = self._rt.spawn(forever())
        aborted.abort()
        self.aborted.append(aborted)
        assert aborted.id == aborted.id

    def check(self) -> None:
        """Each has ended as it should."""
        assert self.answers
        assert [handle.join(LIMIT) for handle in self.answers] == [42] * len(self.answers)
        assert all(map(is_cancelled, self.aborted))


def is_cancelled(handle: JoinHandle[Any]) -> bool:
    """See a task end; whether it was cancelled."""
    try:
        handle.join(LIMIT)
    except JoinError as error:
        return error.is_cancelled()
    return False


def block_in_place(rt: Runtime) -> None:
    async def main() -> None:
        assert yamanote.block_in_place(answers.join, LIMIT) == 42

    answers = rt.spawn(answer())
    rt.block_on(main())


USES: dict[str, Callable[[Runtime], object]] = {
    "spawn": lambda rt: rt.spawn(answer()).join(LIMIT),
    "spawn_blocking": lambda rt: rt.spawn_blocking(int, "42").join(LIMIT),
    "block_on": lambda rt: rt.block_on(answer()),
    "block_in_place": block_in_place,
    "id": lambda rt: int(rt.spawn(answer()).id),
    "metrics": lambda rt: rt.metrics(),
}
MODULES = "runtime.core", "runtime.blocking", "runtime.join"


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("threads", [1, 4])
def test_spawns_and_calls(use: Callable[[Runtime], object], threads: int) -> None:
    def run() -> None:
        with Runtime(worker_threads=1, max_blocking_threads=threads) as rt:
            interloper = Interloper(rt)
            with between(interloper, *MODULES):
                use(rt)
            interloper.check()
            assert rt.metrics().num_blocking_threads <= threads

    on_thread(run).result(LIMIT)


@pytest.mark.parametrize("threads", [1, 4])
def test_calls_on_threads_that_end(threads: int) -> None:
    """What comes in the midst of a thread's end is not left to it."""

    def run() -> None:
        with Runtime(max_blocking_threads=threads, thread_keep_alive=0) as rt:
            interloper = Interloper(rt)
            with between(interloper, *MODULES):
                for _ in range(20):
                    assert rt.spawn_blocking(int, "42").join(LIMIT) == 42
            interloper.check()

    on_thread(run).result(LIMIT)


@pytest.mark.parametrize("what", ["spawn_blocking", "block_on", "block_in_place"])
def test_shuts_down(what: str) -> None:
    """At each place, in a runtime of its own: nothing waits for what will not come."""

    def run() -> None:
        places = 1
        at = 0
        while at < places:
            at += 1
            places = shut_down_at(at)
        assert at > 1

    def shut_down_at(at: int) -> int:
        count = 0

        def interloper() -> None:
            nonlocal count
            count += 1
            if count == at:
                try:
                    rt.shutdown_background()
                except RuntimeError:
                    pass  # in the midst of a task, which may not

        with Runtime(worker_threads=1) as rt, between(interloper, *MODULES):
            try:
                USES[what](rt)
            except (asyncio.CancelledError, JoinError, RuntimeError):
                pass
        return count

    on_thread(run).result(LIMIT)


def test_a_shutdown_that_is_disturbed() -> None:
    def run() -> None:
        with Runtime(worker_threads=1) as rt:
            interloper = Interloper(rt)
            rt.spawn(forever())
            rt.spawn_blocking(int, "42").join(LIMIT)
            with between(interloper, *MODULES):
                rt.shutdown_timeout(LIMIT)
        for handle in interloper.answers + interloper.aborted:
            is_cancelled(handle)

    on_thread(run).result(LIMIT)


def test_spawns_onto_a_local_pool() -> None:
    def run() -> None:
        with LocalPool(2) as pool:
            answers: list[JoinHandle[int]] = []
            with between(lambda: answers.append(pool.spawn_pinned(answer)), "task.local_pool"):
                answers.append(pool.spawn_pinned(answer))
            assert len(answers) > 1
            assert [handle.join(LIMIT) for handle in answers] == [42] * len(answers)

    on_thread(run).result(LIMIT)


def test_closes_and_reopens_a_tracker() -> None:
    def run() -> None:
        def interloper() -> None:
            tracker.reopen()
            tracker.close()

        tracker = TaskTracker()
        with Runtime(worker_threads=1) as rt:
            waits = rt.spawn(tracker.wait())
            with between(interloper, "task.tracker"):
                tracker.close()
                tracker.reopen()
                tracker.close()
            waits.join(LIMIT)
            assert tracker.is_closed()

    on_thread(run).result(LIMIT)
