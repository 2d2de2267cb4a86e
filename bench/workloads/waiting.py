"""Many tasks that wait."""

from __future__ import annotations

from .everyone import EVERYONE
from .workload import Group, Workload

GROUP = Group(
    "waiting",
    "Sleep and cancellation",
    "10,000 tasks that sleep for 1 ms at the same time, and 10,000 that wait for an event until "
    "they are cancelled. The time is that of one task.",
    EVERYONE,
    (
        Workload("sleeps", "10,000 sleeps", "sleeps", (10_000,), (10_000,), (10,)),
        Workload("cancel", "cancel 10,000", "cancel", (10_000,), (10_000,), (10,)),
    ),
)
