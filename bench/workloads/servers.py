"""Servers of ASGI applications, each as it is started from the command line."""

from __future__ import annotations

from .workload import Group, Workload

SERVERS = (
    "yamanote serve",
    "yamanote serve, 2 workers",
    "uvicorn",
    "uvicorn, 2 processes",
    "hypercorn",
    "granian",
)

GROUP = Group(
    "servers",
    "Web servers",
    "`yamanote serve` beside others, each with its defaults but for the log of each request: "
    "uvicorn's loop is uvloop, if that is installed, hypercorn's asyncio's. 32 connections that "
    "`wrk` keeps busy, on the same machine; the time of one request.",
    SERVERS,
    tuple(
        Workload(
            f"serve-{key}",
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
        for key, title in (
            ("plain", "plain ASGI"),
            ("starlette", "Starlette"),
            ("fastapi", "FastAPI"),
            ("busy", "1 ms of Python"),
        )
    ),
    rounds=3,
)
