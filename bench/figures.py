"""What was measured, read from a file of pyperf's, and how it is compared."""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """A workload on a peer: the values of each round, in seconds or bytes."""

    unit: str
    rounds: tuple[tuple[float, ...], ...]

    @property
    def median(self) -> float:
        return statistics.median(value for values in self.rounds for value in values)

    def ratio(self, base: Figure) -> float:
        """How many times as long as `base`: the median over the rounds, pair by pair."""
        return statistics.median(
            statistics.median(ours) / statistics.median(theirs)
            for ours, theirs in zip(self.rounds, base.rounds, strict=False)
        )

    def __str__(self) -> str:
        return readable(self.median, self.unit)


@dataclass(frozen=True)
class Figures:
    """Those of one interpreter."""

    tag: str
    facts: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)  # peer: of its distribution
    cells: dict[tuple[str, str], Figure] = field(default_factory=dict)  # (workload, peer)
    missing: dict[tuple[str, str], str] = field(default_factory=dict)  # (workload, peer): why

    @classmethod
    def load(cls, file: Path) -> Figures:
        """Of a file that the suite has written; it takes no pyperf to read it."""
        text = json.loads(file.read_text())
        figures = cls(file.stem)
        for benchmark in text["benchmarks"]:
            facts = {**text.get("metadata", {}), **benchmark.get("metadata", {})}
            runs = benchmark["runs"]
            facts.update(runs[0].get("metadata", {}))
            workload, peer = facts["workload"], facts["peer"]
            values = tuple(tuple(run["values"]) for run in runs)
            figures.cells[workload, peer] = Figure(facts["unit"], values)
            for other, reason in json.loads(facts["missing"]).items():
                figures.missing[workload, other] = reason
            if "peer_version" in facts:
                figures.versions[peer] = facts["peer_version"]
            for name in ("python", "build", "compiler", "machine", "cpus", "scale"):
                figures.facts[name] = facts[name]
        return figures

    @property
    def title(self) -> str:
        build = "" if self.facts["build"] == "GIL" else ", free-threaded"
        return f"CPython {self.facts['python']}{build}"

    def took_part(self, workload: str, peer: str) -> bool:
        """Whether it was to be measured."""
        return (workload, peer) in self.cells or (workload, peer) in self.missing

    def ratio(self, workload: str, peer: str, base: str) -> float | None:
        """How many times as long `peer` takes as `base`; None if one of them has no figure."""
        ours, theirs = self.cells.get((workload, base)), self.cells.get((workload, peer))
        return theirs.ratio(ours) if ours and theirs else None


def readable(value: float, unit: str) -> str:
    """Three digits, and the unit that suits them."""
    if unit == "byte":
        return f"{value:,.0f} B" if value < 1e6 else f"{value / 2**20:.1f} MiB"
    for factor, name in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms"), (1, "s")):
        if value * factor < 999.5 or name == "s":
            break
    scaled = value * factor
    return f"{scaled:.{max(0, 2 - len(str(int(scaled))) + 1)}f} {name}"
