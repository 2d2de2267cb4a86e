"""Side-by-side benchmarks: the same work on each runtime, rounds interleaved, in one run.

    python bench/run.py [--rounds N] [--write docs/benchmarks.md]

A figure is the median over the rounds of the time per operation; a ratio divides two
medians of this run. Peers that are not installed are named.
"""

from __future__ import annotations

import argparse
import asyncio
import contextvars
import platform
import statistics
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yamanote
from yamanote.sync import Mutex


@dataclass(frozen=True)
class Peer:
    """A runtime, by the few things that the workloads need of it."""

    name: str
    run: Callable[[Coroutine[Any, Any, float]], float]
    spawn: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]
    yield_now: Callable[[], Awaitable[None]]
    mutex: Callable[[], AbstractAsyncContextManager[Any]]
    sleep: Callable[[float], Awaitable[Any]]


async def nop() -> int:
    return 1


async def yields(peer: Peer, count: int = 50_000) -> float:
    yield_now = peer.yield_now
    began = time.perf_counter()
    for _ in range(count):
        await yield_now()
    return (time.perf_counter() - began) / count


async def spawn_and_join(peer: Peer, count: int = 10_000) -> float:
    spawn = peer.spawn
    total = 0
    began = time.perf_counter()
    for _ in range(count):
        total += await spawn(nop())
    elapsed = time.perf_counter() - began
    assert total == count
    return elapsed / count


async def fan_out(peer: Peer, width: int = 1_000, count: int = 10) -> float:
    spawn = peer.spawn
    total = 0
    began = time.perf_counter()
    for _ in range(count):
        for task in [spawn(nop()) for _ in range(width)]:
            total += await task
    elapsed = time.perf_counter() - began
    assert total == width * count
    return elapsed / (width * count)


async def uncontended_mutex(peer: Peer, count: int = 50_000) -> float:
    mutex = peer.mutex()

    async def lock() -> float:
        began = time.perf_counter()
        for _ in range(count):
            async with mutex:
                pass
        return (time.perf_counter() - began) / count

    elapsed: float = await peer.spawn(lock())
    return elapsed


async def sleeps(peer: Peer, width: int = 10_000) -> float:
    async def nap() -> None:
        await peer.sleep(0.001)

    began = time.perf_counter()
    for task in [peer.spawn(nap()) for _ in range(width)]:
        await task
    return (time.perf_counter() - began) / width


def trampoline(count: int = 50_000) -> float:
    """The limit for Python code: a deque of coroutines, each sent into its context."""

    async def loop() -> None:
        for _ in range(count):
            await yamanote.yield_now()

    context = contextvars.copy_context()
    queue = deque([loop()])
    began = time.perf_counter()
    while queue:
        coro = queue.popleft()
        try:
            context.run(coro.send, None)
        except StopIteration:
            break
        queue.append(coro)
    return (time.perf_counter() - began) / count


WORKLOADS: dict[str, Callable[[Peer], Coroutine[Any, Any, float]]] = {
    "yield": yields,
    "spawn and join, one by one": spawn_and_join,
    "fan-out of 1,000 and join, per task": fan_out,
    "uncontended mutex, lock and unlock": uncontended_mutex,
    "10,000 sleeps of 1 ms at once, per task": sleeps,
}


def _sleep_0() -> Awaitable[None]:
    return asyncio.sleep(0)


ASYNCIO: tuple[Any, ...] = (asyncio.create_task, _sleep_0, asyncio.Lock, asyncio.sleep)


def peers() -> tuple[list[Peer], list[str]]:
    found = [
        Peer(
            "yamanote",
            lambda coro: yamanote.run(coro, worker_threads=1),
            yamanote.spawn,
            yamanote.yield_now,
            Mutex,
            yamanote.time.sleep,
        ),
        Peer("asyncio", asyncio.run, *ASYNCIO),
    ]
    missing = []
    try:
        import uvloop
    except ImportError as error:
        missing.append(f"uvloop ({error})")
    else:
        found.append(Peer("uvloop", uvloop.run, *ASYNCIO))
    return found, missing


def measure(rounds: int) -> tuple[dict[str, dict[str, float]], list[str]]:
    found, missing = peers()
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for workload, work in WORKLOADS.items():
            for peer in found:
                figures = times.setdefault(workload, {}).setdefault(peer.name, [])
                figures.append(peer.run(work(peer)))
        times["yield"].setdefault("bare trampoline", []).append(trampoline())
    medians = {
        workload: {name: statistics.median(figures) for name, figures in row.items()}
        for workload, row in times.items()
    }
    return medians, missing


def table(medians: dict[str, dict[str, float]], missing: list[str], rounds: int) -> str:
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    lines = [
        f"CPython {platform.python_version()}, {'GIL' if gil else 'free-threaded'}, "
        f"{platform.system()} {platform.machine()}, one worker, median of {rounds} rounds, "
        "nanoseconds per operation. In brackets: how many times as fast Yamanote is.",
        "",
        "| workload | yamanote | asyncio | uvloop | bare trampoline |",
        "| --- | --- | --- | --- | --- |",
    ]
    for workload, row in medians.items():
        ours = row["yamanote"]
        cells = [f"{ours * 1e9:,.0f}"]
        for name in ("asyncio", "uvloop", "bare trampoline"):
            other = row.get(name)
            cells.append("" if other is None else f"{other * 1e9:,.0f} ({other / ours:.2f}x)")
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    if missing:
        lines += ["", "Not measured: " + ", ".join(missing) + "."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", type=Path, help="a file to append the table to")
    args = parser.parse_args()
    text = table(*measure(args.rounds), args.rounds)
    print(text)
    if args.write:
        with args.write.open("a") as file:
            file.write(f"\n{text}\n")


if __name__ == "__main__":
    main()
