"""Counterparts of tokio/tests/io_async_fd_memory_leak.rs."""

from __future__ import annotations

import gc
import socket
from collections import Counter

from tests.gates import until
from yamanote import Runtime
from yamanote.net import AsyncFd


def net_objects() -> Counter[str]:
    """How many there are of what is needed for each descriptor."""
    gc.collect()
    names = (type(each).__qualname__ for each in gc.get_objects())
    return Counter(name for name in names if name in ("AsyncFd", "Source", "Readiness"))


def test_memory_leak_when_fd_closed_before_drop(rt: Runtime) -> None:
    """That is wrong, but keeps nothing alive."""

    async def use() -> None:
        pairs = [socket.socketpair() for _ in range(20)]
        afds = [AsyncFd(one) for one, _ in pairs]
        for afd in afds:
            await afd.writable()
        assert net_objects()["AsyncFd"] >= len(afds)
        for one, other in pairs:
            one.close()
            other.close()

    async def main() -> None:
        before = net_objects()
        await use()
        await until(lambda: net_objects() <= before)

    rt.block_on(main())
