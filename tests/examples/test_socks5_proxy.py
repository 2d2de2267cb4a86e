"""examples/socks5_proxy.py"""

from __future__ import annotations

import hashlib
import ipaddress
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.examples.programs import (
    TIME_LIMIT,
    Address,
    CommandLine,
    ask,
    both_ways,
    by_itself,
    connect,
    program,
    read_to_the_end,
    reset,
    run,
    server,
)

HELLO = b"\x05\x01\x00"
NOTHING = b"\x00\x01\x00\x00\x00\x00\x00\x00"  # the rest of a reply that has no address


def to(host: bytes, port: int, kind: int = 1, command: int = 1) -> bytes:
    """A request to go somewhere."""
    return b"\x05%c\x00%c%b%b" % (command, kind, host, port.to_bytes(2, "big"))


def name(text: bytes) -> bytes:
    return bytes([len(text)]) + text


@contextmanager
def echo(family: socket.AddressFamily = socket.AF_INET) -> Iterator[int]:
    """A server that gives back, in capitals, what comes on one connection; yields its port."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.create_server((host, 0), family=family) as listener:

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                while data := peer.recv(65536):
                    peer.sendall(data.upper())

        listener.settimeout(TIME_LIMIT)
        serving = threading.Thread(target=serve)
        serving.start()
        yield listener.getsockname()[1]
        serving.join(TIME_LIMIT)


def read_reply(client: socket.socket) -> tuple[int, str]:
    """The code, and the address by which the proxy has gone there."""
    with client.makefile("rb", buffering=0) as file:
        version, code, _, kind = file.read(4)
        assert version == 5
        address = str(ipaddress.ip_address(file.read(4 if kind == 1 else 16)))
        assert len(file.read(2)) == 2
        return code, address


@both_ways
def test_addresses_and_names(
    environment: dict[str, str], command_line: CommandLine, stop: signal.Signals
) -> None:
    with server(environment, command_line("socks5_proxy"), stop) as address:
        for target, kind in ((b"\x7f\0\0\1", 1), (name(b"localhost"), 3), (name(b"127.0.0.1"), 3)):
            with echo() as port, connect(address) as client:
                client.sendall(HELLO)
                assert client.recv(2) == b"\x05\x00"
                client.sendall(to(target, port, kind))
                assert read_reply(client) == (0, "127.0.0.1")
                client.sendall(b"hello")
                client.shutdown(socket.SHUT_WR)
                assert read_to_the_end(client) == b"HELLO"


def test_all_in_one_piece_and_byte_by_byte(environment: dict[str, str]) -> None:
    with server(environment, by_itself("socks5_proxy")) as address:
        for step in (1, 1000):
            with echo() as port:
                sent = HELLO + to(b"\x7f\0\0\1", port) + b"hello"
                pieces = [sent[at : at + step] for at in range(0, len(sent), step)]
                got = ask(address, *pieces)
            assert got[:6] == b"\x05\x00\x05\x00\x00\x01"
            assert got[-5:] == b"HELLO"


def test_ipv6(environment: dict[str, str]) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    with (
        server(environment, by_itself("socks5_proxy")) as address,
        echo(socket.AF_INET6) as port,
        connect(address) as client,
    ):
        client.sendall(HELLO + to(socket.inet_pton(socket.AF_INET6, "::1"), port, 4))
        assert client.recv(2) == b"\x05\x00"
        assert read_reply(client) == (0, "::1")
        client.sendall(b"hello")
        assert client.recv(5) == b"HELLO"


def test_much_data_both_ways(environment: dict[str, str]) -> None:
    data = hashlib.shake_256(b"socks").hexdigest(2 << 20).encode()
    with (
        server(environment, by_itself("socks5_proxy")) as address,
        echo() as port,
        connect(address) as client,
    ):
        client.sendall(HELLO + to(b"\x7f\0\0\1", port))
        assert client.recv(2) == b"\x05\x00"
        read_reply(client)

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert read_to_the_end(client) == data.upper()
        sender.join(TIME_LIMIT)


def test_passwords(environment: dict[str, str]) -> None:
    with_password = {**environment, "SOCKS5_USER": "anna:se:cret"}

    def knock(address: Address, user: bytes, password: bytes) -> bytes:
        credentials = b"\x01" + name(user) + name(password)
        return ask(address, b"\x05\x02\x00\x02", credentials, to(b"\x7f\0\0\1", port))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.close()  # nobody answers there
        with server(with_password, by_itself("socks5_proxy")) as address:
            assert knock(address, b"anna", b"se:cret")[:6] == b"\x05\x02\x01\x00\x05\x05"
            assert knock(address, b"anna", b"secret") == b"\x05\x02\x01\x01"
            assert knock(address, b"", b"") == b"\x05\x02\x01\x01"
            assert ask(address, HELLO) == b"\x05\xff"
            assert ask(address, b"\x05\x01\x02", b"\x05\x01x\x01x") == b"\x05\x02"
        with server(environment, by_itself("socks5_proxy")) as address:
            assert ask(address, b"\x05\x01\x02") == b"\x05\xff"
    done = run(environment, *by_itself("socks5_proxy"), "--user", "anna")
    assert done.returncode == 2
    assert "NAME:PASSWORD" in done.stderr


def test_what_goes_wrong(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with server(environment, by_itself("socks5_proxy")) as address:
        local = b"\x7f\0\0\1"

        def code(request: bytes) -> int:
            got = ask(address, HELLO, request)
            assert got[:3] == b"\x05\x00\x05"
            assert got[4:] == NOTHING
            return got[3]

        assert code(to(local, port)) == 5
        assert code(to(local, port, command=2)) == 7
        assert code(to(local, port, command=3)) == 7
        assert code(to(local, port, kind=2)) == 8
        assert code(to(b"\xff\xff\xff\xff", port)) in (1, 2, 3)
        assert code(to(name(b"nowhere.invalid"), port, 3)) == 4
        assert code(to(name(b""), port, 3)) == 4
        assert code(to(name(b"\xff\xfe"), port, 3)) == 4
        assert code(to(name(b"with\0nul"), port, 3)) == 4
        assert code(to(name(b"x" * 255), port, 3)) in (1, 4)
        assert code(to(name(b"a..b"), port, 3)) in (1, 4)


def test_what_is_no_socks5(environment: dict[str, str]) -> None:
    with server(environment, by_itself("socks5_proxy")) as address:
        assert ask(address) == b""
        assert ask(address, b"\x05") == b""
        assert ask(address, b"\x05\x00") == b"\x05\xff"
        assert ask(address, b"\x05\x05\x00") == b""
        assert ask(address, b"\x04\x01\x00\x50\x7f\0\0\1\0") == b""
        assert ask(address, b"GET / HTTP/1.1\r\n\r\n") == b""
        assert ask(address, HELLO, b"\x04\x01\x00\x01") == b"\x05\x00"
        assert ask(address, HELLO, b"\x05\x01\x00\x03\x09local") == b"\x05\x00"
        assert ask(address, b"x" * 100_000) == b""
        for said in (b"", HELLO, HELLO + b"\x05\x01"):
            rude = connect(address)
            rude.sendall(said)
            reset(rude)


def test_silent_connections_are_closed(environment: dict[str, str]) -> None:
    command = [*by_itself("socks5_proxy"), "--idle", "0.1"]
    with server(environment, command) as address, echo() as port, connect(address) as client:
        client.sendall(HELLO + to(b"\x7f\0\0\1", port))
        assert client.recv(2) == b"\x05\x00"
        assert read_reply(client)[0] == 0
        assert read_to_the_end(client) == b""


def test_connections_have_time_to_end(environment: dict[str, str], stop: signal.Signals) -> None:
    with ExitStack() as stack:

        def go_on() -> None:
            client.sendall(b"bye")
            client.shutdown(socket.SHUT_WR)
            assert read_to_the_end(client) == b"BYE"

        command = [*by_itself("socks5_proxy"), "--grace", str(TIME_LIMIT)]
        port = stack.enter_context(echo())
        with server(environment, command, stop, go_on) as address:
            client = stack.enter_context(connect(address))
            client.sendall(HELLO + to(b"\x7f\0\0\1", port))
            assert client.recv(2) == b"\x05\x00"
            assert read_reply(client)[0] == 0


def test_but_not_for_ever(environment: dict[str, str], stop: signal.Signals) -> None:
    with ExitStack() as stack:
        command = [*by_itself("socks5_proxy"), "--grace", "0.1"]
        port = stack.enter_context(echo())
        with server(environment, command, stop) as address:
            client = stack.enter_context(connect(address))
            client.sendall(HELLO + to(b"\x7f\0\0\1", port))
            assert client.recv(2) == b"\x05\x00"
            assert read_reply(client)[0] == 0
        assert read_to_the_end(client) == b""


@pytest.mark.parametrize("resolver", ["socks5", "socks5h"])
def test_curl(environment: dict[str, str], resolver: str) -> None:
    pytest.importorskip("h11")
    with (
        server(environment, by_itself("http_server")) as (_, port),
        server({**environment, "SOCKS5_USER": "anna:secret"}, by_itself("socks5_proxy")) as proxy,
    ):
        done = subprocess.run(
            [
                *(program("curl"), "--silent", "--show-error", "--fail"),
                *("--max-time", str(TIME_LIMIT), "--noproxy", ""),
                *("--proxy", f"{resolver}://anna:secret@127.0.0.1:{proxy[1]}"),
                f"http://localhost:{port}/README.md",
            ],
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("# Yamanote\n")
