"""Who takes part where any runtime can."""

from __future__ import annotations

#: Those that are made for free-threaded builds alone.
FREE_THREADED_ONLY = ("tonio", "mt-asyncio", "pyroutine-rt")

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
    *FREE_THREADED_ONLY,
)

LOOPS = ("asyncio", "uvloop", "rloop")
