"""What a workload is: a method's name, how much of it, and what it must have done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.meter import Meter, Stopwatch

Sizes = tuple[Any, ...]


@dataclass(frozen=True)
class Workload:
    """One piece of work, done by each peer's method of the name `does`.

    `sizes` are the method's arguments for a scale: "full", "quick" (left out there if None) and
    "tiny", which is for the tests. One figure is the reading divided by `operations(*sizes)`,
    and `result(*sizes)` is what the method has to return.
    """

    key: str
    title: str
    does: str
    full: Sizes
    quick: Sizes | None
    tiny: Sizes | None
    operations: Callable[..., float] = lambda *sizes: sizes[0]
    result: Callable[..., Any] = lambda *sizes: sizes[0]
    meter: type[Meter] = Stopwatch
    workers: int = 1
    outside: bool = False  # it is no main program of the peer's, but starts what it needs
    warmups: int = 1
    values: int | None = None  # a process, if not as many as the others
    free_threaded: bool = False  # to be measured on such builds only

    def sizes(self, scale: str) -> Sizes | None:
        return {"full": self.full, "quick": self.quick, "tiny": self.tiny}[scale]


@dataclass(frozen=True)
class Group:
    """Workloads that stand in one table: a line for each peer, a column for each workload."""

    key: str
    title: str
    note: str  # what stands below the title
    peers: tuple[str, ...]  # the first is the one the others are compared with
    workloads: tuple[Workload, ...]
    rounds: int | None = None  # if not as many as the others

    @property
    def base(self) -> str:
        return self.peers[0]
