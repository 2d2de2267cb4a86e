"""What a reader has read ahead, and not yet given out."""

from __future__ import annotations

import asyncio
import threading


class Ahead(bytearray):
    """Bytes that were read ahead, for all who read from the same reader.

    Several may, on threads of their own: to look and to take is one step. So a byte goes to one
    of them, though another may have been faster by the time that one takes.
    """

    __slots__ = ("_given", "_lock")

    def __init__(self) -> None:
        # Re-entrant: the garbage collector may find a coroutine that reads.
        self._lock = threading.RLock()
        #: How many bytes have been given out, ever.
        self._given = 0

    def keep(self, data: bytes) -> None:
        """Add what has come."""
        with self._lock:
            self += data

    def take(self, most: int | None = None) -> bytes:
        """Give out `most` bytes, or as many as there are."""
        with self._lock:
            data = bytes(self if most is None or most >= len(self) else self[:most])
            del self[: len(data)]
            self._given += len(data)
            return data

    def take_exactly(self, count: int) -> bytes | None:
        """Give out `count` bytes, if there are as many."""
        with self._lock:
            return self.take(count) if len(self) >= count else None

    def take_until(self, delimiter: bytes, limit: int, searched: int) -> tuple[bytes | None, int]:
        """Give out what ends with the first `delimiter`, if it has come.

        Args:
            limit: how many bytes may come before it.
            searched: up to where it was looked for in vain, as the last call said; first 0.

        Raises:
            asyncio.LimitOverrunError: it is not within the limit.
        """
        with self._lock:
            found = self.find(delimiter, max(searched - self._given, 0))
            if 0 <= found <= limit:
                return self.take(found + len(delimiter)), 0
            vain = max(len(self) - len(delimiter) + 1, 0)
            if found >= 0 or vain > limit:
                raise asyncio.LimitOverrunError(
                    f"no {delimiter!r} within the limit of {limit} bytes", vain
                )
            return None, self._given + vain


#: Of making one, which several may want to at once.
making = threading.RLock()
