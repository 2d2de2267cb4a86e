"""Counterparts of tokio/tests/io_async_fd.rs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import threading
from collections.abc import Iterator

import pytest

from tests.channels import LIMIT
from tests.waiting import Waiting
from yamanote import Runtime, spawn
from yamanote.net import AsyncFd, AsyncFdReadyGuard, Interest, Ready
from yamanote.sync import Barrier

Pair = tuple[socket.socket, socket.socket]
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="how it is on Linux")


@pytest.fixture
def ab() -> Iterator[Pair]:
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        b.setblocking(False)
        yield a, b


def fill(sock: socket.socket) -> int:
    written = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            written += sock.send(bytes(512))
    return written


def drain(sock: socket.socket, count: int) -> None:
    while count:
        with contextlib.suppress(BlockingIOError):
            count -= len(sock.recv(min(count, 65536)))


def would_block() -> None:
    raise BlockingIOError


def test_initially_writable(rt: Runtime, ab: Pair) -> None:
    async def main() -> None:
        with AsyncFd(ab[0]) as a, AsyncFd(ab[1]) as b:
            (await a.writable()).clear_ready()
            (await b.writable()).clear_ready()
            for afd in (a, b):
                (await Waiting(afd.readable()).pending()).abort()

    rt.block_on(main())


def test_reset_readable(rt: Runtime, ab: Pair) -> None:
    async def main() -> None:
        a, b = ab
        with AsyncFd(a) as afd:
            readable = await Waiting(afd.readable()).pending()
            b.send(b"0")
            guard = await readable.handle
            assert guard.try_io(afd.get_ref().recv, 1) == b"0"
            # It is not, but nobody has found that out yet.
            (await afd.readable()).retain_ready()
            guard.clear_ready()
            readable = await Waiting(afd.readable()).pending()
            b.send(b"0")
            (await readable.handle).clear_ready()

    rt.block_on(main())


def test_reset_writable(rt: Runtime, ab: Pair) -> None:
    async def main() -> None:
        a, b = ab
        with AsyncFd(a) as afd:
            guard = await afd.writable()
            written = 0
            with pytest.raises(BlockingIOError):
                while True:
                    written += guard.try_io(a.send, bytes(512))
            writable = await Waiting(afd.writable()).pending()
            drain(b, written)
            await writable.handle

    rt.block_on(main())


def test_drop_closes(rt: Runtime, ab: Pair) -> None:
    """It does not: the descriptor is the caller's, who closes it afterwards."""

    async def main() -> None:
        a, b = ab
        afd = AsyncFd(a)
        with pytest.raises(BlockingIOError):
            b.recv(1)
        del afd
        afd = AsyncFd(a)
        assert afd.into_inner() is a
        assert afd.is_closed()
        with pytest.raises(BlockingIOError):
            b.recv(1)
        a.close()
        assert b.recv(1) == b""

    rt.block_on(main())


def test_reregister(rt: Runtime, ab: Pair) -> None:
    async def main() -> None:
        afd = AsyncFd(ab[0])
        AsyncFd(afd.into_inner()).close()

    rt.block_on(main())


def test_guard_try_io(rt: Runtime, ab: Pair) -> None:
    async def main() -> None:
        a, b = ab
        b.send(b"0")
        with AsyncFd(a) as afd:
            guard = await afd.readable()
            assert a.recv(1) == b"0"
            guard.try_io(lambda: None)
            await afd.readable()  # still
            with pytest.raises(BlockingIOError):
                guard.try_io(would_block)
            readable = await Waiting(afd.readable()).pending()
            b.send(b"0")
            await readable.handle

    rt.block_on(main())


def tries(rt: Runtime, a: socket.socket, interest: Interest) -> None:
    async def main() -> None:
        with AsyncFd(a) as afd:
            await afd.ready(interest)
            assert afd.try_io(interest, lambda: "called") == "called"
            with pytest.raises(BlockingIOError):
                afd.try_io(interest, would_block)
            with pytest.raises(BlockingIOError):
                afd.try_io(interest, pytest.fail, "called")

    rt.block_on(main())


def test_try_io_readable(rt: Runtime, ab: Pair) -> None:
    async def main() -> None:
        with AsyncFd(ab[0]) as afd, pytest.raises(BlockingIOError):
            afd.try_io(Interest.READABLE, pytest.fail, "called")

    rt.block_on(main())
    ab[1].send(b"0")
    tries(rt, ab[0], Interest.READABLE)


def test_try_io_writable(rt: Runtime, ab: Pair) -> None:
    tries(rt, ab[0], Interest.WRITABLE)


def test_multiple_waiters(rt: Runtime, ab: Pair) -> None:
    """All are woken, though the first of them takes the readiness away."""

    async def main() -> None:
        with AsyncFd(ab[0]) as afd:

            async def wait() -> None:
                (await afd.readable()).clear_ready()

            waiting = [await Waiting(wait()).pending() for _ in range(10)]
            ab[1].send(b"0")
            for each in waiting:
                await each.handle

    rt.block_on(main())


def test_poll_fns(rt: Runtime, ab: Pair) -> None:
    """The two directions are apart."""

    async def main() -> None:
        a, b = ab
        written = fill(a)
        with AsyncFd(a) as afd:
            readable = [await Waiting(afd.readable()).pending() for _ in range(2)]
            writable = await Waiting(afd.writable()).pending()
            b.send(b"0")
            for each in readable:
                await each.handle
            assert not writable.handle.is_finished()
            drain(b, written)
            await writable.handle

    rt.block_on(main())


def unusable(afd: AsyncFd[socket.socket]) -> None:
    """Its runtime is gone, and there is none here."""

    async def readable() -> AsyncFdReadyGuard[socket.socket]:
        return await afd.readable()

    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        asyncio.run(readable())


def waits_until_shutdown(a: socket.socket, interest: Interest) -> None:
    """Somebody waits outside of the runtime that is shut down."""
    rt = Runtime(flavor="current_thread")
    with rt.enter():
        afd = AsyncFd(a)
    waits = threading.Event()
    failures: list[BaseException] = []

    async def wait() -> None:
        asyncio.get_running_loop().call_soon(waits.set)
        await afd.ready(interest)

    def outside() -> None:
        try:
            asyncio.run(wait())
        except RuntimeError as error:
            failures.append(error)

    thread = threading.Thread(target=outside)
    thread.start()
    assert waits.wait(LIMIT)
    rt.shutdown_background()
    thread.join(LIMIT)
    assert "no Yamanote runtime here" in str(failures[0])
    unusable(afd)
    afd.close()


def test_driver_shutdown_wakes_currently_pending(ab: Pair) -> None:
    waits_until_shutdown(ab[0], Interest.READABLE)


def test_driver_shutdown_wakes_currently_pending_polls(ab: Pair) -> None:
    fill(ab[0])
    waits_until_shutdown(ab[0], Interest.READABLE | Interest.WRITABLE)


def test_driver_shutdown_wakes_future_pending(ab: Pair) -> None:
    with Runtime(flavor="current_thread") as rt, rt.enter():
        afd = AsyncFd(ab[0])
    unusable(afd)


def test_driver_shutdown_wakes_pending_race() -> None:
    for _ in range(20):
        a, b = socket.socketpair()
        with a, b:
            a.setblocking(False)
            rt = Runtime(flavor="current_thread")
            with rt.enter():
                afd = AsyncFd(a)

            async def wait(afd: AsyncFd[socket.socket] = afd) -> None:
                await afd.readable()

            thread = threading.Thread(target=rt.shutdown_background)
            thread.start()
            with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
                asyncio.run(wait())
            thread.join(LIMIT)
            afd.close()


def test_driver_shutdown_then_clear_readiness(ab: Pair) -> None:
    with Runtime(flavor="current_thread") as rt:
        with rt.enter():
            afd = AsyncFd(ab[0])
        guard = rt.block_on(afd.writable())
    guard.clear_ready()


@on_linux
def test_priority_event_on_oob_data(rt: Runtime) -> None:
    async def main() -> None:
        with AsyncFd(client, Interest.PRIORITY) as afd:
            ready = await Waiting(afd.ready(Interest.PRIORITY)).pending()
            stream.send(b"hello", socket.MSG_OOB)
            assert (await ready.handle).ready().is_priority()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        stream, _ = listener.accept()
    with client, stream:
        rt.block_on(main())


def test_clear_ready_matching_clears_ready(rt: Runtime, ab: Pair) -> None:
    async def main() -> None:
        both = Interest.READABLE | Interest.WRITABLE
        with AsyncFd(ab[0]) as afd:
            ab[1].send(b"0")
            await afd.readable()
            guard = await afd.ready(both)
            assert guard.ready() == Ready.READABLE | Ready.WRITABLE
            guard.clear_ready_matching(Ready.READABLE)
            assert guard.ready() == Ready.WRITABLE
            guard.clear_ready_matching(Ready.WRITABLE)
            assert guard.ready() == Ready.EMPTY

    rt.block_on(main())


@on_linux
def test_await_error_readiness_invalid_address(rt: Runtime) -> None:
    """Nobody is there whom the datagram was for: the system says so in the error queue."""

    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = nobody.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_IP, IP_RECVERR, 1)
            with AsyncFd(sock, Interest.ERROR) as afd:
                ready = await Waiting(afd.ready(Interest.ERROR)).pending()
                sock.sendto(b"Hello, Socket!", address)
                assert (await ready.handle).ready() == Ready.ERROR

    rt.block_on(main())


IP_RECVERR = 11


def test_try_new(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="open file descriptor"):
            AsyncFd(-1)
        closed = socket.socket()
        closed.close()
        with pytest.raises(ValueError, match="open file descriptor"):
            AsyncFd(closed)

    rt.block_on(main())


def test_try_with_interest(rt: Runtime, ab: Pair, tmp_path: os.PathLike[str]) -> None:
    async def main() -> None:
        with pytest.raises(ValueError, match="needs an interest"):
            AsyncFd(ab[0], Interest(0))
        with AsyncFd(ab[0], Interest.READABLE) as afd:
            with pytest.raises(ValueError, match="made for"):
                await afd.writable()
            with pytest.raises(ValueError, match="made for"):
                await afd.ready(Interest(0))
        path = os.path.join(tmp_path, "file")
        with open(path, "wb") as file, pytest.raises(PermissionError):
            AsyncFd(file)

    rt.block_on(main())


def test_await_error_readiness_of_several(rt: Runtime, ab: Pair) -> None:
    """Who waits for one of several things is woken by any."""

    async def main() -> None:
        a, b = ab
        fill(a)
        with AsyncFd(a) as afd:
            barrier = Barrier(2)

            async def wait() -> Ready:
                await barrier.wait()
                return (await afd.ready(Interest.READABLE | Interest.WRITABLE)).ready()

            waiting = spawn(wait())
            await barrier.wait()
            b.send(b"0")
            assert await waiting == Ready.READABLE

    rt.block_on(main())
