"""Counterparts of tokio/tests/tcp_into_split.rs."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.channels import LIMIT, on_thread
from tests.pairs import connected
from tests.waiting import Waiting
from yamanote import Runtime, try_join
from yamanote.net import ReuniteError, TcpStream

MESSAGE = b"split"


def test_split(rt: Runtime) -> None:
    async def main() -> None:
        one, other = await connected()
        read_half, write_half = one.into_split()

        async def answer() -> None:
            assert await other.write(MESSAGE) == len(MESSAGE)
            assert await other.read() == MESSAGE

        async def write() -> None:
            assert await write_half.write(MESSAGE) == len(MESSAGE)

        async def read() -> None:
            assert await read_half.peek() == await read_half.peek() == MESSAGE
            assert await read_half.read() == MESSAGE

        async with other, read_half, write_half:
            await try_join(answer(), write(), read())

    rt.block_on(main())


def test_reunite(rt: Runtime) -> None:
    async def main() -> None:
        first, first_peer = await connected()
        second, second_peer = await connected()
        read1, write1 = first.into_split()
        read2, write2 = second.into_split()
        with pytest.raises(ReuniteError) as caught:
            read1.reunite(write2)
        assert (caught.value.read, caught.value.write) == (read1, write2)
        stream = read1.reunite(write1)
        assert isinstance(stream, TcpStream)
        for each in (stream, first_peer, second_peer, read2, write2):
            each.close()

    rt.block_on(main())


def test_drop_write(rt: Runtime) -> None:
    """To drop the half that writes ends the stream, as the peer sees."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> bytes:
        stream, _ = listener.accept()
        with stream:
            stream.sendall(MESSAGE)
            return stream.recv(32)

    async def main() -> None:
        stream = await TcpStream.connect(listener.getsockname())
        read_half, write_half = stream.into_split()
        del stream
        assert await read_half.read() == MESSAGE
        # It goes on another thread, while the read waits.
        reading = await Waiting(read_half.read()).pending()
        held = [write_half]
        del write_half
        dropper = threading.Thread(target=held.clear)
        dropper.start()
        assert await reading.handle == b""
        dropper.join(LIMIT)
        read_half.close()

    with listener:
        serving = on_thread(serve)
        rt.block_on(main())
        assert serving.result(LIMIT) == b""
