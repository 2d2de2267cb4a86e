"""What a parked task takes."""

from __future__ import annotations

from bench.meter import Scale

from .everyone import EVERYONE
from .workload import Group, Workload

GROUP = Group(
    "memory",
    "Memory of a parked task",
    "By how much the process grows, divided by the number of tasks that wait for one event; "
    "what the program holds to join a task is part of it.",
    EVERYONE,
    (
        Workload(
            "memory-100k",
            "100,000 tasks",
            "parked",
            (100_000,),
            (100_000,),
            (1_000,),
            meter=Scale,
            warmups=0,
            values=1,
        ),
        Workload(
            "memory-1m",
            "1,000,000 tasks",
            "parked",
            (1_000_000,),
            None,
            None,
            meter=Scale,
            warmups=0,
            values=1,
        ),
    ),
    rounds=1,
)
