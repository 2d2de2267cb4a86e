"""anyio, on asyncio: its default."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import SocketStream

from bench.meter import Meter
from bench.work import HOST, burn, nap_on_thread, percentile

from .peer import Peer, one_thread


class Anyio(Peer):
    name = distribution = module = "anyio"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        return anyio.run(function, *args)

    async def nothing(self) -> None:
        pass

    async def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                await anyio.lowlevel.checkpoint()
        return count

    async def spawn_join(self, meter: Meter, count: int) -> int:
        total = 0

        async def one() -> None:
            nonlocal total
            total += 1

        with meter:
            for _ in range(count):
                async with anyio.create_task_group() as group:
                    group.start_soon(one)
        return total

    async def fan_out(self, meter: Meter, width: int, times: int) -> int:
        total = 0

        async def one() -> None:
            nonlocal total
            total += 1

        with meter:
            for _ in range(times):
                async with anyio.create_task_group() as group:
                    for _ in range(width):
                        group.start_soon(one)
        return total

    async def tree(self, meter: Meter, depth: int) -> int:
        leaves = 0

        async def node(below: int) -> None:
            nonlocal leaves
            if not below:
                leaves += 1
                return
            async with anyio.create_task_group() as group:
                group.start_soon(node, below - 1)
                group.start_soon(node, below - 1)

        with meter:
            await node(depth)
        return leaves

    async def mutex(self, meter: Meter, count: int) -> int:
        lock = anyio.Lock()
        with meter:
            for _ in range(count):
                async with lock:
                    pass
        return count

    async def ping_pong(self, meter: Meter, count: int) -> int:
        return await self._ping_pong(meter, count, 1)

    async def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        return await self._ping_pong(meter, count, float("inf"))

    async def _ping_pong(self, meter: Meter, count: int, size: float) -> int:
        there, there_end = anyio.create_memory_object_stream[int](size)
        back, back_end = anyio.create_memory_object_stream[int](size)

        async def echo() -> None:
            for _ in range(count):
                await back.send(await there_end.receive())

        total = 0
        with there, there_end, back, back_end:
            async with anyio.create_task_group() as group:
                group.start_soon(echo)
                with meter:
                    for _ in range(count):
                        await there.send(1)
                        total += await back_end.receive()
        return total

    async def send_receive(self, meter: Meter, count: int) -> int:
        send, receive = anyio.create_memory_object_stream[int](1)
        total = 0
        with meter, send, receive:
            for _ in range(count):
                await send.send(1)
                total += await receive.receive()
        return total

    async def many_to_many(self, meter: Meter, pairs: int, count: int) -> int:
        send, receive = anyio.create_memory_object_stream[int](100)
        total = 0

        async def produce() -> None:
            for _ in range(count):
                await send.send(1)

        async def consume() -> None:
            nonlocal total
            received = 0
            for _ in range(count):
                received += await receive.receive()
            total += received

        with meter, send, receive:
            async with anyio.create_task_group() as group:
                for _ in range(pairs):
                    group.start_soon(produce)
                    group.start_soon(consume)
        return total

    async def sleeps(self, meter: Meter, width: int) -> int:
        total = 0

        async def nap() -> None:
            nonlocal total
            await anyio.sleep(0.001)
            total += 1

        with meter:
            async with anyio.create_task_group() as group:
                for _ in range(width):
                    group.start_soon(nap)
        return total

    async def cancel(self, meter: Meter, width: int) -> int:
        cancelled = 0

        async def wait() -> None:
            nonlocal cancelled
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled += 1
                raise

        async with anyio.create_task_group() as group:
            for _ in range(width):
                group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            meter.start()
            group.cancel_scope.cancel()
        meter.stop()
        return cancelled

    async def parked(self, meter: Meter, width: int) -> int:
        gate, woken = anyio.Event(), 0

        async def wait() -> None:
            nonlocal woken
            await gate.wait()
            woken += 1

        async with anyio.create_task_group() as group:
            with meter:
                for _ in range(width):
                    group.start_soon(wait)
                await anyio.lowlevel.checkpoint()
            gate.set()
        return woken

    async def blocking(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += await anyio.to_thread.run_sync(int, "1")
        return total

    in_place = blocking

    async def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        stop, late = False, []

        async def block() -> None:
            while not stop:
                await anyio.to_thread.run_sync(nap_on_thread)

        async with anyio.create_task_group() as group:
            for _ in range(blockers):
                group.start_soon(block)
            for _ in range(beats):
                began = time.perf_counter()
                await anyio.sleep(0.001)
                late.append(time.perf_counter() - began - 0.001)
            stop = True
        meter.read(percentile(late, 99))
        return len(late)

    heartbeat_in_place = heartbeat

    async def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        total = 0

        async def burning() -> None:
            nonlocal total
            total += burn(turns)

        with meter:
            async with anyio.create_task_group() as group:
                for _ in range(tasks):
                    group.start_soon(burning)
        return total

    async def echo(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        echoed = 0

        async def serve(stream: SocketStream) -> None:
            async with stream:
                async for data in stream:
                    await stream.send(data)

        async def client(stream: SocketStream) -> None:
            nonlocal echoed
            message = b"x" * size
            for _ in range(messages // clients):
                await stream.send(message)
                missing = size
                while missing:
                    missing -= len(await stream.receive(missing))
                echoed += size

        listener = await anyio.create_tcp_listener(local_host=HOST)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with listener, anyio.create_task_group() as servers:
            servers.start_soon(listener.serve, serve)
            streams = [await anyio.connect_tcp(HOST, port) for _ in range(clients)]
            with meter:
                async with anyio.create_task_group() as group:
                    for stream in streams:
                        group.start_soon(client, stream)
            for stream in streams:
                await stream.aclose()
            servers.cancel_scope.cancel()
        return echoed
