"""Side-by-side benchmarks of TCP on loopback, as those of run.py: an echo server and its clients
in one process, each client sending the next message when the last one has come back.

    python bench/echo.py [--rounds N] [--write docs/benchmarks.md]

Ours are native sockets (`yamanote.net`); the peers are asyncio's streams and protocols, on its
own loop and on uvloop.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from channels import measure, table

import yamanote
from yamanote.net import TcpListener, TcpStream

MESSAGES = 10_000  # of all clients together
HOST = "127.0.0.1"


async def native(clients: int, size: int) -> float:
    async def serve(stream: TcpStream) -> None:
        async with stream:
            while data := await stream.read():
                await stream.write_all(data)

    async def accept(listener: TcpListener) -> None:
        async for stream, _ in listener:
            yamanote.spawn(serve(stream))

    async def client(stream: TcpStream) -> None:
        message = b"x" * size
        for _ in range(MESSAGES // clients):
            await stream.write_all(message)
            await stream.read_exact(size)

    async with await TcpListener.bind((HOST, 0)) as listener:
        accepting = yamanote.spawn(accept(listener))
        streams = [await TcpStream.connect(listener.local_addr()) for _ in range(clients)]
        began = time.perf_counter()
        for handle in [yamanote.spawn(client(stream)) for stream in streams]:
            await handle
        elapsed = time.perf_counter() - began
        for stream in streams:
            stream.close()
        accepting.abort()
    return elapsed / MESSAGES


async def streams(clients: int, size: int) -> float:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        message = b"x" * size
        for _ in range(MESSAGES // clients):
            writer.write(message)
            await writer.drain()
            await reader.readexactly(size)

    server = await asyncio.start_server(serve, HOST, 0)
    async with server:
        address = server.sockets[0].getsockname()
        pairs = [await asyncio.open_connection(*address) for _ in range(clients)]
        began = time.perf_counter()
        await asyncio.gather(*[client(*pair) for pair in pairs])
        elapsed = time.perf_counter() - began
        for _, writer in pairs:
            writer.close()
            await writer.wait_closed()
    return elapsed / MESSAGES


class Server(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class Client(asyncio.Protocol):
    def __init__(self, count: int, size: int) -> None:
        self.left, self.size, self.missing = count, size, size
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def begin(self) -> None:
        self.transport.write(b"x" * self.size)

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        if self.missing:
            return
        self.left -= 1
        if self.left:
            self.missing = self.size
            self.begin()
        else:
            self.ended.set_result(None)


async def protocols(clients: int, size: int) -> float:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, HOST, 0)
    async with server:
        address = server.sockets[0].getsockname()
        make = partial(Client, MESSAGES // clients, size)
        all_clients = [(await loop.create_connection(make, *address))[1] for _ in range(clients)]
        began = time.perf_counter()
        for client in all_clients:
            client.begin()
        for client in all_clients:
            await client.ended
        elapsed = time.perf_counter() - began
        for client in all_clients:
            client.transport.close()
        await asyncio.sleep(0.01)
    return elapsed / MESSAGES


def on_yamanote(coro: Coroutine[Any, Any, float]) -> float:
    async def main() -> float:
        return await yamanote.spawn(coro)

    return yamanote.run(main(), worker_threads=1)


def rows() -> tuple[dict[str, dict[str, Callable[[], float]]], list[str]]:
    peers: dict[str, tuple[Callable[[Any], float], Callable[[int, int], Any]]] = {
        "yamanote": (on_yamanote, native),
        "asyncio streams": (asyncio.run, streams),
        "asyncio protocols": (asyncio.run, protocols),
    }
    missing = []
    try:
        import uvloop
    except ImportError:
        missing.append("uvloop")
    else:
        peers["uvloop streams"] = (uvloop.run, streams)
        peers["uvloop protocols"] = (uvloop.run, protocols)

    def row(clients: int, size: int) -> dict[str, Callable[[], float]]:
        return {
            name: lambda run=run, work=work: run(work(clients, size))
            for name, (run, work) in peers.items()
        }

    return {
        f"{clients:,} connection{'s' * (clients > 1)}, {label}": row(clients, size)
        for clients in (1, 100, 1000)
        for size, label in ((64, "64 B"), (16384, "16 KiB"))
    }, missing


PEERS = ("asyncio streams", "asyncio protocols", "uvloop streams", "uvloop protocols")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", type=Path, help="a file to append the table to")
    args = parser.parse_args()
    work, missing = rows()
    text = "\n".join(table(measure(work, args.rounds), PEERS, missing))
    print(text)
    if args.write:
        with args.write.open("a") as file:
            file.write(f"\n{text}\n")


if __name__ == "__main__":
    main()
