"""A TCP connection."""

from __future__ import annotations

import socket
from typing import Any, final

from .address import Address, error_at, resolve
from .socket_stream import SocketStream
from .tcp_options import TcpOptions


@final
class TcpStream(SocketStream, TcpOptions):
    """A TCP connection.

        stream = await TcpStream.connect("example.org:80")
        async with stream:
            await stream.write_all(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
            print(await stream.read_line())

    Thread-safe. Tokio: `net::TcpStream`.
    """

    __slots__ = ()

    @classmethod
    async def connect(cls, address: Address) -> TcpStream:
        """Connect to `address`; if a name has several addresses, to the first that answers.

        Raises:
            OSError: none answers (the last one's error), or there is no such host.
            ValueError: `address` is none.

        Cancel-safe. Tokio: `TcpStream::connect`.
        """
        failure: OSError | None = None
        for family, target in await resolve(address, socket.SOCK_STREAM):
            try:
                stream = cls(socket.socket(family, socket.SOCK_STREAM))
                await stream._connect(target)
                return stream
            except OSError as error:
                failure = error
        try:
            raise failure or OSError(f"{address!r} has no address to connect to")
        finally:
            del failure  # its traceback refers to this frame

    async def _connect(self, address: Any) -> None:
        try:
            await super()._connect(address)
        except OSError as error:
            raise error_at(address, error) from None
