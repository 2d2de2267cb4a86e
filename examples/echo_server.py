"""An echo server: whatever a client sends comes back.

The main task accepts; each connection is a task of its own, free to start on any worker, which
opens asyncio streams there. From then on it stays on that worker, so with several workers the
connections are spread over them, and asyncio's streams still see one thread.

    yamanote run --workers 4 examples/echo_server.py:main --port 7000
    nc 127.0.0.1 7000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket

import yamanote


async def echo(connection: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    try:
        while data := await reader.read(65536):
            writer.write(data)
            # Back-pressure: a client that sends but does not read must not fill our memory.
            await writer.drain()
    except ConnectionError:
        pass  # The client went away without a word, as clients do.
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def main() -> None:
    parser = argparse.ArgumentParser(description="An echo server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7000, help="0: any free port (default 7000)")
    options = parser.parse_args()
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    loop = asyncio.get_running_loop()
    with socket.create_server((options.host, options.port), family=family) as listener:
        listener.setblocking(False)
        host, port = listener.getsockname()[:2]
        print(f"listening on {host}:{port}", flush=True)
        # Ctrl-C cancels this task; then the runtime cancels the connections, whose `finally`
        # blocks close them.
        while True:
            connection, _ = await loop.sock_accept(listener)
            yamanote.spawn(echo(connection))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        yamanote.run(main())
