"""Two ends of a connection, for tests of `yamanote.net`."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from yamanote.net import TcpListener, TcpStream


async def connected() -> tuple[TcpStream, TcpStream]:
    """A client and its server."""
    async with await TcpListener.bind("127.0.0.1:0") as listener:
        client = await TcpStream.connect(listener.local_addr())
        server, _ = await listener.accept()
        return client, server


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[tuple[TcpStream, TcpStream]]:
    """A client and its server, closed in the end."""
    client, server = await connected()
    async with client, server:
        yield client, server
