"""What Python's dev mode warns of, in a process of its own each time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import yamanote

PRELUDE = """
import asyncio
import yamanote
from yamanote import spawn

async def use(thing):
    pass

class Client:
    def __init__(self):
        self._loop = asyncio.get_running_loop()

    async def get(self):
        pass

async def main():
    loop = asyncio.get_running_loop()
    {body}

{run}
"""
RUN = "yamanote.run(main(), worker_threads={workers})"
ON_AN_EVENT_LOOP = "asyncio.Runner(loop_factory=yamanote.EventLoop).run(main())"


def warnings_of(body: str, run: str, *flags: str) -> list[str]:
    """What is warned of, from the file name on."""
    path = str(Path(yamanote.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, *flags, "-c", PRELUDE.format(body=body, run=run)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stderr.splitlines() if "RuntimeWarning" in line]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    ("body", "who"),
    [
        ("await spawn(use(loop.create_future()))", "use() is spawned with thing=<Future pending"),
        ("await spawn(use(Client()))", "use() is spawned with thing=<__main__.Client object"),
        ("await spawn(Client().get())", "Client.get() is spawned with self=<__main__.Client"),
        ("await spawn(use(asyncio.StreamReader()))", "use() is spawned with thing=<StreamReader"),
        ("await spawn(use(asyncio.create_task(use(1))))", "use() is spawned with thing=<Task"),
    ],
)
def test_an_argument_of_this_loop(body: str, who: str, workers: int) -> None:
    (line,) = warnings_of(body, RUN.format(workers=workers), "-X", "dev")
    assert line.startswith("<string>:18: RuntimeWarning: ")
    assert who in line
    assert line.endswith("start it with asyncio.create_task(), or in a LocalSet")


@pytest.mark.parametrize(
    "body",
    [
        "await spawn(use(42))",
        "await spawn(use(spawn(use(1))))",
        "await spawn(use(object))",
        "await spawn(use(asyncio.Lock()))",
        "await asyncio.create_task(use(loop.create_future()))",
    ],
)
def test_what_may_be_given(body: str) -> None:
    assert warnings_of(body, RUN.format(workers=1), "-X", "dev") == []


def test_an_event_loop_has_one_worker() -> None:
    assert warnings_of("await spawn(use(Client()))", ON_AN_EVENT_LOOP, "-X", "dev") == []


def test_without_dev_mode() -> None:
    assert warnings_of("await spawn(use(Client()))", RUN.format(workers=1)) == []
