"""CancellationToken: what tokio-util's tests/sync_cancellation_token.rs says that users rely
on, and more."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import weakref
from typing import Any

import pytest

from tests.gates import PENDING, Gate, forever, poll, settled, until
from tests.waiting import Waiting
from yamanote import JoinError, Runtime, join, spawn, spawn_blocking, yield_now
from yamanote.sync import CancellationToken, DropGuard, mpsc

SHUTDOWN = 10.0


class Boom(Exception):
    pass


async def wait(token: CancellationToken) -> None:
    await token.cancelled()


async def is_pending(token: CancellationToken) -> bool:
    return await poll(wait(token)) is PENDING


def test_cancel_token(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        assert not token.is_cancelled()
        waits = [spawn(wait(token)) for _ in range(5)]
        cancelled = token.cancelled()
        assert await is_pending(token)
        token.cancel()
        assert token.is_cancelled()
        for handle in waits:
            await handle
        await cancelled
        await cancelled  # as often as one likes
        await token.cancelled()
        token.cancel()

    rt.block_on(main())


def test_cancel_child_through_parent(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        child = token.child_token()
        waits = [spawn(wait(child)), spawn(wait(token))]
        assert await is_pending(child)
        assert await is_pending(token)
        token.cancel()
        assert token.is_cancelled()
        assert child.is_cancelled()
        for handle in waits:
            await handle

    rt.block_on(main())


def test_cancel_grandchild_if_child_was_dropped(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        grandchild = token.child_token().child_token()
        gc.collect()
        waits = [spawn(wait(grandchild)), spawn(wait(token))]
        assert await is_pending(grandchild)
        token.cancel()
        assert grandchild.is_cancelled()
        for handle in waits:
            await handle

    rt.block_on(main())


def test_cancel_child_without_parent(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        first = token.child_token()
        first.cancel()
        assert first.is_cancelled()
        assert not token.is_cancelled()
        await first.cancelled()
        assert await is_pending(token)
        second = token.child_token()
        assert not second.is_cancelled()
        token.cancel()
        assert second.is_cancelled()
        await second.cancelled()

    rt.block_on(main())


def test_child_of_a_cancelled_token(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        token.cancel()
        child = token.child_token()
        assert child.is_cancelled()
        await child.cancelled()
        assert child.child_token().is_cancelled()

    rt.block_on(main())


@pytest.mark.parametrize("child_first", [True, False])
def test_drop_in_any_order(child_first: bool) -> None:
    token = CancellationToken()
    children = [token.child_token() for _ in range(3)]
    refs = [weakref.ref(each) for each in (token, *children)]
    if child_first:
        while children:
            children.pop(0)
            assert not token.is_cancelled()
        del token
    else:
        del token
        assert not any(child.is_cancelled() for child in children)
        while children:
            children.pop()
    gc.collect()
    assert [ref() for ref in refs if ref() is not None] == []


def test_cancel_only_all_descendants() -> None:
    parent = CancellationToken()
    token = parent.child_token()
    sibling = parent.child_token()
    children = [token.child_token() for _ in range(2)]
    grandchildren = [children[0].child_token() for _ in range(2)]
    great_grandchild = grandchildren[1].child_token()
    token.cancel()
    assert not parent.is_cancelled()
    assert not sibling.is_cancelled()
    assert all(each.is_cancelled() for each in (token, *children, *grandchildren, great_grandchild))


def test_tokens_are_told_apart() -> None:
    token = CancellationToken()
    assert token == token
    assert token != CancellationToken()
    assert token != token.child_token()
    assert len({token, CancellationToken(), token.child_token(), token}) == 3


def test_dropped_children_leave_no_trace() -> None:
    gc.collect()
    token = CancellationToken()
    sizes = []
    for _ in range(3):
        for _ in range(1000):
            token.child_token().child_token()
        sizes.append(len(gc.get_referrers(token)) + len(gc.get_referents(token)))
        assert sum(isinstance(each, CancellationToken) for each in gc.get_objects()) < 100
    assert len(set(sizes)) == 1


def test_a_long_line_of_descent() -> None:
    token = last = CancellationToken()
    for _ in range(20_000):
        last = last.child_token()
    token.cancel()
    assert last.is_cancelled()
    token = last = CancellationToken()
    for _ in range(20_000):
        last = last.child_token()
    del token, last
    gc.collect()


def test_cancelled_waits_leave(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        waits = [spawn(wait(token)) for _ in range(10)]
        for _ in range(5):
            await yield_now()
        for handle in waits[::2]:
            handle.abort()
        for handle in waits[::2]:
            with pytest.raises(JoinError, match="cancelled"):
                await handle
        token.cancel()
        for handle in waits[1::2]:
            await handle

    rt.block_on(main())


def test_a_cancellation_that_is_taken_back_leaves_the_task_waiting(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        waiting = Waiting(token.cancelled())
        await waiting.pending()
        task: Any = waiting.handle
        task.cancel()
        task.uncancel()
        await settled()
        assert waiting.is_pending()
        token.cancel()
        await waiting

    rt.block_on(main())


def test_waiting_takes_budget(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        token.cancel()
        ran = False

        async def other() -> None:
            nonlocal ran
            ran = True

        handle = spawn(other())
        for _ in range(1000):
            await token.cancelled()
            if ran:
                break
        assert ran or handle.is_finished() or rt.metrics().num_workers > 1
        await handle

    rt.block_on(main())


def test_from_plain_threads(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        child = token.child_token()
        handle = spawn(wait(child))
        thread = threading.Thread(target=token.cancel)
        thread.start()
        await handle
        await spawn_blocking(thread.join)

    rt.block_on(main())


def test_in_asyncio() -> None:
    async def main() -> None:
        token = CancellationToken()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(token), 0)
        waits = [asyncio.create_task(wait(token.child_token())) for _ in range(3)]
        running = asyncio.create_task(token.run_until_cancelled(asyncio.Event().wait()))
        assert await token.run_until_cancelled(asyncio.sleep(0, 5)) == 5
        thread = threading.Thread(target=token.cancel)
        thread.start()
        await asyncio.gather(*waits)
        assert await running is None
        thread.join()
        assert await token.run_until_cancelled(forever()) is None

    asyncio.run(main())


# run_until_cancelled


def test_run_until_cancelled(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        started, ended = Gate(), []

        async def work() -> None:
            started.open()
            try:
                await forever()
            except asyncio.CancelledError:
                await yield_now()
                ended.append("work")
                raise

        handle = spawn(token.run_until_cancelled(work()))
        await started.wait()
        token.cancel()
        assert await handle is None
        assert ended == ["work"]

    rt.block_on(main())


def test_run_until_cancelled_gives_the_result(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        gate = Gate()

        async def work() -> int:
            await gate.wait()
            return 42

        async def fail() -> None:
            raise Boom

        handle = spawn(token.run_until_cancelled(work()))
        gate.open()
        assert await handle == 42
        with pytest.raises(Boom):
            await token.run_until_cancelled(fail())

        # What ends at once has ended, cancelled or not.
        async def cancel() -> int:
            token.cancel()
            return 1

        assert await token.run_until_cancelled(cancel()) == 1

    rt.block_on(main())


def test_run_until_cancelled_prefers_what_is_ready(rt: Runtime) -> None:
    """As Tokio: cancelled and ready at the same time, it is ready."""

    async def main() -> None:
        token = CancellationToken()
        started, gate = Gate(), Gate()

        async def work() -> int:
            started.open()
            await gate.wait()
            return 42

        async def cancelled_first() -> None:
            await started.wait()
            token.cancel()
            gate.open()

        # In one task, so that it is not polled between the two.
        both = join(token.run_until_cancelled(work()), cancelled_first())
        assert await both == (42, None)

    rt.block_on(main())


def test_run_until_cancelled_ends_what_never_parks(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        turns = 0

        async def spin() -> None:
            nonlocal turns
            while True:
                turns += 1
                if turns == 10:
                    token.cancel()
                await yield_now()

        assert await token.run_until_cancelled(spin()) is None
        assert turns <= 11  # one more round at the most

    rt.block_on(main())


def test_run_until_cancelled_drops_what_comes_too_late(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        started = Gate()

        async def stubborn() -> int:
            started.open()
            try:
                await forever()
            except asyncio.CancelledError:
                pass
            return 42

        handle = spawn(token.run_until_cancelled(stubborn()))
        await started.wait()
        token.cancel()
        assert await handle is None

    rt.block_on(main())


def test_run_until_cancelled_has_its_own_timeouts(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()

        async def work() -> str:
            try:
                async with asyncio.timeout(0.001):
                    await forever()
            except TimeoutError:
                return "timed out"
            return "never"

        assert await token.run_until_cancelled(work()) == "timed out"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await token.run_until_cancelled(forever())

    rt.block_on(main())


def test_run_until_cancelled_loses_nothing(multi_rt: Runtime, switch_interval: float) -> None:
    """Cancelled on another thread just when something comes: it is received, or stays."""

    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[int]()
        got: list[int] = []
        for number in range(300):
            token = CancellationToken()
            receiving = spawn(token.run_until_cancelled(rx.recv()))
            cancelling = spawn_blocking(token.cancel)
            tx.send(number)
            value = await receiving
            await cancelling
            got.append(rx.try_recv() if value is None else value)
        assert got == list(range(300))
        tx.close()

    multi_rt.block_on(main())


def test_run_until_cancelled_does_not_start_what_is_cancelled(rt: Runtime) -> None:
    async def main() -> None:
        ran = []

        async def work() -> None:
            ran.append(1)

        token = CancellationToken()
        token.cancel()
        assert await token.run_until_cancelled(work()) is None
        assert not ran
        with pytest.raises(TypeError, match="call it"):
            await token.run_until_cancelled(work)  # type: ignore[arg-type]

    rt.block_on(main())


def test_run_until_cancelled_and_aborted(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()
        started, ended = Gate(), []

        async def work() -> None:
            try:
                started.open()
                await forever()
            finally:
                ended.append("work")

        handle = spawn(token.run_until_cancelled(work()))
        await started.wait()
        handle.abort()
        with pytest.raises(JoinError, match="cancelled"):
            await handle
        assert ended == ["work"]

    rt.block_on(main())


def test_what_fails_while_it_is_cancelled_is_logged(
    rt: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        token = CancellationToken()
        started = Gate()

        async def work() -> None:
            try:
                started.open()
                await forever()
            finally:
                raise Boom

        handle = spawn(token.run_until_cancelled(work()))
        await started.wait()
        token.cancel()
        assert await handle is None

    with caplog.at_level(logging.ERROR, "yamanote"):
        rt.block_on(main())
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [Boom]


# DropGuard


def test_drop_guard() -> None:
    token = CancellationToken()
    with token.drop_guard() as guard:
        assert isinstance(guard, DropGuard)
        assert guard.token is token
        assert not token.is_cancelled()
    assert token.is_cancelled()
    with pytest.raises(RuntimeError, match="DropGuard"):
        _ = guard.token


def test_drop_guard_on_error() -> None:
    token = CancellationToken()
    with pytest.raises(Boom), token.drop_guard():
        raise Boom
    assert token.is_cancelled()


def test_drop_guard_dropped() -> None:
    token = CancellationToken()
    guard = token.drop_guard()
    other = token.drop_guard()
    assert guard.disarm() is token
    with pytest.raises(RuntimeError, match="DropGuard"):
        guard.disarm()
    del guard
    gc.collect()
    assert not token.is_cancelled()
    del other
    gc.collect()
    assert token.is_cancelled()


def test_drop_guard_disarmed() -> None:
    token = CancellationToken()
    with token.drop_guard() as guard:
        guard.disarm()
    assert not token.is_cancelled()


def test_drop_guard_of_an_aborted_task(rt: Runtime) -> None:
    async def main() -> None:
        token = CancellationToken()

        async def work(guard: DropGuard) -> None:
            with guard:
                await forever()

        handle = spawn(work(token.drop_guard()))
        handle.abort()
        # Not by sleeping: see Drop in gates.py.
        await until(token.is_cancelled)

    rt.block_on(main())


def test_repr() -> None:
    token = CancellationToken()
    assert repr(token).startswith("<CancellationToken at 0x")
    token.cancel()
    assert repr(token).startswith("<CancellationToken cancelled at 0x")
    assert repr(token.drop_guard()).startswith("<DropGuard of <CancellationToken cancelled")


# Races.


def test_waiting_while_it_is_cancelled(rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        for _ in range(200):
            token = CancellationToken()
            waits = [spawn(wait(token.child_token())) for _ in range(3)]
            waits += [spawn(wait(token)) for _ in range(3)]

            async def cancel(token: CancellationToken = token) -> None:
                token.cancel()

            waits.append(spawn(cancel()))
            for handle in waits:
                await handle

    rt.block_on(main())


def test_making_children_while_it_is_cancelled(switch_interval: float) -> None:
    for _ in range(50):
        token = CancellationToken()
        barrier = threading.Barrier(4)
        made: list[CancellationToken] = []

        def make(
            token: CancellationToken = token,
            barrier: threading.Barrier = barrier,
            made: list[CancellationToken] = made,
        ) -> None:
            barrier.wait()
            for _ in range(20):
                child = token.child_token()
                made.append(child.child_token())
                token.child_token()

        threads = [threading.Thread(target=make) for _ in range(3)]
        for thread in threads:
            thread.start()
        barrier.wait()
        token.cancel()
        for thread in threads:
            thread.join()
        assert len(made) == 60
        assert all(each.is_cancelled() for each in made)


def test_nothing_is_kept_alive(rt: Runtime) -> None:
    refs: list[weakref.ref[Any]] = []

    async def main() -> None:
        for _ in range(10):
            token = CancellationToken()
            child = token.child_token()
            refs.extend(map(weakref.ref, (token, child)))
            handles = [spawn(wait(child)), spawn(child.run_until_cancelled(forever()))]
            await yield_now()
            token.cancel()
            for handle in handles:
                await handle
            with token.drop_guard():
                pass

    gc.collect()
    gc.disable()
    try:
        rt.block_on(main())
        rt.shutdown_timeout(SHUTDOWN)
        assert [ref() for ref in refs if ref() is not None] == []
    finally:
        gc.enable()
