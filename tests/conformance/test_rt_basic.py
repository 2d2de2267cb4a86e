"""Counterparts of tokio/tests/rt_basic.rs: the current_thread runtime."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any

import pytest

from tests.channels import LIMIT, Oneshot, on_thread
from yamanote import Handle, JoinError, JoinHandle, Runtime, select, spawn, yield_now
from yamanote.time import sleep, timeout

SHUTDOWN = 10.0


def current_thread(**config: Any) -> Runtime:
    return Runtime(flavor="current_thread", **config)


@pytest.fixture
def rt() -> Iterator[Runtime]:
    runtime = current_thread()
    yield runtime
    runtime.shutdown_timeout(SHUTDOWN)


async def forever() -> None:
    await sleep(1e6)


def test_spawned_task_does_not_progress_without_block_on(rt: Runtime) -> None:
    ran_on: list[int] = []

    async def say() -> str:
        ran_on.append(threading.get_ident())
        return "hello"

    handle = rt.spawn(say())
    with pytest.raises(TimeoutError):
        handle.join(0.02)  # nobody runs it
    assert not ran_on
    assert rt.block_on(handle) == "hello"
    assert ran_on == [threading.get_ident()]


def test_no_extra_poll() -> None:
    polls: Tally[Any] = Tally()

    def count(meta: Any) -> None:
        polls[meta.name] += 1

    async def tick() -> None:
        for _ in range(10):
            await yield_now()

    async def consume(gates: list[JoinHandle[None]]) -> None:
        for gate in gates:
            with pytest.raises(JoinError):
                await gate

    with current_thread(on_before_task_poll=count) as rt:
        gates = [rt.spawn(forever()) for _ in range(3)]
        consumer = rt.handle.spawn(consume(gates), name="consumer")
        rt.block_on(tick())
        assert polls["consumer"] == 1
        for done, gate in enumerate(gates, 1):
            gate.abort()
            rt.block_on(tick())
            assert polls["consumer"] == 1 + done
        assert consumer.is_finished()


def test_acquire_mutex_in_drop(rt: Runtime) -> None:
    one: Oneshot[None] = Oneshot()
    two: Oneshot[None] = Oneshot()
    ended: list[str] = []
    reached: list[str] = []

    async def first() -> None:
        try:
            await two.recv()
            reached.append("first")
        finally:
            ended.append("first")

    async def second() -> None:
        try:
            await one.recv()
            reached.append("second")
        finally:
            ended.append("second")
            two.close()

    async def third() -> None:
        try:
            await forever()
            reached.append("third")
        finally:
            ended.append("third")
            one.close()

    handles = [rt.spawn(first()), rt.spawn(second()), rt.spawn(third())]
    rt.block_on(yield_now())
    rt.shutdown_timeout(SHUTDOWN)
    assert sorted(ended) == ["first", "second", "third"]
    assert not reached
    for handle in handles:
        with pytest.raises(JoinError) as error:
            handle.join(0)
        assert error.value.is_cancelled()


def test_drop_tasks_in_context(rt: Runtime) -> None:
    found: list[Handle | None] = []

    async def look_around_at_the_end() -> None:
        try:
            await forever()
        finally:
            found.append(Handle.try_current())

    rt.spawn(look_around_at_the_end())
    rt.block_on(yield_now())
    assert not found
    rt.shutdown_timeout(SHUTDOWN)
    assert found == [rt.handle]
    assert Handle.try_current() is None


def test_wake_in_drop_after_panic() -> None:
    one: Oneshot[None] = Oneshot()
    two: Oneshot[None] = Oneshot()
    reached: list[str] = []
    woke: list[str] = []

    async def wake_at_the_end(mine: Oneshot[None], other: Oneshot[None], name: str) -> None:
        try:
            await mine.recv()
            reached.append(name)
        finally:
            woke.append(name)
            other.send(None)

    async def boom() -> None:
        await yield_now()
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"), current_thread() as rt:
        rt.spawn(wake_at_the_end(one, two, "a"))
        rt.spawn(wake_at_the_end(two, one, "b"))
        rt.block_on(boom())
    assert sorted(woke) == ["a", "b"]
    assert not reached


def test_spawn_two(rt: Runtime) -> None:
    async def main() -> str:
        message: Oneshot[str] = Oneshot()

        async def inner() -> None:
            message.send("ZOMG")

        async def outer() -> None:
            spawn(inner())

        spawn(outer())
        return await message.recv()

    before = rt.metrics().spawned_tasks_count
    assert rt.block_on(main()) == "ZOMG"
    assert rt.metrics().spawned_tasks_count - before == 2
    assert rt.metrics().injection_queue_depth == 0


def test_spawn_remote(rt: Runtime) -> None:
    async def main() -> str:
        message: Oneshot[str] = Oneshot()
        parked = threading.Event()

        def remote() -> None:
            assert parked.wait(LIMIT)
            message.send("ZOMG")

        async def child() -> str:
            thread = on_thread(remote)
            asyncio.get_running_loop().call_soon(parked.set)
            answer = await message.recv()
            thread.result(LIMIT)
            return answer

        return await spawn(child())

    assert rt.block_on(main()) == "ZOMG"


def test_timeout_panics_when_no_time_handle() -> None:
    # Every runtime has timers; without any runtime there are none.
    waiting = timeout(0.02, sleep(1)).__await__()
    with pytest.raises(RuntimeError, match="event loop"):
        next(iter(waiting))
    waiting.close()


def test_default_runtime_name_should_be_none(rt: Runtime) -> None:
    assert rt.handle.name is None


def test_different_runtime_names() -> None:
    with current_thread(name="test-runtime-1") as one, current_thread(name="test-runtime-2") as two:
        assert one.handle.name == "test-runtime-1"
        assert two.handle.name == "test-runtime-2"


async def boom() -> None:
    raise ValueError("boom")


def test_shutdown_on_panic() -> None:
    async def main() -> None:
        spawn(boom())
        await forever()

    with current_thread(unhandled_panic="shutdown_runtime") as rt:
        with pytest.raises(RuntimeError, match="unhandled_panic") as error:
            rt.block_on(main())
        assert isinstance(error.value.__cause__, ValueError)


def test_spawns_do_nothing() -> None:
    ran: list[None] = []

    async def main() -> None:
        spawn(boom())
        await forever()

    async def run() -> None:
        ran.append(None)

    with current_thread(unhandled_panic="shutdown_runtime") as rt:
        with pytest.raises(RuntimeError, match="unhandled_panic"):
            on_thread(rt.block_on, main()).result(LIMIT)
        with pytest.raises(JoinError) as error:
            rt.spawn(run()).join(LIMIT)
        assert error.value.is_cancelled()
    assert not ran


def test_shutdown_all_concurrent_block_on() -> None:
    async def main(ready: threading.Event) -> None:
        ready.set()
        await forever()

    with current_thread(unhandled_panic="shutdown_runtime") as rt:
        ready = [threading.Event(), threading.Event()]
        threads = [on_thread(rt.block_on, main(event)) for event in ready]
        for event in ready:
            assert event.wait(LIMIT)
        rt.spawn(boom())
        for thread in threads:
            with pytest.raises(RuntimeError, match="unhandled_panic") as error:
                thread.result(LIMIT)
            assert isinstance(error.value.__cause__, ValueError)


async def choices() -> list[int | str]:
    """Which of the branches, all ready at once, `select` picks."""

    async def ready() -> None:
        pass

    return [(await select(*[ready() for _ in range(10)])).branch for _ in range(10)]


def test_rng_seed() -> None:
    with current_thread(seed=42) as one, current_thread(seed=42) as two:
        chosen = one.block_on(choices())
        assert two.block_on(choices()) == chosen
        assert len(set(chosen)) > 1


def test_rng_seed_multi_enter() -> None:
    with current_thread(seed=42) as one, current_thread(seed=42) as two:
        first, second = one.block_on(choices()), one.block_on(choices())
        assert two.block_on(choices()) == first
        assert two.block_on(choices()) == second
        assert first != second


def test_before_park_yields() -> None:
    """What the park callback makes runnable runs, before the worker sleeps."""
    gates: list[JoinHandle[None]] = []
    called: list[None] = []

    def wake() -> None:
        called.append(None)
        while gates:
            gates.pop().abort()

    async def main() -> None:
        gate = spawn(forever())
        await yield_now()
        gates.append(gate)
        with pytest.raises(JoinError) as error:
            await gate
        assert error.value.is_cancelled()

    with current_thread(on_thread_park=wake) as rt:
        rt.block_on(main())
    assert called
