"""Datagrams over Unix sockets."""

from __future__ import annotations

import errno
import os
import socket
from typing import final

from ..runtime.readiness import Readiness
from ..sync.budget import out_of_budget
from ..task import yield_now
from ..time import sleep
from .datagram import DatagramSocket
from .stream import BytesLike
from .unix_listener import bound
from .unix_stream import Path

#: After how many seconds to try again when the receiver's queue was full.
_RETRY = 0.001


@final
class UnixDatagram(DatagramSocket):
    """A Unix socket for datagrams. None is lost: who sends waits until there is room.

    Thread-safe. Tokio: `net::UnixDatagram`.
    """

    __slots__ = ()

    @classmethod
    def bind(cls, path: Path) -> UnixDatagram:
        """A socket at `path`, which must not exist.

        Raises:
            OSError: (EADDRINUSE) it exists; or what else the system says.

        Tokio: `UnixDatagram::bind`.
        """
        return cls(bound(socket.SOCK_DGRAM, path))

    @classmethod
    def unbound(cls) -> UnixDatagram:
        """A socket that nobody can answer. Tokio: `UnixDatagram::unbound`."""
        return cls(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))

    @classmethod
    def pair(cls) -> tuple[UnixDatagram, UnixDatagram]:
        """Two sockets that are connected with each other. Tokio: `UnixDatagram::pair`."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        return cls(one), cls(other)

    def connect(self, path: Path) -> None:
        """Send to the socket at `path` from now on, and receive from there only.

        Raises:
            OSError: there is none.

        Tokio: `UnixDatagram::connect`.
        """
        self._now(self._sock.connect, os.fspath(path))

    async def send_to(self, data: BytesLike, path: Path) -> int:
        """Send a datagram to the socket at `path`.

        Returns:
            Its length, in bytes.

        Raises:
            OSError: there is none, or EMSGSIZE: it is too large.

        Cancel-safe. Tokio: `UnixDatagram::send_to`.
        """
        target = os.fspath(path)
        while True:
            if out_of_budget():
                await yield_now()
            try:
                with self._writable.lock:
                    return self._sock.sendto(data, target)
            except BlockingIOError:
                # The other one's queue is full, of which the system announces nothing to a
                # socket that is not connected to it.
                await sleep(_RETRY)
            except OSError as error:
                raise self._explain(error) from None

    def try_send_to(self, data: BytesLike, path: Path) -> int:
        """As `send_to`, if there is room at once.

        Raises:
            BlockingIOError: there is none; wait for `writable()`.

        Tokio: `UnixDatagram::try_send_to`.
        """
        return self._try(self._writable, self._sock.sendto, data, os.fspath(path))

    def shutdown(self, how: int = socket.SHUT_RDWR) -> None:
        """Close one direction or both (`socket.SHUT_RD`, `SHUT_WR`, `SHUT_RDWR`).

        What has come before can be received still; whoever waits for more gets a
        BrokenPipeError, and so does whoever sends to or from a direction that is closed.

        Raises:
            OSError: `how` is none of these.

        Tokio: `UnixDatagram::shutdown`.
        """
        self._now(self._shut_down, how)

    def _shut_down(self, how: int) -> None:
        if how != socket.SHUT_WR:
            # First: who is woken by it finds that it would block, and asks why.
            self._readable.final = True
        self._sock.shutdown(how)

    def _check_ended(self, readiness: Readiness) -> None:
        if readiness is self._readable and readiness.has_ended():
            readiness.stay_ready()  # for the others, and the next ones
            raise BrokenPipeError(errno.ESHUTDOWN, "the socket has been shut down for reading")
