"""Counterparts of tokio/tests/coop_budget.rs: the budget of a task."""

from __future__ import annotations

import asyncio
import socket

from tests.channels import Counter
from yamanote import Runtime, spawn, yield_now
from yamanote.task.coop import consume_budget, cooperative, has_budget_remaining

BUDGET = 128


def test_coop_budget_udp_send_recv() -> None:
    # asyncio's sockets know nothing of the budget: `cooperative` takes it for them. On the
    # loopback both are ready at once, so only the budget makes the task yield.
    packets = 1024
    packet = b"Hello, world"
    turns = Counter()

    async def count() -> None:
        while True:
            turns.add()
            await yield_now()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        kinds = socket.AF_INET, socket.SOCK_DGRAM
        with socket.socket(*kinds) as tx, socket.socket(*kinds) as rx:
            for sock in (tx, rx):
                sock.setblocking(False)
                sock.bind(("127.0.0.1", 0))
            tx.connect(rx.getsockname())
            rx.connect(tx.getsockname())
            await yield_now()
            counting = spawn(count())
            for _ in range(packets):
                await cooperative(loop.sock_sendall(tx, packet))
                assert await cooperative(loop.sock_recv(rx, len(packet))) == packet
            # With the last packet a budget was just used up: the next await yields.
            assert not has_budget_remaining()
            await consume_budget()
            assert has_budget_remaining()
            seen = turns.value
            counting.abort()
            assert seen == packets // (BUDGET // 2)

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


def test_has_budget_remaining(rt: Runtime) -> None:
    async def main() -> None:
        assert has_budget_remaining()
        for _ in range(BUDGET):
            assert has_budget_remaining()
            await consume_budget()
        assert not has_budget_remaining()

    rt.block_on(main())

    async def spawned() -> None:
        await spawn(main())

    rt.block_on(spawned())
