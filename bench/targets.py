"""What is to be reached, and whether it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.figures import Figures

OURS, LOOP = "yamanote", "yamanote's loop"

# Of one interpreter among all; what stands in the table and whether the target is met.
Judge = Callable[[Figures, Mapping[str, Figures]], tuple[str, bool] | None]


@dataclass(frozen=True)
class Target:
    """A line of the table."""

    workload: str
    wanted: str
    judge: Judge


def times_as_fast(key: str, peer: str, least: float, base: str = OURS) -> Judge:
    def judge(figures: Figures, _: Mapping[str, Figures]) -> tuple[str, bool] | None:
        found = figures.ratio(key, peer, base)
        return None if found is None else (f"{found:.2f}×", found >= least)

    return judge


def times_its_time(key: str, peer: str, most: float) -> Judge:
    def judge(figures: Figures, _: Mapping[str, Figures]) -> tuple[str, bool] | None:
        found = figures.ratio(key, OURS, peer)
        return None if found is None else (f"{found:.2f}×", found <= most)

    return judge


def worst(keys: tuple[str, ...], peer: str, least: float, base: str) -> Judge:
    def judge(figures: Figures, _: Mapping[str, Figures]) -> tuple[str, bool] | None:
        ratios = [(figures.ratio(key, peer, base), key) for key in keys]
        found = [(ratio, key) for ratio, key in ratios if ratio is not None]
        if not found:
            return None
        ratio, key = min(found)
        return f"{ratio:.2f}× ({key})", ratio >= least

    return judge


def at_most_longer(key: str, peer: str, seconds: float) -> Judge:
    def judge(figures: Figures, _: Mapping[str, Figures]) -> tuple[str, bool] | None:
        ours, theirs = figures.cells.get((key, OURS)), figures.cells.get((key, peer))
        if not ours or not theirs:
            return None
        longer = ours.median - theirs.median
        return f"{longer * 1e3:+.0f} ms", longer <= seconds

    return judge


def times_our_other(key: str, other: str, most: float) -> Judge:
    def judge(figures: Figures, _: Mapping[str, Figures]) -> tuple[str, bool] | None:
        one, two = figures.cells.get((key, OURS)), figures.cells.get((other, OURS))
        if not one or not two:
            return None
        found = one.ratio(two)
        return f"{found:.2f}×", found <= most

    return judge


def times_the_other_build(key: str, most: float) -> Judge:
    """On a free-threaded build, beside the build with a GIL of the same version."""

    def judge(figures: Figures, every: Mapping[str, Figures]) -> tuple[str, bool] | None:
        twin = every.get(figures.tag.removesuffix("t"))
        if twin is None or twin is figures:
            return None
        ours, theirs = figures.cells.get((key, OURS)), twin.cells.get((key, OURS))
        if not ours or not theirs:
            return None
        found = ours.median / theirs.median
        return f"{found:.2f}×", found <= most

    return judge


def _fast(name: str, key: str, **least: float) -> tuple[Target, ...]:
    return tuple(
        Target(name, f"≥ {ratio:g}× {peer}", times_as_fast(key, peer, ratio))
        for peer, ratio in least.items()
    )


OTHERS = ("spawn", "fan-out", "mutex", "ping-pong", "sleeps", "blocking")
SOCKETS = ("echo-100-64", "protocols-100-64")

TARGETS: tuple[Target, ...] = (
    *_fast("yield", "yield", asyncio=7, uvloop=3, rloop=1.6),
    Target(
        "yield",
        "≤ 1.3× the bare trampoline's time",
        times_its_time("yield", "bare trampoline", 1.3),
    ),
    *_fast("spawn and join, one by one", "spawn", asyncio=3, uvloop=1.9, rloop=1.2),
    *_fast("fan-out of 1,000 and join", "fan-out", asyncio=2.6, uvloop=1.75, rloop=1.7),
    *_fast("ping-pong over channels", "ping-pong", asyncio=4, uvloop=2.5, rloop=2),
    *_fast("10,000 sleeps", "sleeps", asyncio=3, uvloop=2),
    Target(
        "`spawn_blocking` round trip",
        "≥ 1.5× asyncio's `to_thread`",
        times_as_fast("blocking", "asyncio", 1.5),
    ),
    Target(
        "memory per parked task",
        "less than asyncio's",
        times_its_time("memory-100k", "asyncio", 1),
    ),
    Target(
        "TCP echo, native, 100 × 64 B",
        "≥ 2.5× asyncio's streams",
        times_as_fast("echo-100-64", "asyncio", 2.5),
    ),
    Target(
        "TCP echo, native, 100 × 64 B",
        "≥ 0.85× asyncio's protocols",
        times_as_fast("protocols-100-64", "asyncio", 0.85),
    ),
    Target(
        "TCP echo, native, 100 × 64 B",
        "≥ 0.95× uvloop's streams",
        times_as_fast("echo-100-64", "uvloop", 0.95),
    ),
    Target(
        "asyncio programs on our loop",
        "≥ 1.5× in task switching",
        times_as_fast("yield", "asyncio", 1.5, base=LOOP),
    ),
    Target(
        "asyncio programs on our loop",
        "≥ 1.0× in everything else",
        worst((*OTHERS, *SOCKETS), "asyncio", 1.0, base=LOOP),
    ),
    Target(
        "import of `yamanote`",
        "≤ `import asyncio` + 15 ms",
        at_most_longer("import", "asyncio", 0.015),
    ),
    Target(
        "CPU-heavy tasks, 2 workers, free-threaded",
        "≥ 0.95× two bare threads",
        times_as_fast("cpu-2", "bare threads", 0.95),
    ),
    Target(
        "a yield on one worker, free-threaded",
        "≤ 1.1× its time with the GIL",
        times_the_other_build("yield", 1.1),
    ),
    Target(
        "spawn and join on one worker, free-threaded",
        "≤ 1.1× its time with the GIL",
        times_the_other_build("spawn", 1.1),
    ),
    Target(
        "a channel shared by 2 workers, free-threaded",
        "≤ 2× its time on one",
        times_our_other("shared-2", "shared-1", 2),
    ),
)
