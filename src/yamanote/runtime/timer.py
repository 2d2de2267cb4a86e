"""A worker's timers: one heap for all of its sleeping tasks."""

from __future__ import annotations

import itertools
import math
import time
from heapq import heapify, heappop, heappush

from .park import Token

# A timer is due as soon as it is within the clock's resolution, as in asyncio.
RESOLUTION = time.get_clock_info("monotonic").resolution


class TimerHeap:
    """Tokens to wake at their deadlines. Only the worker's driver touches it.

    A sleeper that is woken earlier leaves its emptied token behind; when the heap has
    doubled since the last cleaning, the emptied ones are thrown out, so that a timer
    costs O(log n) and needs no notice of its cancellation from other threads.
    """

    __slots__ = ("_clean_at", "_order", "heap")

    def __init__(self) -> None:
        self.heap: list[tuple[float, int, Token]] = []
        self._order = itertools.count()
        self._clean_at = 64

    def push(self, deadline: float, token: Token) -> None:
        """Wake `token` at `deadline`, in seconds of the runtime's clock."""
        heap = self.heap
        if len(heap) >= self._clean_at:
            heap[:] = [entry for entry in heap if entry[2]]
            heapify(heap)
            self._clean_at = max(64, 2 * len(heap))
        heappush(heap, (deadline, next(self._order), token))

    def due(self, now: float) -> list[Token]:
        """Take out what is due, in its order."""
        heap = self.heap
        due = now + RESOLUTION
        tokens = []
        while heap and heap[0][0] <= due:
            tokens.append(heappop(heap)[2])
        return tokens

    def next_deadline(self) -> float:
        """When the first timer is due; infinity when there is none."""
        heap = self.heap
        while heap and not heap[0][2]:
            heappop(heap)
        return heap[0][0] if heap else math.inf
