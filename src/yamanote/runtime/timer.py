"""A worker's timers, for all of its sleeping tasks."""

from __future__ import annotations

import itertools
import math
import time
from collections import deque
from heapq import heapify, heappop, heappush

from .park import Token

# A timer is due as soon as it is within the clock's resolution, as in asyncio.
RESOLUTION = time.get_clock_info("monotonic").resolution

# Of how many timers none is worth to be thrown out.
_FEW = 64


class Timers:
    """Tokens to wake at their deadlines. Only the worker's driver touches it.

    Timers mostly come in the order of their deadlines: sleeps of the same length do. Those
    stand in `line`, where a timer costs O(1). One that is due before the last of them sends
    that one, and all that are later than itself, to `heap`; so each gets there once at
    most, in O(log n), and a long sleep is not in the way of short ones.

    A sleeper that is woken earlier leaves its emptied token behind; when there are twice
    as many as after the last cleaning, the emptied ones are thrown out, so that a timer
    needs no notice of its cancellation from other threads.
    """

    __slots__ = ("_count_at", "_most", "_order", "heap", "line")

    def __init__(self) -> None:
        self.line: deque[tuple[float, int, Token]] = deque()
        self.heap: list[tuple[float, int, Token]] = []
        self._order = itertools.count()
        self._most = self._count_at = _FEW

    def push(self, deadline: float, token: Token) -> None:
        """Wake `token` at `deadline`, in seconds of the runtime's clock."""
        line = self.line
        number = next(self._order)
        if number >= self._count_at:
            self._count(number)
        entry = (deadline, number, token)
        while line and line[-1][0] > deadline:
            heappush(self.heap, line.pop())
        # Nothing that may collect garbage, and push what is found there, since the look.
        line.append(entry)

    def _count(self, number: int) -> None:
        """Clean up if there are too many; else look again when there may be."""
        line, heap = self.line, self.heap
        size = len(line) + len(heap)
        if size >= self._most:
            waiting = [entry for entry in line if entry[2]]
            line.clear()
            line.extend(waiting)
            heap[:] = [entry for entry in heap if entry[2]]
            heapify(heap)
            size = len(line) + len(heap)
            self._most = max(_FEW, 2 * size)
        self._count_at = number + max(_FEW, self._most - size)

    def due(self, now: float) -> list[Token]:
        """Take out what is due, in its order."""
        line, heap = self.line, self.heap
        due = now + RESOLUTION
        tokens = []
        while line and line[0][0] <= due:
            if heap and heap[0] < line[0]:
                tokens.append(heappop(heap)[2])
            else:
                tokens.append(line.popleft()[2])
        while heap and heap[0][0] <= due:
            tokens.append(heappop(heap)[2])
        return tokens

    def next_deadline(self) -> float:
        """When the first timer is due; infinity when there is none."""
        line, heap = self.line, self.heap
        while line and not line[0][2]:
            line.popleft()
        while heap and not heap[0][2]:
            heappop(heap)
        first = line[0][0] if line else math.inf
        return min(first, heap[0][0]) if heap else first

    def clear(self) -> None:
        self.line.clear()
        self.heap.clear()
