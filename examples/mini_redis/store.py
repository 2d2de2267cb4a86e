"""The values, shared by all connections, and their expiry.

Connections run on all workers at the same time, so each operation happens with a lock held: an
ordinary one, of threads. It is never held across an await, and never for long; a lock that tasks
wait for (`yamanote.sync.Mutex`) would be for longer work.

What has a time limit is in a `DelayQueue`, too, from which a background task takes what is due.
Until it comes to that, nobody sees what has expired.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from itertools import islice

from yamanote.time import DelayKey, DelayQueue, now

from .resp import CommandError

Value = bytes | deque[bytes]

LARGEST_INTEGER = (1 << 63) - 1


class Store:
    """Keys and their values: strings, and lists of strings. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[bytes, Value] = {}
        # Of the keys with a time limit: until when, and what names them in the queue.
        self._limits: dict[bytes, tuple[float, DelayKey]] = {}
        self._queue: DelayQueue[bytes | None] = DelayQueue()
        # So that it is never empty, and whoever waits waits on.
        self._queue.insert(None, math.inf)

    async def expire_forever(self) -> None:
        """Drop what has expired, as soon as it has."""
        async for expired in self._queue:
            if expired.value is not None:
                with self._lock:
                    limit = self._limits.get(expired.value)
                    if limit is not None and limit[1] is expired.key:
                        self._delete(expired.value)

    # Any value.

    def delete(self, *keys: bytes) -> int:
        with self._lock:
            return sum(self._find(key) is not None and self._delete(key) for key in keys)

    def exists(self, *keys: bytes) -> int:
        with self._lock:
            return sum(self._find(key) is not None for key in keys)

    def kind(self, key: bytes) -> str:
        with self._lock:
            value = self._find(key)
        return "none" if value is None else "string" if isinstance(value, bytes) else "list"

    def expire(self, key: bytes, seconds: float) -> bool:
        """Have `key` expire in so many seconds; whether there is one."""
        with self._lock:
            if self._find(key) is None:
                return False
            if seconds <= 0:
                self._delete(key)
            else:
                self._limit(key, seconds)
            return True

    def persist(self, key: bytes) -> bool:
        """Have `key` never expire; whether it would have."""
        with self._lock:
            return self._find(key) is not None and self._unlimit(key)

    def ttl(self, key: bytes) -> float | None:
        """The seconds that `key` has left: infinity without a limit, None if there is none."""
        with self._lock:
            if self._find(key) is None:
                return None
            limit = self._limits.get(key)
            return math.inf if limit is None else max(limit[0] - now(), 0.0)

    def __len__(self) -> int:
        with self._lock:
            return len(self._values)

    def clear(self) -> None:
        with self._lock:
            dropped, self._values = self._values, {}
            for _, key in self._limits.values():
                self._queue.try_remove(key)
            self._limits.clear()
        del dropped  # not with the lock held: it may be much

    # Strings.

    def get(self, key: bytes) -> bytes | None:
        with self._lock:
            # _find(), written out for the most frequent of all.
            value = self._find(key) if key in self._limits else self._values.get(key)
        if value.__class__ is deque:
            raise wrong_kind()
        return value  # type: ignore[return-value]

    def set(
        self,
        key: bytes,
        value: bytes,
        *,
        seconds: float | None = None,
        keep_limit: bool = False,
        if_exists: bool | None = None,
    ) -> bool:
        """Set a string; whether that has happened.

        Args:
            seconds: the time that it has.
            keep_limit: leave it the time that it had.
            if_exists: True sets what exists only, False what does not exist only.
        """
        with self._lock:
            if if_exists is not None and (self._find(key) is not None) != if_exists:
                return False
            self._values[key] = value
            if seconds is not None:
                self._limit(key, seconds)
            elif self._limits and not keep_limit:
                self._unlimit(key)
            return True

    def add(self, key: bytes, count: int) -> int:
        """Add to a string that is a number, 0 if there is none; returns the sum."""
        with self._lock:
            value = self._find(key)
            if isinstance(value, deque):
                raise wrong_kind()
            total = integer_of(b"0" if value is None else value) + count
            if not -LARGEST_INTEGER <= total <= LARGEST_INTEGER:
                raise CommandError("ERR increment or decrement would overflow")
            self._values[key] = b"%d" % total
            return total

    # Lists.

    def push(self, key: bytes, values: list[bytes], *, left: bool) -> int:
        """Add values at an end of a list, one after the other; returns how many it has then."""
        with self._lock:
            items = self._list(key)
            if items is None:
                items = self._values[key] = deque()
            if left:
                items.extendleft(values)
            else:
                items.extend(values)
            return len(items)

    def pop(self, key: bytes, count: int, *, left: bool) -> list[bytes] | None:
        """Take up to `count` values from an end of a list; None if there is no list."""
        with self._lock:
            items = self._list(key)
            if items is None:
                return None
            pop = items.popleft if left else items.pop
            popped = [pop() for _ in range(min(count, len(items)))]
            if not items:
                self._delete(key)
            return popped

    def length(self, key: bytes) -> int:
        with self._lock:
            return len(self._list(key) or ())

    def range(self, key: bytes, start: int, stop: int) -> list[bytes]:
        """The values from `start` to `stop`, both included; negative ones count from the end."""
        with self._lock:
            items = self._list(key) or deque()
            start = max(start + len(items), 0) if start < 0 else start
            stop = stop + len(items) if stop < 0 else min(stop, len(items) - 1)
            return list(islice(items, start, stop + 1)) if start <= stop else []

    # With the lock held.

    def _find(self, key: bytes) -> Value | None:
        """The value of `key`, unless it has expired."""
        limit = self._limits.get(key)
        if limit is not None and limit[0] <= now():
            self._delete(key)
        return self._values.get(key)

    def _list(self, key: bytes) -> deque[bytes] | None:
        value = self._find(key)
        if isinstance(value, bytes):
            raise wrong_kind()
        return value

    def _delete(self, key: bytes) -> bool:
        self._unlimit(key)
        return self._values.pop(key, None) is not None

    def _limit(self, key: bytes, seconds: float) -> None:
        self._unlimit(key)
        deadline = now() + seconds
        self._limits[key] = deadline, self._queue.insert_at(key, deadline)

    def _unlimit(self, key: bytes) -> bool:
        limit = self._limits.pop(key, None)
        if limit is None:
            return False
        self._queue.try_remove(limit[1])
        return True


def integer_of(value: bytes) -> int:
    """A number as Redis writes them: in 64 bits, without spaces or signs that mean nothing."""
    try:
        number = int(value) if len(value) <= 20 else 0
    except ValueError:
        number = 0
    if b"%d" % number != value or not -LARGEST_INTEGER - 1 <= number <= LARGEST_INTEGER:
        raise CommandError("ERR value is not an integer or out of range")
    return number


def wrong_kind() -> CommandError:
    return CommandError("WRONGTYPE Operation against a key holding the wrong kind of value")
