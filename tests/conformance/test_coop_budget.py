"""Counterparts of tokio/tests/coop_budget.rs."""

from __future__ import annotations

import asyncio
import select
import socket

from tests.channels import LIMIT, Counter
from yamanote import Runtime, spawn, yield_now
from yamanote.runtime import TaskMeta
from yamanote.task.coop import consume_budget, cooperative, has_budget_remaining

BUDGET = 128
ITERATIONS = 1024
PACKET = b"Hello, world"


def test_coop_budget_udp_send_recv() -> None:
    """Sockets that are always ready yield when the budget is used up."""
    polls = Counter()
    turns = Counter()

    def count(meta: TaskMeta) -> None:
        if meta.name == "sender":
            polls.add()

    async def ticker() -> None:
        while True:
            turns.add()
            await yield_now()

    async def sender(tx: socket.socket, rx: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(ITERATIONS):
            await cooperative(loop.sock_sendall(tx, PACKET))
            # A busy system may deliver later: the test is of what is ready.
            assert select.select([rx], [], [], LIMIT)[0]
            assert await cooperative(loop.sock_recv(rx, 100)) == PACKET

    async def main() -> None:
        spawn(ticker())
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as tx,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rx,
        ):
            for each in (tx, rx):
                each.bind(("127.0.0.1", 0))
                each.setblocking(False)
            tx.connect(rx.getsockname())
            rx.connect(tx.getsockname())
            await runtime.handle.spawn(sender(tx, rx), name="sender")

    with Runtime(flavor="current_thread", on_before_task_poll=count) as runtime:
        runtime.block_on(main())
    yields = (2 * ITERATIONS - 1) // BUDGET  # the last share of the budget lasts to the end
    assert polls.value == 1 + yields
    assert turns.value >= yields


def test_has_budget_remaining(rt: Runtime) -> None:
    async def main() -> None:
        await yield_now()
        assert has_budget_remaining()
        for _ in range(BUDGET):
            assert has_budget_remaining()
            await consume_budget()
        assert not has_budget_remaining()
        await consume_budget()  # gives the others their turn
        assert has_budget_remaining()

    rt.block_on(main())
    rt.block_on(rt.spawn(main()))
