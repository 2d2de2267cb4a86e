"""The sockets that a server listens on."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Sequence
from typing import Any

from .errors import ServeError

# With port 0 the second address of a host may find the first one's port taken.
_ATTEMPTS = 10


class Listener:
    """The sockets of one server, bound at once, so that an address in use is an error before
    any application starts, and listening later.

    Raises:
        ServeError: an address cannot be bound.
    """

    def __init__(
        self,
        *,
        host: str | None = None,
        port: int = 0,
        uds: str | None = None,
        fd: int | Sequence[int] | None = None,
    ) -> None:
        self._uds: str | None = None
        self._identity: tuple[int, int] | None = None
        if fd is not None:
            self.sockets = [_from_fd(each) for each in ([fd] if isinstance(fd, int) else fd)]
        elif uds is not None:
            self.sockets = [_bind_uds(uds)]
            found = os.stat(uds)
            self._uds, self._identity = uds, (found.st_dev, found.st_ino)
        else:
            self.sockets = _bind_host(host or None, port)
        for sock in self.sockets:
            sock.setblocking(False)

    def listen(self, backlog: int) -> None:
        """Let connections come.

        Raises:
            ServeError: another process listens there since.
        """
        for sock in self.sockets:
            try:
                sock.listen(backlog)
            except OSError as error:
                raise ServeError(f"cannot listen on {_name(sock)}: {error.strerror}") from error

    def urls(self, scheme: str) -> list[str]:
        """Where the server is found."""
        urls = []
        for sock in self.sockets:
            address = sock.getsockname()
            if sock.family == socket.AF_INET6:
                urls.append(f"{scheme}://[{address[0]}]:{address[1]}")
            elif sock.family == socket.AF_INET:
                urls.append(f"{scheme}://{address[0]}:{address[1]}")
            else:
                urls.append(f"unix:{_name(sock)}")
        return urls

    def close(self) -> None:
        """Refuse further connections."""
        for sock in self.sockets:
            sock.close()
        if self._uds is not None:
            try:
                found = os.stat(self._uds)
                if (found.st_dev, found.st_ino) == self._identity:  # nobody has taken it over
                    os.unlink(self._uds)
            except OSError:
                pass
            self._uds = None


def _from_fd(fd: int) -> socket.socket:
    try:
        return socket.socket(fileno=os.dup(fd))
    except OSError as error:
        raise ServeError(f"file descriptor {fd} is no socket: {error.strerror}") from error


def _bind_uds(path: str) -> socket.socket:
    mode = 0o666
    try:
        found = os.stat(path)
    except OSError:
        pass
    else:
        if not stat.S_ISSOCK(found.st_mode):
            raise ServeError(f"cannot listen on {path}: a file that is no socket is there")
        mode = stat.S_IMODE(found.st_mode)
        if _answers(path):
            raise ServeError(f"cannot listen on {path}: another process does")
        os.unlink(path)  # left over
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, mode)
    except OSError as error:
        sock.close()
        raise ServeError(f"cannot listen on {path}: {error.strerror or error}") from error
    return sock


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except BlockingIOError:
            return True  # busy
        except OSError:
            return False
        return True


def _bind_host(host: str | None, port: int) -> list[socket.socket]:
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_ADDRCONFIG
        )
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ServeError(f"cannot listen on {host or 'any address'}: {reason}") from error
    addresses: list[tuple[socket.AddressFamily, tuple[Any, ...]]] = [
        (family, address) for family, _, _, _, address in found
    ]
    addresses = list(dict.fromkeys(addresses))
    for attempt in range(_ATTEMPTS):
        try:
            return _bind_all(addresses)
        except ServeError:
            if port != 0 or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def _bind_all(
    addresses: list[tuple[socket.AddressFamily, tuple[Any, ...]]],
) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    port: int | str = 0
    for family, address in addresses:
        where = (address[0], address[1] or port, *address[2:])
        try:
            # With its protocol, by which asyncio knows to set TCP_NODELAY.
            sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        except OSError:
            continue  # a family that this system does not have
        sockets.append(sock)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(where)
        except (OSError, OverflowError) as error:
            if (
                isinstance(error, OSError)
                and error.errno == errno.EADDRNOTAVAIL
                and (len(addresses) > 1)
            ):
                sockets.pop().close()  # the system has the family, but no such address
                continue
            for each in sockets:
                each.close()
            reason = getattr(error, "strerror", None) or str(error)
            raise ServeError(f"cannot listen on {where[0]}:{where[1]}: {reason}") from error
        port = sock.getsockname()[1]
    if not sockets:
        raise ServeError(f"cannot listen on {addresses[0][1][0]}: there is no such address here")
    return sockets


def _name(sock: socket.socket) -> str:
    address = sock.getsockname()
    if isinstance(address, tuple):
        return f"{address[0]}:{address[1]}"
    return os.fsdecode(address) or f"socket {sock.fileno()}"
