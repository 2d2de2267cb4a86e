"""gevent: greenlets, whose programs are plain functions."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import gevent
import gevent.event
import gevent.lock
import gevent.queue
import gevent.server
import gevent.socket

from bench.meter import Meter
from bench.work import HOST, burn, nap_on_thread, percentile

from .peer import Peer, one_thread


class Gevent(Peer):
    name = distribution = module = "gevent"

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        one_thread(workers)
        return gevent.spawn(function, *args).get()

    def nothing(self) -> None:
        pass

    def yields(self, meter: Meter, count: int) -> int:
        with meter:
            for _ in range(count):
                gevent.sleep(0)
        return count

    def spawn_join(self, meter: Meter, count: int) -> int:
        def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(count):
                total += gevent.spawn(one).get()
        return total

    def fan_out(self, meter: Meter, width: int, times: int) -> int:
        def one() -> int:
            return 1

        total = 0
        with meter:
            for _ in range(times):
                greenlets = [gevent.spawn(one) for _ in range(width)]
                gevent.joinall(greenlets)
                total += sum(greenlet.value for greenlet in greenlets)
        return total

    def tree(self, meter: Meter, depth: int) -> int:
        def node(below: int) -> int:
            if not below:
                return 1
            left, right = gevent.spawn(node, below - 1), gevent.spawn(node, below - 1)
            return int(left.get() + right.get())

        with meter:
            return node(depth)

    def mutex(self, meter: Meter, count: int) -> int:
        lock = gevent.lock.BoundedSemaphore(1)
        with meter:
            for _ in range(count):
                with lock:
                    pass
        return count

    def ping_pong(self, meter: Meter, count: int) -> int:
        return self._ping_pong(meter, count, 1)

    def ping_pong_unbounded(self, meter: Meter, count: int) -> int:
        return self._ping_pong(meter, count, None)

    def _ping_pong(self, meter: Meter, count: int, size: int | None) -> int:
        there, back = gevent.queue.Queue(size), gevent.queue.Queue(size)

        def echo() -> None:
            for _ in range(count):
                back.put(there.get())

        echoing = gevent.spawn(echo)
        total = 0
        with meter:
            for _ in range(count):
                there.put(1)
                total += back.get()
        echoing.get()
        return total

    def send_receive(self, meter: Meter, count: int) -> int:
        queue = gevent.queue.Queue(1)
        total = 0
        with meter:
            for _ in range(count):
                queue.put(1)
                total += queue.get()
        return total

    def many_to_many(self, meter: Meter, pairs: int, count: int) -> int:
        queue = gevent.queue.Queue(100)

        def produce() -> None:
            for _ in range(count):
                queue.put(1)

        def consume() -> int:
            return sum(queue.get() for _ in range(count))

        with meter:
            producers = [gevent.spawn(produce) for _ in range(pairs)]
            consumers = [gevent.spawn(consume) for _ in range(pairs)]
            gevent.joinall(producers + consumers)
        return sum(consumer.get() for consumer in consumers)

    def sleeps(self, meter: Meter, width: int) -> int:
        def nap() -> int:
            gevent.sleep(0.001)
            return 1

        with meter:
            greenlets = [gevent.spawn(nap) for _ in range(width)]
            gevent.joinall(greenlets)
        return sum(greenlet.value for greenlet in greenlets)

    def cancel(self, meter: Meter, width: int) -> int:
        gate = gevent.event.Event()
        greenlets = [gevent.spawn(gate.wait) for _ in range(width)]
        gevent.sleep(0)
        with meter:
            gevent.killall(greenlets)
        return sum(isinstance(greenlet.value, gevent.GreenletExit) for greenlet in greenlets)

    def parked(self, meter: Meter, width: int) -> int:
        gate = gevent.event.Event()

        def wait() -> int:
            gate.wait()
            return 1

        with meter:
            greenlets = [gevent.spawn(wait) for _ in range(width)]
            gevent.sleep(0)
        gate.set()
        gevent.joinall(greenlets)
        return sum(greenlet.value for greenlet in greenlets)

    def blocking(self, meter: Meter, count: int) -> int:
        pool = gevent.get_hub().threadpool
        total = 0
        with meter:
            for _ in range(count):
                total += pool.apply(int, ("1",))
        return total

    in_place = blocking

    def heartbeat(self, meter: Meter, beats: int, blockers: int) -> int:
        pool, stop, late = gevent.get_hub().threadpool, False, []

        def block() -> None:
            while not stop:
                pool.apply(nap_on_thread)

        greenlets = [gevent.spawn(block) for _ in range(blockers)]
        for _ in range(beats):
            began = time.perf_counter()
            gevent.sleep(0.001)
            late.append(time.perf_counter() - began - 0.001)
        stop = True
        gevent.joinall(greenlets)
        meter.read(percentile(late, 99))
        return len(late)

    heartbeat_in_place = heartbeat

    def cpu(self, meter: Meter, tasks: int, turns: int) -> int:
        with meter:
            greenlets = [gevent.spawn(burn, turns) for _ in range(tasks)]
            gevent.joinall(greenlets)
        return sum(greenlet.value for greenlet in greenlets)

    def echo(self, meter: Meter, clients: int, size: int, messages: int) -> int:
        def serve(connection: Any, _: Any) -> None:
            while data := connection.recv(65536):
                connection.sendall(data)

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

        server = gevent.server.StreamServer((HOST, 0), serve, backlog=clients)
        server.start()
        address = (HOST, server.server_port)
        connections = [gevent.socket.create_connection(address) for _ in range(clients)]
        with meter:
            greenlets = [gevent.spawn(client, connection) for connection in connections]
            gevent.joinall(greenlets)
        for connection in connections:
            connection.close()
        server.stop()
        return sum(greenlet.value for greenlet in greenlets)
