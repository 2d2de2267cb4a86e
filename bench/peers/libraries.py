"""asyncio's libraries, which run wherever a running asyncio loop is found."""

from __future__ import annotations

import os
import sys

from bench.meter import Meter

from .peer import Peer, Unable


class Libraries(Peer):
    async def redis(self, meter: Meter, times: int, length: int) -> int:
        from redis.asyncio import Redis

        async with Redis.from_url(address_of("Redis")) as client:
            await client.set("counter", 0)
            with meter:
                for _ in range(times):
                    pipeline = client.pipeline(transaction=False)
                    for _ in range(length):
                        pipeline.incr("counter")
                    counted: list[int] = await pipeline.execute()
        return counted[-1]

    async def postgres(self, meter: Meter, count: int) -> int:
        import asyncpg

        connection = await asyncpg.connect(address_of("PostgreSQL"))
        total = 0
        with meter:
            for number in range(count):
                total += await connection.fetchval("select $1::int - $2::int", number + 1, number)
        await connection.close()
        return total

    def fastapi(self, meter: Meter, seconds: int) -> bool:
        return self._under_load(meter, "fastapi", seconds)

    def aiohttp(self, meter: Meter, seconds: int) -> bool:
        return self._under_load(meter, "aiohttp", seconds)

    def _under_load(self, meter: Meter, application: str, seconds: int) -> bool:
        from bench.web import wrk

        program = f"bench.web.{application}_on_loop"
        with wrk.server([sys.executable, "-m", program, self.name, "{port}"]) as server:
            meter.read(1 / server.load(seconds).per_second)
        return True


def address_of(server: str) -> str:
    """Of a server that whoever started this process has started before."""
    found = os.environ.get(f"BENCH_{server.upper()}", "")
    if "://" not in found:
        raise Unable(found or f"{server} was not started")
    return found
