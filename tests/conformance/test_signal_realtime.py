"""Counterpart of tokio/tests/signal_realtime.rs."""

from __future__ import annotations

import os
import signal as os_signals

import pytest

from yamanote import JoinSet, Runtime, signal
from yamanote.time import timeout

LIMIT = 30.0  # seconds that only a failure waits


@pytest.mark.skipif(not hasattr(os_signals, "SIGRTMIN"), reason="no real-time signals here")
def test_signal_realtime(rt: Runtime) -> None:
    numbers = range(os_signals.SIGRTMIN, os_signals.SIGRTMAX + 1)

    async def receive(signum: int, stream: signal.Signal) -> int:
        await stream.recv()
        return signum

    async def main() -> list[int]:
        streams = [(signum, signal.unix(signum)) for signum in numbers]
        for signum in numbers:
            os.kill(os.getpid(), signum)
        waiting: JoinSet[int] = JoinSet()
        for signum, stream in streams:
            waiting.spawn(receive(signum, stream))
        async with timeout(LIMIT):
            return await waiting.join_all()

    assert sorted(rt.block_on(main())) == list(numbers)
