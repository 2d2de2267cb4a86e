"""tonio: a runtime of many threads in Rust."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.meter import Meter
from bench.work import HOST, burn, nap_on_thread, percentile

from .peer import Peer, free_threaded_only

free_threaded_only()

import tonio.colored as tonio  # noqa: E402
from tonio.colored import net, sync  # noqa: E402
from tonio.colored.sync import channel  # noqa: E402


class Tonio(Peer):
    name = distribution = "tonio"
    module = "tonio.colored"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        return tonio.run(function(*args), threads=workers)

    async def nothing(self) -> None:
        pass

    async def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                await tonio.yield_now()
        return count

    async def spawn_join(self, meter: Meter, count: int) -> int:
        async def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(count):
                total += await tonio.spawn(one())
        return total

    async def fan_out(self, meter: Meter, width: int, times: int) -> int:
        async def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(times):
                total += sum(await tonio.spawn(*[one() for _ in range(width)]))
        return total

    async def tree(self, meter: Meter, depth: int) -> int:
        async def node(below: int) -> int:
            if not below:
                return 1
            return sum(await tonio.spawn(node(below - 1), node(below - 1)))

        with meter:
            return await node(depth)

    async def mutex(self, meter: Meter, count: int) -> int:
        lock = sync.Lock()
        with meter:
            for _ in range(count):
                async with lock:
                    pass
        return count

    async def ping_pong(self, meter: Meter, count: int) -> int:
        there, there_end = channel.channel(1)
        back, back_end = channel.channel(1)

        async def echo() -> None:
            for _ in range(count):
                await back.send(await there_end.receive())

        echoing = tonio.spawn(echo())
        total = 0
        with meter:
            for _ in range(count):
                await there.send(1)
                total += await back_end.receive()
        await echoing
        return total

    async def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        there, there_end = channel.unbounded()
        back, back_end = channel.unbounded()

        async def echo() -> None:
            for _ in range(count):
                back.send(await there_end.receive())

        echoing = tonio.spawn(echo())
        total = 0
        with meter:
            for _ in range(count):
                there.send(1)
                total += await back_end.receive()
        await echoing
        return total

    async def send_receive(self, meter: Meter, count: int) -> int:
        sender, receiver = channel.channel(1)
        total = 0
        with meter:
            for _ in range(count):
                await sender.send(1)
                total += await receiver.receive()
        return total

    async def many_to_many(self, meter: Meter, pairs: int, count: int) -> int:
        sender, receiver = channel.channel(100)

        async def produce() -> int:
            for _ in range(count):
                await sender.send(1)
            return 0

        async def consume() -> int:
            total = 0
            for _ in range(count):
                total += await receiver.receive()
            return total

        with meter:
            producers = [produce() for _ in range(pairs)]
            consumers = [consume() for _ in range(pairs)]
            return sum(await tonio.spawn(*producers, *consumers))

    async def sleeps(self, meter: Meter, width: int) -> int:
        async def nap() -> int:
            await tonio.sleep(0.001)
            return 1

        with meter:
            return sum(await tonio.spawn(*[nap() for _ in range(width)]))

    async def cancel(self, meter: Meter, width: int) -> int:
        gate, started = tonio.Event(), []

        async def wait() -> None:
            started.append(1)
            await gate.wait()

        async with tonio.scope() as scope:
            for _ in range(width):
                scope.spawn(wait())
            while len(started) < width:
                await tonio.yield_now()
            meter.start()
            scope.cancel()
        meter.stop()
        return len(started)

    async def parked(self, meter: Meter, width: int) -> int:
        gate, started = tonio.Event(), []

        async def wait() -> int:
            started.append(1)
            await gate.wait()
            return 1

        with meter:
            tasks = tonio.spawn(*[wait() for _ in range(width)])
            while len(started) < width:
                await tonio.yield_now()
        gate.set()
        return sum(await tasks)

    async def blocking(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += await tonio.spawn_blocking(int, "1")
        return total

    in_place = blocking

    async def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        stop, late = False, []

        async def block() -> None:
            while not stop:
                await tonio.spawn_blocking(nap_on_thread)

        tasks = tonio.spawn(*[block() for _ in range(blockers)])
        for _ in range(beats):
            began = time.perf_counter()
            await tonio.sleep(0.001)
            late.append(time.perf_counter() - began - 0.001)
        stop = True
        await tasks
        meter.read(percentile(late, 99))
        return len(late)

    heartbeat_in_place = heartbeat

    async def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        async def burning() -> int:
            return burn(turns)

        with meter:
            return sum(await tonio.spawn(*[burning() for _ in range(tasks)]))

    async def echo(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        async def serve(stream: Any) -> None:
            while data := await stream.receive_some(65536):
                await stream.send_all(data)

        async def client(stream: Any) -> int:
            message = b"x" * size
            echoed = 0
            for _ in range(messages // clients):
                await stream.send_all(message)
                missing = size
                while missing:
                    missing -= len(await stream.receive_some(missing))
                echoed += size
            return echoed

        async def accept(listener: Any) -> None:
            while True:
                tonio.spawn.without_tracking(serve(await listener.accept()))

        [listener] = await net.open_tcp_listeners(0, host=HOST)
        port = listener.socket.getsockname()[1]
        async with tonio.scope() as scope:
            scope.spawn(accept(listener))
            streams = [await net.open_tcp_stream(HOST, port) for _ in range(clients)]
            with meter:
                echoed = await tonio.spawn(*[client(stream) for stream in streams])
            for stream in streams:
                stream.close()
            scope.cancel()
        return sum(echoed) if clients > 1 else int(echoed)
