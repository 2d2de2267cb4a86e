"""One client used by many tasks: it works where they keep to one loop, and is a clear error,
not a race, where they do not."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT
from tests.ecosystem.test_http import serving_by_hand
from tests.gates import Gate
from yamanote import JoinError, JoinHandle, LocalSet, spawn, yield_now

TASKS = 100
WORKERS = 4
CONNECTIONS = 5  # fewer than there are tasks, which wait for each other then

Get = Callable[[str], Coroutine[Any, Any, str]]
Client = Callable[[str], Any]


@asynccontextmanager
async def httpx_client(url: str) -> AsyncIterator[Get]:
    import httpx

    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=LIMIT) as client:

        async def get(path: str) -> str:
            text: str = (await client.get(path)).text
            return text

        yield get


@asynccontextmanager
async def aiohttp_session(url: str) -> AsyncIterator[Get]:
    import aiohttp

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(url, connector=connector) as session:

        async def get(path: str) -> str:
            async with session.get(path) as response:
                text: str = await response.text()
                return text

        yield get


@pytest.fixture(params=[httpx_client, aiohttp_session])
def client(request: pytest.FixtureRequest) -> Client:
    # Here: inside a task it would be a panic.
    library = "httpx" if request.param is httpx_client else "aiohttp"
    pytest.importorskip(library, exc_type=ImportError)
    return request.param


# Tasks of one loop.


async def with_create_task(get: Get, paths: list[str]) -> list[str]:
    return [await task for task in [asyncio.create_task(get(path)) for path in paths]]


async def with_task_group(get: Get, paths: list[str]) -> list[str]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(get(path)) for path in paths]
    return [task.result() for task in tasks]


async def with_gather(get: Get, paths: list[str]) -> list[str]:
    return await asyncio.gather(*[get(path) for path in paths])


async def with_join(get: Get, paths: list[str]) -> list[str]:
    return list(await yamanote.join(*[get(path) for path in paths]))


async def with_local_set(get: Get, paths: list[str]) -> list[str]:
    local = LocalSet()
    handles = [local.spawn_local(get(path)) for path in paths]
    return [await local.run_until(handle) for handle in handles]


@pytest.mark.parametrize(
    "start", [with_create_task, with_task_group, with_gather, with_join, with_local_set]
)
def test_on_one_loop(workers: int, client: Client, start: Any) -> None:
    """That of a task that any worker may have taken."""
    paths = [f"/{n}" for n in range(TASKS)]

    async def share() -> None:
        async with serving_by_hand() as url, client(url) as get:
            assert await start(get, paths) == paths

    async def main() -> None:
        await spawn(share())

    yamanote.run(main(), worker_threads=workers)


def test_spawned_on_one_worker(client: Client) -> None:
    """There is one loop only."""

    async def main() -> None:
        async with serving_by_hand() as url, client(url) as get:
            handles = [spawn(get(f"/{n}")) for n in range(TASKS)]
            assert [await handle for handle in handles] == [f"/{n}" for n in range(TASKS)]

    yamanote.run(main(), worker_threads=1)


# Tasks of several loops.


async def outcome(handle: JoinHandle[str]) -> str | BaseException | None:
    """The task's result, or the cause of its failure."""
    try:
        return await handle
    except JoinError as error:
        return error.__cause__


def is_refusal(result: object) -> bool:
    return isinstance(result, RuntimeError) and (
        "this event loop runs on another thread" in str(result)
        or "belongs to another event loop" in str(result)
    )


def test_aiohttp_session_across_workers() -> None:
    """Each task on the session's loop has its answer; each other one, its error."""
    pytest.importorskip("aiohttp", exc_type=ImportError)
    together = threading.Barrier(WORKERS)
    thread_of: dict[int, int] = {}

    async def main() -> None:
        async with serving_by_hand() as url, aiohttp_session(url) as get:

            async def visit(n: int) -> str:
                if n < WORKERS:
                    together.wait(LIMIT)  # it blocks the worker: each takes one of these
                thread_of[n] = threading.get_ident()
                return await get(f"/{n}")

            handles = [spawn(visit(n)) for n in range(TASKS)]
            for n, handle in enumerate(handles):
                result = await outcome(handle)
                if thread_of[n] == threading.get_ident():
                    assert result == f"/{n}"
                else:
                    assert is_refusal(result), result
            assert len({thread_of[n] for n in range(WORKERS)}) == WORKERS
            # It is as good as before.
            paths = [f"/{n}" for n in range(TASKS)]
            assert await with_gather(get, paths) == paths

    yamanote.run(main(), worker_threads=WORKERS)


# A client gives a connection up on the wrong thread: only the collector closes it.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_client_across_workers(client: Client) -> None:
    """On each other worker in turn: at once, two of them would race inside the client."""
    together = threading.Barrier(WORKERS)

    async def main() -> None:
        async with serving_by_hand() as url, client(url) as get:
            gates = [Gate() for _ in range(WORKERS - 1)]

            async def visit(gate: Gate) -> str:
                asyncio.get_running_loop().create_future()  # pins the task
                together.wait(LIMIT)
                await gate.wait()
                return await get("/elsewhere")

            handles = [spawn(visit(gate)) for gate in gates]
            together.wait(LIMIT)  # it blocks this worker, so each other one has one of them
            for handle, gate in zip(handles, gates, strict=True):
                assert await get("/home") == "/home"  # the connection is kept for the next
                gate.open()
                result = await outcome(handle)
                assert is_refusal(result), result
            assert await get("/home") == "/home"

    yamanote.run(main(), worker_threads=WORKERS)
    gc.collect()  # now, while the warnings are expected


# The home task gives its connection up half-way: only the collector closes it.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_httpx_tells_the_next_in_line_on_another_worker() -> None:
    """Without any timeout: it is the one who tells, and the one who is told, that get the error,
    and those behind in the line get the connection."""
    httpx = pytest.importorskip("httpx", exc_type=ImportError)
    together, arrived = threading.Barrier(2), Gate()

    async def main() -> None:
        async with serving_by_hand() as url:
            limits = httpx.Limits(max_connections=1)
            client = httpx.AsyncClient(base_url=url, limits=limits, timeout=None)
            line = client._transport._pool._requests

            async def until_in_line(count: int) -> None:
                while len(line) < count:
                    await yield_now()

            async def visit() -> str:
                asyncio.get_running_loop().create_future()  # pins the task
                together.wait(LIMIT)
                await arrived.wait()
                text: str = (await client.get("/elsewhere")).text
                return text

            handle = spawn(visit())
            together.wait(LIMIT)  # it blocks this worker, so the other one has the task
            async with client.stream("GET", "/home") as response:
                arrived.open()
                await until_in_line(2)
                behind = [asyncio.create_task(client.get(f"/{n}")) for n in range(3)]
                await until_in_line(5)
                with pytest.raises(RuntimeError) as caught:
                    await response.aread()
                assert is_refusal(caught.value)
            assert is_refusal(await outcome(handle))
            assert [(await task).text for task in behind] == ["/0", "/1", "/2"]
            await client.aclose()

    yamanote.run(main(), worker_threads=2)
    gc.collect()  # now, while the warnings are expected


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_httpx_client_across_workers_at_once() -> None:
    """Its lists are used by four threads, and may forget who waits: what ends that is httpx's own
    timeout. Nobody gets the answer of somebody else."""
    httpx = pytest.importorskip("httpx", exc_type=ImportError)
    together = threading.Barrier(WORKERS)

    async def main() -> None:
        async with serving_by_hand() as url:
            limits = httpx.Limits(max_connections=CONNECTIONS)
            client = httpx.AsyncClient(base_url=url, limits=limits, timeout=1)

            async def visit(n: int) -> str:
                if n < WORKERS:
                    together.wait(LIMIT)  # it blocks the worker: each takes one of these
                text: str = (await client.get(f"/{n}")).text
                return text

            handles = [spawn(visit(n)) for n in range(TASKS)]
            for n, handle in enumerate(handles):
                result = await outcome(handle)
                assert result == f"/{n}" or isinstance(result, Exception)
            # One that is made anew is as good as any.
            async with httpx_client(url) as get:
                paths = [f"/{n}" for n in range(TASKS)]
                assert await with_gather(get, paths) == paths

    yamanote.run(main(), worker_threads=WORKERS)
    gc.collect()  # now, while the warnings are expected


def test_client_for_each_worker(client: Client) -> None:
    """What to do instead, where the work is to be spread."""
    together = threading.Barrier(WORKERS)
    paths = [f"/{n}" for n in range(TASKS)]

    async def main() -> None:
        async with serving_by_hand() as url:

            async def visit() -> int:
                together.wait(LIMIT)  # it blocks the worker: each takes one of these
                async with client(url) as get:
                    assert await with_task_group(get, paths) == paths
                return threading.get_ident()

            handles = [spawn(visit()) for _ in range(WORKERS)]
            assert len({await handle for handle in handles}) == WORKERS

    yamanote.run(main(), worker_threads=WORKERS)
