"""Every Tokio test has a counterpart of its name here, or a reason in docs/conformance.md.

A name that stands in several modules of one Tokio file is listed with its modules
(`spawn_local::local_set::spawn_then_drop`), and so is its counterpart named
(`test_spawn_local_local_set_spawn_then_drop`).
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
REASONS = HERE.parents[1] / "docs" / "conformance.md"
TOKIO: dict[str, list[str]] = json.loads((HERE / "tokio_tests.json").read_text())["tests"]


class Row(NamedTuple):
    file: str
    test: str
    reason: str


def python_name(tokio_name: str) -> str:
    name = tokio_name.replace("::", "_")
    return name if name.startswith("test_") else f"test_{name}"


def does_something(function: ast.FunctionDef) -> bool:
    """Whether there is more in it than a docstring, `pass` and `...`."""
    return not all(
        isinstance(node, ast.Pass)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in function.body
    )


def written(file: str) -> set[str]:
    """Names of the tests that pytest would run in test_<file>.py."""
    path = HERE / f"test_{file}.py"
    if not path.exists():
        return set()
    module = ast.parse(path.read_text(), path)
    bodies = [module.body]
    bodies += [n.body for n in module.body if isinstance(n, ast.ClassDef) and n.name[:4] == "Test"]
    return {
        node.name
        for body in bodies
        for node in body
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test_")
        and does_something(node)
    }


def reasons() -> list[Row]:
    """The rows of the tables in docs/conformance.md whose header is `file | test | reason`."""
    rows = []
    in_table = False
    for line in REASONS.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not cells:
            in_table = False
        elif cells == ["file", "test", "reason"]:
            in_table = True
        elif in_table and not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            assert len(cells) == 3, f"three cells expected in docs/conformance.md: {line}"
            rows.append(Row(*cells))
    return rows


@pytest.mark.parametrize("file", TOKIO)
def test_every_tokio_test_is_written_or_explained(file: str) -> None:
    tests = written(file)
    here = {name for name in TOKIO[file] if python_name(name) in tests}
    explained = {row.test for row in reasons() if row.file == file}
    missing = [name for name in TOKIO[file] if name not in here | explained]
    both = sorted(here & explained)
    print(f"{file}: {len(here)} written, {len(explained)} explained, {len(TOKIO[file])} in Tokio")
    assert not missing, (
        f"{len(missing)} of {len(TOKIO[file])} tests of tokio/tests/{file}.rs are neither in "
        f"tests/conformance/test_{file}.py nor in docs/conformance.md: {', '.join(missing)}"
    )
    assert not both, f"written, and in docs/conformance.md as well: {', '.join(both)}"


def test_every_reason_names_a_tokio_test() -> None:
    rows = reasons()
    unknown = [f"{r.file}: {r.test}" for r in rows if r.test not in TOKIO.get(r.file, [])]
    assert not unknown, f"no such Tokio test: {', '.join(unknown)}"
    silent = [f"{r.file}: {r.test}" for r in rows if not r.reason]
    assert not silent, f"no reason given: {', '.join(silent)}"
    names = [(r.file, r.test) for r in rows]
    twice = [f"{file}: {test}" for file, test in sorted({n for n in names if names.count(n) > 1})]
    assert not twice, f"more than one row: {', '.join(twice)}"


def test_python_names_do_not_clash() -> None:
    for file, names in TOKIO.items():
        assert len({python_name(name) for name in names}) == len(names), file
