"""`yamanote serve` beside other servers of ASGI applications, driven by wrk.

    python bench/web.py [--rounds N] [--seconds S] [--write docs/benchmarks.md]

All servers run while one after another is under load, round by round. A figure is the median
over the rounds; memory is the proportional set size (PSS) of all of a server's processes after
the last round. What is not installed is named.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

APPLICATIONS = {
    "plain ASGI": """
        async def app(scope, receive, send):
            if scope["type"] != "http":
                raise RuntimeError
            head = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b"hello"})
    """,
    "Starlette": """
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        async def hello(request):
            return PlainTextResponse("hello")

        app = Starlette(routes=[Route("/", hello)])
    """,
    "FastAPI": """
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        async def hello():
            return {"hello": "world"}
    """,
    "1 ms of Python": """
        import os

        def work(turns):
            total = 0
            for number in range(turns):
                total += number
            return total

        TURNS = int(os.environ["TURNS"])

        async def app(scope, receive, send):
            if scope["type"] != "http":
                raise RuntimeError
            work(TURNS)
            head = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
            await send({"type": "http.response.start", "status": 200, "headers": head})
            await send({"type": "http.response.body", "body": b"hello"})
    """,
}

# {port} is the port. Each runs with its defaults, but for the log of each request.
SERVERS = {
    "yamanote": ("yamanote", "serve app:app --port {port} --log-level warning --no-access-log"),
    "yamanote, 2 workers": (
        "yamanote",
        "serve app:app --port {port} --log-level warning --no-access-log --workers 2",
    ),
    "uvicorn": ("uvicorn", "app:app --port {port} --log-level warning --no-access-log"),
    "uvicorn, 2 processes": (
        "uvicorn",
        "app:app --port {port} --log-level warning --no-access-log --workers 2",
    ),
    "hypercorn": ("hypercorn", "app:app --bind 127.0.0.1:{port} --log-level warning"),
    "granian": ("granian", "app:app --interface asgi --port {port} --log-level warning"),
}


@dataclass
class Server:
    """One server, as it runs."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    rates: list[float] = field(default_factory=list)
    tails: list[float] = field(default_factory=list)
    memory: float = 0.0

    def load(self, connections: int, seconds: float) -> None:
        """Put it under load."""
        done = subprocess.run(
            ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", self.url],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        errors = re.search(r"Non-2xx.*|Socket errors.*", done)
        if errors:
            print(f"{self.name}: {errors[0]}", file=sys.stderr)
        rate = re.search(r"Requests/sec:\s+([\d.]+)", done)
        tail = re.search(r"99%\s+([\d.]+)(us|ms|s)", done)
        assert rate, done
        assert tail, done
        self.rates.append(float(rate[1]))
        self.tails.append(float(tail[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[tail[2]])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


def turns_in_a_millisecond() -> int:
    """How much the application is to do for a request: for all servers the same."""
    best = 1.0
    for _ in range(200):
        began = time.perf_counter()
        total = 0
        for number in range(10_000):
            total += number
        best = min(best, time.perf_counter() - began)
    return int(10_000 * 0.001 / best)


def start(name: str, folder: str) -> Server | None:
    """Start a server, or say on standard error that it is not installed."""
    module, arguments = SERVERS[name]
    if importlib.util.find_spec(module) is None:
        print(f"{name}: not installed", file=sys.stderr)
        return None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", module, *arguments.format(port=port).split()]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return Server(name, process, port)
    process.kill()
    print(f"{name}: does not start", file=sys.stderr)
    return None


def memory_of(pid: int) -> float:
    """The memory of a process and all below it, in MiB; what is shared counts by its share."""
    total = 0.0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            total += memory_of(int(child))
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
    return total + (int(found[1]) / 1024 if found else 0.0)


def measure(source: str, names: list[str], args: argparse.Namespace) -> list[Server]:
    """Load the servers in turns."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        Path(folder, "app.py").write_text(dedent(source))
        servers = []
        for name in names:
            server = start(name, folder)
            if server is not None:
                stack.callback(server.process.wait)
                stack.callback(server.process.terminate)
                servers.append(server)
        for server in servers:
            server.load(args.connections, 1)  # to warm up
            server.rates.clear()
            server.tails.clear()
        for number in range(args.rounds):
            # Each begins once: what the machine does beside falls on all.
            first = number % len(servers)
            for server in servers[first:] + servers[:first]:
                server.load(args.connections, args.seconds)
        for server in servers:
            server.memory = memory_of(server.process.pid)
        return servers


def table(title: str, servers: list[Server]) -> list[str]:
    """The figures of one application, as Markdown."""
    lines = [
        f"| {title} | requests/s | yamanote's, pair by pair | 99th percentile, ms | memory, MiB |",
        "| --- | --- | --- | --- | --- |",
    ]
    ours = servers[0].rates
    for server in servers:
        ratio = statistics.median(a / b for a, b in zip(ours, server.rates, strict=True))
        lines.append(
            f"| {server.name} | {statistics.median(server.rates):,.0f} | {ratio:.2f}x "
            f"| {statistics.median(server.tails):.2f} | {server.memory:.0f} |"
        )
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--servers", nargs="+", choices=list(SERVERS), default=list(SERVERS))
    parser.add_argument("--applications", nargs="+", choices=list(APPLICATIONS))
    parser.add_argument("--write", type=Path, help="a file to append the tables to")
    args = parser.parse_args()
    os.environ["TURNS"] = str(turns_in_a_millisecond())
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian, Ubuntu: apt install wrk)")
    gil = getattr(sys, "_is_gil_enabled", lambda: True)()
    lines = [
        f"CPython {platform.python_version()}, {'GIL' if gil else 'free-threaded'}, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, {args.connections} "
        f"connections, median of {args.rounds} rounds of {args.seconds} s. The third column: how "
        f"many times as many requests {args.servers[0]} answers.",
        "",
    ]
    for title in args.applications or APPLICATIONS:
        lines += table(title, measure(APPLICATIONS[title], args.servers, args))
    text = "\n".join(lines)
    print(text)
    if args.write:
        with args.write.open("a") as file:
            file.write(f"\n{text}")


if __name__ == "__main__":
    main()
