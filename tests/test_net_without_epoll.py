"""`yamanote.net` where the system has no epoll: what somebody waits for is registered with the
plain selector until its event has come."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import yamanote

LIMIT = 60.0  # seconds, which only a failure takes

PROGRAM = """
    import logging, select, selectors, sys

    # That a callback took long says something of the machine only.
    logging.getLogger("asyncio").addFilter(lambda record: not record.msg.startswith("Executing"))
    if hasattr(select, "epoll"):
        del select.epoll
    selectors.DefaultSelector = getattr(selectors, sys.argv[1])

    import asyncio, os, socket, threading
    import yamanote
    from yamanote import JoinError, spawn, yield_now
    from yamanote.net import AsyncFd, Interest, TcpListener, TcpStream, UdpSocket, UnixStream
    from yamanote.time import timeout

    async def serve(stream):
        async with stream:
            while data := await stream.read():
                await stream.write_all(data)

    async def accept(listener):
        async for stream, _ in listener:
            spawn(serve(stream))

    async def client(address, number):
        async with await TcpStream.connect(address) as stream:
            for turn in range(20):
                message = b"%d.%d " % (number, turn) * 500
                await stream.write_all(message)
                assert await stream.read_exact(len(message)) == message

    async def tcp():
        async with await TcpListener.bind("127.0.0.1:0") as listener:
            accepting = spawn(accept(listener))
            for handle in [spawn(client(listener.local_addr(), n)) for n in range(50)]:
                await handle
            accepting.abort()

    async def large():
        one, other = UnixStream.pair()
        async with one, other:
            # The two directions at once, each full at times.
            tasks = [
                spawn(one.write_all(bytes(3_000_000))),
                spawn(other.write_all(bytes(3_000_000))),
                spawn(one.read_exact(3_000_000)),
                spawn(other.read_exact(3_000_000)),
            ]
            for task in tasks:
                await task

    async def udp():
        async with await UdpSocket.bind("127.0.0.1:0") as one:
            async with await UdpSocket.bind("127.0.0.1:0") as other:
                for number in range(100):
                    receiving = spawn(other.recv_from())
                    await yield_now()
                    await one.send_to(b"%d" % number, other.local_addr())
                    assert await receiving == (b"%d" % number, one.local_addr())

    async def closed():
        for _ in range(50):
            one, other = UnixStream.pair()
            reading = spawn(one.read())
            await yield_now()
            one.close()
            try:
                await reading
            except JoinError as error:
                assert isinstance(error.__cause__, OSError), error
            other.close()

    async def cancelled():
        one, other = UnixStream.pair()
        async with one, other:
            for _ in range(50):
                try:
                    await timeout(0.001, one.read())
                except TimeoutError:
                    pass
            await other.write_all(b"ping")
            assert await one.read() == b"ping"

    async def beside_asyncio():
        async def echo(reader, writer):
            while data := await reader.read(1000):
                writer.write(data)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            address = server.sockets[0].getsockname()
            await asyncio.gather(*[client(address, number) for number in range(10)])

    async def fds():
        one, other = UnixStream.pair()
        async with one, other:
            with AsyncFd(one.fileno()) as afd:
                readable = spawn(afd.readable())
                await yield_now()
                await other.write_all(b"x")
                (await readable).clear_ready()
                await afd.writable()
            try:
                AsyncFd(one.fileno(), Interest.PRIORITY)
            except OSError as error:
                assert "epoll" in str(error)

    async def turns():
        # Of this worker's loop, each with a look at what is ready.
        for _ in range(3):
            turned = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(turned.set_result, None)
            await turned

    async def closed_on_a_thread():
        # And asyncio has the number next.
        loop = asyncio.get_running_loop()
        for _ in range(20):
            one, other = UnixStream.pair()
            async with one, other:
                reading = spawn(one.read())
                await turns()
                closing = threading.Thread(target=one.close)
                closing.start()
                closing.join()
                a, b = socket.socketpair()
                with a, b:
                    received = asyncio.Event()
                    loop.add_reader(a, received.set)
                    b.send(b"x")
                    await received.wait()
                    loop.remove_reader(a)
                try:
                    await reading
                except JoinError as error:
                    assert isinstance(error.__cause__, OSError), error

    async def closed_behind_our_back():
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        with AsyncFd(reader, Interest.READABLE) as afd:
            reading = spawn(afd.async_io(Interest.READABLE, os.read, reader, 1))
            await turns()
            os.close(reader)
            await turns()
        try:
            await reading
        except JoinError as error:
            assert isinstance(error.__cause__, OSError), error
        os.close(writer)

    async def closed_on_other_workers():
        # While their worker waits, and the numbers are used again at once.
        async def reads(stream):
            try:
                await stream.read()
            except OSError:
                pass

        async def close(stream):
            stream.close()

        async def some():
            for _ in range(100):
                one, other = UnixStream.pair()
                reading = [spawn(reads(one)), spawn(reads(other))]
                await yield_now()
                await spawn(close(one))
                other.close()
                for handle in reading:
                    await handle

        sys.setswitchinterval(1e-6)
        for handle in [spawn(some()) for _ in range(8)]:
            await handle
        sys.setswitchinterval(0.005)

    async def asyncios_own():
        loop = asyncio.get_running_loop()
        a, b = socket.socketpair()
        with a, b:
            a.setblocking(False)
            loop.add_reader(a, int)
            try:
                AsyncFd(a)
            except RuntimeError as error:
                assert "asyncio's loop" in str(error)
            else:
                assert False
            loop.remove_reader(a)
            with AsyncFd(a) as afd:
                for waits in (False, True):
                    if waits:
                        reading = spawn(afd.async_io(Interest.READABLE, a.recv, 1))
                        await turns()
                    for refused in (lambda: loop.add_reader(a, int), lambda: AsyncFd(a)):
                        try:
                            refused()
                        except (FileExistsError, RuntimeError):
                            pass
                        else:
                            assert False
                b.send(b"x")
                assert await reading == b"x"

    async def main():
        for test in (
            tcp,
            large,
            udp,
            closed,
            cancelled,
            beside_asyncio,
            fds,
            closed_on_a_thread,
            closed_behind_our_back,
            closed_on_other_workers,
            asyncios_own,
        ):
            await test()

    yamanote.run(main())
    print("done")
"""


@pytest.mark.parametrize("selector", ["PollSelector", "SelectSelector"])
@pytest.mark.skipif(not hasattr(select, "poll"), reason="needs poll")
def test_program(selector: str, workers: int) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", textwrap.dedent(PROGRAM), selector],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(yamanote.__file__).parents[1]),
            "YAMANOTE_WORKER_THREADS": str(workers),
        },
    )
    assert (done.stdout, done.stderr) == ("done\n", "")
