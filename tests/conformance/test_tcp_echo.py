"""Counterpart of tokio/tests/tcp_echo.rs."""

from __future__ import annotations

from yamanote import Runtime, spawn
from yamanote.net import TcpListener, TcpStream, copy

ITER = 1024
MESSAGE = b"foo bar baz"


def test_echo_server(rt: Runtime) -> None:
    async def main() -> None:
        async with await TcpListener.bind("127.0.0.1:0") as listener:

            async def client() -> None:
                async with await TcpStream.connect(listener.local_addr()) as stream:
                    for _ in range(ITER):
                        await stream.write_all(MESSAGE)
                        assert await stream.read_exact(len(MESSAGE)) == MESSAGE

            handle = spawn(client())
            stream, _ = await listener.accept()
            async with stream:
                read, write = stream.split()
                assert await copy(read, write) == len(MESSAGE) * ITER
            await handle

    rt.block_on(main())
