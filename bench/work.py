"""What the peers' programs have in common: the same arithmetic, the same nap."""

from __future__ import annotations

import time
from collections.abc import Sequence

HOST = "127.0.0.1"


def burn(turns: int) -> int:
    """Keep a processor busy, in Python."""
    total = 0
    for number in range(turns):
        total += number & 1
    return total


def nap_on_thread() -> None:
    """A blocking call: 5 ms, without the GIL."""
    time.sleep(0.005)


def percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
