"""Accepting connections over a Unix socket."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, final

from .listener import Listener
from .tcp_listener import BACKLOG
from .unix_stream import Path, UnixStream, error_at


@final
class UnixListener(Listener):
    """A Unix socket that accepts connections. Thread-safe. Tokio: `net::UnixListener`.

    The file at its path stays when it is closed, as the system has it: remove it.
    """

    __slots__ = ()

    @classmethod
    def bind(cls, path: Path) -> UnixListener:
        """Listen at `path`, which must not exist.

        Raises:
            OSError: (EADDRINUSE) it exists; or what else the system says.

        Tokio: `UnixListener::bind`.
        """
        sock = bound(socket.SOCK_STREAM, path)
        sock.listen(BACKLOG)
        return cls(sock)

    async def accept(self) -> tuple[UnixStream, Any]:
        """Wait for the next connection.

        When the process has no descriptor left (EMFILE) it logs that and waits until there is
        one.

        Returns:
            The connection, and the address of its other end, mostly "".

        Raises:
            OSError: the listener is closed (EBADF), or what else the system says.

        Cancel-safe. Tokio: `UnixListener::accept`.
        """
        sock, peer = await self._accept()
        return UnixStream(sock), peer

    def __aiter__(self) -> UnixListener:
        return self

    async def __anext__(self) -> tuple[UnixStream, Any]:
        return await self.accept()


def bound(kind: int, path: Path) -> socket.socket:
    """A new socket at `path`."""
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        bind_to(sock, path)
    except BaseException:
        sock.close()
        raise
    return sock


def bind_to(sock: socket.socket, path: Path) -> None:
    """Bind `sock`, or say why not."""
    try:
        sock.bind(os.fspath(path))
    except OSError as error:
        exists = " (it exists: remove it, if no other process listens there)"
        hint = exists if error.errno == errno.EADDRINUSE else ""
        raise error_at(os.fspath(path), error, hint) from None
