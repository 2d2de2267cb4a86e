"""Install the peers, and what their programs use, one by one: `python -m bench.install`.

One that cannot be had does not keep the others away. Why, is kept beside the interpreter for
the page.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

DISTRIBUTIONS = (
    "uvloop",
    "rloop",
    "trio",
    "anyio",
    "gevent",
    "hypertile",
    "tinyio",
    "tonio",
    "mt-asyncio",
    "pyroutine-rt",
    "janus",
    "culsans",
    "aiohttp",
    "fastapi",
    "starlette",
    "httptools",
    "uvicorn",
    "hypercorn",
    "granian",
    "redis",
    "asyncpg",
    "matplotlib",
)

_MISSING = Path(sys.prefix) / "not-installed.json"


def install() -> dict[str, str]:
    """What could not be installed, and why."""
    missing = {}
    for distribution in DISTRIBUTIONS:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
        if distribution == "mt-asyncio":
            command.append("--pre")  # there is nothing else yet
        done = subprocess.run([*command, distribution], capture_output=True, text=True)
        if done.returncode:
            missing[distribution] = f"not to be had for this Python: {_reason(done.stderr)}"
            print(f"{distribution}: {missing[distribution]}", file=sys.stderr)
    return missing


def why_missing(distribution: str) -> str:
    """Why this one is not there, if its installation was tried; otherwise empty."""
    if not _MISSING.exists():
        return ""
    missing: dict[str, str] = json.loads(_MISSING.read_text())
    return missing.get(distribution, "")


def _reason(errors: str) -> str:
    lines = [line for line in errors.splitlines() if line.startswith("ERROR: ")]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip fails"


if __name__ == "__main__":
    _MISSING.write_text(json.dumps(install()))
