"""Who is measured when.

A round goes through all workloads and, for each, through all peers, the first of which changes
from round to round: what the machine does besides falls on everybody. Each measurement is a
process of its own, and a pyperf Run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyperf

from bench.figures import readable
from bench.machine import facts
from bench.worker import UNABLE
from bench.workloads import Group, Workload
from bench.workloads.everyone import FREE_THREADED_ONLY

ROOT = Path(__file__).parent.parent
PATIENCE = {"full": 60.0, "quick": 20.0}  # seconds for a process that takes one or two


@dataclass
class Row:
    """One workload on its peers."""

    work: Workload
    rounds: int
    peers: list[str] = field(default_factory=list)
    runs: dict[str, list[pyperf.Run]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # peer: why

    def measure(self, number: int, scale: str, values: int) -> None:
        """The round of this number."""
        first = number % len(self.peers)
        for peer in self.peers[first:] + self.peers[:first]:
            if peer in self.missing:
                continue
            try:
                run = _patiently(self.work, peer, scale, self.work.values or values)
            except _Failed as reason:
                print(f"{self.work.key} on {peer}: {reason}", flush=True)
                self.missing[peer] = str(reason)
                self.runs.pop(peer, None)
            else:
                self.runs.setdefault(peer, []).append(run)

    def benchmarks(self, common: dict[str, str]) -> Iterable[pyperf.Benchmark]:
        """Who could not be measured is named in the metadata of those who could."""
        for runs in self.runs.values():
            benchmark = pyperf.Benchmark(runs)
            benchmark.update_metadata({**common, "missing": json.dumps(self.missing)})
            yield benchmark

    def __str__(self) -> str:
        return ", ".join(
            f"{peer} {readable(runs[-1].values[-1], self.work.meter.unit)}"
            for peer, runs in self.runs.items()
        )


def rows(groups: Iterable[Group], scale: str, rounds: int) -> list[Row]:
    """What is to be measured: a workload once, though it stands in two tables."""
    found: dict[str, Row] = {}
    free_threaded = facts()["build"] == "free-threaded"
    absent = () if free_threaded else FREE_THREADED_ONLY
    for group in groups:
        for work in group.workloads:
            if work.sizes(scale) is None or (work.free_threaded and not free_threaded):
                continue
            row = found.setdefault(work.key, Row(work, min(rounds, group.rounds or rounds)))
            row.peers += [peer for peer in group.peers if peer not in (*row.peers, *absent)]
    return list(found.values())


def measure(rows: list[Row], scale: str, values: int) -> pyperf.BenchmarkSuite:
    """All rounds of all rows, in turns."""
    rounds = max(row.rounds for row in rows)
    for number in range(rounds):
        for row in rows:
            if number < row.rounds:
                row.measure(number, scale, values)
                print(f"round {number + 1} of {row.rounds}, {row.work.key}: {row}", flush=True)
    common = {**facts(), "scale": scale}
    return pyperf.BenchmarkSuite([mark for row in rows for mark in row.benchmarks(common)])


class _Failed(Exception):
    """Why a peer has no figure."""


class _Final(_Failed):
    """It would fail again."""


def _patiently(work: Workload, peer: str, scale: str, values: int) -> pyperf.Run:
    try:
        return _measure(work, peer, scale, values)
    except _Final:
        raise
    except _Failed:  # a busy machine may be the reason
        return _measure(work, peer, scale, values)


def _measure(work: Workload, peer: str, scale: str, values: int) -> pyperf.Run:
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/run.json"
        command = [sys.executable, "-m", "bench.worker", work.key, peer, scale, str(values), file]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            _, errors = process.communicate(timeout=PATIENCE[scale])
        except subprocess.TimeoutExpired:
            raise _Final(f"not done after {PATIENCE[scale]:.0f} s") from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # the servers it has started, too
                process.communicate()
        if process.returncode:
            reason = _last_words(errors, process.returncode)
            unable = process.returncode == UNABLE
            raise _Final(reason) if unable else _Failed(f"it fails: {reason}")
        [run] = pyperf.Benchmark.load(file).get_runs()
    return _essence(run)


# As much as a line of the page takes: some write millions.
_MOST_WORDS = 200


def _last_words(errors: str, status: int) -> str:
    # A signal makes faulthandler say where; what was said before, is why.
    lines = errors.partition("Fatal Python error")[0].strip().splitlines()
    ended = f"status {status}" if status > 0 else signal.strsignal(-status) or f"signal {-status}"
    return lines[-1].strip()[:_MOST_WORDS] if lines else ended


KEPT = ("name", "unit", "workload", "peer", "peer_version", "loops")


def _essence(run: pyperf.Run) -> pyperf.Run:
    """Without what is the same for all, or nobody's business, as the names of folders."""
    values = [float(f"{value:.4g}") for value in run.values]
    found = run.get_metadata()
    metadata = {name: found[name] for name in KEPT if name in found}
    return pyperf.Run(values, metadata=metadata, collect_metadata=False)
