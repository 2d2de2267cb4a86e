"""What a peer is: something that runs the same work as Yamanote does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, ClassVar

from bench.machine import GIL
from bench.meter import Meter

FREE_THREADED = not GIL

IMPORT = """
import time
began = time.perf_counter()
import {module}
print(time.perf_counter() - began)
"""


class Unable(Exception):
    """The peer cannot do this work; the message says why, and ends up on the page."""


class Peer:
    """A peer is what it can do: a method for each workload, written as its users write it.

    Such a method takes a meter and the workload's sizes, does the work inside `with meter:`
    and returns what the workload checks. What a peer has no method for it is `unable` to do.
    """

    name: ClassVar[str]
    distribution: ClassVar[str] = ""  # whose version the page gives
    module: ClassVar[str] = ""  # what a program imports
    unable: ClassVar[dict[str, str]] = {}  # why it has no method of this name
    otherwise: ClassVar[str] = "it has nothing of the kind"  # why it has none of another
    nothing: Callable[..., Any]  # a main program that does nothing

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        """Run `function(*args)` as the main program, on so many threads; its result."""
        raise NotImplementedError

    def method(self, name: str) -> Callable[..., Any]:
        """The method that does this work; Unable if there is none."""
        if callable(found := getattr(self, name, None)):
            return found
        raise Unable(self.unable.get(name, self.otherwise))

    def start(self, meter: Meter, times: int) -> int:
        with meter:
            for _ in range(times):
                self.run(self.nothing)
        return times

    def imports(self, meter: Meter) -> bool:
        command = [sys.executable, "-c", IMPORT.format(module=self.module)]
        # With its bytecode on disk, as pip installs a package; the first time writes it.
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        meter.read(float(done.stdout))
        return True

    @classmethod
    def version(cls) -> str:
        """Of its distribution; empty for what comes with Python."""
        try:
            return version(cls.distribution) if cls.distribution else ""
        except PackageNotFoundError:
            return ""


def one_thread(workers: int) -> None:
    """For a peer whose tasks run on one thread."""
    if workers > 1:
        raise Unable("its tasks run on one thread")


def free_threaded_only() -> None:
    """For the module of a peer that is for such builds."""
    if not FREE_THREADED:
        raise ImportError("for free-threaded builds only")
