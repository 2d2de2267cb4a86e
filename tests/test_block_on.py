"""`block_on`, and runtimes that are used from plain threads."""

from __future__ import annotations

import asyncio
import threading
import warnings
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, Oneshot, on_thread
from yamanote import Handle, JoinError, Runtime, spawn, spawn_blocking, yield_now
from yamanote.time import sleep

Config = dict[str, Any]


async def forever() -> None:
    await sleep(1e6)


async def answer() -> int:
    await yield_now()
    return 42


def test_result(rt: Runtime) -> None:
    assert rt.block_on(answer()) == 42


def test_any_awaitable(rt: Runtime) -> None:
    assert rt.block_on(rt.spawn(answer())) == 42
    assert rt.block_on(sleep(0)) is None


def test_exceptions_are_raised_as_they_are(rt: Runtime) -> None:
    error = KeyError("this very one")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise error

    with pytest.raises(KeyError) as caught:
        rt.block_on(fail())
    assert caught.value is error
    assert rt.block_on(answer()) == 42


def test_what_cannot_be_awaited(rt: Runtime) -> None:
    with pytest.raises(TypeError, match="answer"):
        rt.block_on(answer)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="42"):
        rt.block_on(42)  # type: ignore[arg-type]
    coro = answer()
    assert rt.block_on(coro) == 42
    with pytest.raises(RuntimeError, match="already ended"):
        rt.block_on(coro)


def test_main_runs_on_the_callers_thread(rt: Runtime) -> None:
    async def main() -> list[int]:
        threads = [threading.get_ident()]
        for _ in range(10):
            await spawn(answer())
            await asyncio.sleep(0)
            threads.append(threading.get_ident())
        return threads

    assert set(rt.block_on(main())) == {threading.get_ident()}


def test_background_tasks_go_on_between_calls(multi_rt: Runtime) -> None:
    async def start() -> Any:
        return spawn(sleep(0.001))

    handle = multi_rt.block_on(start())
    handle.join(LIMIT)


def test_current_thread_tasks_wait_between_calls() -> None:
    stage = []

    async def child() -> None:
        stage.append(1)
        await yield_now()
        stage.append(2)

    with Runtime(flavor="current_thread") as rt:
        handle = rt.spawn(child())
        with pytest.raises(TimeoutError):
            handle.join(0.01)
        assert stage == []
        rt.block_on(handle)
        assert stage == [1, 2]


def test_a_second_thread_at_once(rt: Runtime) -> None:
    one: Oneshot[str] = Oneshot()
    two: Oneshot[str] = Oneshot()

    async def meet(mine: Oneshot[str], other: Oneshot[str], name: str) -> tuple[str, str]:
        other.send(name)
        received = await mine.recv()
        return received, await spawn(asyncio.sleep(0, name))

    first = on_thread(rt.block_on, meet(one, two, "first"))
    assert rt.block_on(meet(two, one, "second")) == ("first", "second")
    assert first.result(LIMIT) == ("second", "first")


def test_the_first_to_end_leaves_the_other_running(rt: Runtime) -> None:
    """Whichever thread drives the worker, the other takes over."""
    for _ in range(20):
        started: Oneshot[None] = Oneshot()
        go: Oneshot[str] = Oneshot()

        async def long(started: Oneshot[None], go: Oneshot[str]) -> str:
            started.send(None)
            return await go.recv()

        thread = on_thread(rt.block_on, long(started, go))
        assert rt.block_on(started.recv()) is None
        assert rt.block_on(answer()) == 42
        go.send("went on")
        assert thread.result(LIMIT) == "went on"


def test_many_threads_at_once(rt: Runtime, switch_interval: float) -> None:
    threads = 8
    begin = threading.Barrier(threads)

    async def work(number: int) -> int:
        total = 0
        for _ in range(20):
            total += await spawn(asyncio.sleep(0, number))
            await sleep(0)
        return total

    def run(number: int) -> int:
        begin.wait(LIMIT)
        return sum(rt.block_on(work(number)) for _ in range(5))

    results = [on_thread(run, number) for number in range(threads)]
    assert [r.result(LIMIT) for r in results] == [number * 100 for number in range(threads)]


def test_only_spawned_onto(multi_rt: Runtime) -> None:
    """A runtime that no thread ever blocks on."""
    ticks: list[float] = []

    async def tick() -> int:
        for _ in range(3):
            await sleep(0.001)
            ticks.append(asyncio.get_running_loop().time())
        reader, writer = await asyncio.open_connection(*server)
        writer.write(b"hello")
        writer.write_eof()
        received = await reader.read()
        writer.close()
        await writer.wait_closed()
        return len(received)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def serve() -> None:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as listening:
            address.send(listening.sockets[0].getsockname())
            await forever()

    address: Oneshot[Any] = Oneshot()
    multi_rt.spawn(serve())
    server = address.blocking_recv()
    threads = [on_thread(lambda: multi_rt.spawn(tick()).join(LIMIT)) for _ in range(5)]
    assert [thread.result(LIMIT) for thread in threads] == [5] * 5
    assert len(ticks) == 15
    assert multi_rt.spawn_blocking(lambda: 42).join(LIMIT) == 42


def test_join_with_a_timeout(multi_rt: Runtime) -> None:
    handle = multi_rt.spawn(forever())
    with pytest.raises(TimeoutError):
        handle.join(0.01)
    with pytest.raises(TimeoutError):
        handle.join(0)
    handle.abort()
    with pytest.raises(JoinError):
        handle.join(LIMIT)


def test_several_runtimes(rt_config: Config) -> None:
    with Runtime(**rt_config) as one, Runtime(**rt_config) as two, Runtime() as three:

        async def main() -> int:
            assert Handle.current() == one.handle
            # A handle of one runtime may be awaited in another.
            handles = [three.spawn(answer()), spawn(answer())]
            return sum([await handle for handle in handles])

        assert one.block_on(main()) == 84
        assert two.block_on(answer()) == 42
        assert one.block_on(three.spawn(answer())) == 42
        one.shutdown_timeout(LIMIT)
        assert two.block_on(answer()) == 42


def test_a_runtime_inside_a_thread(rt_config: Config) -> None:
    async def main() -> int:
        return await spawn(answer()) + await spawn_blocking(lambda: 1)

    def run() -> int:
        return yamanote.run(main(), **rt_config)

    threads = [on_thread(run) for _ in range(4)]
    assert [thread.result(LIMIT) for thread in threads] == [43] * 4


def test_a_runtime_on_a_thread_of_the_blocking_pool(rt: Runtime, rt_config: Config) -> None:
    async def main() -> int:
        return await spawn_blocking(lambda: yamanote.run(answer(), **rt_config))

    assert rt.block_on(main()) == 42


def test_block_on_on_a_thread_of_its_own_blocking_pool(rt: Runtime) -> None:
    async def main() -> int:
        return await spawn_blocking(lambda: Handle.current().block_on(answer()))

    assert rt.block_on(main()) == 42


@pytest.mark.parametrize("what", ["block_on", "run", "shutdown_timeout", "with"])
def test_not_inside_a_task(rt: Runtime, what: str) -> None:
    def call() -> None:
        if what == "block_on":
            rt.block_on(forever())
        elif what == "run":
            yamanote.run(forever())
        elif what == "with":
            with rt:
                pass
        else:
            rt.shutdown_timeout(1)

    async def main() -> None:
        with pytest.raises(RuntimeError):
            call()

    rt.block_on(main())
    rt.block_on(rt.spawn(main()))
    assert rt.block_on(answer()) == 42


def test_shutdown_background_not_inside_a_task(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="inside"):
            rt.shutdown_background()

    rt.block_on(main())
    assert rt.block_on(answer()) == 42


def test_not_inside_an_asyncio_loop(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="event loop"):
            rt.block_on(forever())
        with pytest.raises(RuntimeError, match="event loop"):
            yamanote.run(forever())

    asyncio.run(main())


def test_after_the_shutdown(rt: Runtime) -> None:
    rt.shutdown_timeout(LIMIT)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeError, match="shut down"):
            rt.block_on(answer())


def test_shutdown_ends_another_threads_block_on(rt: Runtime) -> None:
    started = threading.Event()
    ended = []

    async def main() -> None:
        try:
            started.set()
            await forever()
        finally:
            ended.append(True)

    thread = on_thread(rt.block_on, main())
    assert started.wait(LIMIT)
    rt.shutdown_timeout(LIMIT)
    with pytest.raises((asyncio.CancelledError, RuntimeError)):
        thread.result(LIMIT)
    assert ended == [True]


def test_a_shutdown_while_others_come_to_block_on(
    rt_config: Config, switch_interval: float
) -> None:
    """Whoever is let in is cancelled, too."""
    threads = 6
    for _ in range(20):
        rt = Runtime(**rt_config)
        begin = threading.Barrier(threads + 1)

        def run(rt: Runtime = rt, begin: threading.Barrier = begin) -> None:
            begin.wait(LIMIT)
            with pytest.raises((asyncio.CancelledError, RuntimeError)):
                rt.block_on(forever())

        runs = [on_thread(run) for _ in range(threads)]
        begin.wait(LIMIT)
        on_thread(rt.__exit__, None, None, None).result(LIMIT)
        for each in runs:
            each.result(LIMIT)


def test_main_that_cancels_itself(rt: Runtime) -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await forever()

    with pytest.raises(asyncio.CancelledError):
        rt.block_on(main())
    assert rt.block_on(answer()) == 42


def test_asyncio_awaits_a_handle(multi_rt: Runtime) -> None:
    async def main() -> int:
        return await multi_rt.spawn(answer())

    assert asyncio.run(main()) == 42


@pytest.mark.parametrize("workers", [2, 4])
def test_a_task_behind_one_that_computes_runs_elsewhere(workers: int) -> None:
    """Also after many that their own worker has run before another one came."""

    async def nothing() -> None:
        pass

    async def ring(bell: threading.Event) -> None:
        bell.set()

    async def main() -> None:
        for count in range(100):
            for _ in range(count):
                await spawn(nothing())
            bell = threading.Event()
            handle = spawn(ring(bell))
            assert bell.wait(LIMIT)  # blocks this worker
            await handle

    yamanote.run(main(), worker_threads=workers)
