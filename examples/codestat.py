"""Count the Python code below a folder, by default the standard library of this interpreter.

Folders are listed and files are read on the blocking pool, each file is parsed in a task of its
own, and the results are gathered as they finish:

    yamanote run --workers 4 examples/codestat.py:main
    python examples/codestat.py --top 5 --verify src

`--verify` counts a second time in a plain loop, without Yamanote, and fails on any difference.
A file that cannot be read, decoded or parsed counts as a file, and is listed with the reason.
"""

from __future__ import annotations

import argparse
import ast
import os
import sys
import sysconfig
import time
import tokenize
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import yamanote
from yamanote import Handle, JoinError, JoinSet, spawn_blocking

SKIPPED_FOLDERS = {"site-packages", "__pycache__"}

# Enough to keep every worker and a few reading threads busy; few enough that the sources and
# syntax trees in memory stay a small part of the whole.
FILES_IN_FLIGHT = 64

DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)

# What reading and parsing raise for a file at fault: SyntaxError also for an unknown encoding,
# ValueError for bytes that do not fit it, the last two for code nested too deeply.
UNPARSABLE = (OSError, SyntaxError, ValueError, RecursionError, MemoryError)


@dataclass(frozen=True, order=True)
class Function:
    """A function and its length in lines; the longer one is the greater."""

    lines: int
    name: str


@dataclass(frozen=True)
class FileCount:
    """What one file holds, or the `error` that kept it from being counted."""

    path: Path
    lines: int = 0
    classes: int = 0
    functions: int = 0
    async_functions: int = 0
    longest: Function | None = None
    error: str | None = None


def read_source(path: Path) -> str:
    """Return the text of a source file, decoded as the interpreter would (PEP 263)."""
    with tokenize.open(path) as file:
        return file.read()


def count_source(path: Path, source: str) -> FileCount:
    """Parse `source` and count what it defines."""
    classes = functions = async_functions = 0
    longest: Function | None = None
    for node, name in definitions(ast.parse(source, str(path))):
        if isinstance(node, ast.ClassDef):
            classes += 1
            continue
        if isinstance(node, ast.AsyncFunctionDef):
            async_functions += 1
        else:
            functions += 1
        assert node.end_lineno is not None
        function = Function(node.end_lineno - node.lineno + 1, name)
        longest = max(longest or function, function)
    lines = source.count("\n") + (not source.endswith("\n") and source != "")
    return FileCount(path, lines, classes, functions, async_functions, longest)


def definitions(
    tree: ast.Module,
) -> Iterator[tuple[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Yield every class and function of `tree`, however nested, with its qualified name."""
    # Only statements hold definitions: to leave out expressions, most of a tree, saves most of
    # the time. A stack in place of recursion: generated code can be nested deeper than the limit.
    todo: list[tuple[ast.AST, str]] = [(tree, "")]
    while todo:
        parent, prefix = todo.pop()
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            for node in getattr(parent, block, ()):
                inner = prefix
                if isinstance(node, DEFINITIONS):
                    yield node, prefix + node.name
                    inner = f"{prefix}{node.name}."
                todo.append((node, inner))


def unparsable(path: Path, error: BaseException) -> FileCount:
    """Return the record of a file that could not be counted."""
    return FileCount(path, error=f"{type(error).__name__}: {error}")


def list_folder(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders and the Python files in `folder`."""
    folders, files = [], []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in SKIPPED_FOLDERS:
                    folders.append(Path(entry.path))
            elif entry.name.endswith(".py") and entry.is_file():
                files.append(Path(entry.path))
    return folders, files


async def find_files(root: Path) -> list[Path]:
    """Return the Python files below `root`; every folder is listed on the blocking pool."""
    found: list[Path] = []
    async with JoinSet[tuple[list[Path], list[Path]]]() as listings:
        listings.spawn_blocking(list_folder, root)
        async for folders, files in listings:
            found += files
            for folder in folders:
                listings.spawn_blocking(list_folder, folder)
    return sorted(found)


async def count_file(path: Path) -> FileCount:
    """Read a file on the blocking pool and parse it here, on whichever worker this task is."""
    try:
        return count_source(path, await spawn_blocking(read_source, path))
    except JoinError as error:
        # Awaiting a call that failed raises JoinError; what the call itself raised is its cause.
        if isinstance(error.__cause__, UNPARSABLE):
            return unparsable(path, error.__cause__)
        raise
    except UNPARSABLE as error:
        return unparsable(path, error)


async def count_files(paths: list[Path], progress: Callable[[int], None]) -> list[FileCount]:
    """Count each file in a task of its own, at most `FILES_IN_FLIGHT` of them at a time."""
    counts: list[FileCount] = []
    waiting = iter(paths)
    async with JoinSet[FileCount]() as tasks:
        for path in islice(waiting, FILES_IN_FLIGHT):
            tasks.spawn(count_file(path))
        async for count in tasks:
            counts.append(count)
            progress(len(counts))
            for path in islice(waiting, 1):
                tasks.spawn(count_file(path))
    return counts


def count_in_a_loop(root: Path) -> list[FileCount]:
    """Count every file below `root`, one after another."""
    counts = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name not in SKIPPED_FOLDERS]
        for name in files:
            path = Path(folder, name)
            if name.endswith(".py") and path.is_file():
                try:
                    counts.append(count_source(path, read_source(path)))
                except UNPARSABLE as error:
                    counts.append(unparsable(path, error))
    return counts


def differences(counts: Iterable[FileCount], expected: Iterable[FileCount]) -> list[str]:
    """Return a line for each file whose two counts are not the same; no file may be lost."""
    ours, theirs = ({count.path: count for count in each} for each in (counts, expected))
    return [
        f"{path}: {ours.get(path)} here, {theirs.get(path)} in a plain loop"
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    ]


def progress_bar(total: int) -> Callable[[int], None]:
    """Return a function that shows how many of `total` are done, if stderr is a terminal."""
    if not sys.stderr.isatty():
        return lambda done: None
    width = 40

    def show(done: int) -> None:
        bar = "#" * (width * done // total)
        print(f"\r[{bar:<{width}}] {done}/{total} files", end="", file=sys.stderr, flush=True)
        if done == total:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    return show


def module_parts(path: Path, root: Path) -> tuple[str, ...]:
    """Return the package and what is inside of it, down to the module."""
    return path.relative_to(root).with_suffix("").parts


def row(name: str, counts: list[FileCount], root: Path) -> list[str]:
    """Return a row of the table: the sums over `counts` and their longest function."""
    columns = ("lines", "classes", "functions", "async_functions")
    sums = [len(counts), *(sum(getattr(count, column) for count in counts) for column in columns)]
    longest = max(((count.longest, count.path) for count in counts if count.longest), default=None)
    where = ""
    if longest:
        function, path = longest
        name_in_full = ".".join((*module_parts(path, root), function.name))
        where = f"{function.lines:>5,}  {name_in_full}"
    return [name, *(f"{number:,}" for number in sums), where]


def table(counts: list[FileCount], root: Path, top: int) -> str:
    """Return the table of the `top` packages with the most lines (0: all), and the totals."""
    packages: dict[str, list[FileCount]] = defaultdict(list)
    for count in counts:
        packages[module_parts(count.path, root)[0]].append(count)
    names = sorted(packages, key=lambda name: (-sum(c.lines for c in packages[name]), name))
    shown, others = (names[:top], names[top:]) if top > 0 else (names, [])
    rows = [["package", "files", "lines", "classes", "functions", "async", "longest function"]]
    rows += [row(name, packages[name], root) for name in shown]
    if others:
        rest = [count for name in others for count in packages[name]]
        rows.append(row(f"({len(others)} others)", rest, root))
    rows.append(row("total", counts, root))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([name.ljust(widths[0]), *map(str.rjust, numbers, widths[1:-1]), where]).rstrip()
        for name, *numbers, where in rows
    ]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="codestat", description="Count the Python code below a folder."
    )
    parser.add_argument(
        "root",
        nargs="?",
        type=Path,
        default=Path(sysconfig.get_path("stdlib")),
        help="the folder (default: this interpreter's standard library)",
    )
    parser.add_argument(
        "--top", type=int, default=20, metavar="N", help="packages to show (default 20; 0: all)"
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="count again without Yamanote and fail on any difference",
    )
    options = parser.parse_args()
    if not options.root.is_dir():
        parser.error(f"{str(options.root)!r} is not a folder")
    return options


async def main() -> int:
    options = arguments()
    # A file's name may hold bytes that are no text.
    sys.stdout.reconfigure(errors="backslashreplace")
    # Old code has invalid escapes in its strings, which the parser would warn of one by one.
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    paths = await find_files(options.root)
    counts = await count_files(paths, progress_bar(len(paths)))
    seconds = time.perf_counter() - started
    metrics = Handle.current().metrics()

    print(table(counts, options.root, options.top))
    failed = sorted((count for count in counts if count.error), key=lambda count: count.path)
    if failed:
        print(f"\n{len(failed)} of the files could not be parsed:")
        for count in failed:
            print(f"  {count.path.relative_to(options.root)}: {count.error}")
    busy = sum(worker.polls > 0 for worker in metrics.workers)
    print(
        f"\n{metrics.spawned_tasks_count:,} tasks on {busy} of {metrics.num_workers} workers, "
        f"{seconds:.2f} s"
    )
    if not options.verify:
        return 0
    started = time.perf_counter()
    wrong = differences(counts, count_in_a_loop(options.root))
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    seconds = time.perf_counter() - started
    print(f"counted again in a plain loop: {len(wrong)} files differ, {seconds:.2f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(yamanote.run(main()))
