"""Counterpart of tokio/tests/uds_split.rs."""

from __future__ import annotations

from yamanote import Runtime, try_join
from yamanote.net import AsyncRead, AsyncWrite, UnixStream


async def send_and_receive_all(read: AsyncRead, write: AsyncWrite, data: bytes) -> bytes:
    await write.write_all(data)
    await write.shutdown()
    return await read.read_to_end()


def test_split(rt: Runtime) -> None:
    async def main() -> None:
        a, b = UnixStream.pair()
        async with a, b:
            received = await try_join(
                send_and_receive_all(*a.split(), b"A"), send_and_receive_all(*b.split(), b"B")
            )
            assert received == (b"B", b"A")

    rt.block_on(main())
