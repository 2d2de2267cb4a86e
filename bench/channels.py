"""Side-by-side benchmarks of channels, as those of run.py.

    python bench/channels.py [--rounds N] [--write docs/benchmarks.md]

Between tasks the peers are two queues of asyncio, on its own loop and on uvloop. Between
threads they are janus and culsans, whose loop is asyncio's.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import yamanote
from yamanote.sync import mpsc

Figures = dict[str, dict[str, float]]

ROUND_TRIPS = 10_000
THREAD_ROUND_TRIPS = 2_000
STREAM = 20_000


def on_yamanote(coro: Coroutine[Any, Any, float]) -> float:
    async def main() -> float:
        return await yamanote.spawn(coro)

    return yamanote.run(main(), worker_threads=1)


# Between two tasks.


async def bounded(count: int = ROUND_TRIPS) -> float:
    tx, rx = mpsc.channel[int](1)
    back_tx, back = mpsc.channel[int](1)

    async def echo() -> None:
        for _ in range(count):
            await back_tx.send(await rx.recv())

    echoing = yamanote.spawn(echo())
    began = time.perf_counter()
    for number in range(count):
        await tx.send(number)
        await back.recv()
    elapsed = time.perf_counter() - began
    await echoing
    return elapsed / count


async def unbounded(count: int = ROUND_TRIPS) -> float:
    tx, rx = mpsc.unbounded_channel[int]()
    back_tx, back = mpsc.unbounded_channel[int]()

    async def echo() -> None:
        for _ in range(count):
            back_tx.send(await rx.recv())

    echoing = yamanote.spawn(echo())
    began = time.perf_counter()
    for number in range(count):
        tx.send(number)
        await back.recv()
    elapsed = time.perf_counter() - began
    await echoing
    return elapsed / count


async def ready(count: int = ROUND_TRIPS) -> float:
    tx, rx = mpsc.channel[int](1)
    began = time.perf_counter()
    for number in range(count):
        await tx.send(number)
        await rx.recv()
    return (time.perf_counter() - began) / count


async def queue_bounded(count: int = ROUND_TRIPS) -> float:
    there: asyncio.Queue[int] = asyncio.Queue(1)
    back: asyncio.Queue[int] = asyncio.Queue(1)

    async def echo() -> None:
        for _ in range(count):
            await back.put(await there.get())

    echoing = asyncio.create_task(echo())
    began = time.perf_counter()
    for number in range(count):
        await there.put(number)
        await back.get()
    elapsed = time.perf_counter() - began
    await echoing
    return elapsed / count


async def queue_unbounded(count: int = ROUND_TRIPS) -> float:
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()

    async def echo() -> None:
        for _ in range(count):
            back.put_nowait(await there.get())

    echoing = asyncio.create_task(echo())
    began = time.perf_counter()
    for number in range(count):
        there.put_nowait(number)
        await back.get()
    elapsed = time.perf_counter() - began
    await echoing
    return elapsed / count


async def queue_ready(count: int = ROUND_TRIPS) -> float:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    began = time.perf_counter()
    for number in range(count):
        await queue.put(number)
        await queue.get()
    return (time.perf_counter() - began) / count


BETWEEN_TASKS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "round trip, bounded": (bounded, queue_bounded),
    "round trip, unbounded": (unbounded, queue_unbounded),
    "send and receive, nobody waits": (ready, queue_ready),
}


def between_tasks() -> tuple[dict[str, dict[str, Callable[[], float]]], list[str]]:
    runners: dict[str, Callable[[Any], float]] = {"asyncio": asyncio.run}
    missing = []
    try:
        import uvloop
    except ImportError as error:
        missing.append(f"uvloop ({error})")
    else:
        runners["uvloop"] = uvloop.run
    rows: dict[str, dict[str, Callable[[], float]]] = {}
    for name, (ours, theirs) in BETWEEN_TASKS.items():
        row = rows[name] = {"yamanote": lambda ours=ours: on_yamanote(ours())}
        for peer, run in runners.items():
            row[peer] = lambda run=run, theirs=theirs: run(theirs())
    return rows, missing


# Between threads: (put, get) for a thread, (put, get) for a task.

Ends = tuple[Callable[[Any], Any], Callable[[], Any], Callable[[Any], Any], Callable[[], Any]]


def our_ends(size: int) -> Ends:
    tx, rx = mpsc.channel[Any](size)
    return tx.blocking_send, rx.blocking_recv, tx.send, rx.recv


def their_ends(library: Any) -> Callable[[int], Ends]:
    def ends(size: int) -> Ends:
        queue = library.Queue(size)
        return queue.sync_q.put, queue.sync_q.get, queue.async_q.put, queue.async_q.get

    return ends


async def thread_and_task(make: Callable[[int], Ends], count: int = THREAD_ROUND_TRIPS) -> float:
    _, there_get, there_put, _ = make(1)
    back_put, _, _, back_get = make(1)

    def echo() -> None:
        for _ in range(count):
            back_put(there_get())

    thread = threading.Thread(target=echo)
    thread.start()
    began = time.perf_counter()
    for number in range(count):
        await there_put(number)
        await back_get()
    elapsed = time.perf_counter() - began
    thread.join()
    return elapsed / count


async def two_threads(make: Callable[[int], Ends], count: int = THREAD_ROUND_TRIPS) -> float:
    there_put, there_get, _, _ = make(1)
    back_put, back_get, _, _ = make(1)
    took: list[float] = []

    def echo() -> None:
        for _ in range(count):
            back_put(there_get())

    def ask() -> None:
        began = time.perf_counter()
        for number in range(count):
            there_put(number)
            back_get()
        took.append(time.perf_counter() - began)

    threads = [threading.Thread(target=echo), threading.Thread(target=ask)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took[0] / count


async def to_task(make: Callable[[int], Ends], count: int = STREAM) -> float:
    put, _, _, get = make(100)

    def send() -> None:
        for number in range(count):
            put(number)

    thread = threading.Thread(target=send)
    began = time.perf_counter()
    thread.start()
    for _ in range(count):
        await get()
    elapsed = time.perf_counter() - began
    thread.join()
    return elapsed / count


async def to_thread(make: Callable[[int], Ends], count: int = STREAM) -> float:
    _, get, put, _ = make(100)

    def receive() -> None:
        for _ in range(count):
            get()

    thread = threading.Thread(target=receive)
    began = time.perf_counter()
    thread.start()
    for number in range(count):
        await put(number)
    elapsed = time.perf_counter() - began
    thread.join()
    return elapsed / count


BETWEEN_THREADS: dict[str, Callable[[Callable[[int], Ends]], Coroutine[Any, Any, float]]] = {
    "round trip, task and thread": thread_and_task,
    "round trip, two threads": two_threads,
    "stream, thread to task, 100 may wait": to_task,
    "stream, task to thread, 100 may wait": to_thread,
}


def between_threads() -> tuple[dict[str, dict[str, Callable[[], float]]], list[str]]:
    makers: dict[str, Callable[[int], Ends]] = {}
    missing = []
    for library in ("janus", "culsans"):
        try:
            makers[library] = their_ends(__import__(library))
        except ImportError as error:
            missing.append(f"{library} ({error})")
    rows: dict[str, dict[str, Callable[[], float]]] = {}
    for name, work in BETWEEN_THREADS.items():
        row = rows[name] = {"yamanote": lambda work=work: on_yamanote(work(our_ends))}
        for peer, make in makers.items():
            row[peer] = lambda work=work, make=make: asyncio.run(work(make))
    return rows, missing


def measure(rows: dict[str, dict[str, Callable[[], float]]], rounds: int) -> Figures:
    times: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for workload, row in rows.items():
            for peer, work in row.items():
                times.setdefault(workload, {}).setdefault(peer, []).append(work())
    return {
        workload: {peer: statistics.median(figures) for peer, figures in row.items()}
        for workload, row in times.items()
    }


def table(medians: Figures, peers: tuple[str, ...], missing: list[str]) -> list[str]:
    lines = [
        f"| workload | yamanote | {' | '.join(peers)} |",
        f"| --- | --- |{' --- |' * len(peers)}",
    ]
    for workload, row in medians.items():
        ours = row["yamanote"]
        cells = [f"{ours * 1e9:,.0f}"]
        for peer in peers:
            other = row.get(peer)
            cells.append("" if other is None else f"{other * 1e9:,.0f} ({other / ours:.2f}x)")
        lines.append(f"| {workload} | {' | '.join(cells)} |")
    if missing:
        lines += ["", "Not measured: " + ", ".join(missing) + "."]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--write", type=Path, help="a file to append the tables to")
    args = parser.parse_args()
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    lines = [
        f"CPython {platform.python_version()}, {'GIL' if gil else 'free-threaded'}, "
        f"{platform.system()} {platform.machine()}, one worker, median of {args.rounds} rounds, "
        "nanoseconds per operation. In brackets: how many times as fast Yamanote is.",
        "",
    ]
    rows, missing = between_tasks()
    lines += table(measure(rows, args.rounds), ("asyncio", "uvloop"), missing)
    rows, missing = between_threads()
    lines += ["", *table(measure(rows, args.rounds), ("janus", "culsans"), missing)]
    text = "\n".join(lines)
    print(text)
    if args.write:
        with args.write.open("a") as file:
            file.write(f"\n{text}\n")


if __name__ == "__main__":
    main()
