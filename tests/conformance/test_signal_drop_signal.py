"""Counterpart of tokio/tests/signal_drop_signal.rs."""

from __future__ import annotations

import os
from signal import SIGUSR1

from yamanote import Runtime, signal


def test_dropping_signal_does_not_deregister_any_other_instances(rt: Runtime) -> None:
    async def main() -> str:
        first_duplicate = signal.unix(SIGUSR1)
        stream = signal.unix(SIGUSR1)
        second_duplicate = signal.unix(SIGUSR1)
        del first_duplicate
        del second_duplicate
        os.kill(os.getpid(), SIGUSR1)
        await stream.recv()
        return "received"

    assert rt.block_on(main()) == "received"
