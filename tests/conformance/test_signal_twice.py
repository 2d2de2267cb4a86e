"""Counterpart of tokio/tests/signal_twice.rs."""

from __future__ import annotations

import os
from signal import SIGUSR1

from yamanote import Runtime, signal


def test_twice(rt: Runtime) -> None:
    received = 0

    async def main() -> None:
        nonlocal received
        stream = signal.unix(SIGUSR1)
        for _ in range(2):
            os.kill(os.getpid(), SIGUSR1)
            await stream.recv()
            received += 1

    rt.block_on(main())
    assert received == 2
