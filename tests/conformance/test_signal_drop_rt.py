"""Counterpart of tokio/tests/signal_drop_rt.rs."""

from __future__ import annotations

import os
from signal import SIGUSR1

from yamanote import Runtime, signal


async def listen() -> signal.Signal:
    return signal.unix(SIGUSR1)


async def receive(stream: signal.Signal) -> str:
    await stream.recv()
    return "received"


def test_dropping_loops_does_not_cause_starvation() -> None:
    with Runtime(flavor="current_thread") as second:
        with Runtime(flavor="current_thread") as first:
            first_signal = first.block_on(listen())
            second_signal = second.block_on(listen())
            os.kill(os.getpid(), SIGUSR1)
            assert first.block_on(receive(first_signal)) == "received"
        del first_signal

        os.kill(os.getpid(), SIGUSR1)
        assert second.block_on(receive(second_signal)) == "received"
