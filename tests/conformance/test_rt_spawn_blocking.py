"""Counterparts of tokio/tests/rt_spawn_blocking.rs."""

from __future__ import annotations

import queue
from typing import Any

from yamanote import JoinHandle, Runtime, spawn_blocking
from yamanote.time import timeout

LIMIT = 30.0
END = None

Senders = list[queue.SimpleQueue[Any]]
Handles = list[JoinHandle[None]]


def receive_all(values: queue.SimpleQueue[Any]) -> None:
    while values.get(timeout=LIMIT) is not END:
        pass


def make_writer() -> tuple[Senders, Handles]:
    senders: Senders = [queue.SimpleQueue() for _ in range(2)]
    return senders, [spawn_blocking(receive_all, sender) for sender in senders]


async def quick() -> None:
    await spawn_blocking(lambda: None)


async def close_writer(senders: Senders, handles: Handles) -> None:
    for sender in senders:
        sender.put(END)
    for handle in handles:
        await handle


async def drive_writer(senders: Senders, handles: Handles) -> None:
    for sender in senders:
        sender.put("something")
    await close_writer(senders, handles)


async def main() -> str:
    """Threads of the pool go between idle, called and busy while calls arrive that stay."""
    async with timeout(LIMIT):
        await quick()
        await quick()
        persistent = make_writer()
        for _ in range(2):
            await quick()
            await quick()
            await close_writer(*make_writer())
        await quick()
        await quick()
        second = make_writer()
        await drive_writer(*persistent)
        await drive_writer(*second)
    return "completed"


def test_issue_8056_regression_test(switch_interval: float) -> None:
    for _ in range(100):
        with Runtime(flavor="current_thread") as rt:
            assert rt.block_on(main()) == "completed"
