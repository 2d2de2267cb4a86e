"""trio."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import trio
import trio.testing

from bench.meter import Meter
from bench.work import HOST, burn, nap_on_thread, percentile

from .peer import Peer, one_thread


class Trio(Peer):
    name = distribution = module = "trio"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        return trio.run(function, *args)

    async def nothing(self) -> None:
        pass

    async def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                await trio.lowlevel.checkpoint()
        return count

    async def spawn_join(self, meter: Meter, count: int) -> int:
        total = 0

        async def one() -> None:
            nonlocal total
            total += 1

        with meter:
            for _ in range(count):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(one)
        return total

    async def fan_out(self, meter: Meter, width: int, times: int) -> int:
        total = 0

        async def one() -> None:
            nonlocal total
            total += 1

        with meter:
            for _ in range(times):
                async with trio.open_nursery() as nursery:
                    for _ in range(width):
                        nursery.start_soon(one)
        return total

    async def tree(self, meter: Meter, depth: int) -> int:
        leaves = 0

        async def node(below: int) -> None:
            nonlocal leaves
            if not below:
                leaves += 1
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(node, below - 1)
                nursery.start_soon(node, below - 1)

        with meter:
            await node(depth)
        return leaves

    async def mutex(self, meter: Meter, count: int) -> int:
        lock = trio.Lock()
        with meter:
            for _ in range(count):
                async with lock:
                    pass
        return count

    async def ping_pong(self, meter: Meter, count: int) -> int:
        return await self._ping_pong(meter, count, 1)

    async def _ping_pong(self, meter: Meter, count: int, size: float) -> int:
        there, there_end = trio.open_memory_channel[int](size)
        back, back_end = trio.open_memory_channel[int](size)

        async def echo() -> None:
            for _ in range(count):
                await back.send(await there_end.receive())

        total = 0
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo)
            with meter:
                for _ in range(count):
                    await there.send(1)
                    total += await back_end.receive()
        return total

    async def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        return await self._ping_pong(meter, count, float("inf"))

    async def send_receive(self, meter: Meter, count: int) -> int:
        send, receive = trio.open_memory_channel[int](1)
        total = 0
        with meter:
            for _ in range(count):
                await send.send(1)
                total += await receive.receive()
        return total

    async def many_to_many(self, meter: Meter, pairs: int, count: int) -> int:
        send, receive = trio.open_memory_channel[int](100)
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

        with meter:
            async with trio.open_nursery() as nursery:
                for _ in range(pairs):
                    nursery.start_soon(produce)
                    nursery.start_soon(consume)
        return total

    async def sleeps(self, meter: Meter, width: int) -> int:
        total = 0

        async def nap() -> None:
            nonlocal total
            await trio.sleep(0.001)
            total += 1

        with meter:
            async with trio.open_nursery() as nursery:
                for _ in range(width):
                    nursery.start_soon(nap)
        return total

    async def cancel(self, meter: Meter, width: int) -> int:
        cancelled = 0

        async def wait() -> None:
            nonlocal cancelled
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                cancelled += 1
                raise

        async with trio.open_nursery() as nursery:
            for _ in range(width):
                nursery.start_soon(wait)
            await trio.testing.wait_all_tasks_blocked()
            meter.start()
            nursery.cancel_scope.cancel()
        meter.stop()
        return cancelled

    async def parked(self, meter: Meter, width: int) -> int:
        gate, woken = trio.Event(), 0

        async def wait() -> None:
            nonlocal woken
            await gate.wait()
            woken += 1

        async with trio.open_nursery() as nursery:
            with meter:
                for _ in range(width):
                    nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked()
            gate.set()
        return woken

    async def blocking(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += await trio.to_thread.run_sync(int, "1")
        return total

    in_place = blocking

    async def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        stop, late = False, []

        async def block() -> None:
            while not stop:
                await trio.to_thread.run_sync(nap_on_thread)

        async with trio.open_nursery() as nursery:
            for _ in range(blockers):
                nursery.start_soon(block)
            for _ in range(beats):
                began = time.perf_counter()
                await trio.sleep(0.001)
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
            async with trio.open_nursery() as nursery:
                for _ in range(tasks):
                    nursery.start_soon(burning)
        return total

    async def echo(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        echoed = 0

        async def serve(stream: trio.SocketStream) -> None:
            async for data in stream:
                await stream.send_all(data)

        async def client(stream: trio.SocketStream) -> None:
            nonlocal echoed
            message = b"x" * size
            for _ in range(messages // clients):
                await stream.send_all(message)
                missing = size
                while missing:
                    missing -= len(await stream.receive_some(missing))
                echoed += size

        async with trio.open_nursery() as servers:
            [listener] = await servers.start(partial(trio.serve_tcp, serve, 0, host=HOST))
            port = listener.socket.getsockname()[1]
            streams = [await trio.open_tcp_stream(HOST, port) for _ in range(clients)]
            with meter:
                async with trio.open_nursery() as nursery:
                    for stream in streams:
                        nursery.start_soon(client, stream)
            for stream in streams:
                await stream.aclose()
            servers.cancel_scope.cancel()
        return echoed
