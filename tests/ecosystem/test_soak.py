"""A fixed amount of everything at once, which comes to the same as under asyncio.run.

The tasks are asyncio code and nothing else: only who starts them differs.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

import yamanote
from tests.ecosystem.test_http import serving_by_hand
from yamanote import spawn

TASKS = 200
STEPS = 3  # kinds of work in each task
ROUNDS = 5  # of each kind


def find(name: str) -> Any:
    """A module, or None: the rest can be tried without it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


aiofiles = find("aiofiles")
aiohttp = find("aiohttp")
anyio = find("anyio")
httpx = find("httpx")
trustme = find("trustme")
websockets_client = find("websockets.asyncio.client")
websockets_server = find("websockets.asyncio.server")


class World:
    """What the tasks find: servers, a folder. The servers count what they were asked."""

    def __init__(self, folder: Path, tls: tuple[ssl.SSLContext, ssl.SSLContext] | None) -> None:
        self.folder = folder
        self.tls = tls
        self.asked: Counter[str] = Counter()
        self.http = self.websocket = ""
        self.echo = self.secret = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            self.http = await stack.enter_async_context(serving_by_hand())
            self.echo = await self.serve(stack, "echo", None)
            if self.tls is not None:
                self.secret = await self.serve(stack, "secret", self.tls[0])
            if websockets_server:
                serving = websockets_server.serve(self.talk, "127.0.0.1", 0)
                server = await stack.enter_async_context(serving)
                self.websocket = "ws://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
            yield

    async def serve(self, stack: AsyncExitStack, name: str, context: Any) -> int:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while line := await reader.readline():
                    self.asked[name] += 1
                    writer.write(line.upper())
                    await writer.drain()
            finally:
                writer.close()
                await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
        await stack.enter_async_context(server)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def talk(self, socket: Any) -> None:
        async for message in socket:
            self.asked["websocket"] += 1
            await socket.send(message[::-1])


# Kinds of work.


async def compute(world: World, n: int) -> Any:
    digest = b""
    for _ in range(ROUNDS):
        digest = sha256(digest + str(n).encode() * 1000).digest()
        await asyncio.sleep(0)
    return digest.hex()


async def threads(world: World, n: int) -> Any:
    calls = [asyncio.to_thread(pow, n + i, 3, 1009) for i in range(ROUNDS)]
    return await asyncio.gather(*calls)


async def queue(world: World, n: int) -> Any:
    items: asyncio.Queue[int] = asyncio.Queue(2)
    async with asyncio.TaskGroup() as group:
        for i in range(ROUNDS):
            group.create_task(items.put(n + i))
        return sorted([await items.get() for _ in range(ROUNDS)])


async def limits(world: World, n: int) -> Any:
    passed = 0
    for _ in range(ROUNDS):
        try:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        except TimeoutError:
            passed += 1
    return passed


async def process(world: World, n: int) -> Any:
    # One, and not each time: to start a Python costs as much as all the rest.
    if n % 20:
        return None
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-S", "-c", f"print({n} + 1)", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    return child.returncode, int(out)


async def lines(port: int, n: int, context: ssl.SSLContext | None) -> Any:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=context, server_hostname=context and "localhost"
    )
    answers = []
    for i in range(ROUNDS):
        writer.write(f"line {n} {i}\n".encode())
        await writer.drain()
        answers.append((await reader.readline()).decode())
    writer.close()
    await writer.wait_closed()
    return answers


async def stream(world: World, n: int) -> Any:
    return await lines(world.echo, n, None)


async def tls_stream(world: World, n: int) -> Any:
    assert world.tls is not None
    return await lines(world.secret, n, world.tls[1])


async def with_httpx(world: World, n: int) -> Any:
    # Without TLS: a client reads all the certificates there are.
    async with httpx.AsyncClient(base_url=world.http, verify=False, timeout=None) as client:
        gets = [client.get(f"/{n}/{i}") for i in range(ROUNDS)]
        return [answer.text for answer in await asyncio.gather(*gets)]


async def with_aiohttp(world: World, n: int) -> Any:
    async with aiohttp.ClientSession(world.http) as session:
        answers = []
        for i in range(ROUNDS):
            async with session.post("/", data=f"body {n} {i}") as answer:
                answers.append(await answer.text())
        return answers


async def with_anyio(world: World, n: int) -> Any:
    send, receive = anyio.create_memory_object_stream(1)
    got = []
    async with anyio.create_task_group() as group, receive:

        async def produce() -> None:
            async with send:
                for i in range(ROUNDS):
                    await send.send(n * i)

        group.start_soon(produce)
        async for item in receive:
            got.append(await anyio.to_thread.run_sync(abs, -item))
    with anyio.move_on_after(0.001) as scope:
        await anyio.sleep_forever()
    return got, scope.cancelled_caught


async def with_websockets(world: World, n: int) -> Any:
    async with websockets_client.connect(world.websocket) as socket:
        answers = []
        for i in range(ROUNDS):
            await socket.send(f"message {n} {i}")
            answers.append(await socket.recv())
        return answers


async def with_aiofiles(world: World, n: int) -> Any:
    path = world.folder / str(n)
    for i in range(ROUNDS):
        async with aiofiles.open(path, "w" if i == 0 else "a") as file:
            await file.write(f"{n} {i}\n")
    async with aiofiles.open(path) as file:
        return [line async for line in file]


KINDS: list[Callable[[World, int], Coroutine[Any, Any, Any]]] = [
    *(compute, threads, queue, limits, process, stream),
    *([tls_stream] if trustme else []),
    *([with_httpx] if httpx else []),
    *([with_aiohttp] if aiohttp else []),
    *([with_anyio] if anyio else []),
    *([with_websockets] if websockets_server else []),
    *([with_aiofiles] if aiofiles else []),
]


async def work(world: World, n: int) -> list[Any]:
    # The same choice each time, whoever runs it.
    kinds = random.Random(n).sample(KINDS, STEPS)
    return [(kind.__name__, await kind(world, n)) for kind in kinds]


async def everything(world: World, start: Callable[[Any], Awaitable[Any]]) -> list[Any]:
    async with world.open():
        started = [start(work(world, n)) for n in range(TASKS)]
        return [await task for task in started]


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext] | None:
    if trustme is None:
        return None
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client


@pytest.fixture(scope="module")
def expected(tls: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Any], Any]:
    """What asyncio makes of it, and what its servers were asked."""
    world = World(tmp_path_factory.mktemp("asyncio"), tls)
    return asyncio.run(everything(world, asyncio.create_task)), world.asked


@pytest.mark.parametrize("start", [spawn, asyncio.create_task])
def test_all_at_once(
    workers: int, start: Any, tls: Any, expected: tuple[list[Any], Any], tmp_path: Path
) -> None:
    world = World(tmp_path, tls)
    results = yamanote.run(everything(world, start), worker_threads=workers)
    assert len(results) == TASKS
    assert (results, world.asked) == expected
