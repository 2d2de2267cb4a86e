"""What one waits for, and what has come of it."""

from __future__ import annotations

import enum


class Interest(enum.Flag):
    """What one waits for. Tokio: `io::Interest`."""

    READABLE = enum.auto()
    WRITABLE = enum.auto()
    #: Out-of-band data; of an AsyncFd only, where the system has epoll.
    PRIORITY = enum.auto()
    #: An error, or a message in the error queue; of an AsyncFd only, where there is epoll.
    ERROR = enum.auto()


class Ready(enum.Flag):
    """What may be done now without waiting. Tokio: `io::Ready`."""

    EMPTY = 0
    READABLE = enum.auto()
    WRITABLE = enum.auto()
    READ_CLOSED = enum.auto()
    WRITE_CLOSED = enum.auto()
    PRIORITY = enum.auto()
    ERROR = enum.auto()

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

    def is_priority(self) -> bool:
        """Whether there is out-of-band data."""
        return bool(self & Ready.PRIORITY)

    def is_error(self) -> bool:
        """Whether there is an error."""
        return bool(self & Ready.ERROR)
