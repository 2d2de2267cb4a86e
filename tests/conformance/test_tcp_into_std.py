"""Counterpart of tokio/tests/tcp_into_std.rs."""

from __future__ import annotations

from tests.pairs import connected
from yamanote import Runtime, block_in_place
from yamanote.net import TcpStream


def test_tcp_into_std(multi_rt: Runtime) -> None:
    async def main() -> None:
        client, stream = await connected()
        async with client:
            sock = stream.into_std()
            assert stream.is_closed()
            sock.setblocking(True)
            await client.write_all(b"Hello world!")
            assert block_in_place(sock.recv, 12) == b"Hello world!"
            async with TcpStream.from_std(sock) as again:
                await client.write_all(b"Hello tokio!")
                assert await again.read_exact(12) == b"Hello tokio!"

    multi_rt.block_on(main())
