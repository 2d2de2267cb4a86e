"""A socket transport that sends once per turn of the loop, and reads with the others.

A protocol that writes a response's head and then its body has them sent by one system call,
and as one packet, when the callbacks of this turn have run. It costs a server half of what it
spends on sending.
"""

from __future__ import annotations

from asyncio import BufferedProtocol
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any

from .inbox import Reader
from .transport import SocketTransport

# More than this many bytes do not wait, for the transport's limits are to be heard of in time.
_MOST = 65536

_write = SocketTransport.__mro__[1].write


class Outbox(deque[Any]):
    """The transports of a loop that have something to send: one callback for all of them takes
    half of what one for each does, 37 bytecode instructions a response.

    It stands in the loop's queue of callbacks as its own handle, whenever it is not empty.
    """

    __slots__ = ("_ready",)

    # What the loop asks of a handle, in debug mode too.
    _callback = _source_traceback = None
    _cancelled = False

    def __init__(self, ready: deque[Any]) -> None:
        super().__init__()
        self._ready = ready

    def __repr__(self) -> str:
        return f"<Outbox of {len(self)} transports>"

    def _run(self) -> None:
        """Send what was written."""
        take = self.popleft
        try:
            while self:
                transport = take()
                data = transport._held
                if not data:
                    continue
                transport._held = b""
                sent = 0
                if not transport._buffer:
                    try:
                        sent = transport._sock.send(data)
                    except OSError:
                        pass  # it will be raised again, and handled
                    if sent == len(data):
                        continue
                if self:
                    # The protocol is called, and may block in place: another thread goes on.
                    self._ready.append(self)
                # asyncio's own write, with its checks.
                _write(transport, memoryview(data)[sent:])
        except BaseException:
            if self:
                self._ready.append(self)
            raise


class CorkedTransport(SocketTransport):
    """asyncio's transport of a connected socket, which gathers what is written."""

    # asyncio's 256 KiB are allocated anew for each read, and most of them given back.
    max_size = 65536

    #: Whether something that was read waits for the protocol, see inbox.py: it comes first.
    late = False

    if not TYPE_CHECKING:

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            #: What is to be sent next.
            self._held = b""
            #: Not once asyncio's `write` has more to look at than whether there is a buffer.
            self._gathers = True
            super().__init__(*args, **kwargs)

        def set_protocol(self, protocol):
            #: Whether it reads into the protocol's own buffer.
            self.buffered = isinstance(protocol, BufferedProtocol)
            super().set_protocol(protocol)

        def _add_reader(self, fd, callback, *args):
            if self.late:
                return
            if self._loop.get_debug():
                super()._add_reader(fd, callback, *args)
            elif self.is_reading():
                self._loop.add_read_handle(fd, Reader(self, callback, self._loop))

        def write(self, data):
            if self._gathers and data.__class__ is bytes and len(data) < _MOST:
                loop = self._loop
                if loop._thread_id != get_ident():
                    loop._claim()
                held = self._held
                if held:
                    data = held + data
                    if len(data) >= _MOST:
                        self._held = data
                        self._flush()
                        return
                else:
                    worker = loop.worker
                    outbox = worker.outbox
                    if not outbox:
                        worker.queue_callback(outbox)
                    outbox.append(self)
                self._held = data
                return
            self._flush()
            super().write(data)

        def writelines(self, list_of_data):
            self._flush()
            super().writelines(list_of_data)

        def _flush(self):
            data = self._held
            if data:
                self._held = b""
                _write(self, data)

        def get_write_buffer_size(self):
            return super().get_write_buffer_size() + len(self._held)

        def write_eof(self):
            self._flush()
            self._gathers = False
            super().write_eof()

        def close(self):
            self._flush()
            self._gathers = False
            super().close()

        def _force_close(self, exc):
            self._held = b""
            self._gathers = False
            super()._force_close(exc)

        def _make_empty_waiter(self):
            self._flush()
            self._gathers = False
            return super()._make_empty_waiter()

        def _reset_empty_waiter(self):
            super()._reset_empty_waiter()
            self._gathers = not (self._closing or self._eof)
