"""Counterparts of tokio/tests/task_blocking.rs."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from tests.channels import LIMIT, on_thread
from yamanote import JoinError, Runtime, block_in_place, spawn, spawn_blocking
from yamanote.task.coop import consume_budget
from yamanote.time import now, sleep, timeout

TIMES = 100
MORE_THAN_A_BUDGET = 200


@pytest.fixture
def paused() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread", start_paused=True) as runtime:
        yield runtime


def hello() -> str:
    return "hello"


def test_basic_blocking(rt: Runtime) -> None:
    async def outer() -> str:
        return await spawn_blocking(hello)

    async def main() -> list[str]:
        return [await spawn(outer()) for _ in range(TIMES)]

    assert rt.block_on(main()) == ["hello"] * TIMES


def test_block_in_blocking(multi_rt: Runtime) -> None:
    async def outer() -> str:
        return await spawn_blocking(lambda: block_in_place(hello))

    async def main() -> list[str]:
        return [await spawn(outer()) for _ in range(TIMES)]

    assert multi_rt.block_on(main()) == ["hello"] * TIMES


def test_block_in_block(multi_rt: Runtime) -> None:
    async def outer() -> str:
        return block_in_place(lambda: block_in_place(hello))

    async def main() -> list[str]:
        return [await spawn(outer()) for _ in range(TIMES)]

    assert multi_rt.block_on(main()) == ["hello"] * TIMES


async def block() -> str:
    return block_in_place(hello)


def test_no_block_in_current_thread_scheduler() -> None:
    with Runtime(flavor="current_thread") as rt:
        task = rt.spawn(block())
        with pytest.raises(JoinError, match="current_thread") as error:
            rt.block_on(task)
    assert isinstance(error.value.into_panic(), RuntimeError)


def test_yes_block_in_threaded_block_on(multi_rt: Runtime) -> None:
    assert multi_rt.block_on(block()) == "hello"


def test_no_block_in_current_thread_block_on() -> None:
    with (
        Runtime(flavor="current_thread") as rt,
        pytest.raises(RuntimeError, match="current_thread"),
    ):
        rt.block_on(block())


def test_can_enter_current_thread_rt_from_within_block_in_place(multi_rt: Runtime) -> None:
    def inside() -> str:
        with Runtime(flavor="current_thread") as inner:
            return inner.block_on(greet())

    async def greet() -> str:
        return await spawn(spawn_blocking(hello))

    async def main() -> str:
        return block_in_place(inside)

    assert multi_rt.block_on(main()) == "hello"


def test_useful_panic_message_when_dropping_rt_in_rt(rt: Runtime) -> None:
    async def main() -> None:
        inner = Runtime(flavor="current_thread")
        try:
            with pytest.raises(RuntimeError, match="cannot be shut down from inside a task"), inner:
                pass
        finally:
            inner.shutdown_background()

    rt.block_on(main())


def assert_shut_down(rt: Runtime) -> None:
    task = rt.spawn(sleep(0))
    with pytest.raises(JoinError) as error:
        task.join(LIMIT)
    assert error.value.is_cancelled()


def test_can_shutdown_with_zero_timeout_in_runtime(rt: Runtime) -> None:
    inner = Runtime(flavor="current_thread")

    async def main() -> None:
        inner.shutdown_timeout(0)

    try:
        rt.block_on(main())
        assert_shut_down(inner)
    finally:
        inner.shutdown_background()


def test_can_shutdown_now_in_runtime(rt: Runtime) -> None:
    inner = Runtime(flavor="current_thread")

    async def main() -> None:
        inner.shutdown_background()

    rt.block_on(main())
    assert_shut_down(inner)


async def finished_handles() -> int:
    """Await what is ready at once, more often than a budget allows."""
    handle = spawn(sleep(0))
    await handle
    for _ in range(MORE_THAN_A_BUDGET):
        await handle
    return MORE_THAN_A_BUDGET


async def budgeted() -> int:
    for _ in range(MORE_THAN_A_BUDGET):
        await consume_budget()
    return MORE_THAN_A_BUDGET


def run_by_hand(coro: Coroutine[Any, Any, int]) -> tuple[int, int]:
    """What a small executor does that knows nothing of us; the result, and how often it
    had to come back."""
    suspended = 0
    while True:
        try:
            yielded = coro.send(None)
        except StopIteration as stop:
            return stop.value, suspended
        assert yielded is None
        suspended += 1


async def depends_on_the_budget() -> None:
    """The coroutine does yield where there is a budget."""
    _, suspended = run_by_hand(budgeted())
    assert suspended > 0


def test_coop_disabled_in_block_in_place(multi_rt: Runtime) -> None:
    async def block() -> tuple[int, int]:
        return block_in_place(run_by_hand, budgeted())

    async def main() -> tuple[int, int]:
        await spawn(depends_on_the_budget())
        return await timeout(LIMIT, spawn(block()))

    assert multi_rt.block_on(main()) == (MORE_THAN_A_BUDGET, 0)


def test_coop_disabled_in_block_in_place_in_block_on(workers: int) -> None:
    async def main() -> tuple[int, int]:
        await depends_on_the_budget()
        return block_in_place(run_by_hand, budgeted())

    def outside() -> tuple[int, int]:
        with Runtime(worker_threads=workers) as rt:
            return rt.block_on(main())

    assert on_thread(outside).result(LIMIT) == (MORE_THAN_A_BUDGET, 0)


def nap(seconds: float) -> None:
    time.sleep(seconds)


def test_blocking_when_paused(paused: Runtime) -> None:
    async def main() -> None:
        began = now()
        await timeout(3, spawn_blocking(nap, 0.001))
        # The clock stands while the call runs, however long that is.
        await timeout(0.001, spawn_blocking(nap, 0.05))
        assert now() == began
        await sleep(1)
        assert now() == began + 1

    paused.block_on(main())


A_LONG_TIME = 1e6  # seconds; on a clock that did not jump it would never pass


def test_blocking_task_wakes_paused_runtime(paused: Runtime) -> None:
    async def main() -> str:
        began = now()
        said = await timeout(A_LONG_TIME, spawn_blocking(hello))
        assert now() == began
        return said

    assert paused.block_on(main()) == "hello"


def test_unawaited_blocking_task_wakes_paused_runtime(paused: Runtime) -> None:
    async def main() -> None:
        began = now()
        call = spawn_blocking(nap, 0.001)
        await sleep(A_LONG_TIME)
        assert call.is_finished()
        assert now() >= began + A_LONG_TIME
        await call

    paused.block_on(main())


def test_panicking_blocking_task_wakes_paused_runtime(paused: Runtime) -> None:
    def panic() -> None:
        nap(0.001)
        raise ValueError("blocking task panicked")

    async def main() -> None:
        began = now()
        with pytest.raises(JoinError, match="blocking task panicked") as error:
            await timeout(A_LONG_TIME, spawn_blocking(panic))
        assert error.value.is_panic()
        assert now() == began
        unawaited = spawn_blocking(panic)
        await sleep(A_LONG_TIME)
        assert unawaited.is_finished()
        with pytest.raises(JoinError, match="blocking task panicked"):
            await unawaited

    paused.block_on(main())
