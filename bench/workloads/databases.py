"""Databases, through asyncio's libraries, on each loop."""

from __future__ import annotations

from .everyone import LOOPS
from .workload import Group, Workload

GROUP = Group(
    "databases",
    "Databases, on each loop",
    "A pipeline of 100 commands to Redis (redis-py), the time of one command; and one query after "
    "another to PostgreSQL (asyncpg), the time of one. Both servers are on the same machine.",
    ("yamanote", "yamanote's loop", *LOOPS),
    (
        Workload(
            "redis",
            "Redis pipeline",
            "redis",
            (50, 100),
            (20, 100),
            (2, 3),
            operations=lambda times, length: times * length,
            result=lambda times, length: times * length,
        ),
        Workload("postgres", "PostgreSQL query", "postgres", (1_000,), (500,), (3,)),
    ),
)
