"""Counterparts of tokio/tests/tcp_connect.rs."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable

import pytest

from yamanote import Runtime, join, spawn
from yamanote.net import Address, TcpListener, TcpStream


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")


def connects(rt: Runtime, bound: Address, version: int) -> None:
    async def main() -> None:
        async with await TcpListener.bind(bound) as listener:
            address = listener.local_addr()
            assert ipaddress.ip_address(address[0]).version == version

            async def accept() -> TcpStream:
                stream, peer = await listener.accept()
                assert peer == stream.peer_addr()
                return stream

            accepting = spawn(accept())
            async with await TcpStream.connect(address) as mine, await accepting as theirs:
                assert mine.local_addr() == theirs.peer_addr()
                assert theirs.local_addr() == mine.peer_addr()

    rt.block_on(main())


def test_connect_v4(rt: Runtime) -> None:
    connects(rt, "127.0.0.1:0", 4)


@needs_ipv6
def test_connect_v6(rt: Runtime) -> None:
    connects(rt, "[::1]:0", 6)


def connects_to(rt: Runtime, address_of: Callable[[int], Address]) -> None:
    async def main() -> None:
        async with await TcpListener.bind("127.0.0.1:0") as listener:

            async def server() -> None:
                stream, _ = await listener.accept()
                stream.close()

            async def client() -> None:
                (await TcpStream.connect(address_of(listener.local_addr()[1]))).close()

            await join(server(), client())

    rt.block_on(main())


def test_connect_addr_ip_string(rt: Runtime) -> None:
    connects_to(rt, lambda port: f"127.0.0.1:{port}")


def test_connect_addr_host_string(rt: Runtime) -> None:
    connects_to(rt, lambda port: f"localhost:{port}")


def test_connect_addr_ip_str_port_tuple(rt: Runtime) -> None:
    connects_to(rt, lambda port: ("127.0.0.1", port))


def test_connect_addr_host_str_port_tuple(rt: Runtime) -> None:
    connects_to(rt, lambda port: ("localhost", port))
