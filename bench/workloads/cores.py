"""Several cores."""

from __future__ import annotations

from .everyone import EVERYONE
from .workload import Group, Workload


def _cpu(workers: int) -> Workload:
    return Workload(
        f"cpu-{workers}",
        f"CPU-heavy, {workers} worker{'s' * (workers > 1)}",
        "cpu",
        (100, 20_000),
        (100, 10_000),
        (2, 10),
        operations=lambda tasks, turns: tasks,
        result=lambda tasks, turns: tasks * turns // 2,
        workers=workers,
        free_threaded=workers > 1,
    )


def _shared(workers: int) -> Workload:
    return Workload(
        f"shared-{workers}",
        f"a shared channel, {workers} worker{'s' * (workers > 1)}",
        "many_to_many",
        (10, 2_000),
        (10, 1_000),
        (2, 5),
        operations=lambda pairs, count: pairs * count,
        result=lambda pairs, count: pairs * count,
        workers=workers,
        free_threaded=True,
    )


GROUP = Group(
    "cores",
    "Several cores",
    "100 tasks, each of which computes in Python and never yields: the time of one. The limit is "
    "bare threads that take the same work from a queue. With more than one worker, and with ten "
    "producers and ten consumers who share a channel, on free-threaded builds only.",
    (*EVERYONE, "bare threads"),
    (_cpu(1), _cpu(2), _cpu(4), _shared(1), _shared(2)),
)
