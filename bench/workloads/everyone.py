"""Who takes part where any runtime can."""

from __future__ import annotations

from bench.peers.peer import FREE_THREADED

EVERYONE = (
    "yamanote",
    "yamanote's loop",
    "asyncio",
    "uvloop",
    "rloop",
    "trio",
    "anyio",
    "gevent",
    "hypertile",
    "tinyio",
    *(("tonio", "mt-asyncio", "pyroutine-rt") if FREE_THREADED else ()),
)

LOOPS = ("asyncio", "uvloop", "rloop")
