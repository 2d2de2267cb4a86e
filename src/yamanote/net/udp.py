"""UDP."""

from __future__ import annotations

import socket
import struct
from typing import Any, final

from .address import Address, error_at, numeric, resolve
from .datagram import DatagramSocket
from .stream import BytesLike

_INTERFACE = struct.Struct("@I")


@final
class UdpSocket(DatagramSocket):
    """A UDP socket.

        async with await UdpSocket.bind(("0.0.0.0", 5353)) as sock:
            data, peer = await sock.recv_from()
            await sock.send_to(data, peer)

    Thread-safe. Tokio: `net::UdpSocket`.
    """

    __slots__ = ()

    @classmethod
    async def bind(cls, address: Address) -> UdpSocket:
        """A socket at `address`; port 0 is a free one, which `local_addr` tells.

        Raises:
            OSError: it cannot be had (the last one's error, if a name has several addresses),
                or there is no such host.
            ValueError: `address` is none.

        Cancel-safe. Tokio: `UdpSocket::bind`.
        """
        failure: OSError | None = None
        for family, target in await resolve(address, socket.SOCK_DGRAM, passive=True):
            sock = socket.socket(family, socket.SOCK_DGRAM)
            try:
                sock.bind(target)
            except OSError as error:
                sock.close()
                failure = error_at(target, error)
            else:
                return cls(sock)
        try:
            raise failure or OSError(f"{address!r} has no address to bind to")
        finally:
            del failure  # its traceback refers to this frame

    async def connect(self, address: Address) -> None:
        """Send to `address` from now on, and receive from there only.

        Raises:
            OSError: the system refuses, or there is no such host.
            ValueError: `address` is none.

        Cancel-safe. Tokio: `UdpSocket::connect`.
        """
        self._now(self._sock.connect, await self._target(address))

    async def send_to(self, data: BytesLike, address: Address) -> int:
        """Send a datagram to `address`.

        Returns:
            Its length, in bytes.

        Raises:
            OSError: EMSGSIZE, it is too large; or there is no such host.
            ValueError: `address` is none.

        Cancel-safe. Tokio: `UdpSocket::send_to`.
        """
        target = await self._target(address)
        return await self._io(self._writable, self._sock.sendto, data, target)

    def try_send_to(self, data: BytesLike, address: Address) -> int:
        """As `send_to`, if there is room at once, to an address in numbers.

        Raises:
            BlockingIOError: there is none; wait for `writable()`.
            ValueError: `address` is none, or a name, which would have to be looked up first:
                see `lookup_host`.

        Tokio: `UdpSocket::try_send_to`.
        """
        target = numeric(address, self._sock.family, socket.SOCK_DGRAM)
        return self._try(self._writable, self._sock.sendto, data, target)

    async def _target(self, address: Address) -> Any:
        family = self._sock.family
        for found, target in await resolve(address, socket.SOCK_DGRAM):
            if found == family:
                return target
        raise OSError(f"{address!r} has no {family.name} address, as this socket needs")

    # Options.

    def broadcast(self) -> bool:
        """Whether it may send to broadcast addresses. Tokio: `UdpSocket::broadcast`."""
        return bool(self._get_option(socket.SOL_SOCKET, socket.SO_BROADCAST))

    def set_broadcast(self, on: bool) -> None:
        """Let it send to broadcast addresses. Tokio: `UdpSocket::set_broadcast`."""
        self._set_option(socket.SOL_SOCKET, socket.SO_BROADCAST, on)

    def ttl(self) -> int:
        """The time to live of its packets. Tokio: `UdpSocket::ttl`."""
        return self._get_option(socket.IPPROTO_IP, socket.IP_TTL)

    def set_ttl(self, hops: int) -> None:
        """Set the time to live of its packets. Tokio: `UdpSocket::set_ttl`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_TTL, hops)

    def tos_v4(self) -> int:
        """The type of service of its packets. Tokio: `UdpSocket::tos_v4`."""
        return self._get_option(socket.IPPROTO_IP, socket.IP_TOS)

    def set_tos_v4(self, tos: int) -> None:
        """Set the type of service of its packets. Tokio: `UdpSocket::set_tos_v4`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_TOS, tos)

    def tclass_v6(self) -> int:
        """The traffic class of its packets. Tokio: `UdpSocket::tclass_v6`."""
        return self._get_option(socket.IPPROTO_IPV6, socket.IPV6_TCLASS)

    def set_tclass_v6(self, tclass: int) -> None:
        """Set the traffic class of its packets. Tokio: `UdpSocket::set_tclass_v6`."""
        self._set_option(socket.IPPROTO_IPV6, socket.IPV6_TCLASS, tclass)

    def multicast_loop_v4(self) -> bool:
        """Whether it hears its own multicasts. Tokio: `UdpSocket::multicast_loop_v4`."""
        return bool(self._get_option(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP))

    def set_multicast_loop_v4(self, on: bool) -> None:
        """Let it hear its own multicasts. Tokio: `UdpSocket::set_multicast_loop_v4`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, on)

    def multicast_ttl_v4(self) -> int:
        """The time to live of its multicasts. Tokio: `UdpSocket::multicast_ttl_v4`."""
        return self._get_option(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL)

    def set_multicast_ttl_v4(self, hops: int) -> None:
        """Set the time to live of its multicasts. Tokio: `UdpSocket::set_multicast_ttl_v4`."""
        self._set_option(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, hops)

    def multicast_loop_v6(self) -> bool:
        """Whether it hears its own multicasts. Tokio: `UdpSocket::multicast_loop_v6`."""
        return bool(self._get_option(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP))

    def set_multicast_loop_v6(self, on: bool) -> None:
        """Let it hear its own multicasts. Tokio: `UdpSocket::set_multicast_loop_v6`."""
        self._set_option(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, on)

    def join_multicast_v4(self, group: str, interface: str = "0.0.0.0") -> None:
        """Hear a multicast group at the interface of that address; 0.0.0.0 is any.

        Tokio: `UdpSocket::join_multicast_v4`.
        """
        self._membership_v4(socket.IP_ADD_MEMBERSHIP, group, interface)

    def leave_multicast_v4(self, group: str, interface: str = "0.0.0.0") -> None:
        """The opposite of `join_multicast_v4`. Tokio: `UdpSocket::leave_multicast_v4`."""
        self._membership_v4(socket.IP_DROP_MEMBERSHIP, group, interface)

    def _membership_v4(self, option: int, group: str, interface: str) -> None:
        value = _packed(socket.AF_INET, group) + _packed(socket.AF_INET, interface)
        self._set_option(socket.IPPROTO_IP, option, value)

    def join_multicast_v6(self, group: str, interface: int = 0) -> None:
        """Hear a multicast group at the interface of that index; 0 is any.

        Tokio: `UdpSocket::join_multicast_v6`.
        """
        self._membership_v6(socket.IPV6_JOIN_GROUP, group, interface)

    def leave_multicast_v6(self, group: str, interface: int = 0) -> None:
        """The opposite of `join_multicast_v6`. Tokio: `UdpSocket::leave_multicast_v6`."""
        self._membership_v6(socket.IPV6_LEAVE_GROUP, group, interface)

    def _membership_v6(self, option: int, group: str, interface: int) -> None:
        value = _packed(socket.AF_INET6, group) + _INTERFACE.pack(interface)
        self._set_option(socket.IPPROTO_IPV6, option, value)


def _packed(family: socket.AddressFamily, address: str) -> bytes:
    try:
        return socket.inet_pton(family, address)
    except OSError:
        raise ValueError(f"{address!r} is no {family.name} address") from None
