"""A chat server: the first line a client sends is its name, every further one goes to the others.

What is said goes through one broadcast channel, from which each client receives at its own pace,
on any worker. Nobody waits for a slow reader: who falls too far behind misses lines, and is told
how many. Ctrl-C or SIGTERM closes the channel, and who is still here gets what was said before.

    yamanote run examples/chat_server.py:main --port 7001
    nc 127.0.0.1 7001
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import threading
from signal import SIGINT, SIGTERM

import yamanote
from yamanote import CancellationToken, TaskTracker, select, signal
from yamanote.net import OwnedReadHalf, OwnedWriteHalf, TcpListener, TcpStream
from yamanote.sync import Lagged, RecvError, SendError, broadcast
from yamanote.time import timeout

UNREAD_LINES = 128  # how far one may be behind before one misses something
LONGEST_LINE = 1000  # bytes
LONGEST_NAME = 32  # characters
INTRODUCTION = 60.0  # seconds to say one's name


class Refused(Exception):
    """The client is not let in, or shown out; says why."""


class Room:
    """Who is here, and what is said: pairs of the speaker and the line. Thread-safe."""

    def __init__(self, patience: float) -> None:
        self.patience = patience  # seconds that a client may take to read a line
        # Who is here and who receives must agree, and tasks of several workers come and go.
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._said: broadcast.Sender[tuple[str, str]] = broadcast.Sender(UNREAD_LINES)
        self._open = True

    def enter(self, name: str) -> tuple[list[str], broadcast.Receiver[tuple[str, str]]]:
        """Let `name` in; returns who is here, and what will be said from now on."""
        with self._lock:
            if not self._open:
                raise Refused("the server is closing")
            if name in self._names:
                raise Refused("this name is taken")
            self._say("", f"* {name} is here")
            self._names.add(name)
            return sorted(self._names), self._said.subscribe()

    def leave(self, name: str) -> None:
        with self._lock:
            self._names.remove(name)
            self._say("", f"* {name} has left")

    def say(self, name: str, line: str) -> None:
        with self._lock:
            self._say(name, f"{name}: {line}")

    def close(self) -> None:
        """Nobody can say anything any more; what was said can still be heard."""
        with self._lock:
            self._say("", "* the server is closing")
            self._open = False
            self._said.close()

    def _say(self, name: str, line: str) -> None:
        if self._open:
            with contextlib.suppress(SendError):  # there is nobody else
                self._said.send((name, line))


async def next_line(read: OwnedReadHalf) -> str | None:
    """The next line, without what would upset the others' terminals; None at the end."""
    try:
        line = await read.read_until(b"\n", limit=LONGEST_LINE)
    except asyncio.LimitOverrunError:
        raise Refused(f"a line has at most {LONGEST_LINE} bytes") from None
    if not line:
        return None
    text = line.decode(errors="replace").strip()
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


async def send(room: Room, write: OwnedWriteHalf, line: str) -> None:
    await timeout(room.patience, write.write_all(f"{line}\n".encode()))


async def introduce(read: OwnedReadHalf) -> str:
    try:
        name = await timeout(INTRODUCTION, next_line(read))
    except TimeoutError:
        raise Refused("nobody waits for ever to hear a name") from None
    if not name or len(name) > LONGEST_NAME:
        raise Refused(f"a name has 1 to {LONGEST_NAME} characters")
    return name


async def talk(room: Room, name: str, read: OwnedReadHalf) -> None:
    """Pass on what this client says."""
    while (line := await next_line(read)) is not None:
        room.say(name, line)


async def hear(
    room: Room, said: broadcast.Receiver[tuple[str, str]], name: str, write: OwnedWriteHalf
) -> None:
    """Pass on to this client what the others say, until the room is closed."""
    while True:
        try:
            speaker, line = await said.recv()
        except RecvError:
            return
        except Lagged as lagged:
            await send(room, write, f"* you have missed {lagged.missed} lines")
        else:
            if speaker != name:
                await send(room, write, line)


async def serve(room: Room, stream: TcpStream, stopping: CancellationToken) -> None:
    """Serve one client until it hangs up, or the room is closed."""
    read, write = stream.into_split()
    async with read, write:
        # An error or a time limit: the client is gone, or should be.
        with contextlib.suppress(OSError):
            try:
                name = await stopping.run_until_cancelled(introduce(read))
                if name is None:
                    raise Refused("the server is closing")
                names, said = room.enter(name)
                try:
                    await send(room, write, f"* welcome, {name}; here: {', '.join(names)}")
                    # Whichever ends first ends the other one.
                    await select(talk(room, name, read), hear(room, said, name, write))
                finally:
                    said.close()
                    room.leave(name)
            except Refused as why:
                await send(room, write, f"* {why}")


async def main() -> None:
    parser = argparse.ArgumentParser(description="A chat server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7001, help="0: any free port (default 7001)")
    parser.add_argument(
        "--patience",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long a client may take to read a line (default 10)",
    )
    options = parser.parse_args()
    room = Room(options.patience)
    stopping, clients = CancellationToken(), TaskTracker()

    async def accept(listener: TcpListener) -> None:
        async for stream, _ in listener:
            clients.spawn(serve(room, stream, stopping))

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
    room.close()
    stopping.cancel()
    clients.close()
    await clients.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        yamanote.run(main())
