"""Counterpart of tokio/tests/signal_notify_both.rs."""

from __future__ import annotations

import os
from signal import SIGUSR2

from yamanote import Runtime, signal


def test_notify_both(rt: Runtime) -> None:
    async def main() -> str:
        signal1 = signal.unix(SIGUSR2)
        signal2 = signal.unix(SIGUSR2)
        os.kill(os.getpid(), SIGUSR2)
        await signal1.recv()
        await signal2.recv()
        return "received"

    assert rt.block_on(main()) == "received"
