"""Values that come out when their time has come."""

from __future__ import annotations

import heapq
import math
import threading
from typing import Generic, TypeVar, final

from ..runtime.checks import as_seconds
from ..runtime.timer import RESOLUTION
from .instant import now
from .sleeping import Sleep

T = TypeVar("T")


@final
class DelayKey:
    """Names a value in a DelayQueue. Tokio: tokio-util's `time::delay_queue::Key`."""

    __slots__ = ("__weakref__",)


@final
class Expired(Generic[T]):
    """A value whose time has come, or that was removed before.

    Tokio: tokio-util's `time::delay_queue::Expired`.
    """

    __slots__ = ("deadline", "key", "value")

    def __init__(self, key: DelayKey, value: T, deadline: float) -> None:
        #: The key that `insert` returned.
        self.key = key
        #: What was inserted.
        self.value = value
        #: When it was due, in seconds of `time.now()`.
        self.deadline = deadline

    def __repr__(self) -> str:
        return f"<Expired {self.value!r} at {self.deadline}>"


@final
class DelayQueue(Generic[T]):
    """A queue whose values come out one by one, each when its time has come.

        queue = DelayQueue[str]()
        key = queue.insert("session-1", 30.0)
        queue.reset(key, 30.0)
        async for expired in queue:
            print(expired.value)

    Those of one deadline come out in the order in which they got it. What changes the queue
    acts on who waits for it.

    Thread-safe. Tokio: tokio-util's `time::DelayQueue`.
    """

    __slots__ = ("_entries", "_entry", "_heap", "_lock", "_sleep")

    def __init__(self) -> None:
        # Re-entrant: the garbage collector may come at any time, and find something whose
        # __del__ takes its entry out of the queue. So after a call nothing is as it was seen
        # before, and each method leaves the queue tidy.
        self._lock = threading.RLock()
        self._entries: dict[DelayKey, tuple[float, int, T]] = {}
        # Of an entry that was removed or reset, the old place stays until it comes up.
        self._heap: list[tuple[float, int, DelayKey]] = []
        #: The number of the last place.
        self._entry = 0
        #: Until the first deadline: what all wait for.
        self._sleep = Sleep(math.inf)

    def insert(self, value: T, seconds: float) -> DelayKey:
        """Have `value` come out in `seconds`; returns the key for `remove` and `reset`.

        Raises:
            TypeError, ValueError: `seconds` is no number.

        Tokio: `DelayQueue::insert`.
        """
        return self.insert_at(value, now() + as_seconds("insert()", seconds))

    def insert_at(self, value: T, deadline: float) -> DelayKey:
        """Have `value` come out at `deadline`, in seconds of `time.now()`.

        Tokio: `DelayQueue::insert_at`.
        """
        key = DelayKey()
        self._enter(key, deadline, value, new=True)
        return key

    def reset(self, key: DelayKey, seconds: float) -> None:
        """Have the value of `key` come out `seconds` from now instead.

        Raises:
            KeyError: it is not in the queue.
            TypeError, ValueError: `seconds` is no number.

        Tokio: `DelayQueue::reset`.
        """
        self.reset_at(key, now() + as_seconds("reset()", seconds))

    def reset_at(self, key: DelayKey, deadline: float) -> None:
        """As `reset`, with a deadline in seconds of `time.now()`.

        Tokio: `DelayQueue::reset_at`.
        """
        self._enter(key, deadline, None, new=False)

    def remove(self, key: DelayKey) -> Expired[T]:
        """Take the value of `key` out before its time.

        Raises:
            KeyError: it is not in the queue.

        Tokio: `DelayQueue::remove`.
        """
        removed = self.try_remove(key)
        if removed is None:
            raise KeyError(key)
        return removed

    def try_remove(self, key: DelayKey) -> Expired[T] | None:
        """As `remove`; None when it is not in the queue.

        Tokio: `DelayQueue::try_remove`.
        """
        with self._lock:
            entry = self._entries.pop(key, None)
            self._tidy()
        return None if entry is None else Expired(key, entry[2], entry[0])

    def deadline(self, key: DelayKey) -> float:
        """When the value of `key` comes out, in seconds of `time.now()`.

        Raises:
            KeyError: it is not in the queue.

        Tokio: `DelayQueue::deadline`.
        """
        with self._lock:
            return self._entries[key][0]

    def peek(self) -> DelayKey | None:
        """The key of what comes out next; None when the queue is empty.

        Tokio: `DelayQueue::peek`.
        """
        with self._lock:
            return self._heap[0][2] if self._heap else None

    def clear(self) -> None:
        """Drop all values.

        Tokio: `DelayQueue::clear`.
        """
        with self._lock:
            dropped, self._entries = self._entries, {}
            self._tidy()
        del dropped  # not with the lock held: it may be much

    async def next(self) -> Expired[T] | None:
        """Wait for the next value to come out; None when the queue is empty, or is emptied.

        Cancel-safe. Tokio: `Stream::next` of the DelayQueue.
        """
        while True:
            with self._lock:
                instant = now() + RESOLUTION
                if not self._heap:
                    return None
                place = self._heap[0]
                entry = None
                if place[0] <= instant and self._counts(place):
                    entry = self._entries.pop(place[2], None)
                    self._tidy()
            if entry is not None:
                return Expired(place[2], entry[2], entry[0])
            await self._sleep

    def _enter(self, key: DelayKey, deadline: float, value: T | None, new: bool) -> None:
        as_seconds("a DelayQueue", deadline)
        with self._lock:
            self._entry += 1
            order = self._entry
            if new:
                self._entries[key] = deadline, order, value  # type: ignore[assignment]
            else:
                self._entries[key] = deadline, order, self._entries[key][2]
            heapq.heappush(self._heap, (deadline, order, key))
            self._tidy()

    def _tidy(self) -> None:
        """With the lock held: have a place that counts at the head of the heap, not too many
        that don't, and those who wait do so until the first deadline of now."""
        heap = self._heap
        if len(heap) > 2 * len(self._entries) + 64:
            last = self._entry
            places = [place for place in heap.copy() if self._counts(place)]
            heapq.heapify(places)
            if self._entry == last:
                heap[:] = places
        while heap:
            place = heap[0]
            if self._counts(place):
                break
            if heap and heap[0] is place:
                heapq.heappop(heap)
        while self._sleep.deadline != (first := heap[0][0] if heap else -math.inf):
            self._sleep.reset(first)

    def _counts(self, place: tuple[float, int, DelayKey]) -> bool:
        entry = self._entries.get(place[2])
        return entry is not None and entry[1] == place[1]

    def __aiter__(self) -> DelayQueue[T]:
        return self

    async def __anext__(self) -> Expired[T]:
        expired = await self.next()
        if expired is None:
            raise StopAsyncIteration
        return expired

    def __len__(self) -> int:
        return len(self._entries)

    def is_empty(self) -> bool:
        """Whether there is no value in the queue."""
        return not self._entries

    def __repr__(self) -> str:
        return f"<DelayQueue of {len(self)} at {id(self):#x}>"
