"""The options of a TCP socket, connected or not yet."""

from __future__ import annotations

import socket
import struct
from typing import Any

from .base import NativeSocket

_LINGER = struct.Struct("ii")


class TcpOptions(NativeSocket):
    """What `TcpStream` and `TcpSocket` both can be told."""

    __slots__ = ()

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
        """Have closing wait up to `seconds` until all is sent, which blocks the worker; None
        (the default) leaves that to the system.

        Tokio: `TcpStream::set_linger`.
        """
        value = _LINGER.pack(seconds is not None, seconds or 0)
        self._set_option(socket.SOL_SOCKET, socket.SO_LINGER, value)

    def set_zero_linger(self) -> None:
        """Have closing reset the connection at once: what was not sent is lost, and the peer
        gets a ConnectionResetError. Tokio: `TcpStream::set_zero_linger`."""
        self.set_linger(0)

    def ttl(self) -> int:
        """The time to live of its packets. Tokio: `TcpStream::ttl`."""
        return self._get_option(socket.IPPROTO_IP, socket.IP_TTL)

    def set_ttl(self, hops: int) -> None:
        """Set the time to live of its packets. Tokio: `TcpStream::set_ttl`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_TTL, hops)
