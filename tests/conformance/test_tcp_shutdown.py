"""Counterparts of tokio/tests/tcp_shutdown.rs."""

from __future__ import annotations

from tests.gates import Gate
from yamanote import Runtime, spawn
from yamanote.net import TcpListener, TcpStream, copy


def test_shutdown(rt: Runtime) -> None:
    async def main() -> None:
        async with await TcpListener.bind("127.0.0.1:0") as listener:

            async def client() -> None:
                async with await TcpStream.connect(listener.local_addr()) as stream:
                    await stream.shutdown()
                    assert await stream.read(1) == b""

            handle = spawn(client())
            stream, _ = await listener.accept()
            async with stream:
                read, write = stream.split()
                assert await copy(read, write) == 0
                await stream.shutdown()
                await handle

    rt.block_on(main())


def test_shutdown_after_tcp_reset(rt: Runtime) -> None:
    async def main() -> None:
        async with await TcpListener.bind("127.0.0.1:0") as listener:
            connected, dropped = Gate(), Gate()

            async def client() -> None:
                async with await TcpStream.connect(listener.local_addr()) as stream:
                    connected.open()
                    await dropped.wait()
                    await stream.shutdown()

            handle = spawn(client())
            stream, _ = await listener.accept()
            stream.set_zero_linger()
            await connected.wait()
            stream.close()
            dropped.open()
            await handle

    rt.block_on(main())


def test_shutdown_multiple_calls(rt: Runtime) -> None:
    async def main() -> None:
        async with await TcpListener.bind("127.0.0.1:0") as listener:
            connected = Gate()

            async def client() -> None:
                async with await TcpStream.connect(listener.local_addr()) as stream:
                    connected.open()
                    for _ in range(3):
                        await stream.shutdown()

            handle = spawn(client())
            stream, _ = await listener.accept()
            async with stream:
                await connected.wait()
                await stream.shutdown()
                await handle

    rt.block_on(main())
