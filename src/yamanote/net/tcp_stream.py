"""A TCP connection."""

from __future__ import annotations

import socket
import struct
from typing import Any, final

from .address import Address, resolve
from .socket_stream import SocketStream

_LINGER = struct.Struct("ii")


@final
class TcpStream(SocketStream):
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

    def nodelay(self) -> bool:
        """Whether small writes are sent at once. Tokio: `TcpStream::nodelay`."""
        return bool(self._get_option(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def set_nodelay(self, on: bool) -> None:
        """Send small writes at once, without Nagle's wait. Tokio: `TcpStream::set_nodelay`."""
        self._set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, on)

    def linger(self) -> int | None:
        """For how many seconds closing waits until all is sent; None if it does not.

        Tokio: `TcpStream::linger`.
        """
        level, option = socket.SOL_SOCKET, socket.SO_LINGER
        value: Any = self._now(self._sock.getsockopt, level, option, _LINGER.size)
        on, seconds = _LINGER.unpack(value)
        return seconds if on else None

    def set_linger(self, seconds: int | None) -> None:
        """Have closing wait up to `seconds` until all is sent, which blocks the worker; 0
        resets the connection at once, None (the default) leaves it to the system.

        Tokio: `TcpStream::set_linger`.
        """
        value = _LINGER.pack(seconds is not None, seconds or 0)
        self._set_option(socket.SOL_SOCKET, socket.SO_LINGER, value)

    def ttl(self) -> int:
        """The time to live of its packets. Tokio: `TcpStream::ttl`."""
        return self._get_option(socket.IPPROTO_IP, socket.IP_TTL)

    def set_ttl(self, hops: int) -> None:
        """Set the time to live of its packets. Tokio: `TcpStream::set_ttl`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_TTL, hops)
