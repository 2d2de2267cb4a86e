"""Run other projects' tests of asyncio on asyncio's own loop and on Yamanote's, and compare.

    make compat                                  # all suites, with this Python
    python compat/run.py cpython                 # one of them
    python compat/run.py cpython test_tasks      # one module of it

Each module runs twice, in processes of their own. A test that passes on asyncio's loop and does
not on Yamanote's is a difference; docs/compatibility.md gives the reason for each. The exit
status is 1 when there is one that is not in that page.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "compatibility.md"
TIME_LIMIT = 600.0  # seconds for one module on one loop

CPYTHON = [
    "test_base_events",
    "test_buffered_proto",
    "test_context",
    "test_eager_task_factory",
    "test_events",
    "test_free_threading",
    "test_futures",
    "test_futures2",
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
SUITES = {"cpython": ("asyncio_suite.py", CPYTHON), "anyio": ("anyio_suite.py", ["anyio"])}

Outcomes = dict[str, str]


def run(script: str, which: str, module: str) -> Outcomes | None:
    """The outcome of each test; None when the module is not there or did not end."""
    command = [sys.executable, str(HERE / script), which, module]
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


def main() -> int:
    """Run what the arguments name, print a table, and say which differences have no reason."""
    args = sys.argv[1:]
    suites = [args[0]] if args else list(SUITES)
    known = set(re.findall(r"`(\w+)`", PAGE.read_text()))
    unexplained = 0
    print(f"Python {sys.version.split()[0]}")
    print(f"{'module':26} {'passed':>7} {'skipped':>8} {'differ':>7}", flush=True)
    total: Counter[str] = Counter()
    for suite in suites:
        script, modules = SUITES[suite]
        for module in args[1:] or modules:
            theirs, ours = run(script, "asyncio", module), run(script, "yamanote", module)
            if theirs is None:
                print(f"{module:26} not in this Python, or it does not run on asyncio's own loop")
                continue
            ours = ours or {}
            # What is only there on ours (the tests of the task class) has to pass as well.
            differ = [
                name
                for name in {**theirs, **ours}
                if theirs.get(name) != "failed" and ours.get(name) != theirs.get(name, "passed")
            ]
            count = Counter(ours.values())
            print(
                f"{module:26} {count['passed']:7} {count['skipped']:8} {len(differ):7}", flush=True
            )
            total.update(passed=count["passed"], skipped=count["skipped"], differ=len(differ))
            for name in differ:
                reason = name.rsplit(".", 1)[-1].partition("[")[0] in known
                unexplained += not reason
                print(f"    {name}: {'see the page' if reason else 'WITHOUT A REASON'}")
    print(f"{'all':26} {total['passed']:7} {total['skipped']:8} {total['differ']:7}")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
