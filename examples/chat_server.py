"""A chat server: the first line a client sends is its name, every further one goes to the others.

An unchanged asyncio program inside a Yamanote task. The room is shared by all connections without
a lock, so all of them have to stay on one loop; `asyncio.start_server` and
`asyncio.TaskGroup` see to that, whatever the number of workers.

    yamanote run examples/chat_server.py:main --port 7001
    nc 127.0.0.1 7001
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib

import yamanote

UNREAD_LINES = 100


class Room:
    """Who is here, each with the lines that are still to be sent to them."""

    def __init__(self) -> None:
        self._outboxes: dict[str, asyncio.Queue[str]] = {}

    def enter(self, name: str) -> asyncio.Queue[str]:
        """Let `name` in and return its outbox. Raises ValueError when the name is taken."""
        if not name or name in self._outboxes:
            raise ValueError(name)
        self.say(f"* {name} is here")
        outbox = self._outboxes[name] = asyncio.Queue(UNREAD_LINES)
        outbox.put_nowait(f"* welcome, {name}; here: {', '.join(sorted(self._outboxes))}")
        return outbox

    def leave(self, name: str) -> None:
        del self._outboxes[name]
        self.say(f"* {name} has left")

    def say(self, line: str, sender: str | None = None) -> None:
        """Send `line` to everyone but its sender."""
        for name, outbox in self._outboxes.items():
            # Someone who does not read loses lines, and holds up nobody else.
            if name != sender and not outbox.full():
                outbox.put_nowait(line)


async def send(outbox: asyncio.Queue[str], writer: asyncio.StreamWriter) -> None:
    # A client that is gone ends `talk` too, which says so.
    with contextlib.suppress(ConnectionError):
        while True:
            writer.write(f"{await outbox.get()}\n".encode())
            await writer.drain()


async def talk(room: Room, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Serve one client until it hangs up."""
    try:
        name = (await reader.readline()).decode(errors="replace").strip()
        try:
            outbox = room.enter(name)
        except ValueError:
            writer.write(b"* this name is taken, or none\n")
            return
        sender = asyncio.create_task(send(outbox, writer))
        try:
            while line := await reader.readline():
                room.say(f"{name}: {line.decode(errors='replace').rstrip()}", name)
        finally:
            sender.cancel()
            room.leave(name)
    except (ConnectionError, ValueError):
        pass  # Gone without a word, or a line longer than the reader's limit.
    finally:
        writer.close()


async def main() -> None:
    parser = argparse.ArgumentParser(description="A chat server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7001, help="0: any free port (default 7001)")
    options = parser.parse_args()
    room = Room()
    # Ctrl-C cancels this task inside the group, and with it every client's; the group waits for
    # their `finally` blocks.
    async with asyncio.TaskGroup() as clients:

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            clients.create_task(talk(room, reader, writer))

        server = await asyncio.start_server(connected, options.host, options.port)
        try:
            host, port = server.sockets[0].getsockname()[:2]
            print(f"listening on {host}:{port}", flush=True)
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        yamanote.run(main())
