"""The programs in README.md and docs/*.md do what the pages say."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import yamanote

LIMIT = 30.0  # seconds, which only a failure takes
README = Path(__file__).parents[1] / "README.md"
PAGES = [README, *sorted((Path(__file__).parents[1] / "docs").glob("*.md"))]


def programs(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def is_server(program: str) -> bool:
    return program.startswith("# echo.py\n")


PROGRAMS = [
    pytest.param(program, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, program in enumerate(programs(page))
    if not is_server(program)
]


def environment(workers: int) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(Path(yamanote.__file__).parents[1]),
        "YAMANOTE_WORKER_THREADS": str(workers),
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: str, workers: int) -> None:
    if "import trio" in program:
        if sys.version_info.releaselevel != "final":
            pytest.skip("trio supports released versions of CPython")
        pytest.importorskip("trio")
    if "yamanote.serve" in program:
        pytest.importorskip("uvicorn", exc_type=ImportError)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        env=environment(workers),
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # Beside each print stands what it prints.
    expected = re.findall(r"\bprint\(.*\)  # (.*)$", program, re.MULTILINE)
    assert done.stdout.splitlines() == expected
    assert expected


@pytest.mark.parametrize("command", [["echo.py"], ["-m", "yamanote", "run", "echo.py:main"]])
def test_echo_server_of_the_readme(tmp_path: Path, command: list[str]) -> None:
    (program,) = filter(is_server, programs(README))
    assert "127.0.0.1:7777" in program
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    program = program.replace("7777", str(port))
    if "run" in command:  # "with a plain `async def main()`"
        program = program.replace("@yamanote.main(worker_threads=2)\n", "").split("\n\n\nif ")[0]
    (tmp_path / "echo.py").write_text(program)
    with subprocess.Popen(
        [sys.executable, "-W", "error", *command], cwd=tmp_path, env=environment(2)
    ) as server:
        try:
            with connect(server, port) as client:
                for message in (b"Shibuya", b"Ueno"):
                    client.sendall(message)
                    assert client.recv(100) == message
            server.send_signal(signal.SIGINT)
            server.wait(LIMIT)
        finally:
            server.kill()


def connect(server: subprocess.Popen[bytes], port: int) -> socket.socket:
    """Once it accepts connections."""
    deadline = time.monotonic() + LIMIT
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), LIMIT)
        except ConnectionRefusedError:
            assert server.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
