"""A socket transport that sends once per turn of the loop.

A protocol that writes a response's head and then its body has them sent by one system call,
and as one packet, when the callbacks of this turn have run. uvloop does the same. It costs a
server half of what it spends on sending.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from .transport import SocketTransport

# More than this many bytes do not wait, for the transport's limits are to be heard of in time.
_MOST = 65536

_write = SocketTransport.__mro__[1].write


class CorkedTransport(SocketTransport):
    """asyncio's transport of a connected socket, which gathers what is written.

    It stands in the loop's queue of callbacks as its own handle.
    """

    # asyncio's 256 KiB are allocated anew for each read, and most of them given back.
    max_size = 65536

    # What the loop asks of a handle.
    _cancelled = False

    if not TYPE_CHECKING:

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self._corked: list[bytes] = []
            self._corked_size = 0
            super().__init__(*args, **kwargs)

        def write(self, data):
            loop = self._loop
            if loop._thread_id != threading.get_ident():
                loop._claim()
            size = len(data)
            if (
                data.__class__ is not bytes
                or size >= _MOST
                or self._eof
                or self._conn_lost
                or self._empty_waiter is not None
            ):
                self._run()
                _write(self, data)
                return
            if not self._corked:
                if loop._debug:
                    loop.call_soon(self._run)
                else:
                    loop.ready.append(self)
            self._corked.append(data)
            self._corked_size += size
            if self._corked_size >= _MOST:
                self._run()

        def writelines(self, list_of_data):
            self._run()
            super().writelines(list_of_data)

        def _run(self):
            """Send what was written."""
            corked = self._corked
            if corked:
                data = corked[0] if len(corked) == 1 else b"".join(corked)
                corked.clear()
                self._corked_size = 0
                # asyncio's own write, with its checks, if that is not all that is to do.
                if not (self._buffer or self._conn_lost):
                    try:
                        sent = self._sock.send(data)
                    except OSError:
                        sent = 0  # it will be raised again, and handled
                    if sent == len(data):
                        return
                    data = memoryview(data)[sent:]
                _write(self, data)

        def get_write_buffer_size(self):
            return super().get_write_buffer_size() + self._corked_size

        def write_eof(self):
            self._run()
            super().write_eof()

        def close(self):
            self._run()
            super().close()

        def _force_close(self, exc):
            self._corked.clear()
            self._corked_size = 0
            super()._force_close(exc)

        def _make_empty_waiter(self):
            self._run()
            return super()._make_empty_waiter()
