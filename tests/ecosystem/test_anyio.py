"""anyio inside native tasks: its task groups, cancel scopes, threads and streams.

anyio takes the running task for one of asyncio's, looks into it, and cancels it again and
again until it has left the scope.
"""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, Oneshot, on_thread
from tests.ecosystem.conftest import Native, in_a_spawned_task, in_an_asyncio_task
from tests.gates import Gate, forever
from yamanote import JoinError, spawn, spawn_blocking, yield_now
from yamanote.time import sleep, timeout

anyio = pytest.importorskip("anyio", exc_type=ImportError)
from_thread = pytest.importorskip("anyio.from_thread", exc_type=ImportError)
to_thread = pytest.importorskip("anyio.to_thread", exc_type=ImportError)

SOON = 0.05  # seconds; what is given so long never ends by itself


def requests_of_cancellation() -> int:
    task: Any = asyncio.current_task()
    return task.cancelling()


# Cancel scopes.

WAITS: dict[str, Callable[[], Any]] = {
    "anyio-sleep": lambda: anyio.sleep_forever(),
    "anyio-event": lambda: anyio.Event().wait(),
    "asyncio-event": lambda: asyncio.Event().wait(),
    "native": forever,
    "native-sleep": lambda: sleep(LIMIT),
    "spawned": lambda: in_a_spawned_task(forever()),
    "asyncio-task": lambda: in_an_asyncio_task(forever()),
    "native-join": lambda: yamanote.join(forever(), asyncio.Event().wait()),
    "native-select": lambda: yamanote.select(forever(), anyio.sleep_forever()),
}


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
class TestScopes:
    def test_move_on_after(self, native: Native, wait: Callable[[], Any]) -> None:
        async def main() -> None:
            with anyio.move_on_after(SOON) as scope:
                await wait()
            assert scope.cancelled_caught
            await anyio.lowlevel.checkpoint()  # the cancellation is over
            assert requests_of_cancellation() == 0

        native(main())

    def test_fail_after(self, native: Native, wait: Callable[[], Any]) -> None:
        async def main() -> None:
            with pytest.raises(TimeoutError), anyio.fail_after(SOON):
                await wait()
            assert requests_of_cancellation() == 0

        native(main())

    def test_cancel_from_a_child(self, native: Native, wait: Callable[[], Any]) -> None:
        async def main() -> None:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as group:
                    group.start_soon(asyncio.sleep, 0)
                    group.start_soon(call, scope.cancel)
                    await wait()
            assert scope.cancelled_caught

        async def call(func: Callable[[], object]) -> None:
            func()

        native(main())

    def test_the_outer_of_two(self, native: Native, wait: Callable[[], Any]) -> None:
        async def main() -> None:
            with anyio.move_on_after(SOON) as outer:
                with anyio.move_on_after(LIMIT) as inner:
                    await wait()
                pytest.fail("went on inside a cancelled scope")
            assert outer.cancelled_caught
            assert not inner.cancelled_caught

        native(main())


def test_scope_within_reach(native: Native) -> None:
    async def main() -> None:
        with anyio.move_on_after(LIMIT) as scope:
            assert await spawn_blocking(pow, 2, 5) == 32
            await anyio.sleep(0)
        assert not scope.cancel_called
        with anyio.fail_after(LIMIT):
            assert await to_thread.run_sync(pow, 2, 6) == 64

    native(main())


def test_shield(native: Native) -> None:
    async def main() -> None:
        cleaned = []
        with anyio.move_on_after(SOON) as scope:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    cleaned.append(await spawn_blocking(int, "1"))
                    await anyio.sleep(0)
                    await yield_now()
                    cleaned.append(await to_thread.run_sync(int, "2"))
        assert scope.cancelled_caught
        assert cleaned == [1, 2]

    native(main())


def test_cancelled_again_at_each_wait(native: Native) -> None:
    """anyio's cancellation is a state of the scope, unlike asyncio's, which comes once."""

    async def main() -> None:
        cancelled = 0
        with anyio.CancelScope() as scope:
            scope.cancel()
            for wait in (anyio.sleep_forever, forever, anyio.Event().wait):
                try:
                    await wait()
                except asyncio.CancelledError:
                    cancelled += 1
            await anyio.sleep_forever()
        assert cancelled == 3
        assert scope.cancelled_caught

    native(main())


def test_scopes_among_other_limits(native: Native) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SOON):
                with anyio.move_on_after(LIMIT) as scope:
                    await anyio.sleep_forever()
        assert not scope.cancelled_caught
        with pytest.raises(TimeoutError):
            async with timeout(SOON):
                with anyio.move_on_after(LIMIT) as scope:
                    await anyio.sleep_forever()
        assert not scope.cancelled_caught
        with anyio.move_on_after(SOON) as scope:
            async with asyncio.timeout(LIMIT), timeout(LIMIT):
                await anyio.sleep_forever()
        assert scope.cancelled_caught
        assert requests_of_cancellation() == 0

    native(main())


def test_abort_goes_through_scopes(workers: int) -> None:
    """An abort is none of the scope's cancellations."""

    async def main() -> None:
        waits, left = Gate(), []

        async def victim() -> None:
            try:
                with anyio.CancelScope() as scope:
                    async with anyio.create_task_group() as group:
                        group.start_soon(child)
                        waits.open()
                        await anyio.sleep_forever()
            finally:
                left.append(scope.cancelled_caught)

        async def child() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                left.append("child")

        handle = spawn(victim())
        await waits.wait()
        handle.abort()
        with pytest.raises(JoinError) as caught:
            await handle
        assert caught.value.is_cancelled()
        # The child may not have begun.
        assert left in ([False], ["child", False])

    yamanote.run(main(), worker_threads=workers)


# Task groups.


def test_task_group(native: Native) -> None:
    async def main() -> None:
        results = []

        async def work(n: int) -> None:
            await anyio.sleep(0)
            await yield_now()
            results.append(await spawn(double(n)))

        async def double(n: int) -> int:
            return 2 * n

        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(work, n)
        assert sorted(results) == [2 * n for n in range(50)]

    native(main())


def test_task_group_that_fails(native: Native) -> None:
    async def main() -> None:
        ended = []

        async def sibling(waits: Any) -> None:
            try:
                waits.set()
                await forever()
            finally:
                ended.append("sibling")

        async def fail(waits: Any) -> None:
            await waits.wait()
            raise ValueError

        with pytest.raises(ExceptionGroup) as caught:
            async with anyio.create_task_group() as group:
                waits = anyio.Event()
                group.start_soon(sibling, waits)
                group.start_soon(fail, waits)
                try:
                    await anyio.sleep_forever()
                finally:
                    ended.append("host")
        (error,) = caught.value.exceptions
        assert isinstance(error, ValueError)
        assert sorted(ended) == ["host", "sibling"]
        assert requests_of_cancellation() == 0

    native(main())


def test_task_group_start(native: Native) -> None:
    async def main() -> None:
        async def serve(*, task_status: Any) -> None:
            await anyio.sleep(0)
            task_status.started("ready")
            await anyio.sleep_forever()

        async def fail(*, task_status: Any) -> None:
            raise ValueError("never ready")

        async with anyio.create_task_group() as group:
            assert await group.start(serve) == "ready"
            with pytest.raises(ValueError, match="never ready"):
                await group.start(fail)
            group.cancel_scope.cancel()

    native(main())


def test_nested_task_groups(native: Native) -> None:
    async def main() -> None:
        count = 0

        async def tree(depth: int) -> None:
            nonlocal count
            count += 1
            if depth:
                async with anyio.create_task_group() as group:
                    for _ in range(3):
                        group.start_soon(tree, depth - 1)

        await tree(4)
        assert count == 1 + 3 + 9 + 27 + 81

    native(main())


def test_task_groups_in_spawned_tasks(workers: int) -> None:
    """Each has its own, on the worker that took it."""

    async def visit(n: int) -> tuple[int, bool]:
        total = 0

        async def add(i: int) -> None:
            nonlocal total
            await anyio.sleep(0)
            total += i

        async with anyio.create_task_group() as group:
            for i in range(n):
                group.start_soon(add, i)
        with anyio.move_on_after(SOON) as scope:
            await anyio.sleep_forever()
        return total, scope.cancelled_caught

    async def main() -> None:
        handles = [spawn(visit(n)) for n in range(40)]
        for n, handle in enumerate(handles):
            assert await handle == (sum(range(n)), True)

    yamanote.run(main(), worker_threads=workers)


# Threads.


def test_to_thread(native: Native) -> None:
    name = contextvars.ContextVar[str]("name")

    async def main() -> None:
        name.set("Yamanote")
        threads = set()

        async def call(n: int) -> None:
            def work() -> int:
                threads.add(threading.get_ident())
                assert name.get() == "Yamanote"
                return n + 1

            assert await to_thread.run_sync(work, limiter=limiter) == n + 1

        limiter = anyio.CapacityLimiter(3)
        async with anyio.create_task_group() as group:
            for n in range(50):
                group.start_soon(call, n)
        assert 1 <= len(threads) <= 3
        assert threading.get_ident() not in threads
        with pytest.raises(ZeroDivisionError):
            await to_thread.run_sync(lambda: 1 / 0)

    native(main())


def test_threads_end(native: Native) -> None:
    """anyio's threads end with the task that they were made for: they are no daemons, and
    would keep the interpreter from ending."""
    threads = []

    async def visit() -> None:
        threads.append(await to_thread.run_sync(threading.current_thread))

    async def main() -> None:
        await visit()
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(visit)
        for handle in [spawn(visit()) for _ in range(10)]:
            await handle

    native(main())
    assert len(threads) == 16
    for thread in threads:
        thread.join(LIMIT)
        assert not thread.is_alive()


def test_to_thread_is_abandoned(native: Native) -> None:
    go_on = threading.Event()

    async def main() -> None:
        with anyio.move_on_after(SOON) as scope:
            await to_thread.run_sync(go_on.wait, LIMIT, abandon_on_cancel=True)
        assert scope.cancelled_caught

    native(main_then(main(), go_on.set))


async def main_then(coro: Coroutine[Any, Any, Any], func: Callable[[], object]) -> None:
    try:
        await coro
    finally:
        func()


def test_to_thread_is_waited_for(native: Native) -> None:
    """Without `abandon_on_cancel` the call is shielded, and the scope sees the end."""

    async def main() -> None:
        began, go_on = Oneshot[None](), threading.Event()

        def call() -> None:
            began.send(None)
            assert go_on.wait(LIMIT)

        async def cancel() -> None:
            await began.recv()
            scope.cancel()
            go_on.set()

        async with anyio.create_task_group() as group:
            group.start_soon(cancel)
            with anyio.CancelScope() as scope:
                await to_thread.run_sync(call)
                await anyio.sleep_forever()
            assert scope.cancelled_caught

    native(main())


def test_to_thread_in_short_tasks(workers: int) -> None:
    """anyio's threads live as long as the main task, not as the one that needed the first."""

    async def main() -> set[threading.Thread]:
        return {
            await asyncio.create_task(to_thread.run_sync(threading.current_thread))
            for _ in range(10)
        }

    (thread,) = yamanote.run(main(), worker_threads=workers)
    thread.join(LIMIT)
    assert not thread.is_alive()


def test_from_thread(native: Native) -> None:
    async def main() -> None:
        thread = threading.get_ident()

        async def double(n: int) -> int:
            assert threading.get_ident() == thread
            await anyio.sleep(0)
            return 2 * await spawn_blocking(int, n)

        def call(n: int) -> int:
            assert from_thread.run_sync(threading.get_ident) == thread
            from_thread.check_cancelled()
            return from_thread.run(double, n)

        for n in range(10):
            assert await to_thread.run_sync(call, n) == 2 * n

    native(main())


def test_from_thread_that_is_cancelled(native: Native) -> None:
    async def main() -> None:
        async def stay() -> None:
            scope.cancel()  # not before: anyio would not tell what the thread asks for later
            await anyio.sleep_forever()

        with anyio.CancelScope() as scope:
            await to_thread.run_sync(from_thread.run, stay)
        assert scope.cancelled_caught

    native(main())


def test_portal(native: Native) -> None:
    """Calls from threads that are none of anyio's."""

    async def main() -> None:
        async with from_thread.BlockingPortal() as portal:

            async def double(n: int) -> int:
                await anyio.sleep(0)
                await yield_now()
                return 2 * n

            def call(n: int) -> int:
                later = portal.start_task_soon(double, n)
                return portal.call(double, n) + later.result(LIMIT)

            async with anyio.create_task_group() as group:
                results = [on_thread(call, n) for n in range(10)]
                for n, result in enumerate(results):
                    assert await asyncio.wrap_future(result) == 4 * n
                group.cancel_scope.cancel()

    native(main())


def test_portal_of_a_program_without_a_loop() -> None:
    """`start_blocking_portal` makes a loop of the kind it is told to."""
    options = {"loop_factory": yamanote.EventLoop}
    with from_thread.start_blocking_portal("asyncio", options) as portal:
        assert portal.call(in_a_spawned_task, double_soon(21)) == 42


async def double_soon(n: int) -> int:
    await anyio.sleep(0)
    return 2 * n


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
def test_wait_all_tasks_blocked(native: Native, wait: Callable[[], Any]) -> None:
    async def main() -> None:
        began = 0

        async def work() -> None:
            nonlocal began
            await yield_now()
            began += 1
            await wait()

        async with anyio.create_task_group() as group:
            group.start_soon(work)
            group.start_soon(work)
            with anyio.fail_after(LIMIT):
                await anyio.wait_all_tasks_blocked()
            assert began == 2
            group.cancel_scope.cancel()

    native(main())


# What tasks of one loop share.


def test_memory_streams(native: Native) -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](3)
        seen: list[int] = []

        async def produce(first: int, stream: Any) -> None:
            async with stream:
                for n in range(first, first + 100):
                    await stream.send(n)
                    await yield_now()

        async def consume(stream: Any) -> None:
            async with stream:
                async for n in stream:
                    await yield_now()
                    seen.append(n)

        async with anyio.create_task_group() as group, send, receive:
            for i in range(5):
                group.start_soon(produce, 100 * i, send.clone())
                group.start_soon(consume, receive.clone())
        assert sorted(seen) == list(range(500))

    native(main())


def test_memory_stream_ends(native: Native) -> None:
    async def main() -> None:
        send, receive = anyio.create_memory_object_stream[int](0)
        with pytest.raises(anyio.WouldBlock):
            send.send_nowait(1)
        with anyio.move_on_after(SOON) as scope:
            await receive.receive()
        assert scope.cancelled_caught
        send.close()
        with pytest.raises(anyio.EndOfStream):
            await receive.receive()
        receive.close()

    native(main())


def test_locks(native: Native) -> None:
    async def main() -> None:
        lock, semaphore, limiter = anyio.Lock(), anyio.Semaphore(3), anyio.CapacityLimiter(2)
        condition, start = anyio.Condition(), anyio.Event()
        inside = counted = 0
        most: list[int] = []

        async def visit() -> None:
            nonlocal inside, counted
            await start.wait()
            async with semaphore, limiter:
                inside += 1
                most.append(inside)
                await anyio.sleep(0)
                await yield_now()
                inside -= 1
            async with lock:
                before = counted
                await anyio.sleep(0)
                await yield_now()
                counted = before + 1
            async with condition:
                condition.notify_all()

        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(visit)
            await anyio.wait_all_tasks_blocked()
            start.set()
            async with condition:
                while counted < 20:
                    await condition.wait()
        assert max(most) == 2

    native(main())


# The system.


def test_sockets(native: Native) -> None:
    async def echo(stream: Any) -> None:
        async with stream:
            async for data in stream:
                await stream.send(data)

    async def visit(port: int, n: int) -> None:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            data = str(n).encode() * 10_000
            received = b""
            async with anyio.create_task_group() as group:
                group.start_soon(stream.send, data)
                while len(received) < len(data):
                    received += await stream.receive()
            assert received == data

    async def main() -> None:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as group:
            group.start_soon(listener.serve, echo)
            async with anyio.create_task_group() as visitors:
                for n in range(20):
                    visitors.start_soon(visit, port, n)
            for handle in [spawn(visit(port, n)) for n in range(20)]:
                await handle
            group.cancel_scope.cancel()

    native(main())


def test_process(native: Native) -> None:
    async def main() -> None:
        command = [sys.executable, "-I", "-S", "-c", "print(input().upper())"]
        done = await anyio.run_process(command, input=b"yamanote\n")
        assert done.stdout == b"YAMANOTE\n"
        stay = "import time; print('started', flush=True); time.sleep(600)"
        with anyio.CancelScope() as scope:
            async with await anyio.open_process([*command[:4], stay]) as process:
                assert process.stdout is not None
                await process.stdout.receive()  # one that is starting would not be reaped
                scope.cancel()
                await process.wait()
        assert scope.cancelled_caught
        assert process.returncode == -9

    native(main())


def test_files(native: Native, tmp_path: Path) -> None:
    async def main() -> None:
        path = anyio.Path(tmp_path) / "file"
        await path.write_text("one\ntwo\n")
        async with await anyio.open_file(path, "a") as file:
            await file.write("three\n")
        async with await anyio.open_file(path) as file:
            assert [line async for line in file] == ["one\n", "two\n", "three\n"]
        assert [found.name async for found in anyio.Path(tmp_path).iterdir()] == ["file"]

    native(main())


def test_anyio_knows_the_task(native: Native) -> None:
    async def main() -> None:
        info = anyio.get_current_task()
        task: Any = asyncio.current_task()
        assert info.id == id(task)
        assert info.name == task.get_name()
        assert not info.has_pending_cancellation()

    native(main())
