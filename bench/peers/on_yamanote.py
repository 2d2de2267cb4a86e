"""Yamanote, with its own tasks, channels and sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import yamanote
from bench.meter import Meter
from bench.work import HOST, burn, nap_on_thread, percentile
from yamanote.net import TcpListener, TcpStream
from yamanote.sync import Mutex, Notify, mpsc
from yamanote.time import sleep

from .between import Between, Ends
from .libraries import Libraries


class Yamanote(Libraries, Between):
    name = distribution = module = "yamanote"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        return yamanote.run(function(*args), worker_threads=workers)

    async def nothing(self) -> None:
        pass

    async def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                await yamanote.yield_now()
        return count

    async def spawn_join(self, meter: Meter, count: int) -> int:
        async def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(count):
                total += await yamanote.spawn(one())
        return total

    async def fan_out(self, meter: Meter, width: int, times: int) -> int:
        async def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(times):
                for handle in [yamanote.spawn(one()) for _ in range(width)]:
                    total += await handle
        return total

    async def tree(self, meter: Meter, depth: int) -> int:
        async def node(below: int) -> int:
            if not below:
                return 1
            left = yamanote.spawn(node(below - 1))
            right = yamanote.spawn(node(below - 1))
            return await left + await right

        with meter:
            return await node(depth)

    async def mutex(self, meter: Meter, count: int) -> int:
        lock = Mutex()
        with meter:
            for _ in range(count):
                async with lock:
                    pass
        return count

    async def ping_pong(self, meter: Meter, count: int) -> int:
        there, there_end = mpsc.channel[int](1)
        back, back_end = mpsc.channel[int](1)

        async def echo() -> None:
            for _ in range(count):
                await back.send(await there_end.recv())

        echoing = yamanote.spawn(echo())
        total = 0
        with meter:
            for _ in range(count):
                await there.send(1)
                total += await back_end.recv()
        await echoing
        return total

    async def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        there, there_end = mpsc.unbounded_channel[int]()
        back, back_end = mpsc.unbounded_channel[int]()

        async def echo() -> None:
            for _ in range(count):
                back.send(await there_end.recv())

        echoing = yamanote.spawn(echo())
        total = 0
        with meter:
            for _ in range(count):
                there.send(1)
                total += await back_end.recv()
        await echoing
        return total

    async def send_receive(self, meter: Meter, count: int) -> int:
        tx, rx = mpsc.channel[int](1)
        total = 0
        with meter:
            for _ in range(count):
                await tx.send(1)
                total += await rx.recv()
        return total

    async def many_to_many(self, meter: Meter, pairs: int, count: int) -> int:
        tx, rx = mpsc.channel[int](100)

        async def produce() -> None:
            for _ in range(count):
                await tx.send(1)

        async def consume() -> int:
            total = 0
            for _ in range(count):
                total += await rx.recv()
            return total

        with meter:
            producers = [yamanote.spawn(produce()) for _ in range(pairs)]
            consumers = [yamanote.spawn(consume()) for _ in range(pairs)]
            total = sum([await consumer for consumer in consumers])
            for producer in producers:
                await producer
        return total

    async def sleeps(self, meter: Meter, width: int) -> int:
        async def nap() -> int:
            await sleep(0.001)
            return 1

        total = 0
        with meter:
            for handle in [yamanote.spawn(nap()) for _ in range(width)]:
                total += await handle
        return total

    async def cancel(self, meter: Meter, width: int) -> int:
        gate, started = Notify(), 0

        async def wait() -> None:
            nonlocal started
            started += 1
            await gate.notified()

        handles = [yamanote.spawn(wait()) for _ in range(width)]
        while started < width:
            await yamanote.yield_now()
        cancelled = 0
        with meter:
            for handle in handles:
                handle.abort()
            for handle in handles:
                try:
                    await handle
                except yamanote.JoinError as error:
                    cancelled += error.is_cancelled()
        return cancelled

    async def parked(self, meter: Meter, width: int) -> int:
        gate, started = Notify(), 0

        async def wait() -> int:
            nonlocal started
            started += 1
            await gate.notified()
            return 1

        with meter:
            handles = [yamanote.spawn(wait()) for _ in range(width)]
            while started < width:
                await yamanote.yield_now()
        gate.notify_waiters()
        return sum([await handle for handle in handles])

    async def blocking(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += await yamanote.spawn_blocking(int, "1")
        return total

    async def in_place(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += yamanote.block_in_place(int, "1")
        return total

    async def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        stop = False

        async def block() -> None:
            while not stop:
                await yamanote.spawn_blocking(nap_on_thread)

        handles = [yamanote.spawn(block()) for _ in range(blockers)]
        late = await _beat(beats)
        stop = True
        for handle in handles:
            await handle
        meter.read(percentile(late, 99))
        return len(late)

    async def heartbeat_in_place(self, meter: Meter, beats: int, blockers: int) -> int:
        stop = False

        async def block() -> None:
            while not stop:
                yamanote.block_in_place(nap_on_thread)
                await yamanote.yield_now()

        handles = [yamanote.spawn(block()) for _ in range(blockers)]
        late = await yamanote.spawn(_beat(beats))
        stop = True
        for handle in handles:
            await handle
        meter.read(percentile(late, 99))
        return len(late)

    async def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        async def burning() -> int:
            return burn(turns)

        with meter:
            handles = [yamanote.spawn(burning()) for _ in range(tasks)]
            return sum([await handle for handle in handles])

    async def echo(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        async def serve(stream: TcpStream) -> None:
            async with stream:
                while data := await stream.read():
                    await stream.write_all(data)

        async def accept(listener: TcpListener) -> None:
            async for stream, _ in listener:
                yamanote.spawn(serve(stream))

        async def client(stream: TcpStream) -> int:
            message = b"x" * size
            echoed = 0
            for _ in range(messages // clients):
                await stream.write_all(message)
                echoed += len(await stream.read_exact(size))
            return echoed

        async with await TcpListener.bind((HOST, 0)) as listener:
            accepting = yamanote.spawn(accept(listener))
            streams = [await TcpStream.connect(listener.local_addr()) for _ in range(clients)]
            with meter:
                handles = [yamanote.spawn(client(stream)) for stream in streams]
                echoed = sum([await handle for handle in handles])
            for stream in streams:
                stream.close()
            accepting.abort()
        return echoed

    echo_protocols = echo

    def ends(self, size: int) -> Ends:
        tx, rx = mpsc.channel[Any](size)
        return Ends(tx.blocking_send, rx.blocking_recv, tx.send, rx.recv)


async def _beat(beats: int) -> list[float]:
    late = []
    for _ in range(beats):
        began = time.perf_counter()
        await sleep(0.001)
        late.append(time.perf_counter() - began - 0.001)
    return late
