"""Servers of ASGI applications, each as it is started from the command line."""

from __future__ import annotations

from bench.meter import Meter, Scale, Stopwatch

from .workload import Group, Workload

SERVERS = (
    "yamanote serve",
    "yamanote serve, 2 workers",
    "uvicorn",
    "uvicorn, 2 processes",
    "hypercorn",
    "granian",
)


def _under_load(does: str, title: str, meter: type[Meter] = Stopwatch) -> Workload:
    return Workload(
        f"serve-{does}",
        title,
        does,
        (2,),
        None,
        None,
        operations=lambda seconds: 1,
        result=lambda seconds: True,
        meter=meter,
        outside=True,
        warmups=0,
        values=1,
    )


GROUP = Group(
    "servers",
    "Web servers",
    "`yamanote serve` beside others, each with its defaults but for the log of each request: "
    "uvicorn's loop is uvloop, if that is installed, hypercorn's asyncio's. `wrk` keeps 32 "
    "connections busy, on the same machine. A time is that of one request, or, with FastAPI, the "
    "99th percentile of how long an answer takes; the memory is that of all processes of a server.",
    SERVERS,
    (
        _under_load("plain", "plain ASGI"),
        _under_load("starlette", "Starlette"),
        _under_load("fastapi", "FastAPI"),
        _under_load("busy", "1 ms of Python"),
        _under_load("tail", "99th percentile"),
        _under_load("memory", "memory", Scale),
    ),
    rounds=2,
)
