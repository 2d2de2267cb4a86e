"""Counterpart of tokio/tests/tcp_peek.rs."""

from __future__ import annotations

import socket

from yamanote import Runtime
from yamanote.net import TcpStream


def test_peek(rt: Runtime) -> None:
    async def main() -> None:
        async with TcpStream.from_std(left) as stream:
            assert await stream.peek(16) == b"\1\2\3\4"
            assert await stream.read(16) == b"\1\2\3\4"

    with socket.create_server(("127.0.0.1", 0)) as listener:
        left = socket.create_connection(listener.getsockname())
        right, _ = listener.accept()
    with right:
        right.send(b"\1\2\3\4")
        rt.block_on(main())
