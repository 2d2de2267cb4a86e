"""Applications of asyncio's, on each loop."""

from __future__ import annotations

from .everyone import LOOPS
from .workload import Group, Workload


def _under_load(key: str, title: str) -> Workload:
    return Workload(
        key,
        title,
        key,
        (2,),
        None,
        None,
        operations=lambda seconds: 1,
        result=lambda seconds: True,
        outside=True,
        warmups=0,
        values=1,
    )


GROUP = Group(
    "http",
    "HTTP, on each loop",
    "An answer of a few bytes, by uvicorn with FastAPI and by aiohttp, over 32 connections that "
    "`wrk` keeps busy: the time of one request. Yamanote runs the server in a native task.",
    ("yamanote", "yamanote's loop", *LOOPS),
    (_under_load("fastapi", "uvicorn + FastAPI"), _under_load("aiohttp", "aiohttp")),
    rounds=3,
)
