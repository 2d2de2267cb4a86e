"""pyroutine-rt: greenlets on many threads, whose programs are plain functions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.meter import Meter
from bench.work import HOST, burn, nap_on_thread, percentile

from .peer import Peer, free_threaded_only

free_threaded_only()

import pyroutine  # noqa: E402


class Pyroutine(Peer):
    name = distribution = "pyroutine-rt"
    module = "pyroutine"
    unable = {  # noqa: RUF012
        "mutex": "it has no lock",
        "cancel": "it cannot cancel a task",
    }

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        pyroutine.set_max_procs(workers)
        try:
            return pyroutine.spawn(function, *args).result()
        finally:
            pyroutine.shutdown()

    def nothing(self) -> None:
        pass

    def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                pyroutine.yield_()
        return count

    def spawn_join(self, meter: Meter, count: int) -> int:
        def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(count):
                total += pyroutine.spawn(one).result()
        return total

    def fan_out(self, meter: Meter, width: int, times: int) -> int:
        def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(times):
                total += sum(pyroutine.gather(*[pyroutine.spawn(one) for _ in range(width)]))
        return total

    def tree(self, meter: Meter, depth: int) -> int:
        def node(below: int) -> int:
            if not below:
                return 1
            left, right = pyroutine.spawn(node, below - 1), pyroutine.spawn(node, below - 1)
            return int(left.result() + right.result())

        with meter:
            return node(depth)

    def ping_pong(self, meter: Meter, count: int) -> int:
        return self._ping_pong(meter, count, 1)

    def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        return self._ping_pong(meter, count, 0)

    def _ping_pong(self, meter: Meter, count: int, size: int) -> int:
        there, back = pyroutine.Queue(size), pyroutine.Queue(size)

        def echo() -> None:
            for _ in range(count):
                back.put(there.get())

        echoing = pyroutine.spawn(echo)
        total = 0
        with meter:
            for _ in range(count):
                there.put(1)
                total += back.get()
        echoing.result()
        return total

    def send_receive(self, meter: Meter, count: int) -> int:
        queue = pyroutine.Queue(1)
        total = 0
        with meter:
            for _ in range(count):
                queue.put(1)
                total += queue.get()
        return total

    def many_to_many(self, meter: Meter, pairs: int, count: int) -> int:
        queue = pyroutine.Queue(100)

        def produce() -> int:
            for _ in range(count):
                queue.put(1)
            return 0

        def consume() -> int:
            return sum(queue.get() for _ in range(count))

        with meter:
            producers = [pyroutine.spawn(produce) for _ in range(pairs)]
            consumers = [pyroutine.spawn(consume) for _ in range(pairs)]
            return sum(pyroutine.gather(*producers, *consumers))

    def sleeps(self, meter: Meter, width: int) -> int:
        def nap() -> int:
            pyroutine.sleep(0.001)
            return 1

        with meter:
            return sum(pyroutine.gather(*[pyroutine.spawn(nap) for _ in range(width)]))

    def parked(self, meter: Meter, width: int) -> int:
        gate, started = pyroutine.Queue(), []

        def wait() -> int:
            started.append(1)
            return int(gate.get())

        with meter:
            tasks = [pyroutine.spawn(wait) for _ in range(width)]
            while len(started) < width:
                pyroutine.yield_()
        for _ in range(width):
            gate.put(1)
        return sum(pyroutine.gather(*tasks))

    def blocking(self, meter: Meter, count: int) -> int:
        total = 0
        with meter:
            for _ in range(count):
                total += pyroutine.run_blocking(int, "1")
        return total

    in_place = blocking

    def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        stop, late = False, []

        def block() -> None:
            while not stop:
                pyroutine.run_blocking(nap_on_thread)

        tasks = [pyroutine.spawn(block) for _ in range(blockers)]
        for _ in range(beats):
            began = time.perf_counter()
            pyroutine.sleep(0.001)
            late.append(time.perf_counter() - began - 0.001)
        stop = True
        pyroutine.gather(*tasks)
        meter.read(percentile(late, 99))
        return len(late)

    heartbeat_in_place = heartbeat

    def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        with meter:
            return sum(pyroutine.gather(*[pyroutine.spawn(burn, turns) for _ in range(tasks)]))

    def echo(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        def serve(connection: Any) -> None:
            while data := connection.recv(65536):
                connection.sendall(data)

        def accept(listener: Any) -> None:
            for _ in range(clients):
                connection, _address = listener.accept()
                pyroutine.spawn(serve, connection)

        def connect(address: Any) -> Any:
            connection = pyroutine.Socket()
            connection.connect(address)
            return connection

        def client(connection: Any) -> int:
            message = b"x" * size
            echoed = 0
            for _ in range(messages // clients):
                connection.sendall(message)
                missing = size
                while missing:
                    missing -= len(connection.recv(missing))
                echoed += size
            return echoed

        listener = pyroutine.Socket()
        listener.bind((HOST, 0))
        listener.listen(clients)
        accepting = pyroutine.spawn(accept, listener)
        connections = [connect(listener.getsockname()) for _ in range(clients)]
        accepting.result()
        with meter:
            tasks = [pyroutine.spawn(client, connection) for connection in connections]
            echoed = sum(pyroutine.gather(*tasks))
        for connection in connections:
            connection.close()
        listener.close()
        return echoed
