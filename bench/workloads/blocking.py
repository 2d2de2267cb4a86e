"""Calls that block."""

from __future__ import annotations

from .everyone import EVERYONE
from .workload import Group, Workload

GROUP = Group(
    "blocking",
    "Blocking calls",
    "`spawn_blocking` and `block_in_place` beside what each peer has: asyncio's and anyio's "
    "`to_thread`, gevent's thread pool. The heartbeat is a task that sleeps for 1 ms, 200 times, "
    "while four others make blocking calls of 5 ms without a pause: how late it was, at the 99th "
    "percentile.",
    EVERYONE,
    (
        Workload("blocking", "on a thread", "blocking", (2_000,), (1_000,), (3,)),
        Workload("in-place", "in place", "in_place", (2_000,), (1_000,), (3,)),
        Workload(
            "heartbeat",
            "heartbeat, on threads",
            "heartbeat",
            (200, 4),
            (200, 4),
            (3, 2),
            operations=lambda beats, blockers: 1,
            result=lambda beats, blockers: beats,
            warmups=0,
        ),
        Workload(
            "heartbeat-in-place",
            "heartbeat, in place",
            "heartbeat_in_place",
            (200, 4),
            (200, 4),
            (3, 2),
            operations=lambda beats, blockers: 1,
            result=lambda beats, blockers: beats,
            warmups=0,
        ),
    ),
)
