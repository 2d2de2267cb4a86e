"""redis-py's asyncio client inside native tasks.

What these tests interrupt is a command that never ends by itself: BLPOP of a list to which
nobody adds anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, Channel
from tests.ecosystem import servers
from tests.ecosystem.conftest import Native
from yamanote import JoinError, JoinHandle, LocalSet, block_in_place, spawn
from yamanote.time import timeout as native_timeout

aioredis = servers.package("redis.asyncio")
exceptions = servers.package("redis.exceptions")

SOON = 0.05  # seconds; what is given so long never ends by itself


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Redis]:
    with servers.redis() as server:
        yield server


@contextlib.asynccontextmanager
async def connect(server: servers.Redis, **options: Any) -> AsyncIterator[Any]:
    """A client, of an empty database."""
    options = {"decode_responses": True, **options}
    async with aioredis.Redis.from_url(server.url, **options) as client:
        await client.flushdb()
        yield client


async def until_blocked(client: Any, count: int = 1) -> None:
    """Return when `count` clients wait inside a command."""
    while (await client.info("clients"))["blocked_clients"] != count:
        pass


def test_commands(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        async with connect(server) as client:
            assert await client.ping()
            assert await client.set("city", "東京")
            assert await client.get("city") == "東京"
            assert await client.get("nothing") is None
            assert [await client.incr("count") for _ in range(50)] == list(range(1, 51))
            await client.rpush("stops", *range(1000))
            assert await client.lrange("stops", 0, -1) == [str(n) for n in range(1000)]
            await client.hset("line", mapping={"name": "Yamanote", "stations": 30})
            assert await client.hgetall("line") == {"name": "Yamanote", "stations": "30"}
            await client.set("big", "x" * (1 << 20))
            assert len(await client.get("big")) == 1 << 20
            with pytest.raises(exceptions.ResponseError, match="WRONGTYPE"):
                await client.incr("stops")
            await client.mset({f"key:{n}": n for n in range(300)})
            keys = [key async for key in client.scan_iter("key:*", count=10)]
            assert len(set(keys)) == 300

    spawned(main())


def test_pipeline(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        async with connect(server) as client:
            async with client.pipeline(transaction=False) as pipe:
                for n in range(1000):
                    pipe.incrby("sum", n)
                assert (await pipe.execute())[-1] == sum(range(1000))
            async with client.pipeline(transaction=True) as pipe:
                results = await pipe.set("a", 1).incr("a").lpush("a", 1).execute(False)
                assert results[:2] == [True, 2]
                assert isinstance(results[2], exceptions.ResponseError)

    spawned(main())


def test_transaction_that_watches(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        async with connect(server) as client:
            await client.set("a", 1)
            async with client.pipeline() as pipe:
                await pipe.watch("a")
                await client.set("a", 2)
                pipe.multi()
                pipe.set("a", 3)
                with pytest.raises(exceptions.WatchError):
                    await pipe.execute()
            assert await client.get("a") == "2"

    spawned(main())


def test_lock_and_script(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        async with connect(server) as client:
            add = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
            seen: list[int] = []

            async def visit() -> None:
                async with client.lock("lock", sleep=0.001):
                    count = int(await client.get("n") or 0)
                    seen.append(count)
                    await add(keys=["n"], args=[1])

            async with asyncio.TaskGroup() as group:
                for _ in range(5):
                    group.create_task(visit())
            assert seen == list(range(5))

    spawned(main())


def test_pubsub(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        async with connect(server) as client, client.pubsub() as pubsub:
            await pubsub.subscribe("news")
            await pubsub.psubscribe("weather.*")
            assert [(await anext(pubsub.listen()))["type"] for _ in range(2)] == [
                "subscribe",
                "psubscribe",
            ]

            async def hear() -> list[tuple[str, str]]:
                heard = []
                async for message in pubsub.listen():
                    if message["data"] == "end":
                        break
                    heard.append((message["channel"], message["data"]))
                return heard

            hearing = asyncio.create_task(hear())
            for n in range(50):
                assert await client.publish("news", n) == 1
                assert await client.publish("weather.tokyo", n) == 1
            await client.publish("news", "end")
            channels = ("news", "weather.tokyo")
            assert await hearing == [(c, str(n)) for n in range(50) for c in channels]
            await pubsub.unsubscribe("news")
            assert await client.publish("news", "nobody") == 0

    spawned(main())


def test_pubsub_between_spawned_tasks(spawned: Native, server: servers.Redis) -> None:
    """Who publishes is on any worker, with a client of its own."""

    async def main() -> None:
        ready: Channel[None] = Channel()

        async def subscriber() -> list[str]:
            async with connect(server) as client, client.pubsub() as pubsub:
                await pubsub.subscribe("news")
                assert (await anext(pubsub.listen()))["type"] == "subscribe"
                ready.send(None)
                return [(await anext(pubsub.listen()))["data"] for _ in range(20)]

        async def publisher() -> None:
            async with aioredis.Redis.from_url(server.url, socket_timeout=LIMIT) as client:
                for n in range(20):
                    await client.publish("news", n)

        hearing = spawn(subscriber())
        await ready.recv()
        await spawn(publisher())
        assert await hearing == [str(n) for n in range(20)]

    spawned(main())


def test_pool(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        pool = aioredis.BlockingConnectionPool.from_url(
            server.url, max_connections=5, timeout=LIMIT
        )
        async with connect(server) as control, aioredis.Redis(connection_pool=pool) as client:

            async def visit(n: int) -> int:
                await client.incr("visits")
                return int(await client.echo(str(2 * n)))

            tasks = [asyncio.create_task(visit(n)) for n in range(100)]
            assert [await task for task in tasks] == [2 * n for n in range(100)]
            async with asyncio.TaskGroup() as group:
                more = [group.create_task(visit(n)) for n in range(100)]
            assert [task.result() for task in more] == [2 * n for n in range(100)]
            assert await control.get("visits") == "200"
            assert len(await control.client_list()) <= 6
        await pool.aclose()

    spawned(main())


def test_abort(spawned: Native, server: servers.Redis) -> None:
    """The client outlives the task that was aborted in a command of it."""

    async def main() -> None:
        async with connect(server, socket_timeout=None) as client, connect(server) as control:
            local = LocalSet()
            handle = local.spawn_local(client.blpop("empty"))
            await local.run_until(until_blocked(control))
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await local.run_until(handle)
            assert caught.value.is_cancelled()
            await until_blocked(control, 0)
            await client.rpush("empty", "kept")  # the aborted command does not take it
            assert list(await client.blpop("empty")) == ["empty", "kept"]

    spawned(main())


def test_abort_of_spawned_task(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        async with connect(server) as control:

            async def victim() -> None:
                # With a timeout the client waits for what it has sent by asyncio.wait_for(),
                # and 3.11's loses a cancellation that comes at its end.
                async with aioredis.Redis.from_url(server.url, socket_timeout=None) as client:
                    try:
                        await client.blpop("empty")
                    except asyncio.CancelledError:
                        assert await client.echo("still") == b"still"
                        raise

            handle = spawn(victim())
            await until_blocked(control)
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await handle
            assert caught.value.is_cancelled()

    spawned(main())


async def with_asyncio_timeout(command: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async with asyncio.timeout(SOON):
        await command()


async def with_native_timeout(command: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async with native_timeout(SOON):
        await command()


async def with_wait_for(command: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    await asyncio.wait_for(command(), SOON)


@pytest.mark.parametrize("limited", [with_asyncio_timeout, with_native_timeout, with_wait_for])
def test_timeouts(spawned: Native, server: servers.Redis, limited: Any) -> None:
    async def main() -> None:
        async with connect(server, max_connections=1) as client:
            for n in range(3):
                with pytest.raises(TimeoutError):
                    await limited(lambda: client.blpop("empty"))
                assert await client.echo(str(n)) == str(n)

    spawned(main())


def test_timeout_of_the_client(spawned: Native, server: servers.Redis) -> None:
    async def main() -> None:
        async with connect(server, socket_timeout=SOON, retry=None) as client:
            with pytest.raises(exceptions.TimeoutError):
                await client.blpop("empty")
        async with connect(server) as client:
            assert await client.ping()

    spawned(main())


def test_client_for_each_spawned_task(server: servers.Redis) -> None:
    barrier = threading.Barrier(4)

    async def body(number: int) -> tuple[int, list[int]]:
        barrier.wait(LIMIT)  # it blocks the worker, so the other tasks are on others
        async with aioredis.Redis.from_url(server.url, socket_timeout=LIMIT) as client:
            key = f"of-{number}"
            await client.delete(key)
            return threading.get_ident(), [await client.incrby(key, number) for _ in range(20)]

    async def main() -> None:
        ended = [await handle for handle in [spawn(body(number)) for number in range(4)]]
        assert len({thread for thread, _ in ended}) == 4
        for number, (_, values) in enumerate(ended):
            assert values == [number * n for n in range(1, 21)]

    yamanote.run(main(), worker_threads=4)


# The client gives the connection up on the wrong thread: only the collector closes it.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_connection_across_workers(server: servers.Redis) -> None:
    """On another worker the client's connection cannot be used; on its own it still can."""

    async def main() -> None:
        async with connect(server, max_connections=1) as client:
            started = threading.Event()

            async def elsewhere() -> Any:
                started.set()
                return await client.blpop("empty")

            handle: JoinHandle[Any] = spawn(elsewhere())
            assert started.wait(LIMIT)  # it blocks this worker, so the task is on another
            with pytest.raises(JoinError) as caught:
                await handle
            assert isinstance(caught.value.__cause__, RuntimeError)
            assert re.search(
                "on another thread|to another event loop|to a different event loop",
                str(caught.value.__cause__),
            )
            assert await client.echo("still") == "still"

    yamanote.run(main(), worker_threads=4)
    gc.collect()


def test_while_blocked_in_place(workers: int, server: servers.Redis) -> None:
    """The connection goes on, driven by another thread, and comes back."""

    async def main() -> None:
        async with connect(server) as client:
            for n in range(5):
                answered = threading.Event()

                async def ask(n: int = n, answered: threading.Event = answered) -> str:
                    try:
                        return await client.echo(str(n))
                    finally:
                        answered.set()

                task = asyncio.create_task(ask())
                assert block_in_place(answered.wait, LIMIT)
                assert await task == str(n)
                assert await client.echo("here") == "here"

    yamanote.run(main(), worker_threads=workers)
