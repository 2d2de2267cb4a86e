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
from yamanote import JoinError, JoinHandle, LocalSet, spawn

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
