"""Accepting connections: what TCP's and Unix's listeners have in common."""

from __future__ import annotations

import errno
import logging
import socket
from typing import Any

from ..time import sleep
from .base import NativeSocket

_logger = logging.getLogger("yamanote")

# The process, or the system, has no descriptor or no memory left: that is not the fault of
# whoever connects, and may pass.
_SCARCE = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# A connection that ended before it was accepted, or that a firewall forbids, is of no concern to
# the listener. Linux passes on the network's errors, too: see its manual of accept.
_PASSED = {errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENOPROTOOPT} | {
    getattr(errno, name)
    for name in ("ENETDOWN", "EHOSTDOWN", "ENONET", "EHOSTUNREACH", "ENETUNREACH")
    if hasattr(errno, name)
}

#: How many seconds to wait when there is no descriptor left: the first time, and at most.
_BACK_OFF, _LONGEST = 0.05, 1.0


class Listener(NativeSocket):
    """A socket that accepts connections."""

    __slots__ = ()

    async def _accept(self) -> tuple[socket.socket, Any]:
        """The next connection. When there are no descriptors left it says so in the log, once,
        and goes on when there are."""
        pause = 0.0
        while True:
            try:
                return await self._io(self._readable, self._sock.accept)
            except OSError as error:
                if error.errno in _SCARCE and not self._source.closed:
                    if not pause:
                        _logger.error("%r cannot accept a connection: %s", self, error)
                    pause = min(max(2 * pause, _BACK_OFF), _LONGEST)
                elif error.errno not in _PASSED:
                    raise
                else:
                    continue
            await sleep(pause)
