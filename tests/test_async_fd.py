"""`yamanote.net.AsyncFd`: what Tokio's tests leave out."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import importlib.util
import itertools
import os
import select
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, on_thread
from tests.gates import on_plain_asyncio
from tests.waiting import Waiting
from yamanote import JoinError, Runtime, spawn, spawn_blocking, yield_now
from yamanote.net import AsyncFd, Interest, Ready, UnixStream

Pair = tuple[socket.socket, socket.socket]
Pipe = tuple[int, int]

needs_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="the system tells by epoll")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux has it")

IN_CREATE = 0x100


@pytest.fixture
def ab() -> Iterator[Pair]:
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        b.setblocking(False)
        yield a, b


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            pass  # by the test


class Inner:
    """Something with a descriptor."""

    def __init__(self) -> None:
        self.sock, self.peer = socket.socketpair()

    def fileno(self) -> int:
        return self.sock.fileno()


async def read(afd: AsyncFd[int]) -> bytes:
    return await afd.async_io(Interest.READABLE, os.read, afd.get_ref(), 65536)


class TestKinds:
    def test_pipe(self, multi_rt: Runtime, pipe: Pipe, switch_interval: float) -> None:
        """All bytes come, in their order, with both ends full and empty at times."""
        reader, writer = pipe
        data = os.urandom(1_000_000)

        async def write() -> None:
            with AsyncFd(writer, Interest.WRITABLE) as afd:
                at = 0
                while at < len(data):
                    chunk = data[at : at + 30_000]
                    at += await afd.async_io(Interest.WRITABLE, os.write, writer, chunk)
            os.close(writer)

        async def main() -> None:
            writing = spawn(write())
            got = bytearray()
            with AsyncFd(reader, Interest.READABLE) as afd:
                while chunk := await read(afd):
                    got += chunk
            await writing
            assert got == data

        multi_rt.block_on(main())

    @pytest.mark.skipif(not hasattr(os, "eventfd"), reason="Linux has it")
    def test_eventfd(self, rt: Runtime) -> None:
        async def main() -> None:
            fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_SEMAPHORE)
            try:
                with AsyncFd(fd) as afd:
                    waiting = [
                        await Waiting(
                            afd.async_io(Interest.READABLE, os.eventfd_read, fd)
                        ).pending()
                        for _ in range(10)
                    ]
                    os.eventfd_write(fd, 4)
                    os.eventfd_write(fd, 6)
                    for each in waiting:
                        assert await each.handle == 1
                    with pytest.raises(BlockingIOError):
                        os.eventfd_read(fd)
            finally:
                os.close(fd)

        rt.block_on(main())

    @on_linux
    def test_inotify(self, rt: Runtime, tmp_path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)

        async def main() -> None:
            fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
            assert fd >= 0
            try:
                assert libc.inotify_add_watch(fd, os.fsencode(tmp_path), IN_CREATE) >= 0
                with AsyncFd(fd, Interest.READABLE) as afd:
                    for name in ("one", "other"):
                        reading = await Waiting(read(afd)).pending()
                        (tmp_path / name).touch()
                        assert name.encode() in await reading.handle
            finally:
                os.close(fd)

        rt.block_on(main())

    def test_socket_of_another_library(self, rt: Runtime) -> None:
        async def main() -> None:
            with socket.create_server(("127.0.0.1", 0)) as listener:
                listener.setblocking(False)
                with AsyncFd(listener) as afd:
                    assert afd.fileno() == listener.fileno()
                    accepting = await Waiting(
                        afd.async_io(Interest.READABLE, listener.accept)
                    ).pending()
                    with socket.create_connection(listener.getsockname()) as client:
                        accepted, address = await accepting.handle
                        with accepted:
                            assert address == client.getsockname()

        rt.block_on(main())

    @needs_epoll
    def test_a_file_on_a_disk(self, rt: Runtime, tmp_path: Path) -> None:
        async def main() -> None:
            with open(tmp_path / "file", "wb") as file:
                with pytest.raises(PermissionError):
                    AsyncFd(file)
                with pytest.raises(PermissionError):
                    AsyncFd(file.fileno(), Interest.WRITABLE)

        rt.block_on(main())


class TestMisuse:
    def test_without_a_runtime(self, ab: Pair) -> None:
        with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
            AsyncFd(ab[0])

    def test_after_the_runtime(self, rt_config: dict[str, Any], ab: Pair) -> None:
        rt = Runtime(**rt_config)
        with rt.enter():
            rt.shutdown_background()
            with pytest.raises(RuntimeError, match="has been shut down"):
                AsyncFd(ab[0])

    @pytest.mark.parametrize("inner", ["0", None, 1.5])
    def test_no_descriptor(self, rt: Runtime, inner: Any) -> None:
        with rt.enter(), pytest.raises(TypeError, match="needs a file descriptor"):
            AsyncFd(inner)

    def test_a_number_that_is_closed(self, rt: Runtime) -> None:
        one, other = os.pipe()
        os.close(one)
        os.close(other)
        with rt.enter(), pytest.raises(OSError, match="Bad file descriptor") as caught:
            AsyncFd(other)
        assert caught.value.errno == errno.EBADF

    def test_two_of_one_descriptor(self, ab: Pair) -> None:
        """The second is refused, and the first does not suffer, nor what it waits for."""
        a, b = ab

        async def main() -> None:
            with AsyncFd(a) as first:
                reading = await Waiting(first.async_io(Interest.READABLE, a.recv, 9)).pending()
                for _ in range(3):
                    with pytest.raises(RuntimeError, match="another AsyncFd or native socket"):
                        AsyncFd(a)
                b.send(b"ping")
                assert await reading.handle == b"ping"
            with AsyncFd(a) as second:
                await second.writable()

        yamanote.run(main(), worker_threads=1)

    def test_a_native_sockets(self) -> None:
        async def main() -> None:
            one, other = UnixStream.pair()
            async with one, other:
                reading = await Waiting(one.read()).pending()
                with pytest.raises(RuntimeError, match="another AsyncFd or native socket"):
                    AsyncFd(one.fileno())
                await other.write_all(b"ping")
                assert await reading.handle == b"ping"

        yamanote.run(main(), worker_threads=1)

    def test_asyncios(self, ab: Pair) -> None:
        a, b = ab

        async def main() -> None:
            loop = asyncio.get_running_loop()
            called = asyncio.Event()
            loop.add_reader(a, called.set)
            with pytest.raises(RuntimeError, match="used by asyncio's loop"):
                AsyncFd(a)
            b.send(b"ping")
            await called.wait()
            loop.remove_reader(a)
            with AsyncFd(a) as afd:
                await afd.readable()
                with pytest.raises(FileExistsError):
                    loop.add_reader(a, called.set)
                assert await afd.async_io(Interest.READABLE, a.recv, 9) == b"ping"

        yamanote.run(main(), worker_threads=1)

    def test_closed(self, rt: Runtime, ab: Pair) -> None:
        async def main() -> None:
            afd = AsyncFd(ab[0])
            guard = await afd.writable()
            afd.close()
            afd.close()
            assert "closed" in repr(afd)
            for use in (afd.readable, afd.writable):
                with pytest.raises(OSError, match="closed"):
                    await use()
            with pytest.raises(OSError, match="closed"):
                await afd.async_io(Interest.READABLE, pytest.fail, "called")
            with pytest.raises(OSError, match="closed"):
                afd.try_io(Interest.READABLE, pytest.fail, "called")
            guard.clear_ready()
            assert guard.get_inner() is afd.get_ref() is ab[0]
            assert ab[0].send(b"x") == 1  # the descriptor is the caller's

        rt.block_on(main())

    def test_what_the_function_raises(self, rt: Runtime, ab: Pair) -> None:
        async def main() -> None:
            with AsyncFd(ab[0]) as afd:
                with pytest.raises(ZeroDivisionError):
                    await afd.async_io(Interest.WRITABLE, divmod, 1, 0)
                await afd.writable()  # still
                with pytest.raises(ZeroDivisionError):
                    afd.try_io(Interest.WRITABLE, divmod, 1, 0)

        rt.block_on(main())


class TestEnd:
    @pytest.mark.parametrize("clear", ["clear_ready", "clear_ready_matching", "try_io"])
    @needs_epoll
    def test_stays(self, rt: Runtime, pipe: Pipe, clear: str) -> None:
        """What was sent and the end come as one event: to take the first does not hide the
        other."""
        reader, writer = pipe

        def fails() -> None:
            raise BlockingIOError

        async def main() -> None:
            with AsyncFd(reader, Interest.READABLE) as afd:
                os.write(writer, b"last")
                os.close(writer)
                while True:
                    guard = await afd.readable()
                    if guard.ready().is_read_closed():
                        break
                assert guard.try_io(os.read, reader, 9) == b"last"
                if clear == "clear_ready":
                    guard.clear_ready()
                elif clear == "clear_ready_matching":
                    guard.clear_ready_matching(Ready.READABLE | Ready.READ_CLOSED)
                else:
                    with pytest.raises(BlockingIOError):
                        guard.try_io(fails)
                assert await read(afd) == b""
                guard = await afd.readable()
                assert guard.ready() == Ready.READABLE | Ready.READ_CLOSED

        rt.block_on(main())

    @on_linux
    def test_is_no_end(self, rt: Runtime) -> None:
        """A socket that is not connected counts as one that has ended, until it is."""

        async def main() -> None:
            with (
                socket.create_server(("127.0.0.1", 0)) as listener,
                socket.socket() as sock,
            ):
                sock.setblocking(False)
                with AsyncFd(sock) as afd:
                    assert (await afd.writable()).ready().is_write_closed()
                    sock.connect_ex(listener.getsockname())
                    accepted, _ = listener.accept()
                    with accepted:
                        await afd.writable()
                        guard = await afd.readable()
                        with pytest.raises(BlockingIOError):
                            guard.try_io(sock.recv, 9)
                        reading = await Waiting(
                            afd.async_io(Interest.READABLE, sock.recv, 9)
                        ).pending()
                        assert (await afd.writable()).ready() == Ready.WRITABLE
                        accepted.send(b"ping")
                        assert await reading.handle == b"ping"

        rt.block_on(main())


class TestClose:
    @pytest.mark.parametrize("how", ["here", "on a thread", "into_inner"])
    def test_wakes_who_waits(self, rt: Runtime, ab: Pair, how: str) -> None:
        async def main() -> None:
            afd = AsyncFd(ab[0])
            waits: list[Callable[[], Any]] = [
                afd.readable,
                lambda: afd.ready(Interest.READABLE),
                lambda: afd.async_io(Interest.READABLE, ab[0].recv, 1),
            ]
            waiting = [await Waiting(wait()).pending() for wait in waits]
            if how == "here":
                afd.close()
            elif how == "into_inner":
                assert afd.into_inner() is ab[0]
            else:
                on_thread(afd.close).result(LIMIT)
            for each in waiting:
                with pytest.raises(JoinError) as caught:
                    await each.handle
                assert isinstance(caught.value.__cause__, OSError)
                assert caught.value.__cause__.errno == errno.EBADF

        rt.block_on(main())

    def test_the_number_used_again(self, multi_rt: Runtime, switch_interval: float) -> None:
        """What comes is for who has the descriptor now."""

        async def main() -> None:
            for turn in range(100):
                reader, writer = os.pipe()
                os.set_blocking(reader, False)
                message = b"%d" % turn
                afd = AsyncFd(reader, Interest.READABLE)
                reading = spawn(read(afd))
                await yield_now()
                if turn % 2:
                    os.write(writer, message)
                    assert await reading == message
                    afd.close()
                else:
                    afd.close()
                    with pytest.raises(JoinError):
                        await reading
                os.close(reader)
                os.close(writer)

        multi_rt.block_on(main())


class TestWaiting:
    def test_several_on_one_descriptor(
        self, multi_rt: Runtime, pipe: Pipe, switch_interval: float
    ) -> None:
        """Each message is read once, by one of the tasks."""
        reader, writer = pipe
        tasks, messages = 8, 400

        async def take(afd: AsyncFd[int], got: list[bytes]) -> None:
            while (message := await afd.async_io(Interest.READABLE, os.read, reader, 4)) != b"stop":
                got.append(message)

        async def main() -> None:
            with AsyncFd(reader, Interest.READABLE) as afd:
                got: list[list[bytes]] = [[] for _ in range(tasks)]
                taking = [spawn(take(afd, each)) for each in got]
                for number in range(messages):
                    os.write(writer, b"%04d" % number)
                    if number % 7 == 0:
                        await yield_now()
                os.write(writer, b"stop" * tasks)
                for handle in taking:
                    await handle
                sent = [b"%04d" % number for number in range(messages)]
                assert sorted(itertools.chain(*got)) == sent

        multi_rt.block_on(main())

    def test_cancelled(self, rt: Runtime, pipe: Pipe) -> None:
        reader, writer = pipe

        async def main() -> None:
            with AsyncFd(reader, Interest.READABLE) as afd:
                for _ in range(50):
                    waiting = await Waiting(read(afd)).pending()
                    waiting.abort()
                    with pytest.raises(JoinError):
                        await waiting.handle
                os.write(writer, b"ping")
                assert await read(afd) == b"ping"

        rt.block_on(main())

    def test_events_while_one_begins_to_wait(
        self, multi_rt: Runtime, pipe: Pipe, switch_interval: float
    ) -> None:
        """Whether one sees an event before one waits or after: it is not lost."""
        reader, writer = pipe
        turns = 500

        async def main() -> None:
            arrived = threading.Semaphore(0)

            def write() -> None:
                for _ in range(turns):
                    os.write(writer, b"x")
                    assert arrived.acquire(timeout=LIMIT)

            writing = on_thread(write)
            with AsyncFd(reader, Interest.READABLE) as afd:
                for _ in range(turns):
                    while True:
                        guard = await afd.readable()
                        try:
                            assert guard.try_io(os.read, reader, 1) == b"x"
                        except BlockingIOError:
                            continue
                        break
                    arrived.release()
            writing.result(LIMIT)

        multi_rt.block_on(main())

    def test_gives_the_others_a_turn(self, pipe: Pipe) -> None:
        _, writer = pipe
        end = False

        async def other() -> None:
            nonlocal end
            end = True

        async def main() -> None:
            with AsyncFd(writer, Interest.WRITABLE) as afd:
                handle = spawn(other())
                while not end:
                    await afd.writable()
                await handle

        yamanote.run(main(), worker_threads=1)

    def test_in_plain_asyncio_and_trio(self, multi_rt: Runtime, pipe: Pipe) -> None:
        reader, writer = pipe

        async def main(afd: AsyncFd[int]) -> bytes:
            timer = threading.Timer(0.01, os.write, [writer, b"late"])
            timer.start()
            try:
                return await read(afd)
            finally:
                timer.join()

        end = threading.Event()

        async def background() -> None:
            await spawn_blocking(end.wait)

        driving = on_thread(multi_rt.block_on, background())
        with multi_rt.enter(), AsyncFd(reader, Interest.READABLE) as afd:
            assert on_plain_asyncio(main(afd)) == b"late"
            if sys.version_info.releaselevel == "final" and importlib.util.find_spec("trio"):
                import trio

                assert trio.run(main, afd) == b"late"
        end.set()
        driving.result(LIMIT)

    def test_in_the_next_runtime(self, pipe: Pipe) -> None:
        """It outlives the runtime that it was made in."""
        reader, writer = pipe
        kept: list[AsyncFd[int]] = []

        async def first() -> None:
            kept.append(AsyncFd(reader, Interest.READABLE))
            await Waiting(kept[0].readable()).pending()

        async def second() -> None:
            reading = await Waiting(read(kept[0])).pending()
            os.write(writer, b"ping")
            assert await reading.handle == b"ping"

        yamanote.run(first())
        yamanote.run(second())
        kept[0].close()
