"""The `yamanote` command: run a coroutine function on the runtime, or an asyncio program.

`yamanote run TARGET [ARGS…]`, where TARGET is `package.module:coroutine_function` or
`path/script.py:coroutine_function`. The exit status is the program's own:

- what `sys.exit` was given, if the program called it;
- the int that the coroutine returned, as in `sys.exit(main())`; any other result, True and
  False among them, means success;
- 1, with a traceback, for an uncaught exception, also one raised while the target is imported;
- 130 after Ctrl-C;
- 2, with one line, when TARGET or the configuration is wrong.

`yamanote run path/script.py [ARGS…]` runs the script as `python path/script.py` does, but the
event loops that asyncio makes in it are Yamanote's.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import importlib.machinery
import importlib.util
import inspect
import os
import runpy
import sys
import warnings
from collections.abc import Callable, Coroutine, Sequence
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any

import yamanote
from yamanote.runtime import Config

CoroutineFunction = Callable[[], Coroutine[Any, Any, object]]


class TargetError(Exception):
    """TARGET names nothing that can be run."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: `sys.argv[1:]`) and return its exit status."""
    options = _parser().parse_args(argv)
    # Only what was given: a default belongs to the runtime, which also reads the environment.
    config = {
        keyword: value
        for keyword, value in (("worker_threads", options.workers), ("flavor", options.flavor))
        if value is not None
    }
    try:
        Config(**config)
    except ValueError as error:
        print(f"yamanote run: {error}", file=sys.stderr)
        return 2
    if options.target.endswith(".py"):
        if config:
            print(
                "yamanote run: --workers and --flavor are for TARGET:coroutine_function; "
                "a script's event loop has one worker",
                file=sys.stderr,
            )
            return 2
        try:
            run_script(Path(options.target), options.args)
        except TargetError as error:
            print(f"yamanote run: {error}", file=sys.stderr)
            return 2
        return 0
    try:
        function = load_target(options.target, options.args)
        result = yamanote.run(function(), **config)
    except TargetError as error:
        print(f"yamanote run: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def run_script(path: Path, args: Sequence[str] = ()) -> None:
    """Run an asyncio program as the main module, on event loops of Yamanote's.

    Raises `TargetError` when there is no such file; what the program raises, SystemExit
    included, is passed on as it is.
    """
    _check_readable(path)
    with warnings.catch_warnings():
        # The one place that asyncio.run and all else ask for a loop; deprecated from 3.14 on.
        warnings.simplefilter("ignore", DeprecationWarning)
        policy: Any = asyncio.get_event_loop_policy()
    policy.new_event_loop = yamanote.new_event_loop
    sys.argv = [str(path), *args]
    _put_first_on_path(path.resolve().parent)
    runpy.run_path(str(path), run_name="__main__")


def load_target(target: str, args: Sequence[str] = ()) -> CoroutineFunction:
    """Import `target` as a program of its own and return its coroutine function.

    Sets `sys.argv` to the target's file and `args`, and puts the folder in which the program
    looks for its modules first on `sys.path`. Raises `TargetError` when `target` is wrong; an
    exception out of the target's own code is passed on as it is.
    """
    place, colon, attribute = target.rpartition(":")
    if not (colon and place and attribute):
        raise TargetError(
            f"{target!r} is neither module:coroutine_function nor path/script.py"
            "[:coroutine_function]"
        )
    # Before the import: a program may read its arguments in the module's body.
    sys.argv = [place, *args]
    if place.endswith(".py") or os.sep in place or "/" in place:
        module = _load_script(Path(place))
    else:
        module = _load_module(place)
    return _coroutine_function(module, place, attribute)


def _load_script(path: Path) -> ModuleType:
    _check_readable(path)
    path = path.resolve()
    _put_first_on_path(path.parent)
    # Under its own name, as if imported from its folder: then `import script` elsewhere is the same
    # module, and what it defines can be pickled and unpickled in a child process. A name that is
    # taken (a script called queue.py) must not replace the module that others rely on.
    name = path.stem if path.stem not in sys.modules else "__yamanote_main__"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _check_readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise TargetError(f"cannot open {str(path)!r}: {error.strerror}") from None


def _load_module(name: str) -> ModuleType:
    _put_first_on_path(Path.cwd())
    parts = name.split(".")
    # Package by package: finding a module whose parent is imported runs no code of the program, so
    # "not found" is told apart from an ImportError inside the program.
    for end in range(1, len(parts) + 1):
        step = ".".join(parts[:end])
        try:
            spec = importlib.util.find_spec(step) if parts[end - 1] else None
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise TargetError(f"no module named {step!r}")
        sys.argv[0] = spec.origin or step
        module = importlib.import_module(step)
    return module


def _coroutine_function(module: ModuleType, place: str, attribute: str) -> CoroutineFunction:
    try:
        function = reduce(getattr, attribute.split("."), module)
    except AttributeError:
        raise TargetError(f"{place!r} has no attribute {attribute!r}") from None
    if not inspect.iscoroutinefunction(function):
        raise TargetError(f"{attribute!r} in {place!r} is not a coroutine function (async def)")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise TargetError(f"{attribute!r} in {place!r} must take no arguments: {error}") from None
    return function


def _put_first_on_path(folder: Path) -> None:
    if not sys.flags.safe_path and sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="yamanote",
        description="Tokio's task system for Python: run a coroutine function on the runtime.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {yamanote.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    run = commands.add_parser(
        "run",
        help="run a coroutine function, or an asyncio program, and exit with its status",
        description="Run a coroutine function on the runtime and exit with the program's status: "
        "what it gave to sys.exit, the int it returned, or 1 after an exception. Or run a script "
        "that calls asyncio.run, unchanged, on Yamanote's event loop.",
        usage="%(prog)s [-h] [--workers N] [--flavor FLAVOR] TARGET [ARGS ...]",
        allow_abbrev=False,
    )
    run.add_argument(
        "--workers",
        type=_positive,
        metavar="N",
        help="number of worker threads (default: $YAMANOTE_WORKER_THREADS, or the usable CPUs on "
        "a free-threaded build of Python and 1 on others)",
    )
    run.add_argument(
        "--flavor",
        choices=("multi_thread", "current_thread"),
        help="kind of runtime (default: multi_thread)",
    )
    run.add_argument(
        "target",
        metavar="TARGET",
        help="package.module:coroutine_function or path/script.py:coroutine_function; or an "
        "asyncio program, path/script.py, to be run on Yamanote's event loop",
    )
    run.add_argument(
        "args",
        metavar="ARGS",
        nargs=argparse.REMAINDER,
        help="the program's own arguments, its sys.argv[1:]",
    )
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return number
