"""The workloads, a module for each table of the page."""

from __future__ import annotations

from . import (
    asyncio_programs,
    blocking,
    channels,
    cores,
    databases,
    echo,
    http,
    memory,
    servers,
    starting,
    tasks,
    threads,
    waiting,
)
from .workload import Group, Workload

__all__ = ["GROUPS", "Group", "Workload", "find"]

GROUPS: tuple[Group, ...] = (
    tasks.GROUP,
    waiting.GROUP,
    channels.GROUP,
    memory.GROUP,
    blocking.GROUP,
    threads.GROUP,
    echo.STREAMS,
    echo.PROTOCOLS,
    http.GROUP,
    databases.GROUP,
    asyncio_programs.GROUP,
    starting.GROUP,
    cores.GROUP,
    servers.GROUP,
)


def find(key: str) -> Workload:
    """The workload of this key."""
    return next(work for group in GROUPS for work in group.workloads if work.key == key)
