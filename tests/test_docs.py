"""The programs in docs/*.md do what the pages say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import yamanote

LIMIT = 30.0  # seconds, which only a failure takes
PAGES = sorted((Path(__file__).parents[1] / "docs").glob("*.md"))
PROGRAMS = [
    pytest.param(program, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, program in enumerate(
        re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
]


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
        env={
            **os.environ,
            "PYTHONPATH": str(Path(yamanote.__file__).parents[1]),
            "YAMANOTE_WORKER_THREADS": str(workers),
        },
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    # Beside each print stands what it prints.
    expected = re.findall(r"\bprint\(.*\)  # (.*)$", program, re.MULTILINE)
    assert done.stdout.splitlines() == expected
    assert expected
