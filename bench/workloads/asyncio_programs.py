"""asyncio's programs, unchanged, on Yamanote's loop and on others."""

from __future__ import annotations

from dataclasses import replace

from . import blocking, channels, echo, tasks, waiting
from .everyone import LOOPS
from .workload import Group, Workload


def _seen_from_here(group: Group, key: str, title: str) -> Workload:
    """A workload of another table. By its key, it is measured only once."""
    [work] = [work for work in group.workloads if work.key == key]
    return replace(work, title=title)


GROUP = Group(
    "asyncio",
    "Unchanged asyncio programs",
    "Figures of the other tables once more, compared with `yamanote.new_event_loop`: the same "
    "programs on four loops.",
    ("yamanote's loop", *LOOPS),
    (
        _seen_from_here(tasks.GROUP, "yield", "`sleep(0)`"),
        _seen_from_here(tasks.GROUP, "spawn", "`create_task`, await"),
        _seen_from_here(tasks.GROUP, "fan-out", "`gather` 1,000"),
        _seen_from_here(tasks.GROUP, "mutex", "free `Lock`"),
        _seen_from_here(channels.GROUP, "ping-pong", "`Queue` round trip"),
        _seen_from_here(waiting.GROUP, "sleeps", "10,000 sleeps"),
        _seen_from_here(blocking.GROUP, "blocking", "`to_thread`"),
        _seen_from_here(echo.STREAMS, "echo-100-64", "streams, 100 × 64 B"),
        _seen_from_here(echo.PROTOCOLS, "protocols-100-64", "protocols, 100 × 64 B"),
    ),
)
