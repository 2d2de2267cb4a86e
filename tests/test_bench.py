"""The benchmarks: each peer that is installed does each workload, tiny, and its result is right;
the page says what the figures say."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bench import page
from bench.figures import Figure, Figures, readable
from bench.meter import Scale
from bench.once import measure
from bench.peers import load, names
from bench.peers.on_asyncio import Asyncio
from bench.peers.peer import Unable
from bench.targets import TARGETS
from bench.workloads import GROUPS, Group, Workload, find

OURS = ("yamanote", "yamanote's loop", "asyncio")


def tiny(peer: str) -> list[Workload]:
    found = {
        work.key: work
        for group in GROUPS
        for work in group.workloads
        if peer in group.peers and work.tiny is not None and not work.free_threaded
    }
    return list(found.values())


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # rloop's own
@pytest.mark.parametrize("peer", [name for name in names() if tiny(name)])
def test_a_peer_does_its_work(peer: str) -> None:
    try:
        load(peer)
    except ImportError as error:
        pytest.skip(str(error))
    for work in tiny(peer):
        if work.does in ("redis", "postgres"):  # they want a server: tests/ecosystem has them
            continue
        if work.meter is Scale and not Path("/proc/self/status").exists():
            continue
        if peer in OURS:  # there is nothing they cannot do
            measure(work, peer, "tiny")
        else:
            with suppress(Unable):
                measure(work, peer, "tiny")


def test_a_wrong_result_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def idle(self: Asyncio, meter: Any, count: int) -> int:
        with meter:
            return 0

    monkeypatch.setattr(Asyncio, "yields", idle)
    with pytest.raises(AssertionError, match="asyncio: yield gave 0 instead of 20"):
        measure(find("yield"), "asyncio", "tiny")


def test_who_cannot_do_a_workload_says_why() -> None:
    with pytest.raises(Unable, match="it can do nothing but poll"):
        measure(find("spawn"), "bare trampoline", "tiny")


def test_who_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio", None)
    monkeypatch.delitem(sys.modules, "bench.peers.on_trio", raising=False)
    with pytest.raises(Unable, match="trio"):
        measure(find("yield"), "trio", "tiny")


def test_a_workload_of_two_tables_is_the_same_work() -> None:
    seen: dict[str, Workload] = {}
    for group in GROUPS:
        for work in group.workloads:
            other = seen.setdefault(work.key, work)
            assert (work.does, work.full, work.workers) == (other.does, other.full, other.workers)


def test_a_ratio_is_taken_pair_by_pair() -> None:
    ours = Figure("second", ((1.0, 1.0), (10.0, 10.0), (3.0, 3.0)))
    theirs = Figure("second", ((2.0, 2.0), (20.0, 20.0), (3.0, 9.0)))
    assert theirs.ratio(ours) == 2.0
    assert ours.median == 3.0


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (4.0512e-7, "second", "405 ns"),
        (1.2345e-6, "second", "1.23 µs"),
        (9.9961e-7, "second", "1.00 µs"),
        (0.0123, "second", "12.3 ms"),
        (61.5, "second", "61.5 s"),
        (1175.4, "byte", "1,175 B"),
        (40_860_000, "byte", "39.0 MiB"),
    ],
)
def test_figures_are_readable(value: float, unit: str, text: str) -> None:
    assert readable(value, unit) == text


FACTS = {
    "python": "3.13.0",
    "build": "GIL",
    "compiler": "GCC 12.2.0",
    "machine": "Linux x86_64",
    "cpus": "2",
    "scale": "full",
}


def figures(**seconds: float) -> Figures:
    found = Figures("cpython-3.13", FACTS, {"uvloop": "0.23.0"})
    for peer, value in seconds.items():
        found.cells["yield", peer] = Figure("second", ((value,), (value,)))
    return found


def test_a_table_shows_wins_losses_and_who_is_missing() -> None:
    found = figures(yamanote=4e-7, asyncio=2e-6, uvloop=1e-7)
    found.missing["yield", "rloop"] = "not to be had"
    tasks = next(group for group in GROUPS if group.key == "tasks")
    peers = ("yamanote", "asyncio", "uvloop", "rloop")
    text = page.table(found, Group("tasks", "", "", peers, tasks.workloads))
    assert text.splitlines() == [
        "|  | yield |",
        "| --- | --- |",
        "| **yamanote** | 400 ns |",
        "| asyncio | 2.00 µs (5.00×) |",
        "| uvloop | **100 ns (0.25×)** |",
        "",
        "Not measured: <sup>1</sup> rloop: not to be had.",
    ]


def test_at_a_glance_ahead_and_behind_are_counted() -> None:
    found = figures(yamanote=4e-7, asyncio=2e-6, uvloop=1e-7)
    found.cells["spawn", "yamanote"] = Figure("second", ((1e-6,),))
    found.cells["spawn", "asyncio"] = Figure("second", ((3e-6,),))
    assert page.glance(found).splitlines()[2:] == [
        "| asyncio | 2 | 2 | 0 | 4.00× |",
        "| uvloop | 1 | 0 | 1 | 0.25× |",
    ]


def test_a_target_is_met_or_missed() -> None:
    lines = page.targets([figures(yamanote=4e-7, asyncio=4e-6, uvloop=4e-7)]).splitlines()
    assert len(lines) == len(TARGETS) + 2
    assert "| yield | ≥ 7× asyncio | 10.00×, met |" in lines
    assert "|  | ≥ 3× uvloop | **1.00×, missed** |" in lines
    assert "|  | ≥ 1.6× rloop |  |" in lines


def test_the_page_says_what_the_figures_say() -> None:
    """After a change to either: `python -m bench --page`."""
    text = page.PAGE.read_text()
    every = page.load()
    assert every
    assert page.filled(text, every) == text
