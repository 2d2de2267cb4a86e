"""Counterpart of tokio/tests/signal_ctrl_c.rs."""

from __future__ import annotations

import os
from signal import SIGINT, getsignal

from tests.gates import until
from yamanote import Runtime, signal, spawn


def test_ctrl_c(rt: Runtime) -> None:
    async def send() -> None:
        await until(lambda: getsignal(SIGINT) != before)
        os.kill(os.getpid(), SIGINT)

    async def main() -> None:
        nonlocal before
        before = getsignal(SIGINT)
        ctrl_c = signal.ctrl_c()
        spawn(send())
        await ctrl_c

    before = None
    rt.block_on(main())
