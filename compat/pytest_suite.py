"""A library's own tests, in this process, on asyncio's loop or on Yamanote's.

    python compat/pytest_suite.py (asyncio|yamanote) LIBRARY SOURCE FILE

SOURCE is the unpacked source distribution of LIBRARY (`anyio` or `aiohttp`), FILE one in its folder
of tests. The last line on standard output is JSON: the outcome of each test by its name.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from typing import Any

import pytest
from asyncio_suite import use_our_loops

OPTIONS = {
    # Its other backends.
    "anyio": ["-k", "not trio and not uvloop", "--timeout", "60"],
    # Without what needs pytest-cov and pytest-xdist; the marks are those that it leaves out itself.
    "aiohttp": [
        *("-o", "addopts=", "--timeout", "60"),
        *("-m", "not dev_mode and not autobahn and not internal"),
        *("-k", "not uvloop"),
    ],
}


class Outcomes:
    """A plugin that notes how each test ended."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        if self.outcomes.get(report.nodeid) != "failed":
            self.outcomes[report.nodeid] = report.outcome


def without_ipv6() -> list[str]:
    """Where `localhost` has no IPv6 address, the tests of it fail, and what they leave open is
    charged to later ones."""
    try:
        socket.getaddrinfo("localhost", 0, socket.AF_INET6)
    except OSError:
        return ["-k", "not trio and not uvloop and not ipv6"]
    return []


def run(library: str, source: str, file: str) -> dict[str, str]:
    """Run the tests of one file."""
    outcomes: Any = Outcomes()
    os.chdir(source)
    with contextlib.redirect_stdout(sys.stderr):
        arguments = [
            f"tests/{file}",
            *OPTIONS[library],
            *without_ipv6(),
            "-p",
            "no:cacheprovider",
            "-q",
        ]
        pytest.main(arguments, plugins=[outcomes])
    return dict(outcomes.outcomes)


if __name__ == "__main__":
    if sys.argv[1] == "yamanote":
        use_our_loops()
    print("\n" + json.dumps(run(*sys.argv[2:])))
