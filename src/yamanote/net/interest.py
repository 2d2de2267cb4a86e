"""What one waits for, and what has come of it."""

from __future__ import annotations

import enum


class Interest(enum.Flag):
    """What one waits for. Tokio: `io::Interest`."""

    READABLE = enum.auto()
    WRITABLE = enum.auto()


class Ready(enum.Flag):
    """What may be done now without waiting. Tokio: `io::Ready`."""

    EMPTY = 0
    READABLE = enum.auto()
    WRITABLE = enum.auto()
    READ_CLOSED = enum.auto()
    WRITE_CLOSED = enum.auto()

    def is_empty(self) -> bool:
        """Whether there is nothing."""
        return not self

    def is_readable(self) -> bool:
        """Whether it may be read from: there is something, or it is the end."""
        return bool(self & (Ready.READABLE | Ready.READ_CLOSED))

    def is_writable(self) -> bool:
        """Whether it may be written to: there is room, or an error."""
        return bool(self & (Ready.WRITABLE | Ready.WRITE_CLOSED))

    def is_read_closed(self) -> bool:
        """Whether the other side is known to write no more."""
        return bool(self & Ready.READ_CLOSED)

    def is_write_closed(self) -> bool:
        """Whether the other side is known to read no more."""
        return bool(self & Ready.WRITE_CLOSED)
