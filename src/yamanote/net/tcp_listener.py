"""Accepting TCP connections."""

from __future__ import annotations

import socket
from typing import final

from .address import Address, SocketAddress, error_at, resolve
from .listener import Listener
from .tcp_stream import TcpStream

#: How many connections may wait to be accepted (Tokio's figure).
BACKLOG = 1024


@final
class TcpListener(Listener):
    """A TCP socket that accepts connections.

        async with await TcpListener.bind(("127.0.0.1", 8080)) as listener:
            while True:
                stream, peer = await listener.accept()
                spawn(serve(stream))

    Several tasks may accept at the same time. Thread-safe. Tokio: `net::TcpListener`.
    """

    __slots__ = ()

    @classmethod
    async def bind(cls, address: Address) -> TcpListener:
        """Listen at `address`; if a name has several addresses, at the first that can be had.

        Port 0 is a free one, which `local_addr` tells. The address may be bound again as soon
        as the listener is closed (SO_REUSEADDR).

        Raises:
            OSError: it cannot be had (the last one's error), or there is no such host.
            ValueError: `address` is none.

        Cancel-safe. Tokio: `TcpListener::bind`.
        """
        failure: OSError | None = None
        for family, target in await resolve(address, socket.SOCK_STREAM, passive=True):
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(target)
                sock.listen(BACKLOG)
            except OSError as error:
                sock.close()
                failure = error_at(target, error)
            else:
                return cls(sock)
        try:
            raise failure or OSError(f"{address!r} has no address to bind to")
        finally:
            del failure  # its traceback refers to this frame

    async def accept(self) -> tuple[TcpStream, SocketAddress]:
        """Wait for the next connection.

        When the process has no descriptor left (EMFILE) it logs that and waits until there is
        one.

        Returns:
            The connection, and the address that it came from.

        Raises:
            OSError: the listener is closed (EBADF), or what else the system says.

        Cancel-safe. Tokio: `TcpListener::accept`.
        """
        sock, peer = await self._accept()
        return TcpStream(sock), peer

    def __aiter__(self) -> TcpListener:
        return self

    async def __anext__(self) -> tuple[TcpStream, SocketAddress]:
        return await self.accept()

    def ttl(self) -> int:
        """The time to live of the connections' packets. Tokio: `TcpListener::ttl`."""
        return self._get_option(socket.IPPROTO_IP, socket.IP_TTL)

    def set_ttl(self, hops: int) -> None:
        """Set the time to live of the connections' packets. Tokio: `TcpListener::set_ttl`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_TTL, hops)
