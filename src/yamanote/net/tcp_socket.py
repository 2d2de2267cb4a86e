"""A TCP socket before it is connected or listens."""

from __future__ import annotations

import socket
from typing import final

from .address import Address, numeric
from .tcp_listener import BACKLOG, TcpListener
from .tcp_options import TcpOptions
from .tcp_stream import TcpStream


@final
class TcpSocket(TcpOptions):
    """A TCP socket, to be given options and an address before it is connected or listens.

        sock = TcpSocket.new_v4()
        sock.set_reuseport(True)
        sock.bind(("127.0.0.1", 8080))
        listener = sock.listen()

    Thread-safe. Tokio: `net::TcpSocket`.
    """

    __slots__ = ()

    @classmethod
    def new_v4(cls) -> TcpSocket:
        """A socket for IPv4. Tokio: `TcpSocket::new_v4`."""
        return cls(socket.socket(socket.AF_INET, socket.SOCK_STREAM))

    @classmethod
    def new_v6(cls) -> TcpSocket:
        """A socket for IPv6. Tokio: `TcpSocket::new_v6`."""
        return cls(socket.socket(socket.AF_INET6, socket.SOCK_STREAM))

    def bind(self, address: Address) -> None:
        """Bind it to an address in numbers: a name would have to be looked up first, see
        `lookup_host`.

        Raises:
            OSError: the address cannot be had.
            ValueError: `address` is none, or a name.

        Tokio: `TcpSocket::bind`.
        """
        target = numeric(address, self._sock.family, socket.SOCK_STREAM, passive=True)
        self._now(self._sock.bind, target)

    async def connect(self, address: Address) -> TcpStream:
        """Connect it to an address in numbers, and make a stream of it. The socket itself is
        used up, and closed if that fails or is cancelled.

        Raises:
            OSError: nobody answers.
            ValueError: `address` is none, or a name.

        Cancel-safe. Tokio: `TcpSocket::connect`.
        """
        target = numeric(address, self._sock.family, socket.SOCK_STREAM)
        stream = TcpStream(self.into_std())
        await stream._connect(target)
        return stream

    def listen(self, backlog: int = BACKLOG) -> TcpListener:
        """Make a listener of it. The socket itself is used up.

        Args:
            backlog: how many connections may wait to be accepted.

        Raises:
            OSError: the system refuses.

        Tokio: `TcpSocket::listen`.
        """
        self._now(self._sock.listen, backlog)
        return TcpListener(self.into_std())

    # Options.

    def reuseaddr(self) -> bool:
        """Whether an address may be bound that was just in use. Tokio: `reuseaddr`."""
        return bool(self._get_option(socket.SOL_SOCKET, socket.SO_REUSEADDR))

    def set_reuseaddr(self, on: bool) -> None:
        """Allow an address to be bound that was just in use. Tokio: `set_reuseaddr`."""
        self._set_option(socket.SOL_SOCKET, socket.SO_REUSEADDR, on)

    def reuseport(self) -> bool:
        """Whether several sockets may be bound to one port. Tokio: `reuseport`."""
        return bool(self._get_option(socket.SOL_SOCKET, socket.SO_REUSEPORT))

    def set_reuseport(self, on: bool) -> None:
        """Allow several sockets to be bound to one port. Tokio: `set_reuseport`."""
        self._set_option(socket.SOL_SOCKET, socket.SO_REUSEPORT, on)

    def keepalive(self) -> bool:
        """Whether a silent peer is asked if it is still there. Tokio: `keepalive`."""
        return bool(self._get_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def set_keepalive(self, on: bool) -> None:
        """Ask a silent peer whether it is still there. Tokio: `set_keepalive`."""
        self._set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, on)

    def send_buffer_size(self) -> int:
        """The size of what is to be sent, in bytes, as the system counts. Tokio:
        `send_buffer_size`."""
        return self._get_option(socket.SOL_SOCKET, socket.SO_SNDBUF)

    def set_send_buffer_size(self, size: int) -> None:
        """Ask for room for `size` bytes that are to be sent. Tokio: `set_send_buffer_size`."""
        self._set_option(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def recv_buffer_size(self) -> int:
        """The size of what was received, in bytes, as the system counts. Tokio:
        `recv_buffer_size`."""
        return self._get_option(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def set_recv_buffer_size(self, size: int) -> None:
        """Ask for room for `size` bytes that were received. Tokio: `set_recv_buffer_size`."""
        self._set_option(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def tos_v4(self) -> int:
        """The type of service of its packets. Tokio: `tos_v4`."""
        return self._get_option(socket.IPPROTO_IP, socket.IP_TOS)

    def set_tos_v4(self, tos: int) -> None:
        """Set the type of service of its packets. Tokio: `set_tos_v4`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_TOS, tos)

    def tclass_v6(self) -> int:
        """The traffic class of its packets. Tokio: `tclass_v6`."""
        return self._get_option(socket.IPPROTO_IPV6, socket.IPV6_TCLASS)

    def set_tclass_v6(self, tclass: int) -> None:
        """Set the traffic class of its packets. Tokio: `set_tclass_v6`."""
        self._set_option(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tclass)
