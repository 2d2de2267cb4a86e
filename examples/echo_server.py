"""An echo server: whatever a client sends comes back.

The main task accepts; each connection is a task of its own, on whichever worker has time for it:
sockets of `yamanote.net` belong to no loop. Ctrl-C or SIGTERM ends it in an orderly way: nobody
else is let in, and what has been received still goes back.

    yamanote run --workers 4 examples/echo_server.py:main --port 7000
    nc 127.0.0.1 7000
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from signal import SIGINT, SIGTERM

import yamanote
from yamanote import CancellationToken, TaskTracker, select, signal
from yamanote.net import TcpListener, TcpStream
from yamanote.time import timeout

SLOW = 10.0  # seconds that a client may take to read what came back


async def echo(stream: TcpStream, stopping: CancellationToken) -> None:
    """Serve one client until it has no more to send, or the server stops."""
    async with stream:
        # Not an end of the stream, but an error or a time limit: the client is gone, or should be.
        with contextlib.suppress(OSError):
            while data := await stopping.run_until_cancelled(stream.read()):
                # Back-pressure: nothing more is read until this has gone out.
                await timeout(SLOW, stream.write_all(data))


async def main() -> None:
    parser = argparse.ArgumentParser(description="An echo server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7000, help="0: any free port (default 7000)")
    options = parser.parse_args()
    stopping, connections = CancellationToken(), TaskTracker()

    async def accept(listener: TcpListener) -> None:
        async for stream, _ in listener:
            connections.spawn(echo(stream, stopping))

    try:
        listener = await TcpListener.bind((options.host, options.port))
    except (OSError, ValueError) as error:
        sys.exit(f"cannot listen: {error}")
    async with listener:
        with signal.unix(SIGINT) as interrupt, signal.unix(SIGTERM) as terminate:
            host, port = listener.local_addr()[:2]
            print(f"listening on {host}:{port}", flush=True)
            await select(accept(listener), interrupt.recv(), terminate.recv())
    # From here on another Ctrl-C has its usual meaning: it ends the program at once.
    stopping.cancel()
    connections.close()
    await connections.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        yamanote.run(main())
