"""Counterparts of tokio/tests/tcp_socket.rs."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.test_tcp_connect import has_ipv6, needs_ipv6
from yamanote import Runtime
from yamanote.net import TcpSocket


def is_usable(rt: Runtime, new: Callable[[], TcpSocket], address: str, bind: bool = False) -> None:
    async def main() -> None:
        sock = new()
        sock.bind(address)
        async with sock.listen(128) as listener:
            client = new()
            if bind:
                client.bind(address)
            async with await client.connect(listener.local_addr()) as stream:
                server, peer = await listener.accept()
                server.close()
                assert peer == stream.local_addr()
            assert sock.is_closed()
            assert client.is_closed()

    rt.block_on(main())


def test_basic_usage_v4(rt: Runtime) -> None:
    is_usable(rt, TcpSocket.new_v4, "127.0.0.1:0")


@needs_ipv6
def test_basic_usage_v6(rt: Runtime) -> None:
    is_usable(rt, TcpSocket.new_v6, "[::1]:0")


def test_bind_before_connect(rt: Runtime) -> None:
    is_usable(rt, TcpSocket.new_v4, "127.0.0.1:0", bind=True)


def test_basic_linger() -> None:
    sock = TcpSocket.new_v4()
    sock.bind("127.0.0.1:0")
    assert sock.linger() is None
    sock.set_zero_linger()
    assert sock.linger() == 0
    sock.close()


def can_be_set(
    option: str, value: Any, expected: Any = None, v4: bool = True, v6: bool = True
) -> None:
    kinds = [TcpSocket.new_v4] * v4 + [TcpSocket.new_v6] * (v6 and has_ipv6())
    if not kinds:
        pytest.skip("this machine has no IPv6")
    for new in kinds:
        sock = new()
        expected = value if expected is None else expected
        assert getattr(sock, option)() != expected
        getattr(sock, f"set_{option}")(value)
        assert getattr(sock, option)() == expected
        sock.close()


# Linux doubles the size of a buffer, for what it needs itself.
SIZE = 4096
DOUBLED = 2 * SIZE if hasattr(socket, "SO_PASSCRED") else SIZE


def test_keepalive() -> None:
    can_be_set("keepalive", True)


def test_reuseaddr() -> None:
    can_be_set("reuseaddr", True)


def test_reuseport() -> None:
    can_be_set("reuseport", True)


def test_send_buffer_size() -> None:
    can_be_set("send_buffer_size", SIZE, DOUBLED)


def test_recv_buffer_size() -> None:
    can_be_set("recv_buffer_size", SIZE, DOUBLED)


def test_linger() -> None:
    can_be_set("linger", 10)


def test_nodelay() -> None:
    can_be_set("nodelay", True)


def test_tclass_v6() -> None:
    can_be_set("tclass_v6", 96, v4=False)


def test_tos_v4() -> None:
    can_be_set("tos_v4", 96, v6=False)
