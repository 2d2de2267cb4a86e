"""A pipeline with back-pressure: read lines → find the words → count them.

Three stages joined by bounded queues. Reading and finding words run on the blocking pool; a stage
that gets ahead waits for room in its queue, so memory stays bounded however large the files are.
The stages share asyncio queues, so they are started with `asyncio.TaskGroup`, which keeps them
on one loop.

    yamanote run examples/pipeline.py:main [FILE ...]

Without FILE it reads the modules of the standard library's asyncio package.
"""

from __future__ import annotations

import argparse
import asyncio
import re
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TextIO

import yamanote
from yamanote import spawn_blocking

LINES_IN_A_BATCH = 200
BATCHES_WAITING = 4
FINDERS = 3

Batch = list[str]


def find_words(batch: Batch) -> Counter[str]:
    return Counter(word.lower() for line in batch for word in re.findall(r"[^\W\d]{2,}", line))


def next_batch(file: TextIO) -> Batch:
    return list(islice(file, LINES_IN_A_BATCH))


async def read(paths: list[Path], batches: asyncio.Queue[Batch | None]) -> int:
    """First stage: put the files' lines into `batches`; return how many there were."""
    lines = 0
    for path in paths:
        with await spawn_blocking(path.open, encoding="utf-8", errors="replace") as file:
            while batch := await spawn_blocking(next_batch, file):
                lines += len(batch)
                await batches.put(batch)
    for _ in range(FINDERS):
        await batches.put(None)
    return lines


async def find(
    batches: asyncio.Queue[Batch | None], counts: asyncio.Queue[Counter[str] | None]
) -> None:
    """Second stage, several times at once: turn batches of lines into counts of words."""
    while (batch := await batches.get()) is not None:
        await counts.put(await spawn_blocking(find_words, batch))
    await counts.put(None)


async def add_up(counts: asyncio.Queue[Counter[str] | None]) -> Counter[str]:
    """Last stage: one sum of all counts, once every finder has said that it is done."""
    total: Counter[str] = Counter()
    finders = FINDERS
    while finders:
        if (count := await counts.get()) is None:
            finders -= 1
        else:
            total += count
    return total


async def main() -> None:
    parser = argparse.ArgumentParser(description="Count the words of text files.")
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="words to show")
    options = parser.parse_args()
    paths = options.files or sorted(Path(asyncio.__file__).parent.glob("*.py"))

    batches: asyncio.Queue[Batch | None] = asyncio.Queue(BATCHES_WAITING)
    counts: asyncio.Queue[Counter[str] | None] = asyncio.Queue(BATCHES_WAITING)
    async with asyncio.TaskGroup() as stages:
        reading = stages.create_task(read(paths, batches))
        for _ in range(FINDERS):
            stages.create_task(find(batches, counts))
        adding = stages.create_task(add_up(counts))

    words = adding.result()
    print(f"{len(paths)} files, {reading.result()} lines, {words.total()} words")
    for word, times in sorted(words.items(), key=lambda item: (-item[1], item[0]))[: options.top]:
        print(f"{times:>7} {word}")


if __name__ == "__main__":
    yamanote.run(main())
