"""The `yamanote` command, each time as a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

import yamanote

TIME_LIMIT = 60.0  # seconds; only a hang reaches it


@pytest.fixture(autouse=True)
def sigint() -> Iterator[None]:
    # A shell's background job ignores Ctrl-C, and its children would too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Command:
    """Writes programs into a folder and runs `yamanote` there."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def write(self, name: str, source: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")
        return path

    def __call__(self, *args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "yamanote", *args],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )

    def output(self, *args: str, **environment: str) -> list[str]:
        """Return the lines of a run that must succeed and say nothing on stderr."""
        done = self(*args, **environment)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout.splitlines()


@pytest.fixture
def command(tmp_path: Path) -> Command:
    package_folder = str(Path(yamanote.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": package_folder, "PYTHONDONTWRITEBYTECODE": "1"}
    folder = tmp_path / "a folder"
    folder.mkdir()
    return Command(folder, environment)


def test_version(command: Command) -> None:
    assert command.output("--version") == [f"yamanote {yamanote.__version__}"]


def test_help_names_the_command_and_its_options(command: Command) -> None:
    assert any(line.split()[:1] == ["run"] for line in command.output("--help"))
    text = "\n".join(command.output("run", "--help"))
    for word in ("TARGET", "ARGS", "--workers", "--flavor"):
        assert word in text


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("walk",),
        ("run",),
        ("run", "--workers", "0", "app:main"),
        ("run", "--workers", "-1", "app:main"),
        ("run", "--workers", "two", "app:main"),
        ("run", "--workers"),
        ("run", "--flavor", "vanilla", "app:main"),
        ("run", "--worker", "2", "app:main"),
    ],
)
def test_wrong_arguments(command: Command, args: tuple[str, ...]) -> None:
    command.write("app.py", "async def main(): print('ran')")
    done = command(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: yamanote")
    assert "Traceback" not in done.stderr


SHOW_PROGRAM = """
    import sys

    BODY = list(sys.argv)

    async def main():
        assert sys.argv == BODY
        print(__name__)
        print(*sys.argv, sep="\\n")
        print(sys.path[0])
"""


def test_a_module_target(command: Command) -> None:
    path = command.write("app.py", SHOW_PROGRAM)
    assert command.output("run", "app:main", "a", "b") == [
        "app",
        str(path),
        "a",
        "b",
        str(command.folder),
    ]


def test_a_module_of_a_package(command: Command) -> None:
    command.write("pkg/__init__.py", "print('pkg', __name__)")
    command.write("pkg/helper.py", "GREETING = 'hello'")
    path = command.write(
        "pkg/app.py",
        """
        import sys
        from .helper import GREETING

        class Program:
            @staticmethod
            async def main():
                print(GREETING, sys.argv[0])
        """,
    )
    assert command.output("run", "pkg.app:Program.main") == ["pkg pkg", f"hello {path}"]


@pytest.mark.parametrize("absolute", [False, True])
def test_a_script_target(command: Command, absolute: bool) -> None:
    path = command.write("tools/my-script.py", SHOW_PROGRAM)
    given = str(path) if absolute else "tools/my-script.py"
    assert command.output("run", f"{given}:main", "x") == [
        "my-script",
        given,
        "x",
        str(path.parent),
    ]


def test_a_script_finds_its_neighbours_and_itself(command: Command) -> None:
    command.write("tools/helper.py", "import script\nSCRIPT = script")
    command.write(
        "tools/script.py",
        """
        import sys

        async def main():
            import helper
            assert helper.SCRIPT is sys.modules[__name__]
        """,
    )
    assert command.output("run", "tools/script.py:main") == []


def test_a_script_without_the_suffix(command: Command) -> None:
    command.write("bin/tool", "async def main(): print('ran')")
    assert command.output("run", "bin/tool:main") == ["ran"]


def test_a_script_named_like_a_module_that_is_in_use(command: Command) -> None:
    command.write(
        "tools/argparse.py",
        """
        from dataclasses import dataclass

        @dataclass
        class Point:
            x: "int" = 1

        async def main():
            import argparse
            assert Point() == Point(1)
            print(argparse.ArgumentParser.__name__)
        """,
    )
    assert command.output("run", "tools/argparse.py:main") == ["ArgumentParser"]


@pytest.mark.parametrize("target", ["work.py:main", "work:main"])
def test_what_a_target_defines_can_be_pickled(command: Command, target: str) -> None:
    command.write(
        "work.py",
        """
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor
        from dataclasses import dataclass

        @dataclass
        class Point:
            x: int

        def double(point):
            return Point(2 * point.x)

        async def main():
            spawn = multiprocessing.get_context("spawn")
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                print(pool.submit(double, Point(21)).result())
        """,
    )
    assert command.output("run", target) == ["Point(x=42)"]


def test_everything_after_the_target_belongs_to_the_program(command: Command) -> None:
    command.write("app.py", "import sys\nasync def main(): print(sys.argv[1:])")
    args = ["-h", "--workers", "0", "--version", "--", "--flavor=x", "run", "-"]
    assert command.output("run", "--workers", "2", "app:main", *args) == [repr(args)]


SHOW_RUNTIME = """
    import yamanote

    async def main():
        print(yamanote.Handle.current().metrics().num_workers)
        try:
            yamanote.block_in_place(int)
        except RuntimeError:
            print("current_thread")
"""


def test_workers_and_flavor(command: Command) -> None:
    command.write("app.py", SHOW_RUNTIME)
    assert command.output("run", "--workers", "3", "app:main") == ["3"]
    assert command.output("run", "--flavor", "multi_thread", "--workers=2", "app:main") == ["2"]
    assert command.output("run", "--flavor", "current_thread", "app:main") == [
        "1",
        "current_thread",
    ]


def test_without_options_the_environment_decides(command: Command) -> None:
    command.write("app.py", SHOW_RUNTIME)
    assert command.output("run", "app:main", YAMANOTE_WORKER_THREADS="3") == ["3"]
    assert command.output("run", "--workers=2", "app:main", YAMANOTE_WORKER_THREADS="3") == ["2"]


def test_an_impossible_configuration_gives_one_line_and_status_2(command: Command) -> None:
    command.write("app.py", "async def main(): print('ran')")
    args = ["run", "--flavor", "current_thread", "--workers", "4", "app:main"]
    for done in (command(*args), command("run", "app:main", YAMANOTE_WORKER_THREADS="many")):
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(r"yamanote run: .*(worker_threads|WORKER_THREADS).*\n", done.stderr)


@pytest.mark.parametrize(
    ("last_line", "status", "stderr"),
    [
        ("pass", 0, ""),
        ("return 0", 0, ""),
        ("return 3", 3, ""),
        ("return True", 0, ""),
        ("return False", 0, ""),
        ("return 'a result'", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(4)", 4, ""),
        ("sys.exit('no luck')", 1, "no luck\n"),
    ],
)
def test_exit_status(command: Command, last_line: str, status: int, stderr: str) -> None:
    command.write("app.py", f"import sys\nasync def main():\n    {last_line}\n")
    done = command("run", "app:main")
    assert (done.returncode, done.stdout, done.stderr) == (status, "", stderr)


def test_sys_exit_in_the_body_of_the_target(command: Command) -> None:
    command.write("app.py", "import sys\nsys.exit(5)\n")
    assert command("run", "app:main").returncode == 5


def test_sys_exit_in_a_spawned_task(command: Command, workers: int) -> None:
    command.write(
        "app.py",
        """
        import asyncio, sys, yamanote

        async def leave():
            sys.exit(6)

        async def main():
            yamanote.spawn(leave())
            await asyncio.get_running_loop().create_future()
        """,
    )
    assert command("run", f"--workers={workers}", "app:main").returncode == 6


def test_an_uncaught_exception_is_shown_and_exits_1(command: Command) -> None:
    path = command.write("app.py", "async def main():\n    {}['nothing here']\n")
    done = command("run", "app:main")
    assert (done.returncode, done.stdout) == (1, "")
    assert f'File "{path}", line 2, in main' in done.stderr
    assert done.stderr.endswith("KeyError: 'nothing here'\n")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("app", "neither module:coroutine_function nor"),
        (":main", "neither module:coroutine_function nor"),
        ("app:", "neither module:coroutine_function nor"),
        ("missing:main", "no module named 'missing'"),
        ("missing.app:main", "no module named 'missing'"),
        ("app.missing:main", "no module named 'app.missing'"),
        ("pkg.missing.app:main", "no module named 'pkg.missing'"),
        ("pkg..app:main", "no module named 'pkg.'"),
        (".app:main", "no module named ''"),
        ("__main__:main", "'main' in '__main__' is not a coroutine function"),
        ("missing.py:main", "cannot open 'missing.py': No such file"),
        ("pkg/missing.py:main", "cannot open 'pkg/missing.py': No such file"),
        ("./pkg:main", "cannot open 'pkg': Is a directory"),
        ("app:nothing", "'app' has no attribute 'nothing'"),
        ("app.py:nothing", "'app.py' has no attribute 'nothing'"),
        ("app:main.nothing", "'app' has no attribute 'main.nothing'"),
        ("app:plain", "'plain' in 'app' is not a coroutine function"),
        ("app:NUMBER", "'NUMBER' in 'app' is not a coroutine function"),
        ("app:greedy", "'greedy' in 'app' must take no arguments: missing .*'name'"),
    ],
)
def test_a_wrong_target_gives_one_line_and_status_2(
    command: Command, target: str, message: str
) -> None:
    command.write("pkg/__init__.py", "")
    command.write(
        "app.py",
        """
        NUMBER = 1
        def plain(): pass
        async def main(): print("ran")
        async def greedy(name): print("ran")
        """,
    )
    done = command("run", target)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"yamanote run: .*({message}).*\n", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("body", "last_line"),
    [
        ("import a_missing_module", "ModuleNotFoundError: No module named 'a_missing_module'"),
        ("import app.missing", "ModuleNotFoundError: No module named 'app.missing'"),
        ("raise ModuleNotFoundError('app', name='app')", "ModuleNotFoundError: app"),
        ("from sys import nothing", "ImportError: cannot import name 'nothing' from 'sys'"),
        ("import sys; sys.nothing", "AttributeError: module 'sys' has no attribute 'nothing'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def broken(:", "SyntaxError: invalid syntax"),
    ],
)
@pytest.mark.parametrize("target", ["app:main", "app.inner:main", "app/__init__.py:main"])
def test_a_target_that_fails_inside_shows_where(
    command: Command, target: str, body: str, last_line: str
) -> None:
    path = command.write("app/__init__.py", f"\n{body}\n")
    done = command("run", target)
    assert (done.returncode, done.stdout) == (1, "")
    assert f'File "{path}", line 2' in done.stderr
    assert last_line.partition(":")[0] in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("target", ["app:main", "app.py:main"])
def test_ctrl_c_runs_finally_blocks_and_exits_130(
    command: Command, target: str, workers: int
) -> None:
    command.write(
        "app.py",
        """
        import asyncio

        async def main():
            try:
                print("ready", flush=True)
                await asyncio.get_running_loop().create_future()
            finally:
                print("cleaned up")
        """,
    )
    with subprocess.Popen(
        [sys.executable, "-m", "yamanote", "run", f"--workers={workers}", target],
        cwd=command.folder,
        env=command.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=TIME_LIMIT)
        finally:
            process.kill()
    assert (process.returncode, stdout, stderr) == (130, "cleaned up\n", "")


# An asyncio program, unchanged.

SCRIPT = """
    import asyncio
    import sys

    async def child(n):
        await asyncio.sleep(0)
        return n

    async def main():
        loop = asyncio.get_running_loop()
        print(type(loop).__module__.split(".")[0], type(asyncio.current_task()).__name__)
        print(await asyncio.gather(*(child(n) for n in range(3))))

    if __name__ == "__main__":
        print(*sys.argv)
        asyncio.run(main())
        with asyncio.Runner() as runner:
            print(runner.run(child(5)))
        {more}
"""


def test_an_asyncio_script(command: Command) -> None:
    command.write("script.py", SCRIPT.format(more=""))
    assert command.output("run", "script.py", "--workers", "x") == [
        "script.py --workers x",
        "yamanote Task",
        "[0, 1, 2]",
        "5",
    ]


def test_an_asyncio_script_finds_its_neighbours(command: Command) -> None:
    command.write("folder/neighbour.py", "name = 'neighbour'")
    command.write("folder/script.py", "import neighbour\nprint(neighbour.name, __name__)")
    assert command.output("run", "folder/script.py") == ["neighbour __main__"]


@pytest.mark.parametrize(
    ("more", "status", "stderr"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit('no luck')", 1, "no luck"),
        ("raise ValueError('broken')", 1, "ValueError: broken"),
        ("asyncio.run(asyncio.wait_for(child(1), 0))", 1, "TimeoutError"),
    ],
)
def test_exit_status_of_a_script(command: Command, more: str, status: int, stderr: str) -> None:
    command.write("script.py", SCRIPT.format(more=more))
    done = command("run", "script.py")
    assert done.returncode == status
    assert done.stderr.strip().split("\n")[-1] == stderr


def test_a_script_on_an_older_loop(command: Command) -> None:
    """run_until_complete(), as programs did before asyncio.run."""
    command.write(
        "script.py",
        """
        import asyncio

        async def main():
            return type(asyncio.get_running_loop()).__module__.split(".")[0]

        loop = asyncio.new_event_loop()
        print(loop.run_until_complete(main()))
        loop.close()
        """,
    )
    assert command.output("run", "script.py") == ["yamanote"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("missing.py",), "cannot open 'missing.py': No such file"),
        (("--workers", "2", "script.py"), "a script's event loop has one worker"),
    ],
)
def test_a_wrong_script(command: Command, args: tuple[str, ...], message: str) -> None:
    command.write("script.py", "")
    done = command("run", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
