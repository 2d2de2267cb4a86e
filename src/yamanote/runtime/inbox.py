"""Reading from many connections in one callback.

A server's connections are ready by the dozen. asyncio makes one callback of each, and takes
four calls and 71 bytecode instructions until the protocol gets the data. Here those that one
look for I/O has found are read from in a single loop: 38.
"""

from __future__ import annotations

from asyncio import events
from typing import Any

from .task import is_busy_context

# How long until the next attempt to call a protocol that blocks in place, in seconds.
_LATER = 0.001


class Reader(events.Handle):
    """asyncio's handle of a transport's read, which an `Inbox` can do without."""

    __slots__ = ("transport",)

    def __init__(self, transport: Any, callback: Any, loop: Any) -> None:
        super().__init__(callback, (), loop)
        self.transport = transport

    def _run(self) -> None:
        # When it is found by itself: the peer has ended, too.
        if self.transport.buffered:
            super()._run()
        else:
            Inbox([self])._run()


class Inbox:
    """The readers that were found ready together, in the queue of callbacks as their handle.

    Each poll makes one anew. Should this one be left half-way, by an exception or by a protocol
    that blocks in place, the next poll finds again what was not read.
    """

    __slots__ = ("_readers",)

    # What the loop asks of a handle, in debug mode too.
    _callback = _source_traceback = None
    _cancelled = False

    def __init__(self, readers: list[Reader]) -> None:
        self._readers = readers

    def _run(self) -> None:
        for reader in self._readers:
            if reader._cancelled:  # by one before it
                continue
            transport = reader.transport
            if transport.buffered:
                reader._run()
                continue
            # What asyncio's transport does.
            run = reader._context.run  # type: ignore[attr-defined]
            try:
                data = transport._sock.recv(transport.max_size)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                message = "Fatal read error on socket transport"
                _call(reader, transport._fatal_error, error, message)
                continue
            if not data:
                _call(reader, transport._read_ready__on_eof)
                continue
            try:
                run(transport._protocol.data_received, data)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                if is_busy_context(error):
                    _call_later(reader, _pass_on, transport, data)
                    continue
                run(
                    transport._fatal_error,
                    error,
                    "Fatal error: protocol.data_received() call failed.",
                )


# The protocol of a connection may block in place when there is more for it: it is busy, as the
# reader's context is, and gets what has been read when it is through.


def _call(reader: Reader, func: Any, *args: Any) -> None:
    try:
        reader._context.run(func, *args)  # type: ignore[attr-defined]
    except RuntimeError as error:
        if not is_busy_context(error):
            raise
        _call_later(reader, func, *args)


def _call_later(reader: Reader, func: Any, *args: Any) -> None:
    transport = reader.transport
    transport.late = True
    transport._loop._remove_reader(transport._sock_fd)
    transport._loop.call_later(_LATER, _call_again, reader, func, *args)


def _call_again(reader: Reader, func: Any, *args: Any) -> None:
    transport = reader.transport
    if transport.is_closing():
        return
    if not transport.is_reading():  # paused
        transport._loop.call_later(_LATER, _call_again, reader, func, *args)
        return
    transport.late = False
    _call(reader, func, *args)
    if func is _pass_on and transport.is_reading():
        transport._add_reader(transport._sock_fd, transport._read_ready)


def _pass_on(transport: Any, data: bytes) -> None:
    try:
        transport._protocol.data_received(data)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        transport._fatal_error(error, "Fatal error: protocol.data_received() call failed.")
