"""Counterparts of tokio/tests/tcp_accept.rs."""

from __future__ import annotations

import pytest

from tests.waiting import Waiting
from yamanote import Runtime, spawn
from yamanote.net import Address, TcpListener, TcpStream
from yamanote.sync import mpsc


def accepts(rt: Runtime, target: Address) -> None:
    async def main() -> None:
        async with await TcpListener.bind(target) as listener:

            async def accept() -> TcpStream:
                socket, _ = await listener.accept()
                return socket

            accepting = spawn(accept())
            client = await TcpStream.connect(listener.local_addr())
            async with client, await accepting as server:
                assert client.local_addr() == server.peer_addr()

    rt.block_on(main())


def test_ip_str(rt: Runtime) -> None:
    accepts(rt, "127.0.0.1:0")


def test_host_str(rt: Runtime) -> None:
    accepts(rt, "localhost:0")


def test_str_port_tuple(rt: Runtime) -> None:
    accepts(rt, ("127.0.0.1", 0))


def test_no_extra_poll(rt: Runtime) -> None:
    """Who waits to accept is not woken but for a connection."""

    async def main() -> None:
        async with await TcpListener.bind("127.0.0.1:0") as listener:
            polls = 0
            tx, rx = mpsc.unbounded_channel[None]()

            class Counted:
                def __await__(self):  # type: ignore[no-untyped-def]
                    nonlocal polls
                    iterator = listener.accept().__await__()
                    while True:
                        polls += 1
                        try:
                            park = next(iterator)
                        except StopIteration as stop:
                            return stop.value
                        yield park

            async def accept() -> None:
                while True:
                    stream, _ = await Counted()
                    stream.close()
                    tx.send(None)

            accepting = await Waiting(accept()).pending()
            assert polls == 1
            (await TcpStream.connect(listener.local_addr())).close()
            await rx.recv()
            again = await Waiting(rx.recv()).pending()
            # Once to get it, and once to wait for the next.
            assert polls in (2, 3)
            again.handle.abort()
            accepting.handle.abort()

    rt.block_on(main())


@pytest.mark.parametrize("count", [50])
def test_accept_many(rt: Runtime, count: int) -> None:
    """A connection wakes all who wait to accept; one gets it."""

    async def main() -> None:
        async with await TcpListener.bind("127.0.0.1:0") as listener:
            tx, rx = mpsc.unbounded_channel[TcpStream]()

            async def accept() -> None:
                stream, _ = await listener.accept()
                tx.send(stream)

            waiting = [await Waiting(accept()).pending() for _ in range(count)]
            # One connection after the other: each finds one of those who wait.
            for _ in range(count):
                client = await TcpStream.connect(listener.local_addr())
                async with client, await rx.recv() as server:
                    assert server.peer_addr() == client.local_addr()
            for each in waiting:
                await each.handle

    rt.block_on(main())
