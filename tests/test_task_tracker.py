"""TaskTracker: what tokio-util's tests/task_tracker.rs says that users rely on, and more."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from types import coroutine
from typing import Any

import pytest

from tests.gates import PENDING, Drop, Gate, forever, poll, until
from yamanote import JoinError, JoinHandle, LocalSet, Runtime, spawn, yield_now
from yamanote.task.tracker import TaskTracker, TaskTrackerToken

SHUTDOWN = 10.0
N = 8


class Boom(Exception):
    pass


async def value(x: Any) -> Any:
    return x


async def fail() -> None:
    raise Boom


class Waiting:
    """A task that waits for a tracker, and has begun to."""

    def __init__(self, tracker: TaskTracker) -> None:
        self._wait = tracker.wait()
        self._handle: JoinHandle[None] = spawn(self._run())

    async def _run(self) -> None:
        await self._wait

    async def is_pending(self) -> bool:
        # Its awaitable can be asked as well as its task, which may be about to run.
        return await poll(self._run()) is PENDING

    async def end(self) -> None:
        await self._handle


def test_open_close() -> None:
    tracker = TaskTracker()
    assert not tracker.is_closed()
    assert tracker.is_empty()
    assert len(tracker) == 0
    assert tracker.close()
    assert tracker.is_closed()
    assert tracker.is_empty()
    assert tracker.reopen()
    assert not tracker.is_closed()
    assert not tracker.reopen()
    assert not tracker.is_closed()
    assert tracker.close()
    assert not tracker.close()
    assert tracker.is_closed()
    assert len(tracker) == 0
    assert tracker  # an empty tracker is not nothing


def test_token_len() -> None:
    tracker = TaskTracker()
    tokens = []
    for i in range(10):
        assert len(tracker) == i
        tokens.append(tracker.token())
    assert not tracker.is_empty()
    assert len(tracker) == 10
    for i in range(9, -1, -1):
        tokens.pop()
        assert len(tracker) == i


def test_token_is_let_go_once() -> None:
    tracker = TaskTracker()
    with tracker.token() as token:
        assert token.task_tracker is tracker
        other = token.clone()
        assert isinstance(other, TaskTrackerToken)
        assert len(tracker) == 2
    assert len(tracker) == 1
    token.release()
    del token
    assert len(tracker) == 1
    other.release()
    assert len(tracker) == 0


def test_notify_immediately(rt: Runtime) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        tracker.close()
        await tracker.wait()
        wait = tracker.wait()
        tracker.reopen()
        await wait  # it was closed and empty at the call

    rt.block_on(main())


def test_notify_on_close(rt: Runtime) -> None:
    async def main() -> None:
        for reopen in (False, True):
            tracker = TaskTracker()
            waiting = Waiting(tracker)
            assert await waiting.is_pending()
            tracker.close()
            if reopen:
                tracker.reopen()
            await waiting.end()

    rt.block_on(main())


def test_notify_on_last_task(rt: Runtime) -> None:
    async def main() -> None:
        for respawn in (False, True):
            tracker = TaskTracker()
            tracker.close()
            token = tracker.token()
            waiting = Waiting(tracker)
            assert await waiting.is_pending()
            token.release()
            if respawn:
                token = tracker.token()
            await waiting.end()

    rt.block_on(main())


def test_no_notify_on_respawn_if_open(rt: Runtime) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        token = tracker.token()
        waiting = Waiting(tracker)
        assert await waiting.is_pending()
        token.release()
        token = tracker.token()
        assert await waiting.is_pending()
        tracker.close()
        assert await waiting.is_pending()
        token.release()
        await waiting.end()

    rt.block_on(main())


@pytest.mark.parametrize("close_spot", range(6))
def test_close_during_exit(rt: Runtime, close_spot: int) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        tokens = [tracker.token() for _ in range(5)]
        waiting = Waiting(tracker)
        for i in range(5):
            assert await waiting.is_pending()
            if i == close_spot:
                tracker.close()
                assert await waiting.is_pending()
            tokens.pop()
        if close_spot == 5:
            assert await waiting.is_pending()
            tracker.close()
        await waiting.end()

    rt.block_on(main())


def test_notify_many(rt: Runtime) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        waits = [Waiting(tracker) for _ in range(10)]
        for waiting in waits:
            assert await waiting.is_pending()
        tracker.close()
        for waiting in waits:
            await waiting.end()

    rt.block_on(main())


def test_spawn_then_close(rt: Runtime) -> None:
    other = Runtime(flavor="multi_thread", worker_threads=1)

    async def main() -> None:
        tracker = TaskTracker()
        handles: list[JoinHandle[Any]] = []
        for i in range(N):
            handles.append(tracker.spawn(value(i)))
            handles.append(tracker.spawn_on(value(i), other.handle))
            handles.append(tracker.spawn_blocking(int, i))
            handles.append(tracker.spawn_blocking_on(other.handle, int, i))
        tracker.close()
        await tracker.wait()
        assert tracker.is_empty()
        assert tracker.is_closed()
        assert all(handle.is_finished() for handle in handles)
        assert [await handle for handle in handles] == [i for i in range(N) for _ in range(4)]

    try:
        rt.block_on(main())
    finally:
        other.shutdown_timeout(SHUTDOWN)


def test_every_end_counts(rt: Runtime) -> None:
    release = threading.Event()

    async def main() -> None:
        tracker = TaskTracker()
        failed = tracker.spawn(fail())
        unstarted = tracker.spawn(forever())
        unstarted.abort()
        started = Gate()

        async def wait() -> None:
            started.open()
            await forever()

        aborted = tracker.spawn(wait())
        await started.wait()
        assert len(tracker) >= 1
        aborted.abort()
        blocking = tracker.spawn_blocking(release.wait)
        release.set()
        tracker.close()
        await tracker.wait()
        assert len(tracker) == 0
        assert await blocking
        for handle in (unstarted, aborted):
            with pytest.raises(JoinError, match="cancelled"):
                await handle
        with pytest.raises(JoinError, match="Boom"):
            await failed

    rt.block_on(main())


def test_a_spawn_that_fails_is_not_counted() -> None:
    tracker = TaskTracker()
    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        tracker.spawn(value(1))
    with pytest.raises(RuntimeError, match="inside a LocalSet only"):
        tracker.spawn_local(value(1))
    with pytest.raises(TypeError):
        tracker.track_future(value)  # type: ignore[arg-type]
    assert tracker.is_empty()


def test_dropping_the_tracker_aborts_nothing(rt: Runtime) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        gate = Gate()
        handle = tracker.spawn(gate.wait())
        ref = weakref.ref(tracker)
        del tracker
        gate.open()
        await handle
        del handle
        await until(lambda: ref() is None)

    gc.collect()
    gc.disable()
    try:
        rt.block_on(main())
    finally:
        gc.enable()


def test_track_future(rt: Runtime) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        tracked = tracker.track_future(value(1))
        assert len(tracker) == 1
        assert await tracked == 1
        assert len(tracker) == 0

        handle = spawn(tracker.track_future(value(2)))
        assert await handle == 2
        assert len(tracker) == 0

        with pytest.raises(Boom):
            await tracker.track_future(fail())
        assert len(tracker) == 0

        tracker.track_future(value(3)).close()
        assert len(tracker) == 0

        aborted = spawn(tracker.track_future(forever()))
        aborted.abort()
        with pytest.raises(JoinError, match="cancelled"):
            await aborted
        await until(tracker.is_empty)

        gate = Gate()
        handle = spawn(tracker.track_future(gate.wait()))
        tracker.close()
        waiting = Waiting(tracker)
        assert await waiting.is_pending()
        gate.open()
        await waiting.end()
        await handle

    rt.block_on(main())


def test_tracking_any_awaitable() -> None:
    tracker = TaskTracker()

    class Once:
        @coroutine
        def __await__(self) -> Any:
            return 7
            yield

    async def main() -> None:
        future = asyncio.get_running_loop().create_future()
        future.set_result(5)
        assert await tracker.track_future(future) == 5
        assert len(tracker) == 0

    asyncio.run(main())


def test_waiting_from_asyncio_and_blocking_threads(multi_rt: Runtime) -> None:
    tracker = TaskTracker()
    gate = Gate()
    for _ in range(N):
        tracker.spawn_on(gate.wait(), multi_rt.handle)
    tracker.close()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tracker.wait(), 0)
        waits = [asyncio.ensure_future(tracker.wait()) for _ in range(3)]
        await asyncio.sleep(0)
        gate.open()
        await asyncio.gather(*waits)

    asyncio.run(main())
    assert tracker.is_empty()


def test_cancelled_waits_leave(rt: Runtime) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        waits = [spawn(Waiting(tracker).end()) for _ in range(3)]
        await yield_now()
        for wait in waits:
            wait.abort()
        other = Waiting(tracker)
        tracker.close()
        await other.end()

    rt.block_on(main())


def test_repr() -> None:
    tracker = TaskTracker()
    token = tracker.token()
    assert repr(tracker) == "<TaskTracker of 1 tasks, open>"
    assert repr(token) == "<TaskTrackerToken of <TaskTracker of 1 tasks, open>>"


# LocalSets.


def test_spawn_local(rt: Runtime) -> None:
    async def main() -> None:
        for close_first in (False, True):
            tracker = TaskTracker()
            if close_first:
                tracker.close()
            for _ in range(N):
                tracker.spawn_local(value(1))
            tracker.close()
            await tracker.wait()
            assert tracker.is_empty()
            assert tracker.is_closed()

    LocalSet().block_on(rt, main())


def test_spawn_local_outside(multi_rt: Runtime) -> None:
    async def main() -> None:
        tracker = TaskTracker()
        with pytest.raises(RuntimeError, match="inside a LocalSet only"):
            tracker.spawn_local(value(1))
        assert tracker.is_empty()

    multi_rt.block_on(main())


def test_spawn_local_on(rt: Runtime) -> None:
    local = LocalSet()
    tracker = TaskTracker()
    for _ in range(N):
        tracker.spawn_local_on(value(1), local)
    assert len(tracker) == N

    async def main() -> None:
        tracker.close()
        await tracker.wait()
        assert tracker.is_empty()

    local.block_on(rt, main())


def test_dropping_the_tracker_leaves_local_tasks_alone(rt: Runtime) -> None:
    local = LocalSet()
    gone = [Drop() for _ in range(N)]
    trackers = [TaskTracker()]
    for drop in gone:
        trackers[0].spawn_local_on(forever(drop.make()), local)

    async def main() -> None:
        trackers.clear()
        for _ in range(5):
            await yield_now()
        assert not any(drop.is_gone() for drop in gone)

    local.block_on(rt, main())
    local.close()
    assert all(drop.is_gone() for drop in gone)


# Races.


def test_closing_while_the_last_one_ends(rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        for _ in range(300):
            tracker = TaskTracker()
            handles = [tracker.spawn(value(i)) for i in range(3)]
            closing = spawn(tracker_close(tracker))
            await tracker.wait()
            assert tracker.is_empty()
            assert all(handle.is_finished() for handle in handles)
            assert await closing

    async def tracker_close(tracker: TaskTracker) -> bool:
        return tracker.close()

    rt.block_on(main())


def test_tokens_let_go_on_many_threads(multi_rt: Runtime, switch_interval: float) -> None:
    for _ in range(30):
        tracker = TaskTracker()
        tracker.close()
        barrier = threading.Barrier(4)

        def let_go(token: TaskTrackerToken, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            token.release()

        threads = [threading.Thread(target=let_go, args=(tracker.token(),)) for _ in range(4)]

        async def main(tracker: TaskTracker = tracker, threads: Any = threads) -> None:
            wait = tracker.wait()
            for thread in threads:
                thread.start()
            await wait
            assert tracker.is_empty()

        multi_rt.block_on(main())
        for thread in threads:
            thread.join()
