"""asyncio, with its own loop; other loops run the same programs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from bench.meter import Meter
from bench.work import HOST, burn, nap_on_thread, percentile

from .libraries import Libraries
from .peer import one_thread


class Asyncio(Libraries):
    name = "asyncio"
    module = "asyncio"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        return asyncio.run(function(*args))

    async def nothing(self) -> None:
        pass

    async def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                await asyncio.sleep(0)
        return count

    async def spawn_join(self, meter: Meter, count: int) -> int:
        async def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(count):
                total += await asyncio.create_task(one())
        return total

    async def fan_out(self, meter: Meter, width: int, times: int) -> int:
        async def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(times):
                total += sum(await asyncio.gather(*[one() for _ in range(width)]))
        return total

    async def tree(self, meter: Meter, depth: int) -> int:
        async def node(below: int) -> int:
            if not below:
                return 1
            left = asyncio.create_task(node(below - 1))
            right = asyncio.create_task(node(below - 1))
            return await left + await right

        with meter:
            return await node(depth)

    async def mutex(self, meter: Meter, count: int) -> int:
        lock = asyncio.Lock()
        with meter:
            for _ in range(count):
                async with lock:
                    pass
        return count

    async def ping_pong(self, meter: Meter, count: int) -> int:
        there: asyncio.Queue[int] = asyncio.Queue(1)
        back: asyncio.Queue[int] = asyncio.Queue(1)

        async def echo() -> None:
            for _ in range(count):
                await back.put(await there.get())

        echoing = asyncio.create_task(echo())
        total = 0
        with meter:
            for _ in range(count):
                await there.put(1)
                total += await back.get()
        await echoing
        return total

    async def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        there: asyncio.Queue[int] = asyncio.Queue()
        back: asyncio.Queue[int] = asyncio.Queue()

        async def echo() -> None:
            for _ in range(count):
                back.put_nowait(await there.get())

        echoing = asyncio.create_task(echo())
        total = 0
        with meter:
            for _ in range(count):
                there.put_nowait(1)
                total += await back.get()
        await echoing
        return total

    async def send_receive(self, meter: Meter, count: int) -> int:
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        total = 0
        with meter:
            for _ in range(count):
                await queue.put(1)
                total += await queue.get()
        return total

    async def many_to_many(self, meter: Meter, pairs: int, count: int) -> int:
        queue: asyncio.Queue[int] = asyncio.Queue(100)

        async def produce() -> None:
            for _ in range(count):
                await queue.put(1)

        async def consume() -> int:
            total = 0
            for _ in range(count):
                total += await queue.get()
            return total

        with meter:
            producers = [asyncio.create_task(produce()) for _ in range(pairs)]
            totals = await asyncio.gather(*[consume() for _ in range(pairs)])
            await asyncio.gather(*producers)
        return sum(totals)

    async def sleeps(self, meter: Meter, width: int) -> int:
        async def nap() -> int:
            await asyncio.sleep(0.001)
            return 1

        with meter:
            return sum(await asyncio.gather(*[nap() for _ in range(width)]))

    async def cancel(self, meter: Meter, width: int) -> int:
        gate = asyncio.Event()

        async def wait() -> None:
            await gate.wait()

        tasks = [asyncio.create_task(wait()) for _ in range(width)]
        await asyncio.sleep(0)
        with meter:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(end, asyncio.CancelledError) for end in ends)

    async def parked(self, meter: Meter, width: int) -> int:
        gate = asyncio.Event()

        async def wait() -> int:
            await gate.wait()
            return 1

        with meter:
            tasks = [asyncio.create_task(wait()) for _ in range(width)]
            await asyncio.sleep(0)
        gate.set()
        return sum(await asyncio.gather(*tasks))

    async def blocking(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += await asyncio.to_thread(int, "1")
        return total

    in_place = blocking

    async def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        stop = asyncio.Event()

        async def block() -> None:
            while not stop.is_set():
                await asyncio.to_thread(nap_on_thread)

        tasks = [asyncio.create_task(block()) for _ in range(blockers)]
        late = []
        for _ in range(beats):
            began = time.perf_counter()
            await asyncio.sleep(0.001)
            late.append(time.perf_counter() - began - 0.001)
        stop.set()
        await asyncio.gather(*tasks)
        meter.read(percentile(late, 99))
        return len(late)

    heartbeat_in_place = heartbeat

    async def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        async def burning() -> int:
            return burn(turns)

        with meter:
            return sum(await asyncio.gather(*[burning() for _ in range(tasks)]))

    async def echo(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        writers: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> int:
            message = b"x" * size
            echoed = 0
            for _ in range(messages // clients):
                writer.write(message)
                await writer.drain()
                echoed += len(await reader.readexactly(size))
            return echoed

        server = await asyncio.start_server(serve, HOST, 0)
        async with server:
            address = server.sockets[0].getsockname()
            pairs = [await asyncio.open_connection(*address) for _ in range(clients)]
            with meter:
                echoed = await asyncio.gather(*[client(*pair) for pair in pairs])
            for writer in (*[writer for _, writer in pairs], *writers):
                writer.close()
                await writer.wait_closed()
        return sum(echoed)

    async def echo_protocols(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        loop = asyncio.get_running_loop()
        serving: list[_EchoServer] = []

        def serve() -> _EchoServer:
            serving.append(_EchoServer())
            return serving[-1]

        server = await loop.create_server(serve, HOST, 0)
        async with server:
            address = server.sockets[0].getsockname()
            make = partial(_EchoClient, messages // clients, size)
            protocols = [(await loop.create_connection(make, *address))[1] for _ in range(clients)]
            with meter:
                for protocol in protocols:
                    protocol.begin()
                echoed = [await protocol.ended for protocol in protocols]
            for end in (*protocols, *serving):
                end.transport.close()
                await end.lost
        return sum(echoed)


class _Echo(asyncio.Protocol):
    def __init__(self) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(None)


class _EchoServer(_Echo):
    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


class _EchoClient(_Echo):
    def __init__(self, count: int, size: int) -> None:
        super().__init__()
        self.left, self.size, self.missing, self.echoed = count, size, size, 0
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def begin(self) -> None:
        self.transport.write(b"x" * self.size)

    def data_received(self, data: bytes) -> None:
        self.missing -= len(data)
        self.echoed += len(data)
        if self.missing:
            return
        self.left -= 1
        if self.left:
            self.missing = self.size
            self.begin()
        else:
            self.ended.set_result(self.echoed)
