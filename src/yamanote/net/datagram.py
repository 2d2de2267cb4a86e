"""Datagrams: what UDP's and Unix's sockets have in common."""

from __future__ import annotations

import socket
from typing import Any

from .base import NativeSocket
from .stream import BytesLike

#: More than any datagram of UDP's has, in bytes.
LARGEST = 65536


class DatagramSocket(NativeSocket):
    """A socket for datagrams.

    Each is sent and received as a whole: of one that is longer than `max_bytes` the rest is
    lost. Several tasks may send and receive at the same time.
    """

    __slots__ = ()

    async def send(self, data: BytesLike) -> int:
        """Send a datagram to the address that the socket is connected to.

        Returns:
            Its length, in bytes.

        Raises:
            OSError: EMSGSIZE, it is too large; EDESTADDRREQ or ENOTCONN, the socket is not
                connected; ECONNREFUSED, the last one did not reach anybody.

        Cancel-safe. Tokio: `UdpSocket::send`.
        """
        return await self._io(self._writable, self._sock.send, data)

    async def recv(self, max_bytes: int = LARGEST) -> bytes:
        """Wait for a datagram from the address that the socket is connected to, or from
        anywhere. Cancel-safe. Tokio: `UdpSocket::recv`."""
        return await self._io(self._readable, self._sock.recv, max_bytes)

    async def recv_from(self, max_bytes: int = LARGEST) -> tuple[bytes, Any]:
        """Wait for a datagram.

        Returns:
            The datagram, and the address that it came from.

        Cancel-safe. Tokio: `UdpSocket::recv_from`.
        """
        return await self._io(self._readable, self._sock.recvfrom, max_bytes)

    async def recv_into(self, buffer: bytearray | memoryview) -> int:
        """As `recv`, into `buffer`; returns how many bytes. Tokio: `UdpSocket::recv_buf`."""
        return await self._io(self._readable, self._sock.recv_into, buffer)

    async def recv_from_into(self, buffer: bytearray | memoryview) -> tuple[int, Any]:
        """As `recv_from`, into `buffer`; returns how many bytes, and the address that they
        came from. Tokio: `UdpSocket::recv_buf_from`."""
        return await self._io(self._readable, self._sock.recvfrom_into, buffer)

    def try_send(self, data: BytesLike) -> int:
        """As `send`, if there is room at once.

        Raises:
            BlockingIOError: there is none; wait for `writable()`.

        Tokio: `UdpSocket::try_send`.
        """
        return self._try(self._writable, self._sock.send, data)

    def try_recv(self, max_bytes: int = LARGEST) -> bytes:
        """As `recv`, if there is a datagram.

        Raises:
            BlockingIOError: there is none; wait for `readable()`.

        Tokio: `UdpSocket::try_recv`.
        """
        return self._try(self._readable, self._sock.recv, max_bytes)

    def try_recv_from(self, max_bytes: int = LARGEST) -> tuple[bytes, Any]:
        """As `recv_from`, if there is a datagram.

        Raises:
            BlockingIOError: there is none; wait for `readable()`.

        Tokio: `UdpSocket::try_recv_from`.
        """
        return self._try(self._readable, self._sock.recvfrom, max_bytes)

    async def peek(self, max_bytes: int = LARGEST) -> bytes:
        """As `recv`, but the datagram stays. Tokio: `UdpSocket::peek`."""
        return await self._io(self._readable, self._sock.recv, max_bytes, socket.MSG_PEEK)

    async def peek_from(self, max_bytes: int = LARGEST) -> tuple[bytes, Any]:
        """As `recv_from`, but the datagram stays. Tokio: `UdpSocket::peek_from`."""
        return await self._io(self._readable, self._sock.recvfrom, max_bytes, socket.MSG_PEEK)

    def try_peek_from(self, max_bytes: int = LARGEST) -> tuple[bytes, Any]:
        """As `peek_from`, if there is a datagram.

        Raises:
            BlockingIOError: there is none; wait for `readable()`.

        Tokio: `UdpSocket::try_peek_from`.
        """
        return self._try(self._readable, self._sock.recvfrom, max_bytes, socket.MSG_PEEK)

    async def peek_sender(self) -> Any:
        """Wait for a datagram, and say where it came from; it stays. Cancel-safe. Tokio:
        `UdpSocket::peek_sender`."""
        return (await self.peek_from(0))[1]

    def try_peek_sender(self) -> Any:
        """As `peek_sender`, if there is a datagram.

        Raises:
            BlockingIOError: there is none; wait for `readable()`.

        Tokio: `UdpSocket::try_peek_sender`.
        """
        return self.try_peek_from(0)[1]

    def peer_addr(self) -> Any:
        """The address that the socket is connected to. Tokio: `UdpSocket::peer_addr`."""
        return self._now(self._sock.getpeername)
