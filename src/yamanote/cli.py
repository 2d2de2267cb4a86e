"""The `yamanote` command: run a coroutine function on the runtime, or an asyncio program, or serve
a web application.

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

`yamanote serve TARGET [OPTIONS…]` is described in `yamanote.serve.command`.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import runpy
import sys
import warnings
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import yamanote
from yamanote.runtime import Config
from yamanote.serve import command
from yamanote.target import TargetError, check_readable, load_object, put_first_on_path

CoroutineFunction = Callable[[], Coroutine[Any, Any, object]]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command with `argv` (default: `sys.argv[1:]`) and return its exit status."""
    argv = sys.argv[1:] if argv is None else argv
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace, Sequence[str]], int] = options.run
    return run(options, argv[1:])


def _run(options: argparse.Namespace, argv: Sequence[str]) -> int:
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
    check_readable(path)
    with warnings.catch_warnings():
        # The one place that asyncio.run and all else ask for a loop; deprecated from 3.14 on.
        warnings.simplefilter("ignore", DeprecationWarning)
        policy: Any = asyncio.get_event_loop_policy()
    policy.new_event_loop = yamanote.new_event_loop
    sys.argv = [str(path), *args]
    put_first_on_path(path.resolve().parent)
    runpy.run_path(str(path), run_name="__main__")


def load_target(target: str, args: Sequence[str] = ()) -> CoroutineFunction:
    """Import `target` as a program of its own and return its coroutine function.

    Raises `TargetError` when `target` is wrong; an exception out of the target's own code is
    passed on as it is. See `load_object`.
    """
    function: CoroutineFunction = load_object(target, args, "coroutine_function")
    place, _, attribute = target.rpartition(":")
    if not inspect.iscoroutinefunction(function):
        raise TargetError(f"{attribute!r} in {place!r} is not a coroutine function (async def)")
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise TargetError(f"{attribute!r} in {place!r} must take no arguments: {error}") from None
    return function


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
    run.set_defaults(run=_run)
    command.add_parser(commands)
    return parser


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return number
