"""The websockets library inside native tasks, server and client, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

import yamanote
from tests.channels import Oneshot
from tests.ecosystem.conftest import Native
from tests.gates import Gate
from yamanote import JoinError, spawn, spawn_blocking, yield_now

client = pytest.importorskip("websockets.asyncio.client", exc_type=ImportError)
server = pytest.importorskip("websockets.asyncio.server", exc_type=ImportError)
exceptions = pytest.importorskip("websockets.exceptions", exc_type=ImportError)

SOON = 0.05  # seconds; what is given so long never ends by itself


async def echo(socket: Any) -> None:
    async for message in socket:
        await yield_now()
        await socket.send(await spawn_blocking(lambda text: text, message))


@asynccontextmanager
async def serving(handler: Callable[[Any], Any] = echo) -> AsyncIterator[str]:
    """The address of a server on this task's loop."""
    async with server.serve(handler, "127.0.0.1", 0) as listening:
        yield "ws://127.0.0.1:{1}".format(*listening.sockets[0].getsockname())


async def visit(url: str, n: int) -> None:
    async with client.connect(url) as socket:
        for i in range(20):
            await socket.send(f"{n} {i}")
            assert await socket.recv() == f"{n} {i}"


def test_messages(native: Native) -> None:
    async def main() -> None:
        async with serving() as url, client.connect(url) as socket:
            for message in ("東京", b"\0\1\2", "", "long " * 100_000):
                await socket.send(message)
                assert await socket.recv() == message
            await socket.send(["in ", "three ", "parts"])
            assert await socket.recv() == "in three parts"
            assert await (await socket.ping()) >= 0

    native(main())


def test_sends_and_receives_at_once(native: Native) -> None:
    async def main() -> None:
        async with serving() as url, client.connect(url) as socket:

            async def send() -> None:
                for n in range(200):
                    await socket.send(str(n))

            async with asyncio.TaskGroup() as group:
                group.create_task(send())
                received = [await socket.recv() for _ in range(200)]
            assert received == [str(n) for n in range(200)]

    native(main())


def test_many_connections(native: Native) -> None:
    async def main() -> None:
        async with serving() as url, asyncio.TaskGroup() as group:
            for n in range(30):
                group.create_task(visit(url, n))

    native(main())


def test_between_spawned_tasks(workers: int) -> None:
    """A server in one task, clients on whichever worker takes them."""

    async def main() -> None:
        address, over = Oneshot[str](), Oneshot[None]()

        async def listen() -> None:
            async with serving() as url:
                address.send(url)
                await over.recv()

        serves = spawn(listen())
        url = await address.recv()
        for handle in [spawn(visit(url, n)) for n in range(30)]:
            await handle
        over.send(None)
        await serves

    yamanote.run(main(), worker_threads=workers)


def test_broadcast(native: Native) -> None:
    async def main() -> None:
        sockets: set[Any] = set()
        joined = asyncio.Barrier(11)

        async def join(socket: Any) -> None:
            sockets.add(socket)
            await joined.wait()
            await socket.wait_closed()

        async def hear(url: str) -> list[str]:
            async with client.connect(url) as socket:
                return [await socket.recv() for _ in range(50)]

        async with serving(join) as url:
            async with asyncio.TaskGroup() as group:
                hearing = [group.create_task(hear(url)) for _ in range(10)]
                await joined.wait()
                for n in range(50):
                    server.broadcast(sockets, f"news {n}")
            for task in hearing:
                assert task.result() == [f"news {n}" for n in range(50)]

    native(main())


def test_closing(native: Native) -> None:
    async def main() -> None:
        async def refuse(socket: Any) -> None:
            await socket.close(4001, "no")

        async with serving(refuse) as url, client.connect(url) as socket:
            with pytest.raises(exceptions.ConnectionClosedError) as caught:
                await socket.recv()
            assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (4001, "no")

        async def leave(socket: Any) -> None:
            await socket.send("bye")

        async with serving(leave) as url, client.connect(url) as socket:
            assert [message async for message in socket] == ["bye"]

    native(main())


def test_server_that_closes(native: Native) -> None:
    """Its handlers hear of it, and its clients."""

    async def main() -> None:
        left = Gate()

        async def wait(socket: Any) -> None:
            try:
                await socket.recv()
            except exceptions.ConnectionClosed:
                left.open()
                raise

        async with serving(wait) as url:
            socket = await client.connect(url)
        with pytest.raises(exceptions.ConnectionClosed):
            await socket.recv()
        assert left.is_open()

    native(main())


def test_limits(native: Native) -> None:
    """A wait that was cancelled loses no message."""

    async def main() -> None:
        async with serving() as url, client.connect(url) as socket:
            for n in range(3):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(socket.recv(), SOON)
                await socket.send(str(n))
                assert await socket.recv() == str(n)

    native(main())


def test_abort_of_a_client(workers: int) -> None:
    async def main() -> None:
        joined, left = Gate(), Gate()

        async def wait(socket: Any) -> None:
            joined.open()
            await socket.wait_closed()
            left.open()

        async with serving(wait) as url:

            async def hear() -> None:
                async with client.connect(url) as socket:
                    await socket.recv()

            handle = spawn(hear())
            await joined.wait()
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await handle
            assert caught.value.is_cancelled()
            await left.wait()

    yamanote.run(main(), worker_threads=workers)


def test_abort_of_a_server(workers: int) -> None:
    async def main() -> None:
        address = Oneshot[str]()

        async def listen() -> None:
            async with serving() as url:
                address.send(url)
                await asyncio.Event().wait()

        handle = spawn(listen())
        socket = await client.connect(await address.recv())
        await socket.send("hello")
        assert await socket.recv() == "hello"
        handle.abort()
        with pytest.raises(exceptions.ConnectionClosed):
            await socket.recv()
        with pytest.raises(JoinError) as caught:
            await handle
        assert caught.value.is_cancelled()

    yamanote.run(main(), worker_threads=workers)
