"""What an operation costs, counted in bytecode instructions: no load on the machine changes it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).with_name("cost.json")
SLACK = 1.02  # a patch release of CPython may compile a little differently
ADVICE = """
More bytecode instructions than recorded for {tag}: {more}.
`python -m bench.instructions --where yield` says in which functions they are. If the change is
worth them, record it, on each Python there is:

    python -m bench.instructions --record
"""


def test_no_operation_takes_more_instructions_than_recorded() -> None:
    command = [sys.executable, "-m", "bench.instructions"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    [(tag, counted)] = json.loads(done.stdout).items()
    recorded = json.loads(RECORD.read_text()).get(tag)
    if recorded is None:
        pytest.skip(f"nothing recorded for {tag}: python -m bench.instructions --record")
    assert counted.keys() == recorded.keys()
    more = {
        name: f"{number:.1f} instead of {recorded[name]:.1f}"
        for name, number in counted.items()
        if number > recorded[name] * SLACK
    }
    assert not more, ADVICE.format(tag=tag, more=more)
