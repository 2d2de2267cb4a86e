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
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from bench.peers.peer import Unable
from bench.work import HOST

CONNECTIONS = 32
PATIENCE = 30.0  # seconds that only a failure waits
WARM_UP = 1  # seconds


class Load(NamedTuple):
    """What `wrk` found."""

    per_second: float  # requests
    tail: float  # seconds, the 99th percentile of the time to an answer


class Server(NamedTuple):
    """One that has been started."""

    pid: int
    url: str

    def load(self, seconds: int) -> Load:
        """Keep it busy, after a warm-up."""
        _wrk(self.url, WARM_UP)
        text = _wrk(self.url, seconds)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
        tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
        assert rate, text
        assert tail, text
        return Load(float(rate[1]), float(tail[1]) * {"us": 1e-6, "ms": 1e-3, "s": 1.0}[tail[2]])

    def memory(self) -> float:
        """Of all its processes, in bytes; what is shared counts by its share."""
        return _memory(self.pid)


@contextmanager
def server(command: list[str]) -> Iterator[Server]:
    """Start one with its port in the place of `{port}`."""
    if shutil.which("wrk") is None:
        raise Unable("wrk is not installed (Debian, Ubuntu: apt install wrk)")
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    command = [part.replace("{port}", str(port)) for part in command]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + PATIENCE
            url = f"http://{HOST}:{port}/"
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise OSError(f"it does not start: {log.read()[-300:]}")
                time.sleep(0.02)
            yield Server(process.pid, url)
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wrk(url: str, seconds: int) -> str:
    command = [
        "wrk",
        "--latency",
        "--timeout",
        "10s",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}s",
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if errors := re.search(r"Non-2xx.*|Socket errors.*", done):
        raise OSError(f"wrk: {errors[0]}")
    return done


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=PATIENCE) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _memory(pid: int) -> float:
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            total += _memory(int(child))
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    return total + (int(found[1]) * 1024 if found else 0.0)
