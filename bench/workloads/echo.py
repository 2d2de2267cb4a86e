"""TCP on loopback: an echo server and its clients in one process."""

from __future__ import annotations

from .everyone import EVERYONE, LOOPS
from .workload import Group, Workload

SMALL, LARGE = 64, 16_384


def _workloads(method: str, kind: str) -> tuple[Workload, ...]:
    return tuple(
        Workload(
            f"{kind}-{clients}-{size}",
            f"{clients:,} × {'64 B' if size == SMALL else '16 KiB'}",
            method,
            (clients, size, 10_000),
            (clients, size, 5_000) if (clients, size) in quick else None,
            (2, size, 4) if clients == 1 else None,
            operations=lambda clients, size, messages: messages,
            result=lambda clients, size, messages: size * messages,
        )
        for clients in (1, 100, 1_000)
        for size in (SMALL, LARGE)
        for quick in [{(100, SMALL), (100, LARGE)}]
    )


STREAMS = Group(
    "echo",
    "TCP echo, streams",
    "So many connections at once, with messages of this size, each client sending the next when "
    "the last has come back. The time is that of one message, there and back. Yamanote's are its "
    "native sockets, asyncio's its streams, everybody else's what they have.",
    EVERYONE,
    _workloads("echo", "echo"),
)

PROTOCOLS = Group(
    "protocols",
    "TCP echo, protocols",
    "The same, but on asyncio's loops with protocols: callbacks, without tasks or flow control. "
    "Yamanote's are its native sockets again, read and written by tasks.",
    ("yamanote", "yamanote's loop", *LOOPS),
    _workloads("echo_protocols", "protocols"),
)
