"""Counterpart of tokio/tests/signal_usr1.rs."""

from __future__ import annotations

import os
from signal import SIGUSR1

from yamanote import Runtime, signal


def test_signal_usr1(rt: Runtime) -> None:
    async def main() -> str:
        stream = signal.unix(SIGUSR1)
        os.kill(os.getpid(), SIGUSR1)
        await stream.recv()
        return "received"

    assert rt.block_on(main()) == "received"
