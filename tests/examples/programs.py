"""Running the examples as their readers would."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import yamanote

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TIME_LIMIT = 60.0  # seconds; only a hang reaches it

CommandLine = Callable[[str], list[str]]
Address = tuple[str, int]


def environment(workers: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(yamanote.__file__).parents[1]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "YAMANOTE_WORKER_THREADS": str(workers),
    }


def by_command(example: str) -> list[str]:
    return ["-m", "yamanote", "run", f"{EXAMPLES / example}.py:main"]


def by_itself(example: str) -> list[str]:
    return [str(EXAMPLES / f"{example}.py")]


both_ways = pytest.mark.parametrize("command_line", [by_command, by_itself])


def program(name: str) -> str:
    """The path of a program of the system's, or the test is skipped."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run(environment: dict[str, str], *args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, args)],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT,
    )


@contextlib.contextmanager
def server(
    environment: dict[str, str],
    command_line: list[str],
    stop: signal.Signals = signal.SIGINT,
    stopping: Callable[[], object] = lambda: None,
) -> Iterator[Address]:
    """Run a server and yield its address; in the end it is told to stop by `stop`, `stopping` is
    called, and it must have said nothing and exit with status 0."""
    with subprocess.Popen(
        [sys.executable, *command_line, "--port", "0"],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.fullmatch(r"listening on (.+):(\d+)\n", line)
            assert found, (line, process.communicate(timeout=TIME_LIMIT))
            yield found[1], int(found[2])
            process.send_signal(stop)
            stopping()
            stdout, stderr = process.communicate(timeout=TIME_LIMIT)
            assert (process.returncode, stdout, stderr) == (0, "", "")
        finally:
            process.kill()


def connect(address: Address) -> socket.socket:
    return socket.create_connection(address, timeout=TIME_LIMIT)


def read_to_the_end(client: socket.socket) -> bytes:
    return b"".join(iter(lambda: client.recv(65536), b""))


def ask(address: Address, *requests: bytes) -> bytes:
    """Send something in pieces, say that this is all, and read to the end."""
    with connect(address) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for request in requests:
            client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return read_to_the_end(client)


def reset(client: socket.socket) -> None:
    """Close a connection without a word, so that the peer gets an error."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
