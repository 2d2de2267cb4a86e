"""Tasks: switching between them, making them, waiting for them."""

from __future__ import annotations

from .everyone import EVERYONE
from .workload import Group, Workload

GROUP = Group(
    "tasks",
    "Tasks",
    "A tree is one of tasks that spawn two each, 14 deep: 32,767 of them. The time is that of one "
    "yield, task, or lock and unlock.",
    (*EVERYONE, "bare trampoline", "bare threads"),
    (
        Workload("yield", "yield", "yields", (50_000,), (20_000,), (20,)),
        Workload("spawn", "spawn and join", "spawn_join", (10_000,), (5_000,), (10,)),
        Workload(
            "fan-out",
            "fan-out of 1,000",
            "fan_out",
            (1_000, 10),
            (1_000, 5),
            (10, 2),
            operations=lambda width, times: width * times,
            result=lambda width, times: width * times,
        ),
        Workload(
            "tree",
            "tree",
            "tree",
            (14,),
            (12,),
            (3,),
            operations=lambda depth: 2 ** (depth + 1) - 1,
            result=lambda depth: 2**depth,
        ),
        Workload("mutex", "free mutex", "mutex", (50_000,), (20_000,), (20,)),
    ),
)
