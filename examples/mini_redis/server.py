"""Accepting connections, as many as are allowed, and the orderly end."""

from __future__ import annotations

import argparse
import sys
from signal import SIGINT, SIGTERM

from yamanote import CancellationToken, TaskTracker, select, signal, spawn
from yamanote.net import TcpListener, TcpStream
from yamanote.sync import Semaphore, SemaphorePermit

from .connection import Connection
from .pubsub import PubSub
from .store import Store


class Server:
    """What all connections have in common."""

    def __init__(self, listener: TcpListener, connections: int) -> None:
        self._listener = listener
        self._limit = Semaphore(connections)
        self._store = Store()
        self._pubsub = PubSub()
        self._stopping = CancellationToken()
        self._connections = TaskTracker()

    async def run(self) -> None:
        """Serve until Ctrl-C or SIGTERM, and until those are answered who have asked."""
        expiring = spawn(self._store.expire_forever())
        async with self._listener:
            with signal.unix(SIGINT) as interrupt, signal.unix(SIGTERM) as terminate:
                host, port = self._listener.local_addr()[:2]
                print(f"listening on {host}:{port}", flush=True)
                await select(self._accept(), interrupt.recv(), terminate.recv())
        # From here on another Ctrl-C has its usual meaning: it ends the program at once.
        self._stopping.cancel()
        self._connections.close()
        await self._connections.wait()
        expiring.abort()

    async def _accept(self) -> None:
        while True:
            # Who is too many waits in the listener's backlog.
            permit = await self._limit.acquire()
            stream, _ = await self._listener.accept()
            self._connections.spawn(self._serve(stream, permit))

    async def _serve(self, stream: TcpStream, permit: SemaphorePermit) -> None:
        with permit:
            await Connection(stream, self._store, self._pubsub, self._stopping).serve()


async def main() -> None:
    parser = argparse.ArgumentParser(prog="mini_redis", description="A small Redis.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379, help="0: any free port (default 6379)")
    parser.add_argument(
        "--connections", type=int, default=1000, metavar="N", help="at a time (default 1000)"
    )
    options = parser.parse_args()
    if options.connections < 1:
        parser.error("--connections takes 1 or more")
    try:
        listener = await TcpListener.bind((options.host, options.port))
    except (OSError, ValueError) as error:
        sys.exit(f"cannot listen: {error}")
    await Server(listener, options.connections).run()
