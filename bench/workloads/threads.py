"""Channels between tasks and threads."""

from __future__ import annotations

from .workload import Group, Workload

GROUP = Group(
    "threads",
    "Channels between tasks and threads",
    "Round trips over channels that hold one message, and streams over one that holds 100.",
    ("yamanote", "janus", "culsans"),
    (
        Workload("thread-task", "task and thread", "thread_and_task", (2_000,), (1_000,), (3,)),
        Workload("thread-thread", "two threads", "two_threads", (2_000,), (1_000,), (3,)),
        Workload("thread-to-task", "thread to task", "thread_to_task", (20_000,), (5_000,), (5,)),
        Workload("task-to-thread", "task to thread", "task_to_thread", (20_000,), (5_000,), (5,)),
    ),
)
