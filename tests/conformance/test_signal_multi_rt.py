"""Counterpart of tokio/tests/signal_multi_rt.rs."""

from __future__ import annotations

import os
import threading
from signal import SIGHUP

from yamanote import Runtime, run, signal, spawn_blocking
from yamanote.sync import mpsc

THREADS = 4
LIMIT = 30.0  # seconds that only a failure waits


def test_multi_loop() -> None:
    """The main thread is not free, as Tokio's is: it runs a runtime, to install the handler."""
    received = []

    def listen(ready: mpsc.Sender[None]) -> None:
        async def receive() -> None:
            with signal.unix(SIGHUP) as stream:
                ready.try_send(None)
                await stream.recv()
                received.append(threading.get_ident())

        with Runtime(flavor="current_thread") as rt:
            rt.block_on(receive())

    async def main() -> None:
        for turn in range(10):
            tx, rx = mpsc.channel(THREADS)
            threads = [threading.Thread(target=listen, args=(tx,)) for _ in range(THREADS)]
            for thread in threads:
                thread.start()
            for _ in threads:
                await rx.recv()
            os.kill(os.getpid(), SIGHUP)
            for thread in threads:
                await spawn_blocking(thread.join, LIMIT)
            assert len(received) == THREADS * (turn + 1)

    run(main())
