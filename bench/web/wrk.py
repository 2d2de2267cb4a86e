"""A server in a process of its own, and `wrk` to keep it busy."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.peers.peer import Unable
from bench.work import HOST

CONNECTIONS = 32
PATIENCE = 30.0  # seconds that only a failure waits
WARM_UP = 1  # seconds


@contextmanager
def server(command: list[str]) -> Iterator[str]:
    """Start one with its port in the place of `{port}`; its URL."""
    if shutil.which("wrk") is None:
        raise Unable("wrk is not installed (Debian, Ubuntu: apt install wrk)")
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    command = [part.replace("{port}", str(port)) for part in command]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + PATIENCE
            while not _accepts(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise Unable("it does not start: " + (log.read().split("\n")[-2:] or "?")[0])
                time.sleep(0.02)
            yield f"http://{HOST}:{port}/"
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def load(url: str, seconds: int) -> float:
    """Requests per second, after a warm-up."""
    _wrk(url, WARM_UP)
    found = re.search(r"Requests/sec:\s+([\d.]+)", _wrk(url, seconds))
    assert found
    return float(found[1])


def _wrk(url: str, seconds: int) -> str:
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", url]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if errors := re.search(r"Non-2xx.*|Socket errors.*", done):
        raise Unable(f"wrk: {errors[0]}")
    return done


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True
