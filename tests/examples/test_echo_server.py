"""examples/echo_server.py"""

from __future__ import annotations

import hashlib
import signal
import socket
import threading
from contextlib import ExitStack

from tests.examples.programs import (
    TIME_LIMIT,
    CommandLine,
    ask,
    both_ways,
    by_itself,
    connect,
    read_to_the_end,
    reset,
    run,
    server,
)


@both_ways
def test_many_clients(
    environment: dict[str, str], command_line: CommandLine, stop: signal.Signals
) -> None:
    with ExitStack() as stack:
        with server(environment, command_line("echo_server"), stop) as address:
            clients = [stack.enter_context(connect(address)) for _ in range(20)]
            for number, client in enumerate(clients):
                client.sendall(b"hello from %d\n" % number)
            for number, client in enumerate(clients):
                with client.makefile("rb") as lines:
                    assert lines.readline() == b"hello from %d\n" % number
            for client in clients[::2]:
                client.shutdown(socket.SHUT_WR)
                assert read_to_the_end(client) == b""
        # The server has stopped with ten connections open: it has closed them.
        for client in clients[1::2]:
            assert read_to_the_end(client) == b""


def test_much_data(environment: dict[str, str]) -> None:
    data = hashlib.shake_256(b"echo").digest(8 << 20)
    with server(environment, by_itself("echo_server")) as address, connect(address) as client:

        def send() -> None:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        assert read_to_the_end(client) == data
        sender.join(TIME_LIMIT)


def test_it_survives_a_reset(environment: dict[str, str]) -> None:
    with server(environment, by_itself("echo_server")) as address:
        rude = connect(address)
        rude.sendall(b"x" * 100_000)
        reset(rude)
        assert ask(address, b"still", b" there?") == b"still there?"


def test_an_address_that_cannot_be_had(environment: dict[str, str]) -> None:
    with server(environment, by_itself("echo_server")) as (host, port):
        done = run(environment, *by_itself("echo_server"), "--host", host, "--port", port)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("cannot listen: ")
        assert done.stderr.endswith(f"Address already in use: {host}:{port}\n")
    done = run(environment, *by_itself("echo_server"), "--port", "70000")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("cannot listen: a port is")
