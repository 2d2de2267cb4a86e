"""Addresses: what the user writes, and what the system makes of it."""

from __future__ import annotations

import socket
from typing import Any, TypeAlias

from ..task import JoinError, spawn_blocking

#: `"host:port"`, `"[::1]:port"`, `(host, port)`, or what the system gave: `(host, port, flow
#: information, scope)` for IPv6.
Address: TypeAlias = "str | tuple[str, int] | tuple[str, int, int, int]"

#: What the system gives: `(host, port)`, and two numbers more for IPv6.
SocketAddress: TypeAlias = "tuple[str, int] | tuple[str, int, int, int]"


async def lookup_host(address: Address) -> list[SocketAddress]:
    """Resolve a host's name and port to the addresses of sockets, the best ones first.

    What is a number already is not looked up; a name is, on the blocking pool.

    Raises:
        OSError: (`socket.gaierror`) there is no such host.
        ValueError: `address` is not an address with a port.

    Cancel-safe. Tokio: `net::lookup_host`.
    """
    return [address for _, address in await resolve(address, socket.SOCK_STREAM)]


async def resolve(
    address: Address, kind: int, passive: bool = False
) -> list[tuple[socket.AddressFamily, SocketAddress]]:
    """The families and addresses for sockets of that kind."""
    host, port, *rest = parse(address)
    # An empty host is any address to listen on, this machine to connect to.
    flags = socket.AI_PASSIVE if passive else 0
    numeric = flags | socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    try:
        found = socket.getaddrinfo(host or None, port, type=kind, flags=numeric)
    except socket.gaierror:
        try:
            found = await spawn_blocking(socket.getaddrinfo, host, port, type=kind, flags=flags)
        except JoinError as failed:
            error = failed.__cause__
            if not isinstance(error, OSError):
                raise
            raise type(error)(error.errno, f"{error.strerror}: {host!r}") from None
    addresses: list[tuple[socket.AddressFamily, Any]] = []
    for family, _, _, _, sockaddr in found:
        if rest and family == socket.AF_INET6:
            sockaddr = (*sockaddr[:2], *rest)
        if (family, sockaddr) not in addresses:
            addresses.append((family, sockaddr))
    return addresses


def numeric(address: Address, family: int, kind: int, passive: bool = False) -> tuple[Any, ...]:
    """The address for a socket of that family and kind, if it needs no looking up, for which
    one would have to wait.

    Raises:
        ValueError: it is a name, of another family, or none.
    """
    host, port, *rest = parse(address)
    try:
        socket.inet_pton(family, host)  # most are; the other way takes a hundred times as long
    except OSError:
        pass
    else:
        return host, port, *rest
    flags = socket.AI_NUMERICHOST | (socket.AI_PASSIVE if passive else 0)
    try:
        found = socket.getaddrinfo(host or None, port, family=family, type=kind, flags=flags)
    except socket.gaierror:
        raise ValueError(
            f"{host!r} is no {socket.AddressFamily(family).name} address in numbers: a name has "
            "to be looked up first, see lookup_host()"
        ) from None
    numbers = found[0][4]
    return (*numbers[:2], *rest) if rest else numbers


def error_at(address: tuple[Any, ...], error: OSError) -> OSError:
    """The same error, which says of what address."""
    host, port = address[:2]
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return type(error)(error.errno, f"{error.strerror}: {where}")


def parse(address: Address) -> tuple[Any, ...]:
    """Host, port, and what else there is for IPv6.

    Raises:
        ValueError: it is none.
    """
    if isinstance(address, str):
        host, colon, port = address.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError(f"an IPv6 address takes brackets, as in '[::1]:80', not {address!r}")
        if not colon or not (port.isascii() and port.isdigit()):
            raise ValueError(f"an address is 'host:port' or (host, port), not {address!r}")
        address = host, int(port)
    if (
        not isinstance(address, tuple)
        or len(address) not in (2, 4)
        or not isinstance(address[0], str)
        or not all(isinstance(number, int) for number in address[1:])
    ):
        raise ValueError(f"an address is 'host:port' or (host, port), not {address!r}")
    if not 0 <= address[1] <= 65535:
        raise ValueError(f"a port is a number from 0 to 65535, not {address[1]}")
    return address
