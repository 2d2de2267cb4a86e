"""Counterparts of tokio/tests/udp.rs."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.channels import LIMIT
from tests.conformance.test_tcp_connect import needs_ipv6
from tests.waiting import Waiting
from yamanote import Runtime, spawn
from yamanote.net import Interest, Ready, UdpSocket
from yamanote.sync import mpsc

MESSAGE = b"hello"
ANY = "127.0.0.1:0"


@contextlib.asynccontextmanager
async def two() -> AsyncIterator[tuple[UdpSocket, UdpSocket]]:
    async with await UdpSocket.bind(ANY) as one, await UdpSocket.bind(ANY) as other:
        yield one, other


@contextlib.asynccontextmanager
async def connected() -> AsyncIterator[tuple[UdpSocket, UdpSocket]]:
    async with two() as (one, other):
        await one.connect(other.local_addr())
        await other.connect(one.local_addr())
        yield one, other


def test_send_recv(rt: Runtime) -> None:
    async def main() -> None:
        async with connected() as (sender, receiver):
            assert sender.peer_addr() == receiver.local_addr()
            assert await sender.send(MESSAGE) == len(MESSAGE)
            assert await receiver.recv(32) == MESSAGE

    rt.block_on(main())


def test_send_to_recv_from(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sender, receiver):
            assert await sender.send_to(MESSAGE, receiver.local_addr()) == len(MESSAGE)
            assert await receiver.recv_from(32) == (MESSAGE, sender.local_addr())

    rt.block_on(main())


def test_send_to_peek_from(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sender, receiver):
            peeking = await Waiting(receiver.peek_from(32)).pending()
            await sender.send_to(MESSAGE, receiver.local_addr())
            expected = (MESSAGE, sender.local_addr())
            assert await peeking.handle == expected
            assert await receiver.peek_from(32) == expected
            assert await receiver.recv_from(32) == expected

    rt.block_on(main())


def test_send_to_try_peek_from(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sender, receiver):
            with pytest.raises(BlockingIOError):
                receiver.try_peek_from(32)
            await sender.send_to(MESSAGE, receiver.local_addr())
            expected = (MESSAGE, sender.local_addr())
            await receiver.readable()
            assert receiver.try_peek_from(32) == expected
            assert receiver.try_peek_from(32) == expected
            assert await receiver.recv_from(32) == expected

    rt.block_on(main())


def test_peek_sender(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sender, receiver):
            sending = spawn(sender.send_to(MESSAGE, receiver.local_addr()))
            assert await receiver.peek_sender() == sender.local_addr()
            await sending
            assert await receiver.recv_from(32) == (MESSAGE, sender.local_addr())

    rt.block_on(main())


def test_try_peek_sender(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sender, receiver):
            with pytest.raises(BlockingIOError):
                receiver.try_peek_sender()
            await sender.send_to(MESSAGE, receiver.local_addr())
            await receiver.readable()
            assert receiver.try_peek_sender() == sender.local_addr()
            assert receiver.try_recv_from(32) == (MESSAGE, sender.local_addr())

    rt.block_on(main())


def test_split(rt: Runtime) -> None:
    async def main() -> None:
        async with await UdpSocket.bind(ANY) as sock:
            sending = spawn(sock.send_to(MESSAGE, sock.local_addr()))
            assert (await sock.recv_from(32))[0] == MESSAGE
            await sending

    rt.block_on(main())


def test_split_chan(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sock, sender):
            tx, rx = mpsc.channel[tuple[bytes, Any]](1000)

            async def answer() -> None:
                async for data, peer in rx:
                    await sock.send_to(data, peer)

            async def receive() -> None:
                while True:
                    await tx.send(await sock.recv_from(32))

            handles = [spawn(answer()), spawn(receive())]
            await sender.send_to(MESSAGE, sock.local_addr())
            assert (await sender.recv_from(32))[0] == MESSAGE
            for handle in handles:
                handle.abort()

    rt.block_on(main())


def test_try_send_spawn(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sender, receiver):
            await receiver.connect(sender.local_addr())
            await sender.writable()
            assert sender.try_send_to(MESSAGE, receiver.local_addr()) == len(MESSAGE)
            assert await receiver.recv() == MESSAGE
            await sender.connect(receiver.local_addr())
            assert sender.try_send(b"world!") == 6
            assert await receiver.recv() == b"world!"
            thread = threading.Thread(target=sender.try_send, args=[MESSAGE])
            thread.start()
            thread.join(LIMIT)
            assert await receiver.recv() == MESSAGE

    rt.block_on(main())


def test_try_send_recv(rt: Runtime) -> None:
    async def main() -> None:
        async with connected() as (client, server):
            for _ in range(5):
                await client.writable()
                assert client.try_send(b"hello world") == 11
                await server.readable()
                assert server.try_recv(512) == b"hello world"
                with pytest.raises(BlockingIOError):
                    server.try_recv(512)

    rt.block_on(main())


def test_try_send_to_recv_from(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (client, server):
            for _ in range(5):
                await client.writable()
                assert client.try_send_to(b"hello world", server.local_addr()) == 11
                await server.readable()
                assert server.try_recv_from(512) == (b"hello world", client.local_addr())
                with pytest.raises(BlockingIOError):
                    server.try_recv_from(512)

    rt.block_on(main())


def test_recv_buf(rt: Runtime) -> None:
    async def main() -> None:
        async with connected() as (sender, receiver):
            await sender.send(MESSAGE)
            buffer = bytearray(32)
            assert await receiver.recv_into(buffer) == len(MESSAGE)
            assert buffer.startswith(MESSAGE)

    rt.block_on(main())


def test_recv_buf_from(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (sender, receiver):
            await sender.send_to(MESSAGE, receiver.local_addr())
            buffer = bytearray(32)
            expected = (len(MESSAGE), sender.local_addr())
            assert await receiver.recv_from_into(buffer) == expected
            assert buffer.startswith(MESSAGE)

    rt.block_on(main())


def test_poll_ready(rt: Runtime) -> None:
    async def main() -> None:
        async with two() as (client, server):
            for _ in range(5):
                assert await client.ready(Interest.WRITABLE) == Ready.WRITABLE
                client.try_send_to(b"hello world", server.local_addr())
                assert await server.ready(Interest.READABLE) == Ready.READABLE
                assert server.try_recv_from() == (b"hello world", client.local_addr())

    rt.block_on(main())


def can_be_set(rt: Runtime, option: str, value: Any, address: str = ANY) -> None:
    async def main() -> None:
        async with await UdpSocket.bind(address) as sock:
            assert getattr(sock, option)() != value
            getattr(sock, f"set_{option}")(value)
            assert getattr(sock, option)() == value

    rt.block_on(main())


def test_broadcast(rt: Runtime) -> None:
    can_be_set(rt, "broadcast", True)


def test_multicast_loop_v4(rt: Runtime) -> None:
    can_be_set(rt, "multicast_loop_v4", False)


def test_multicast_ttl_v4(rt: Runtime) -> None:
    can_be_set(rt, "multicast_ttl_v4", 40)


@needs_ipv6
def test_multicast_loop_v6(rt: Runtime) -> None:
    can_be_set(rt, "multicast_loop_v6", False, "[::1]:0")


@needs_ipv6
def test_tclass_v6(rt: Runtime) -> None:
    can_be_set(rt, "tclass_v6", 96, "[::1]:0")


def test_ttl(rt: Runtime) -> None:
    can_be_set(rt, "ttl", 40)


def test_tos_v4(rt: Runtime) -> None:
    can_be_set(rt, "tos_v4", 96)
