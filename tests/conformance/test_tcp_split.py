"""Counterpart of tokio/tests/tcp_split.rs."""

from __future__ import annotations

import socket

from tests.channels import LIMIT, on_thread
from yamanote import Runtime
from yamanote.net import TcpStream

MESSAGE = b"split"


def test_split(rt: Runtime) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> bytes:
        stream, _ = listener.accept()
        with stream:
            stream.sendall(MESSAGE)
            return stream.recv(32)

    async def main() -> None:
        async with await TcpStream.connect(listener.getsockname()) as stream:
            read, write = stream.split()
            assert await read.peek(32) == await read.peek(32) == MESSAGE
            assert await read.read(32) == MESSAGE
            assert await write.write(MESSAGE) == len(MESSAGE)

    with listener:
        serving = on_thread(serve)
        rt.block_on(main())
        assert serving.result(LIMIT) == MESSAGE
