"""Counterparts of tokio/tests/task_local_set.rs.

`block_on`'s caller is a worker here: a spawned task may run on the LocalSet's thread too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.channels import LIMIT, Channel, Closed, Oneshot, on_thread
from tests.gates import Drop, Gate, forever, until
from yamanote import (
    Handle,
    JoinError,
    JoinHandle,
    LocalSet,
    Runtime,
    block_in_place,
    join,
    select,
    spawn,
    spawn_blocking,
    spawn_local,
    yield_now,
)
from yamanote.task.coop import consume_budget
from yamanote.time import sleep


@pytest.fixture
def here() -> Callable[[], None]:
    """Asserts that it is called on the thread of the test."""
    thread = threading.get_ident()

    def check() -> None:
        assert threading.get_ident() == thread

    return check


@pytest.fixture
def current() -> Any:
    with Runtime(flavor="current_thread") as runtime:
        yield runtime


async def nothing() -> None:
    pass


Check = Callable[[], None]


def test_local_current_thread_scheduler(current: Runtime) -> None:
    async def main() -> str:
        return await spawn_local(done())

    async def done() -> str:
        return "done"

    assert current.block_on(LocalSet().run_until(main())) == "done"


def test_local_threadpool(multi_rt: Runtime, here: Check) -> None:
    async def child() -> None:
        here()

    async def main() -> None:
        here()
        await spawn_local(child())

    multi_rt.block_on(LocalSet().run_until(main()))


def test_localset_future_threadpool(multi_rt: Runtime, here: Check) -> None:
    async def child() -> None:
        here()

    async def main() -> None:
        local = LocalSet()
        handle = local.spawn_local(child())
        await local
        assert handle.is_finished()
        await handle

    multi_rt.block_on(main())


def test_localset_future_timers(multi_rt: Runtime) -> None:
    ran: list[float] = []

    async def child(seconds: float) -> None:
        await sleep(seconds)
        ran.append(seconds)

    async def main() -> None:
        local = LocalSet()
        local.spawn_local(child(0.005))
        local.spawn_local(child(0.01))
        await local

    multi_rt.block_on(main())
    assert sorted(ran) == [0.005, 0.01]


def test_localset_future_drives_all_local_futs(rt: Runtime) -> None:
    ran: list[int] = []

    async def run(number: int) -> None:
        await yield_now()
        ran.append(number)

    async def parent() -> None:
        spawn_local(run(3))
        await run(1)

    async def main() -> None:
        local = LocalSet()
        local.spawn_local(parent())
        local.spawn_local(run(2))
        await local

    rt.block_on(main())
    assert sorted(ran) == [1, 2, 3]


def test_local_threadpool_timer(multi_rt: Runtime, here: Check) -> None:
    async def child() -> None:
        here()
        await sleep(0.01)
        here()

    async def main() -> None:
        here()
        await spawn_local(child())

    multi_rt.block_on(LocalSet().run_until(main()))


def test_enter_guard_spawn(current: Runtime) -> None:
    local = LocalSet()

    async def child() -> bool:
        return True

    with local.enter():
        handle = spawn_local(child())

        async def main() -> bool:
            return await handle

        assert local.block_on(current, main()) is True


NO_BLOCKING = r"block_in_place\(\)"


async def block() -> None:
    block_in_place(int)


async def block_on_drop() -> None:
    try:
        await forever()
    finally:
        block_in_place(int)


async def complete(handle: JoinHandle[None]) -> None:
    """Raise the task's panic as it is."""
    try:
        await handle
    except JoinError as error:
        raise error.into_panic() from None


def test_local_threadpool_blocking_in_place(current: Runtime, here: Check) -> None:
    async def child() -> None:
        here()
        await block()

    async def main() -> None:
        here()
        await complete(spawn_local(child()))

    with pytest.raises(RuntimeError, match=NO_BLOCKING):
        LocalSet().block_on(current, main())


def block_in_place_in_run_until(rt: Runtime) -> None:
    with pytest.raises(RuntimeError, match=NO_BLOCKING):
        rt.block_on(LocalSet().run_until(block()))


def block_in_place_in_spawn_local(rt: Runtime) -> None:
    async def main() -> None:
        local = LocalSet()
        handle = local.spawn_local(block())
        await local
        await complete(handle)

    with pytest.raises(RuntimeError, match=NO_BLOCKING):
        rt.block_on(main())


def block_in_place_in_spawn_local_drop(rt: Runtime) -> None:
    async def main() -> None:
        local = LocalSet()
        handle = local.spawn_local(block_on_drop())
        await local.run_until(yield_now())
        del local
        await complete(handle)

    with pytest.raises(RuntimeError, match=NO_BLOCKING):
        rt.block_on(main())


def test_block_in_place_in_run_until_mt(multi_rt: Runtime) -> None:
    block_in_place_in_run_until(multi_rt)


def test_block_in_place_in_spawn_local_mt(multi_rt: Runtime) -> None:
    block_in_place_in_spawn_local(multi_rt)


def test_block_in_place_in_spawn_local_drop_mt(multi_rt: Runtime) -> None:
    block_in_place_in_spawn_local_drop(multi_rt)


def test_block_in_place_in_run_until_ct(current: Runtime) -> None:
    block_in_place_in_run_until(current)


def test_block_in_place_in_spawn_local_ct(current: Runtime) -> None:
    block_in_place_in_spawn_local(current)


def test_block_in_place_in_spawn_local_drop_ct(current: Runtime) -> None:
    block_in_place_in_spawn_local_drop(current)


def test_local_threadpool_blocking_run(multi_rt: Runtime, here: Check) -> None:
    async def child() -> None:
        here()
        thread = await spawn_blocking(threading.get_ident)
        assert thread != threading.get_ident()
        here()

    async def main() -> None:
        here()
        await spawn_local(child())

    multi_rt.block_on(LocalSet().run_until(main()))


MANY = 128


def test_all_spawns_are_local(multi_rt: Runtime, here: Check) -> None:
    async def child(number: int) -> int:
        here()
        return number

    async def main() -> tuple[int, ...]:
        here()
        return await join(*[spawn_local(child(number)) for number in range(MANY)])

    assert multi_rt.block_on(LocalSet().run_until(main())) == tuple(range(MANY))


def test_nested_spawn_is_local(multi_rt: Runtime, here: Check) -> None:
    async def nested(depth: int) -> int:
        here()
        return 1 + await spawn_local(nested(depth - 1)) if depth else 0

    assert multi_rt.block_on(LocalSet().run_until(nested(4))) == 4


def test_join_local_future_elsewhere(multi_rt: Runtime, here: Check) -> None:
    async def local_task(go_on: Gate) -> str:
        here()
        await go_on.wait()
        here()
        return "hello world"

    async def elsewhere(handle: JoinHandle[str], go_on: Gate) -> str:
        go_on.open()
        return await handle

    async def main() -> str:
        go_on = Gate()
        handle = spawn_local(local_task(go_on))
        said = await spawn(elsewhere(handle, go_on))
        here()
        return said

    assert LocalSet().block_on(multi_rt, main()) == "hello world"


def test_localset_in_thread_local(multi_rt: Runtime) -> None:
    held = threading.local()
    go_on = Gate()

    def drive(handle: Handle, started: threading.Event) -> str:
        held.local = LocalSet()

        async def main() -> str:
            started.set()
            await go_on.wait()
            return "done"

        return handle.block_on(held.local.run_until(main()))

    async def main() -> Any:
        started = threading.Event()
        thread = on_thread(drive, Handle.current(), started)
        assert await spawn_blocking(started.wait, LIMIT)
        return thread

    thread = multi_rt.block_on(main())
    assert not thread.done()
    go_on.open()
    assert thread.result(LIMIT) == "done"


def test_drop_cancels_tasks(rt: Runtime) -> None:
    drop = Drop()
    started = Gate()

    async def hold(held: object) -> None:
        started.open()
        await forever(held)

    local = LocalSet()
    handle = local.spawn_local(hold(drop.make()))
    local.block_on(rt, started.wait())
    assert not drop.is_gone()
    assert not handle.is_finished()
    del local
    assert drop.is_gone()
    with pytest.raises(JoinError) as error:
        handle.join(0)
    assert error.value.is_cancelled()


def test_drop_cancels_remote_tasks(rt: Runtime) -> None:
    go_on, started = Gate(), Gate()
    ended: list[str] = []
    reached: list[str] = []

    async def wait() -> None:
        try:
            started.open()
            await go_on.wait()
            reached.append("woken, and then polled")
        finally:
            ended.append("finally")

    local = LocalSet()
    handle = local.spawn_local(wait())
    local.block_on(rt, started.wait())
    local.block_on(rt, yield_now())
    on_thread(go_on.open).result(LIMIT)  # wakes a task of a set that nobody drives
    assert not ended
    del local
    assert ended == ["finally"]
    assert not reached
    with pytest.raises(JoinError) as error:
        handle.join(0)
    assert error.value.is_cancelled()


def test_local_tasks_wake_join_all(rt: Runtime) -> None:
    async def child(number: int) -> int:
        await spawn_local(nothing())
        return number

    local = LocalSet()
    handles = [local.spawn_local(child(number)) for number in range(MANY)]
    assert rt.block_on(local.run_until(join(*handles))) == tuple(range(MANY))


def test_local_tasks_are_polled_after_tick(rt: Runtime) -> None:
    expected = 500
    received: list[int] = []
    polled: list[int] = []

    async def send(gates: Channel[tuple[int, Oneshot[None]]], listening: Gate) -> None:
        await listening.wait()
        sent = []
        for number in range(expected):
            oneshot: Oneshot[None] = Oneshot()
            sent.append(oneshot)
            gates.send((number, oneshot))
        await until(lambda: len(received) == expected)
        for oneshot in sent:
            oneshot.send(None)
        await until(lambda: len(polled) == expected)
        gates.close()

    async def child(number: int, oneshot: Oneshot[None]) -> None:
        await oneshot.recv()
        polled.append(number)

    async def main() -> None:
        gates: Channel[tuple[int, Oneshot[None]]] = Channel()
        listening = Gate()
        sender = spawn(send(gates, listening))
        listening.open()
        while True:
            try:
                number, oneshot = await gates.recv()
            except Closed:
                break
            received.append(number)
            spawn_local(child(number, oneshot))
        await sender

    rt.block_on(LocalSet().run_until(main()))
    assert received == list(range(expected))
    assert sorted(polled) == received


def test_acquire_mutex_in_drop(rt: Runtime) -> None:
    ended: list[str] = []
    reached: list[str] = []

    async def child(name: str, waits_for: Gate, opens: Gate) -> None:
        try:
            await waits_for.wait()
            reached.append(name)
        finally:
            ended.append(name)
            opens.open()

    async def main() -> list[JoinHandle[None]]:
        local = LocalSet()
        one, two, never = Gate(), Gate(), Gate()
        handles = [
            local.spawn_local(child("first", two, Gate())),
            local.spawn_local(child("second", one, two)),
            local.spawn_local(child("third", never, one)),
        ]
        await local.run_until(yield_now())
        assert not ended
        del local
        return handles

    handles = rt.block_on(main())
    assert sorted(ended) == ["first", "second", "third"]
    assert not reached
    for handle in handles:
        with pytest.raises(JoinError) as error:
            handle.join(0)
        assert error.value.is_cancelled()


def test_spawn_wakes_localset(rt: Runtime) -> None:
    async def spawns(local: LocalSet) -> str:
        return await local.spawn_local(ready())

    async def ready() -> str:
        return "ready"

    async def main() -> None:
        local = LocalSet()
        won = await select(driver=local.run_until(forever()), spawner=spawns(local))
        assert (won.branch, won.value) == ("spawner", "ready")

    rt.block_on(main())


def test_sleep_with_local_enter_guard(rt: Runtime) -> None:
    async def child(gate: Gate) -> None:
        await sleep(0)
        gate.open()

    async def inside() -> str:
        gate = Gate()
        spawn_local(child(gate))
        await gate.wait()
        return "woken"

    async def main() -> str:
        local = LocalSet()
        with local.enter():
            return await local.run_until(inside())

    assert rt.block_on(main()) == "woken"


@pytest.mark.filterwarnings("ignore:a Runtime was dropped:ResourceWarning")
def test_store_local_set_in_thread_local_with_runtime() -> None:
    stored = threading.local()

    class RtAndLocalSet:
        def __init__(self) -> None:
            self.rt = Runtime(flavor="current_thread")
            self.local = LocalSet()

        async def inner_method(self) -> JoinHandle[None]:
            return await self.local.run_until(self.spawn_one())

        async def spawn_one(self) -> JoinHandle[None]:
            return spawn_local(forever())

        def method(self) -> JoinHandle[None]:
            return self.rt.block_on(self.inner_method())

    def use() -> JoinHandle[None]:
        stored.both = RtAndLocalSet()
        return stored.both.method()

    # Its own thread's end drops both.
    handle = on_thread(use).result(LIMIT)
    with pytest.raises(JoinError) as error:
        handle.join(LIMIT)
    assert error.value.is_cancelled()


def test_shutdown_on_panic() -> None:
    async def panic() -> None:
        raise ValueError("boom")

    async def main() -> None:
        spawn_local(panic())
        await forever()

    with Runtime(flavor="current_thread", unhandled_panic="shutdown_runtime") as rt:
        with pytest.raises(RuntimeError, match="unhandled_panic") as error:
            rt.block_on(LocalSet().run_until(main()))
        assert isinstance(error.value.__cause__, ValueError)


def test_run_until_does_not_get_own_budget(rt: Runtime) -> None:
    def awaits_in_one_poll() -> int:
        count = 0

        async def consume() -> None:
            nonlocal count
            while True:
                count += 1
                await consume_budget()

        coro = consume()
        assert coro.send(None) is None
        coro.close()
        return count

    async def spawned() -> int:
        return awaits_in_one_poll()

    async def inside() -> None:
        task = spawn(spawned())
        run_until_count = awaits_in_one_poll()
        assert 0 < run_until_count < await task

    async def main() -> None:
        await yield_now()
        await consume_budget()
        await LocalSet().run_until(inside())

    rt.block_on(main())
