"""Run other projects' tests of asyncio on asyncio's own loop and on Yamanote's, and compare.

    make compat                                     # all suites, with this Python
    make compat ARGS=cpython                        # one of them
    make compat ARGS="cpython -m test_tasks"        # one module of it

Each module runs twice, in processes of their own. A test that passes on asyncio's loop and does
not on Yamanote's, twice in a row, is a difference; docs/compatibility.md gives the reason for each,
and gets the counts. The exit status is 1 when a difference is not in that page.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import re
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from collections import Counter
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "compatibility.md"
TIME_LIMIT = 300.0  # seconds for one module on one loop

CPYTHON = [
    "test_base_events",
    "test_buffered_proto",
    "test_context",
    "test_eager_task_factory",
    "test_events",
    "test_free_threading",
    "test_futures",
    "test_futures2",
    "test_graph",
    "test_locks",
    "test_pep492",
    "test_protocols",
    "test_queues",
    "test_runners",
    "test_selector_events",
    "test_sendfile",
    "test_server",
    "test_sock_lowlevel",
    "test_ssl",
    "test_sslproto",
    "test_staggered",
    "test_streams",
    "test_subprocess",
    "test_taskgroups",
    "test_tasks",
    "test_threads",
    "test_timeouts",
    "test_transports",
    "test_unix_events",
    "test_waitfor",
]
SUITES = ("cpython", "anyio", "aiohttp")

Outcomes = dict[str, str]


class Count(NamedTuple):
    """What came of one module."""

    passed: int
    skipped: int
    both_fail: int
    differ: int

    def cell(self) -> str:
        return f"{self.passed}, {self.differ} differ" if self.differ else f"{self.passed}"


class Suite:
    """The modules of one suite, and how to run one."""

    def __init__(self, name: str, folder: str) -> None:
        if name == "cpython":
            self.script = [str(HERE / "asyncio_suite.py")]
            self.arguments: list[str] = []
            self.modules = CPYTHON
        else:
            source = fetch(name, folder)
            self.script = [str(HERE / "pytest_suite.py")]
            self.arguments = [name, str(source)]
            tests = source / "tests"
            self.modules = sorted(
                str(file.relative_to(tests))
                for file in tests.rglob("test_*.py")
                if not file.name.startswith("test_benchmarks_")
            )

    def run(self, which: str, module: str) -> Outcomes | None:
        """The outcome of each test; None when the module is not there or did not end."""
        command = [sys.executable, *self.script, which, *self.arguments, module]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=TIME_LIMIT,
            )
        except subprocess.TimeoutExpired:
            print(f"{module} on {which}: over {TIME_LIMIT:.0f} s", flush=True)
            return None
        if done.returncode != 0:
            return None
        outcomes: Outcomes = json.loads(done.stdout.splitlines()[-1])
        return outcomes

    def compare(self, module: str) -> tuple[Count, list[str]] | None:
        """The counts, and the names of the tests that differ."""
        theirs, ours = self.run("asyncio", module), self.run("yamanote", module)
        if not theirs:
            return None
        differ = differences(theirs, ours or {})
        if differ:
            again = differences(
                self.run("asyncio", module) or {}, self.run("yamanote", module) or {}
            )
            for name in differ:
                if name not in again:
                    print(f"    {name}: once, and not again")
            differ = [name for name in differ if name in again]
        ours = ours or {}
        found = Counter(ours.values())
        both_fail = sum(theirs[name] == ours.get(name) == "failed" for name in theirs)
        return Count(found["passed"], found["skipped"], both_fail, len(differ)), differ


def differences(theirs: Outcomes, ours: Outcomes) -> list[str]:
    # What is only there on ours (the tests of the task class) has to pass as well.
    return [
        name
        for name in {**theirs, **ours}
        if theirs.get(name) != "failed" and ours.get(name) != theirs.get(name, "passed")
    ]


def fetch(library: str, folder: str) -> Path:
    """Unpack the source distribution of the library that is installed, which has its tests."""
    version = importlib.metadata.version(library)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", library]
    subprocess.run([*pip, f"{library}=={version}", "--dest", folder], check=True)
    with tarfile.open(f"{folder}/{library}-{version}.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return Path(folder, f"{library}-{version}")


def this_python() -> str:
    free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED")
    return sys.version.split()[0] + ("t" if free_threaded else "")


def write(suite: str, cells: dict[str, str]) -> None:
    """Put the counts into the page, as the column of this Python."""
    begin, end = f"<!-- {suite} -->\n", f"<!-- end of {suite} -->"
    before, _, rest = PAGE.read_text().partition(begin)
    table, _, after = rest.partition(end)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    header = rows[0] if rows else ["module"]
    old = {row[0].strip("`"): dict(zip(header, row, strict=True)) for row in rows[2:]}
    mine = this_python()
    minor = mine.rsplit(".", 1)[0] + "."
    columns = [name for name in header[1:] if not name.startswith(minor) and name != mine]
    previous = next((name for name in header[1:] if name.startswith(minor)), mine)
    columns = sorted([*columns, mine], key=lambda name: [*map(int, re.findall(r"\d+", name))])
    lines = ["| " + " | ".join(["module", *columns]) + " |"]
    lines.append("| --- |" + " ---: |" * len(columns))
    for module in sorted({*old, *cells}, key=lambda module: (module == "all", module)):
        values = {
            **old.get(module, {}),
            mine: cells.get(module, old.get(module, {}).get(previous, "–")),
        }
        shown = module if module == "all" else f"`{module}`"
        lines.append(
            "| " + " | ".join([shown, *(values.get(name, "–") for name in columns)]) + " |"
        )
    PAGE.write_text(before + begin + "\n".join(lines) + "\n" + end + after)


def main() -> int:
    """Run what the arguments name, print a table, and say which differences have no reason."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", choices=[[], *SUITES], help="default: all")
    parser.add_argument("-m", "--module", action="append", help="only this one; may be repeated")
    parser.add_argument("--no-write", action="store_true", help="leave the page as it is")
    args = parser.parse_args()
    known = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    unexplained = 0
    print(f"Python {this_python()}")
    for name in args.suites or SUITES:
        with tempfile.TemporaryDirectory(prefix="yamanote-compat-") as folder:
            suite = Suite(name, folder)
            print(f"{name:34} {'passed':>7} {'skipped':>8} {'fail on both':>13} {'differ':>7}")
            total = Count(0, 0, 0, 0)
            cells = {}
            for module in args.module or suite.modules:
                compared = suite.compare(module)
                if compared is None:
                    print(f"{module:34} nothing to run with this Python", flush=True)
                    continue
                count, differ = compared
                cells[module.removesuffix(".py")] = count.cell()
                total = Count(*(sum(pair) for pair in zip(total, count, strict=True)))
                print(line(module, count), flush=True)
                for test in differ:
                    reason = test.rsplit("::", 1)[-1].partition("[")[0].rsplit(".", 1)[-1] in known
                    unexplained += not reason
                    print(f"    {test}: {'see the page' if reason else 'WITHOUT A REASON'}")
            print(line("all", total), flush=True)
            if not args.module:
                cells["all"] = total.cell()
            if not args.no_write:
                write(name, cells)
    return 1 if unexplained else 0


def line(module: str, count: Count) -> str:
    return f"{module:34} {count.passed:7} {count.skipped:8} {count.both_fail:13} {count.differ:7}"


if __name__ == "__main__":
    sys.exit(main())
