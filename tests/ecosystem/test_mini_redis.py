"""redis-py with examples/mini_redis: both of its clients, in both of the protocol's versions."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT
from tests.ecosystem import servers
from tests.examples import programs
from tests.examples.test_mini_redis import AS_MODULE

redis = servers.package("redis")
aioredis = servers.package("redis.asyncio")


@pytest.fixture(scope="module", params=[1, 4], ids=["1-worker", "4-workers"])
def address(request: pytest.FixtureRequest) -> Iterator[programs.Address]:
    with programs.server(programs.environment(request.param), AS_MODULE, signal.SIGTERM) as address:
        yield address


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def options(request: pytest.FixtureRequest, address: programs.Address) -> dict[str, Any]:
    host, port = address
    return {
        "host": host,
        "port": port,
        "protocol": request.param,
        "socket_timeout": LIMIT,
        "decode_responses": True,
    }


def test_as_it_comes(address: programs.Address) -> None:
    host, port = address
    with redis.Redis(host, port) as client:
        assert client.ping()
        assert client.set("city", "東京")
        assert client.get("city").decode() == "東京"


def test_blocking_client(options: dict[str, Any]) -> None:
    with redis.Redis(client_name="test", **options) as client:
        assert client.flushdb()
        assert client.set("city", "東京", ex=100, nx=True)
        assert client.set("city", "Kyoto", nx=True) is None
        assert client.get("city") == "東京"
        assert client.get("nothing") is None
        assert 0 < client.ttl("city") <= 100
        assert client.persist("city")
        assert [client.incr("n") for _ in range(3)] == [1, 2, 3]
        assert client.rpush("l", *range(1000)) == 1000
        assert client.lrange("l", 0, -1) == [str(n) for n in range(1000)]
        assert client.lpop("l") == "0"
        assert client.rpop("l", 2) == ["999", "998"]
        assert client.exists("city", "l", "nothing") == 2
        assert client.config_get("save") == {"save": ""}
        assert client.client_getname() == "test"
        assert client.dbsize() == 3
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.incr("l")
        with client.pipeline(transaction=False) as pipe:
            for _ in range(1000):
                pipe.incrby("sum", 2)
            assert pipe.execute()[-1] == 2000


def test_asyncio_client_in_a_task(options: dict[str, Any], workers: int) -> None:
    async def main() -> None:
        async with aioredis.Redis(**options) as client, client.pubsub() as pubsub:
            await pubsub.subscribe("news", "weather")
            heard = [await anext(pubsub.listen()) for _ in range(2)]
            assert [message["type"] for message in heard] == ["subscribe"] * 2

            async def hear() -> list[str]:
                return [(await anext(pubsub.listen()))["data"] for _ in range(100)]

            hearing = asyncio.create_task(hear())
            for number in range(100):
                assert await client.publish("news", number) == 1
            assert await hearing == [str(number) for number in range(100)]
            await pubsub.unsubscribe()

            async def visit() -> int:
                return int(await client.incr("visits"))

            await client.delete("visits")
            visits = await asyncio.gather(*[visit() for _ in range(50)])
            assert sorted(visits) == list(range(1, 51))

    yamanote.run(main(), worker_threads=workers)
