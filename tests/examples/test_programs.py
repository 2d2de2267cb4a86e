"""The examples that are no servers of their own, each run as its readers would run it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.examples.programs import (
    EXAMPLES,
    TIME_LIMIT,
    CommandLine,
    both_ways,
    by_command,
    by_itself,
    run,
    server,
)

GOOD = """\
import abc


class Greeter(abc.ABC):
    def greet(self, name):
        def inner():
            return name

        return inner()

    async def wait(self):
        if self:
            async def deep():
                pass
        else:
            try:
                pass
            except ValueError:
                class Odd:
                    pass
        match self:
            case 1:
                def one(): pass


latin = lambda: "not a def"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A source tree with everything that codestat has to cope with; 11 files count."""
    files = {
        "pkg/__init__.py": b"",
        "pkg/good.py": GOOD.encode(),
        "pkg/sub/latin1.py": "# coding: latin-1\nname = 'Zo\xeb'\ndef f(): pass".encode("latin-1"),
        "pkg/sub/bom.py": b"\xef\xbb\xbfdef f():\r\n    pass\r\n",
        "pkg/broken.py": b"def broken(:\n    pass\n",
        "pkg/bad_utf8.py": b"name = '\xff\xfe'\n",
        "pkg/bad_late.py": b"#\n" * 3000 + b"name = '\xff\xfe'\n",
        "pkg/bad_cookie.py": b"# coding: klingon\n",
        "pkg/nul.py": b"a = 1\0\n",
        "single.py": b"class A:\n    def a(self):\n        pass\n",
        "other/x.py": b"async def x():\n    'An \\invalid escape'\n",
        "pkg/__pycache__/cached.py": b"class Never: pass\n",
        "site-packages/theirs.py": b"class Never: pass\n",
        "pkg/notes.txt": b"class Never: pass\n",
    }
    root = tmp_path / "tree"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "pkg" / "loop").symlink_to(root, target_is_directory=True)
    return root


def columns(output: str) -> dict[str, list[str]]:
    """Return the rows of codestat's table by their first column."""
    rows = (re.split(r"\s{2,}", line) for line in output.partition("\n\n")[0].splitlines())
    return {name: rest for name, *rest in rows}


@both_ways
def test_codestat_counts_a_tree(
    tree: Path, environment: dict[str, str], command_line: CommandLine
) -> None:
    done = run(environment, *command_line("codestat"), tree, "--verify")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    rows = columns(done.stdout)
    assert rows["pkg"] == ["9", "31", "2", "5", "2", "13", "pkg.good.Greeter.wait"]
    assert rows["single"] == ["1", "3", "1", "1", "0", "2", "single.A.a"]
    assert rows["other"] == ["1", "2", "0", "0", "1", "2", "other.x.x"]
    assert rows["total"] == ["11", "36", "3", "6", "3", "13", "pkg.good.Greeter.wait"]
    failed = re.findall(r"^  (\S+): (\w+): .+$", done.stdout, re.MULTILINE)
    assert [name for name, _ in failed] == [
        f"pkg/{name}.py" for name in ("bad_cookie", "bad_late", "bad_utf8", "broken", "nul")
    ]
    assert "5 of the files could not be parsed" in done.stdout
    assert "0 files differ" in done.stdout


def test_codestat_sums_up_the_packages_it_leaves_out(
    tree: Path, environment: dict[str, str]
) -> None:
    done = run(environment, *by_command("codestat"), tree, "--top", "1")
    assert (done.returncode, done.stderr) == (0, "")
    rows = columns(done.stdout)
    assert rows["(2 others)"] == ["2", "5", "1", "1", "1", "2", "other.x.x"]
    assert rows["total"][0] == "11"
    everything = run(environment, *by_command("codestat"), tree, "--top", "0")
    assert {"pkg", "single", "other", "total"} <= columns(everything.stdout).keys()


def test_codestat_says_what_the_runtime_did(
    tree: Path, environment: dict[str, str], workers: int
) -> None:
    done = run(environment, *by_command("codestat"), tree)
    summary = re.search(r"^(\d+) tasks on (\d) of (\d) workers", done.stdout, re.MULTILINE)
    assert summary, done.stdout
    tasks, used, of = map(int, summary.groups())
    assert tasks >= 11
    assert 1 <= used <= of == workers


def test_codestat_verify_fails_on_a_difference(tree: Path, environment: dict[str, str]) -> None:
    lossy = (
        "import sys, yamanote; sys.path.insert(0, sys.argv.pop(1)); import codestat\n"
        "loop = codestat.count_in_a_loop\n"
        "codestat.count_in_a_loop = lambda root: loop(root)[1:]\n"
        "sys.exit(yamanote.run(codestat.main()))\n"
    )
    done = run(environment, "-c", lossy, EXAMPLES, tree, "--verify")
    assert done.returncode == 1
    assert "None in a plain loop" in done.stderr
    assert "1 files differ" in done.stdout


def test_codestat_on_a_package_of_the_standard_library(environment: dict[str, str]) -> None:
    root = Path(os.__file__).parent / "email"
    files = [path for path in root.rglob("*.py") if "__pycache__" not in path.parts]
    done = run(environment, *by_command("codestat"), root, "--verify")
    assert (done.returncode, done.stderr) == (0, "")
    total = columns(done.stdout)["total"]
    assert total[0] == str(len(files))
    assert total[1] == f"{sum(len(path.read_bytes().splitlines()) for path in files):,}"


def test_codestat_of_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run(environment, *by_command("codestat"), tmp_path, "--verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert columns(done.stdout)["total"][0] == "0"
    done = run(environment, *by_command("codestat"), tmp_path / "missing")
    assert done.returncode == 2
    assert "is not a folder" in done.stderr


def test_codestat_shows_a_bar_on_a_terminal(tree: Path, environment: dict[str, str]) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    shown = []

    def read() -> None:
        try:
            while data := os.read(ours, 4096):
                shown.append(data)
        except OSError:
            pass  # The other end is closed.

    reader = threading.Thread(target=read)
    reader.start()
    try:
        subprocess.run(
            [sys.executable, *by_command("codestat"), tree],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=theirs,
            timeout=TIME_LIMIT,
            check=True,
        )
    finally:
        os.close(theirs)
        reader.join(TIME_LIMIT)
        os.close(ours)
    assert b"] 1/11 files" in b"".join(shown)
    assert b"] 11/11 files" in b"".join(shown)


@both_ways
def test_pipeline(tmp_path: Path, environment: dict[str, str], command_line: CommandLine) -> None:
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    # Far more batches than there is room for in the queues.
    first.write_text("green round\nTrain, 42 trains\n" * 5000, encoding="utf-8")
    second.write_text("Zoë's train", encoding="utf-8")
    done = run(environment, *command_line("pipeline"), first, second, "--top", "3")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2 files, 10001 lines, 20002 words",
        "   5001 train",
        "   5000 green",
        "   5000 round",
    ]


def test_pipeline_on_its_own_input(environment: dict[str, str]) -> None:
    done = run(environment, *by_itself("pipeline"))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.match(r"\d+ files, \d{5,} lines, \d{5,} words\n +\d+ self\n", done.stdout)


def test_pipeline_fails_as_a_whole(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run(environment, *by_itself("pipeline"), EXAMPLES / "pipeline.py", tmp_path / "missing")
    assert (done.returncode, done.stdout) == (1, "")
    assert "FileNotFoundError" in done.stderr


def test_background_tasks(tmp_path: Path, environment: dict[str, str]) -> None:
    paths = [tmp_path / f"{number}.bin" for number in range(5)]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    done = run(environment, *by_itself("background_tasks"), *paths)
    assert done.returncode == 0
    assert set(done.stderr.splitlines()) <= {"still working"}
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path}" for path in paths]
    assert done.stdout.splitlines() == [
        "25 letters in 5 names",
        *sums,
        "heartbeat cancelled: True",
    ]


def test_background_tasks_report_a_failure(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run(environment, *by_itself("background_tasks"), tmp_path / "missing", __file__)
    assert done.returncode == 1
    assert "No such file or directory" in done.stderr
    assert f"  {__file__}\n" in done.stdout
    assert "heartbeat cancelled: True" in done.stdout


def test_flask_engine(environment: dict[str, str]) -> None:
    pytest.importorskip("flask")
    with server(environment, by_itself("flask_engine")) as (host, port):

        def ask(method: str, path: str, body: str | None = None) -> tuple[int, Any]:
            connection = HTTPConnection(host, port, timeout=TIME_LIMIT)
            try:
                connection.request(method, path, body)
                response = connection.getresponse()
                content = response.read()
            finally:
                connection.close()
            is_json = response.getheader("Content-Type") == "application/json"
            return response.status, json.loads(content) if is_json else None

        with ThreadPoolExecutor(5) as clients:
            answers = list(clients.map(lambda n: ask("GET", f"/squares/{n}"), range(10)))
        assert answers == [(200, {"squares": [n * n for n in range(m)]}) for m in range(10)]

        status, started = ask("POST", "/jobs", "yamanote")
        assert status == 202
        job = f"/jobs/{started['job']}"
        assert ask("GET", f"{job}?wait={TIME_LIMIT}") == (
            200,
            {"done": True, "result": "etonamay"},
        )
        empty = ask("POST", "/jobs", "")[1]["job"]
        assert ask("GET", f"/jobs/{empty}?wait={TIME_LIMIT}")[1] == {
            "done": True,
            "error": "nothing to do",
        }
        assert ask("DELETE", job) == (204, None)
        assert ask("GET", job)[0] == 404
        ask("POST", "/jobs", "still at it when the server stops")


# What Jupyter does: every cell in turn, in one namespace and on one loop that keeps running.
RUN_NOTEBOOK = """\
import ast, asyncio, inspect, json, sys


async def run(cells, names):
    for cell in cells:
        code = compile(cell, "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, names)
        if inspect.iscoroutine(result):
            await result
        await asyncio.sleep(0)


with open(sys.argv[1], encoding="utf-8") as file:
    cells = json.load(file)["cells"]
sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
asyncio.run(run(sources, {"__name__": "__main__"}))
"""


def test_notebook(environment: dict[str, str]) -> None:
    done = run(environment, "-c", RUN_NOTEBOOK, EXAMPLES / "notebook.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    # On a machine that had better things to do the primes may have been counted by then.
    assert [line for line in lines if line != "not yet"] == [
        "285",
        "2262",
        "[0, 1, 4]",
        "<Runtime multi_thread shut down>",
    ]
