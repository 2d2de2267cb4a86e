"""A Unix socket before it is connected, listens or sends datagrams."""

from __future__ import annotations

import os
import socket
from typing import final

from .base import NativeSocket
from .tcp_listener import BACKLOG
from .unix_datagram import UnixDatagram
from .unix_listener import UnixListener, bind_to
from .unix_stream import Path, UnixStream


@final
class UnixSocket(NativeSocket):
    """A Unix socket, to be given a path before it is connected or listens.

        sock = UnixSocket.new_stream()
        sock.bind("/run/client")
        stream = await sock.connect("/run/server")

    Thread-safe. Tokio: `net::UnixSocket`.
    """

    __slots__ = ()

    @classmethod
    def new_stream(cls) -> UnixSocket:
        """A socket for connections. Tokio: `UnixSocket::new_stream`."""
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))

    @classmethod
    def new_datagram(cls) -> UnixSocket:
        """A socket for datagrams. Tokio: `UnixSocket::new_datagram`."""
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))

    def bind(self, path: Path) -> None:
        """Bind it to `path`, which must not exist.

        Raises:
            OSError: (EADDRINUSE) it exists; or what else the system says.

        Tokio: `UnixSocket::bind`.
        """
        self._now(bind_to, self._sock, path)

    async def connect(self, path: Path) -> UnixStream:
        """Connect it to the listener at `path`, and make a stream of it. The socket itself is
        used up, and closed if that fails or is cancelled.

        Raises:
            OSError: there is none, or its backlog is full (a BlockingIOError).
            RuntimeError: it is a socket for datagrams.

        Tokio: `UnixSocket::connect`.
        """
        self._check_kind(socket.SOCK_STREAM, "connect() needs a UnixSocket.new_stream()")
        target = os.fspath(path)
        stream = UnixStream(self.into_std())
        await stream._connect(target)
        return stream

    def listen(self, backlog: int = BACKLOG) -> UnixListener:
        """Make a listener of it. The socket itself is used up.

        Args:
            backlog: how many connections may wait to be accepted.

        Raises:
            OSError: the system refuses.
            RuntimeError: it is a socket for datagrams.

        Tokio: `UnixSocket::listen`.
        """
        self._check_kind(socket.SOCK_STREAM, "listen() needs a UnixSocket.new_stream()")
        self._now(self._sock.listen, backlog)
        return UnixListener(self.into_std())

    def datagram(self) -> UnixDatagram:
        """Make a socket of it that sends and receives. The socket itself is used up.

        Raises:
            RuntimeError: it is a socket for connections.

        Tokio: `UnixSocket::datagram`.
        """
        self._check_kind(socket.SOCK_DGRAM, "datagram() needs a UnixSocket.new_datagram()")
        return UnixDatagram(self.into_std())

    def _check_kind(self, kind: int, otherwise: str) -> None:
        if self._sock.type != kind:
            raise RuntimeError(otherwise)
