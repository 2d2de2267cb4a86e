"""Counterparts of tokio/tests/rt_handle_block_on.rs.

Tokio's `Handle::block_on` runs what needs no driver after the shutdown too. Ours drives
a worker with the calling thread, and after the shutdown there is none: it is a
RuntimeError, whatever is to be run, and never a hang.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.channels import LIMIT, Channel, Oneshot
from yamanote import Handle, JoinError, Runtime, block_in_place, spawn_blocking, yield_now
from yamanote.time import Elapsed, sleep, timeout

SHUTDOWN = 1000.0
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"


async def forever() -> None:
    await sleep(1e6)


def refused(coro: Any) -> None:
    """`block_on` of a runtime that has been shut down."""
    with pytest.raises(RuntimeError, match="shut down"):
        Handle.current().block_on(coro)


def with_runtime(rt: Runtime, before: Callable[[], None], after: Callable[[], None]) -> None:
    """Call one function inside the runtime, and the other after its shutdown."""
    with rt.enter():
        before()
        rt.shutdown_timeout(SHUTDOWN)
        after()


async def one() -> int:
    return 1


def test_basic(rt: Runtime) -> None:
    def before() -> None:
        assert Handle.current().block_on(one()) == 1

    with_runtime(rt, before, lambda: refused(one()))


def test_bounded_mpsc_channel(rt: Runtime) -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1024)

    def before() -> None:
        Handle.current().block_on(queue.put(42))
        assert Handle.current().block_on(queue.get()) == 42

    with_runtime(rt, before, lambda: refused(queue.put(42)))
    assert queue.empty()


def test_unbounded_mpsc_channel(rt: Runtime) -> None:
    channel: Channel[int] = Channel()

    def before() -> None:
        channel.send(42)
        assert Handle.current().block_on(channel.recv()) == 42

    def after() -> None:
        channel.send(42)
        refused(channel.recv())

    with_runtime(rt, before, after)


def test_yield_in_block_in_place(rt: Runtime) -> None:
    if rt.handle.runtime_flavor() == "current_thread":
        error: Any = pytest.raises(RuntimeError, match="current_thread")
    else:
        error = None
    yielded = []

    async def yield_and_tell() -> None:
        await yield_now()
        yielded.append(True)

    async def main() -> None:
        block_in_place(lambda: Handle.current().block_on(yield_and_tell()))

    def before() -> None:
        if error is None:
            Handle.current().block_on(main())
            assert yielded == [True]
        else:
            with error:
                Handle.current().block_on(main())
            assert not yielded

    with_runtime(rt, before, lambda: refused(main()))


@pytest.fixture
def entered(rt: Runtime) -> Iterator[Runtime]:
    with rt.enter():
        yield rt


async def read() -> str:
    return await spawn_blocking(PYPROJECT.read_text)


def test_basic_fs(entered: Runtime) -> None:
    assert 'name = "yamanote"' in Handle.current().block_on(read())


def test_fs_shutdown_before_started(entered: Runtime) -> None:
    entered.shutdown_timeout(SHUTDOWN)
    refused(read())
    with pytest.raises(JoinError) as error:
        spawn_blocking(PYPROJECT.read_text).join(LIMIT)
    assert error.value.is_cancelled()


def test_basic_spawn_blocking(entered: Runtime) -> None:
    began = threading.Event()

    def block() -> int:
        assert began.wait(LIMIT)
        return 42

    async def begin() -> int:
        handle = spawn_blocking(block)
        began.set()
        return await handle

    assert Handle.current().block_on(begin()) == 42
    assert Handle.current().block_on(spawn_blocking(lambda: 42)) == 42


def test_spawn_blocking_after_shutdown_fails(entered: Runtime) -> None:
    entered.shutdown_timeout(SHUTDOWN)
    ran = []
    handle = spawn_blocking(lambda: ran.append(42))
    assert handle.is_finished()
    with pytest.raises(JoinError) as error:
        handle.join(LIMIT)
    assert error.value.is_cancelled()
    assert not ran


def test_spawn_blocking_started_before_shutdown_continues(entered: Runtime) -> None:
    started = threading.Event()
    end = threading.Event()

    def block() -> int:
        started.set()
        assert end.wait(LIMIT)
        return 42

    running: Oneshot[None] = Oneshot()

    async def end_it_while_shutting_down() -> None:
        try:
            running.send(None)
            await forever()
        finally:
            end.set()

    handle = spawn_blocking(block)
    entered.spawn(end_it_while_shutting_down())
    entered.block_on(running.recv())
    assert started.wait(LIMIT)
    assert not end.is_set()
    entered.shutdown_timeout(SHUTDOWN)
    assert handle.join(LIMIT) == 42


def test_thread_park_ok(rt: Runtime) -> None:
    # Whatever a task does to its thread's own wake-ups, it does not hang.
    async def main() -> str:
        loop = asyncio.get_running_loop()
        woken = threading.Event()
        woken.set()
        loop.call_soon_threadsafe(lambda: None)
        assert woken.wait(LIMIT)
        await yield_now()
        return "not hung"

    assert rt.handle.block_on(main()) == "not hung"


# ==== net ======


async def bind_tcp() -> asyncio.Server:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    assert server.sockets
    return server


async def bind_udp() -> Any:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    return transport


def listen_unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.setblocking(False)
    listener.bind(str(path))
    listener.listen()
    return listener


async def accept(listener: socket.socket) -> None:
    connection, _ = await asyncio.get_running_loop().sock_accept(listener)
    connection.close()


async def bind_and_close(bind: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    (await bind()).close()
    await asyncio.sleep(0)


def test_tcp_listener_bind(entered: Runtime) -> None:
    Handle.current().block_on(bind_and_close(bind_tcp))


def test_tcp_listener_connect_after_shutdown(entered: Runtime) -> None:
    entered.shutdown_timeout(SHUTDOWN)
    refused(bind_tcp())


def test_tcp_listener_connect_before_shutdown(entered: Runtime) -> None:
    binding = bind_tcp()
    entered.shutdown_timeout(SHUTDOWN)
    refused(binding)


def test_udp_socket_bind(entered: Runtime) -> None:
    Handle.current().block_on(bind_and_close(bind_udp))


def test_udp_stream_bind_after_shutdown(entered: Runtime) -> None:
    entered.shutdown_timeout(SHUTDOWN)
    refused(bind_udp())


def test_udp_stream_bind_before_shutdown(entered: Runtime) -> None:
    binding = bind_udp()
    entered.shutdown_timeout(SHUTDOWN)
    refused(binding)


def test_unix_listener_bind_after_shutdown(entered: Runtime, tmp_path: Path) -> None:
    entered.shutdown_timeout(SHUTDOWN)
    refused(asyncio.start_unix_server(lambda reader, writer: None, tmp_path / "socket"))
    assert not (tmp_path / "socket").exists()


def test_unix_listener_shutdown_after_bind(entered: Runtime, tmp_path: Path) -> None:
    with listen_unix(tmp_path / "socket") as listener:
        entered.shutdown_timeout(SHUTDOWN)
        refused(accept(listener))


def test_unix_listener_shutdown_after_accept(entered: Runtime, tmp_path: Path) -> None:
    with listen_unix(tmp_path / "socket") as listener:
        accepting = accept(listener)
        waiting: Oneshot[None] = Oneshot()

        async def wait() -> None:
            asyncio.get_running_loop().call_soon(waiting.send, None)
            await accept(listener)

        handle = entered.spawn(wait())
        entered.block_on(waiting.recv())
        entered.shutdown_timeout(SHUTDOWN)
        refused(accepting)
        with pytest.raises(JoinError) as error:
            handle.join(0)
        assert error.value.is_cancelled()


# ==== nesting ======


def test_nesting(rt: Runtime) -> None:
    def not_async() -> int:
        Handle.current().block_on(sleep(0.01))
        return 1

    async def main() -> int:
        return not_async()

    with pytest.raises(RuntimeError, match="block_on"):
        rt.block_on(main())


def test_spawn_after_runtime_dropped(rt: Runtime) -> None:
    async def current() -> Handle:
        return Handle.current()

    handle = rt.block_on(current())
    before = handle.spawn(forever())
    rt.shutdown_timeout(SHUTDOWN)
    after = handle.spawn(forever())
    for task in (before, after):
        assert task.is_finished()
        with pytest.raises(JoinError) as error:
            task.join(0)
        assert error.value.is_cancelled()


def test_unix_listener_bind(multi_rt: Runtime, tmp_path: Path) -> None:
    with multi_rt.enter(), listen_unix(tmp_path / "socket") as listener, pytest.raises(Elapsed):
        Handle.current().block_on(timeout(0.01, accept(listener)))


# ==== timers ======


def test_sleep(multi_rt: Runtime) -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await sleep(0.1)
        return loop.time() - began

    with multi_rt.enter():
        assert Handle.current().block_on(main()) >= 0.1


def test_sleep_before_shutdown_panics(multi_rt: Runtime) -> None:
    with multi_rt.enter():
        sleeping = sleep(0.1)
        multi_rt.shutdown_timeout(SHUTDOWN)
        refused(sleeping)


def test_sleep_after_shutdown_panics(multi_rt: Runtime) -> None:
    with multi_rt.enter():
        multi_rt.shutdown_timeout(SHUTDOWN)
        refused(sleep(0.1))
