"""Reading from many connections in one callback.

A server's connections are ready by the dozen. asyncio makes one callback of each, and takes
four calls and 71 bytecode instructions until the protocol gets the data. Here those that one
look for I/O has found are read from in a single loop: 38.
"""

from __future__ import annotations

from asyncio import events
from typing import Any


class Reader(events.Handle):
    """asyncio's handle of a transport's read, which an `Inbox` can do without."""

    __slots__ = ("transport",)

    def __init__(self, transport: Any, callback: Any, loop: Any) -> None:
        super().__init__(callback, (), loop)
        self.transport = transport


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
                run(transport._fatal_error, error, "Fatal read error on socket transport")
                continue
            if not data:
                run(transport._read_ready__on_eof)
                continue
            try:
                run(transport._protocol.data_received, data)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                run(
                    transport._fatal_error,
                    error,
                    "Fatal error: protocol.data_received() call failed.",
                )
