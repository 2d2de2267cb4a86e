"""The machine and the interpreter, as the page names them."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

GIL = getattr(sys, "_is_gil_enabled", lambda: True)()


def facts() -> dict[str, str]:
    """What stands at the top of the page about where figures come from."""
    return {
        "python": platform.python_version(),
        "build": "GIL" if GIL else "free-threaded",
        "compiler": platform.python_compiler(),
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cpus": f"{len(os.sched_getaffinity(0))}",
    }


def tag() -> str:
    """The interpreter's name in the names of files: cpython-3.13, cpython-3.14t."""
    kind = "" if GIL else "t"
    return f"cpython-{sys.version_info.major}.{sys.version_info.minor}{kind}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
