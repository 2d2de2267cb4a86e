"""anyio's own tests on its asyncio backend, in this process, on asyncio's loop or on Yamanote's.

    python compat/anyio_suite.py (asyncio|yamanote) MODULE...

The tests come with the source distribution of the anyio that is installed, which pip fetches.
MODULE is `anyio` for all of them, or a file such as `test_taskgroups`. The last line on standard
output is JSON: the outcome of each test by its name.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from asyncio_suite import use_our_loops


class Outcomes:
    """A plugin that notes how each test ended."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when != "call" and report.outcome == "passed":
            return
        if self.outcomes.get(report.nodeid) != "failed":
            self.outcomes[report.nodeid] = report.outcome


def fetch(folder: str) -> Path:
    """Unpack anyio's source distribution; the folder that holds its tests."""
    version = importlib.metadata.version("anyio")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
    subprocess.run([*pip, f"anyio=={version}", "--dest", folder], check=True, stdout=sys.stderr)
    with tarfile.open(f"{folder}/anyio-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return Path(folder, f"anyio-{version}")


def main(which: str, modules: list[str]) -> dict[str, str]:
    """Run the tests."""
    if which == "yamanote":
        use_our_loops()
    outcomes: Any = Outcomes()
    with tempfile.TemporaryDirectory(prefix="yamanote-compat-") as folder:
        source = fetch(folder)
        os.chdir(source)
        files = ["tests" if module == "anyio" else f"tests/{module}.py" for module in modules]
        only = ["-k", "not trio and not uvloop", "-p", "no:cacheprovider", "-q"]
        with contextlib.redirect_stdout(sys.stderr):
            pytest.main([*files, *only, "--timeout", "60"], plugins=[outcomes])
        os.chdir("/")
    return dict(outcomes.outcomes)


if __name__ == "__main__":
    print("\n" + json.dumps(main(sys.argv[1], sys.argv[2:])))
