"""Counterparts of tokio/tests/uds_socket.rs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from yamanote import Runtime, spawn, try_join
from yamanote.net import UnixDatagram, UnixSocket


@pytest.fixture
def folder() -> Iterator[Path]:
    # tmp_path may be longer than the path of a socket may be.
    with TemporaryDirectory() as folder:
        yield Path(folder)


def test_datagram_echo_server(rt: Runtime, folder: Path) -> None:
    async def echo(sock: UnixDatagram) -> None:
        async with sock:
            while True:
                data, peer = await sock.recv_from(1024)
                if peer:
                    await sock.send_to(data, peer)

    async def main() -> None:
        unbound = UnixSocket.new_datagram()
        unbound.bind(folder / "server")
        serving = spawn(echo(unbound.datagram()))
        assert unbound.is_closed()

        unbound = UnixSocket.new_datagram()
        unbound.bind(folder / "client")
        async with unbound.datagram() as sock:
            sock.connect(folder / "server")
            await sock.send(b"ECHO")
            assert await sock.recv(16) == b"ECHO"
        serving.abort()

    rt.block_on(main())


def test_listen_and_stream(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        sock = UnixSocket.new_stream()
        sock.bind(folder / "connect")
        async with sock.listen(1024) as listener:
            sock = UnixSocket.new_stream()
            sock.bind(folder / "peer")
            connecting = sock.connect(folder / "connect")
            (server, _), client = await try_join(listener.accept(), connecting)
            async with server, client:
                assert server.peer_addr() == str(folder / "peer")
                await client.write_all(b"hello")
                client.close()
                assert await server.read_to_end() == b"hello"
                assert await server.read() == b""

    rt.block_on(main())


def test_assert_usage(rt: Runtime, folder: Path) -> None:
    async def main() -> None:
        async with UnixSocket.new_datagram() as sock:
            with pytest.raises(RuntimeError, match=r"connect\(\) needs a UnixSocket.new_stream"):
                await sock.connect(folder / "invalid")
            with pytest.raises(RuntimeError, match=r"listen\(\) needs a UnixSocket.new_stream"):
                sock.listen(1024)
            assert not sock.is_closed()
        async with UnixSocket.new_stream() as sock:
            with pytest.raises(RuntimeError, match=r"datagram\(\) needs a UnixSocket.new_datagram"):
                sock.datagram()

    rt.block_on(main())
