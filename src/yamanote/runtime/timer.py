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
    stand in line, where a timer costs O(1), and no object for the collector: the line is two,
    of `deadlines` and of `tokens`. One that is due before the last of them sends that one, and
    all that are later than itself, to `heap`; so each gets there once at most, in O(log n),
    and a long sleep is not in the way of short ones. Of those that are due at the same time,
    the ones in the heap have come first.

    A sleeper that is woken earlier leaves its emptied token behind; when there are twice
    as many as after the last cleaning, the emptied ones are thrown out, so that a timer
    needs no notice of its cancellation from other threads.
    """

    __slots__ = ("_most", "_order", "deadlines", "heap", "tokens")

    def __init__(self) -> None:
        self.deadlines: deque[float] = deque()
        self.tokens: deque[Token] = deque()
        self.heap: list[tuple[float, int, Token]] = []
        self._order = itertools.count()
        self._most = _FEW

    def push(self, deadline: float, token: Token) -> None:
        """Wake `token` at `deadline`, in seconds of the runtime's clock."""
        deadlines = self.deadlines
        if len(deadlines) >= self._most:
            self._clean_up()
        while deadlines and deadlines[-1] > deadline:
            self._make_room(deadline)
        # Nothing that may collect garbage, and push what is found there, since the look.
        deadlines.append(deadline)
        self.tokens.append(token)

    def _make_room(self, deadline: float) -> None:
        """Send those that are due after `deadline` to the heap."""
        deadlines, tokens, heap = self.deadlines, self.tokens, self.heap
        if len(deadlines) + len(heap) >= self._most:
            self._clean_up()
        later = []
        while deadlines and deadlines[-1] > deadline:
            later.append((deadlines.pop(), tokens.pop()))
        for due, token in reversed(later):
            heappush(heap, (due, next(self._order), token))

    def _clean_up(self) -> None:
        deadlines, tokens, heap = self.deadlines, self.tokens, self.heap
        for _ in range(len(deadlines)):
            deadline, token = deadlines.popleft(), tokens.popleft()
            if token:
                deadlines.append(deadline)
                tokens.append(token)
        heap[:] = [entry for entry in heap if entry[2]]
        heapify(heap)
        self._most = max(_FEW, 2 * (len(deadlines) + len(heap)))

    def due(self, now: float) -> list[Token]:
        """Take out what is due, in its order."""
        deadlines, tokens, heap = self.deadlines, self.tokens, self.heap
        due = now + RESOLUTION
        woken = []
        while deadlines and deadlines[0] <= due:
            if heap and heap[0][0] <= deadlines[0]:
                woken.append(heappop(heap)[2])
            else:
                deadlines.popleft()
                woken.append(tokens.popleft())
        while heap and heap[0][0] <= due:
            woken.append(heappop(heap)[2])
        return woken

    def next_deadline(self) -> float:
        """When the first timer is due; infinity when there is none."""
        deadlines, tokens, heap = self.deadlines, self.tokens, self.heap
        while tokens and not tokens[0]:
            deadlines.popleft()
            tokens.popleft()
        while heap and not heap[0][2]:
            heappop(heap)
        first = deadlines[0] if deadlines else math.inf
        return min(first, heap[0][0]) if heap else first

    def clear(self) -> None:
        self.deadlines.clear()
        self.tokens.clear()
        self.heap.clear()
