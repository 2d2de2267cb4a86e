"""Connections over Unix sockets."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any, NamedTuple, TypeAlias, final

from .socket_stream import SocketStream

#: Where a Unix socket is: a path in the file system, or on Linux a name of its own, which
#: begins with a zero byte.
Path: TypeAlias = "str | bytes | os.PathLike[str]"

_UCRED = struct.Struct("iII")


class UCred(NamedTuple):
    """Who is at the other end. Tokio: `net::unix::UCred`."""

    uid: int
    gid: int
    #: None where the system does not tell.
    pid: int | None


@final
class UnixStream(SocketStream):
    """A connection over a Unix socket. Thread-safe. Tokio: `net::UnixStream`."""

    __slots__ = ()

    @classmethod
    async def connect(cls, path: Path) -> UnixStream:
        """Connect to the listener at `path`.

        Raises:
            OSError: there is none, or its backlog is full (a BlockingIOError).

        Cancel-safe. Tokio: `UnixStream::connect`.
        """
        target = os.fspath(path)
        stream = cls(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        await stream._connect(target)
        return stream

    async def _connect(self, address: Any) -> None:
        try:
            await super()._connect(address)
        except OSError as error:
            raise error_at(address, error) from None

    @classmethod
    def pair(cls) -> tuple[UnixStream, UnixStream]:
        """Two streams that are connected with each other. Tokio: `UnixStream::pair`."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(one), cls(other)

    def peer_cred(self) -> UCred:
        """Who was at the other end when it connected. Tokio: `UnixStream::peer_cred`.

        Raises:
            OSError: (ENOTSUP) the system does not tell.
        """
        if not hasattr(socket, "SO_PEERCRED"):
            raise OSError(errno.ENOTSUP, "this system does not tell who is at the other end")
        level, option = socket.SOL_SOCKET, socket.SO_PEERCRED
        value: Any = self._now(self._sock.getsockopt, level, option, _UCRED.size)
        pid, uid, gid = _UCRED.unpack(value)
        return UCred(uid, gid, pid)


def error_at(path: str | bytes, error: OSError, hint: str = "") -> OSError:
    """The same error, which says of what path."""
    number, text = error.errno, error.strerror
    if number is None:  # Python's own, of a path that is too long
        number, text = errno.ENAMETOOLONG, str(error)
    return OSError(number, f"{text}{hint}", path)
