"""Ten thousand connections at once."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import yamanote

LIMIT = 100.0  # seconds, which only a failure takes
IDLE, ACTIVE, ROUNDS = 10_000, 1_000, 5
BYTES = 10_000  # for a connection and its task, generously

# Each in a process of its own, whose limit of descriptors may be raised.
BOTH = """
    import gc, resource, sys
    from pathlib import Path

    import yamanote
    from yamanote import Handle, spawn, spawn_blocking, yield_now
    from yamanote.net import TcpListener, TcpStream

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))
"""
SERVER = """
    def memory():
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    async def serve(stream):
        async with stream:
            while data := await stream.read():
                await stream.write_all(data)

    async def accept(listener):
        async for stream, _ in listener:
            spawn(serve(stream))

    async def quiet():
        while Handle.current().metrics().num_alive_tasks > 2:  # this one, and who accepts
            await yield_now()

    async def main():
        async with await TcpListener.bind("127.0.0.1:0") as listener:
            accepting = spawn(accept(listener))
            before, empty = descriptors(), memory()
            print(listener.local_addr()[1], flush=True)
            await spawn_blocking(sys.stdin.readline)
            print("open", descriptors() - before)
            print("memory", memory() - empty, flush=True)
            await spawn_blocking(sys.stdin.readline)
            await quiet()
            print("left", descriptors() - before)
            accepting.abort()

    yamanote.run(main())
"""
CLIENT = """
    port, idle, active, rounds = map(int, sys.argv[1:])

    async def ask(stream, number):
        for turn in range(rounds):
            message = b"%d.%d" % (number, turn)
            await stream.write_all(message)
            assert await stream.read_exact(len(message)) == message

    async def ask_all(streams):
        for handle in [spawn(ask(stream, number)) for number, stream in enumerate(streams)]:
            await handle

    async def main():
        before = descriptors()
        streams = [await TcpStream.connect(("127.0.0.1", port)) for _ in range(idle + active)]
        await ask_all(streams)
        waiting = [spawn(stream.read()) for stream in streams[active:]]
        await ask_all(streams[:active])
        print("connected", flush=True)
        await spawn_blocking(sys.stdin.readline)
        for stream in streams:
            await stream.shutdown()
        for handle in waiting:
            assert await handle == b""
        for stream in streams:
            stream.close()
        print("left", descriptors() - before)

    yamanote.run(main())
"""


def start(program: str, workers: int, *arguments: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(BOTH + program), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(yamanote.__file__).parents[1]),
            "YAMANOTE_WORKER_THREADS": str(workers),
        },
    )


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts descriptors in /proc")
def test_idle_and_active_connections(workers: int) -> None:
    import resource

    available = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    connections = min(IDLE + ACTIVE, available - 100)
    idle = connections - ACTIVE
    if idle < 0:
        pytest.skip(f"this machine allows {available} descriptors only")
    with start(SERVER, workers) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with start(CLIENT, workers, port, idle, ACTIVE, ROUNDS) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            assert client.stdout.readline() == "connected\n"
            server.stdin.write("\n")
            server.stdin.flush()
            assert server.stdout.readline() == f"open {connections}\n"
            assert int(server.stdout.readline().split()[1]) < connections * BYTES
            output, _ = client.communicate("\n", LIMIT)
            assert (client.returncode, output) == (0, "left 0\n")
        output, _ = server.communicate("\n", LIMIT)
        assert (server.returncode, output) == (0, "left 0\n")
    if idle < IDLE:
        pytest.skip(f"passed with {idle} idle connections: this machine allows no more")
