"""`yamanote serve TARGET`: the command line of `yamanote.serve`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import math
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import yamanote

from ..runtime import Config
from ..sync import CancellationToken
from ..target import TargetError, load_object, put_first_on_path
from .errors import ServeError
from .reload import Reload
from .server import serve
from .signals import stopping
from .uvicorn import make_config

# Seconds for what is left once the requests have had their time.
_GRACE = 1.0

_LEVELS = ("critical", "error", "warning", "info", "debug", "trace")

# Options that are uvicorn's, named as its own are: what is not given is left to its default.
_OPTIONS: dict[str, dict[str, Any]] = {
    "--http": {"metavar": "IMPL", "help": "auto, h11, httptools, …"},
    "--ws": {"metavar": "IMPL", "help": "auto, none, websockets, websockets-sansio, wsproto"},
    "--ws-max-size": {"type": int, "metavar": "BYTES"},
    "--ws-max-queue": {"type": int, "metavar": "N"},
    "--ws-ping-interval": {"type": float, "metavar": "SECONDS"},
    "--ws-ping-timeout": {"type": float, "metavar": "SECONDS"},
    "--interface": {"choices": ("auto", "asgi3", "asgi2", "wsgi")},
    "--env-file": {"metavar": "PATH"},
    "--log-config": {"metavar": "PATH", "help": "logging configuration: .ini, .json, .yaml"},
    "--log-level": {"choices": _LEVELS},
    "--access-log": {"action": argparse.BooleanOptionalAction},
    "--use-colors": {"action": argparse.BooleanOptionalAction},
    "--proxy-headers": {"action": argparse.BooleanOptionalAction},
    "--server-header": {"action": argparse.BooleanOptionalAction},
    "--date-header": {"action": argparse.BooleanOptionalAction},
    "--forwarded-allow-ips": {"metavar": "LIST", "help": "whose proxy headers are trusted"},
    "--root-path": {"metavar": "PATH", "help": "the ASGI root_path"},
    "--limit-concurrency": {"type": int, "metavar": "N", "help": "answer 503 beyond it"},
    "--limit-max-requests": {"type": int, "metavar": "N", "help": "then stop"},
    "--backlog": {"type": int, "metavar": "N"},
    "--timeout-keep-alive": {"type": int, "metavar": "SECONDS"},
    "--ssl-keyfile": {"metavar": "PATH"},
    "--ssl-certfile": {"metavar": "PATH"},
    "--ssl-keyfile-password": {"metavar": "TEXT"},
    "--ssl-version": {"type": int, "metavar": "N", "help": "as in the module ssl"},
    "--ssl-cert-reqs": {"type": int, "metavar": "N", "help": "as in the module ssl"},
    "--ssl-ca-certs": {"metavar": "PATH"},
    "--ssl-ciphers": {"metavar": "TEXT"},
    "--h11-max-incomplete-event-size": {"type": int, "metavar": "BYTES"},
}


def add_parser(commands: Any) -> None:
    """Add `serve` to the command line."""
    parser = commands.add_parser(
        "serve",
        help="serve a web application (ASGI) on every worker",
        description="Serve an ASGI application (FastAPI, Starlette, Quart, Django) on every "
        "worker of one process. Options that are not explained here are uvicorn's.",
        usage="%(prog)s [OPTIONS] TARGET",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("target", metavar="TARGET", help="package.module:app or path/script.py:app")
    add = parser.add_argument
    add("--host", help="address or name to listen on (default: 127.0.0.1)")
    add("--port", type=_port, help="port to listen on, 0 for a free one (default: 8000)")
    add("--uds", metavar="PATH", help="Unix socket to listen on")
    add("--fd", type=_whole, action="append", metavar="N", help="descriptor of a socket")
    add(
        "--workers",
        type=_positive,
        metavar="N",
        help="number of worker threads (default: $YAMANOTE_WORKER_THREADS, or the usable CPUs on "
        "a free-threaded build of Python and 1 on others)",
    )
    add(
        "--factory",
        action="store_true",
        help="TARGET is a function that makes the application; it is called on each worker",
    )
    add(
        "--lifespan",
        choices=("auto", "on", "once", "off"),
        help="auto: on each worker, if the application has one; on: a failure of it is an error; "
        "once: on the first worker, its state shared by all; off",
    )
    add(
        "--timeout-graceful-shutdown",
        type=float,
        metavar="SECONDS",
        help="how long running requests may go on after Ctrl-C (default: until they end)",
    )
    add("--app-dir", metavar="PATH", help="where to look for TARGET (default: this folder)")
    add(
        "--header",
        action="append",
        dest="headers",
        metavar="NAME:VALUE",
        help="add a header to all responses; may be repeated",
    )
    add("--reload", action="store_true", help="start anew when files change")
    add("--reload-dir", action="append", metavar="PATH", help="where (default: this folder)")
    add("--reload-include", action="append", metavar="GLOB", help="besides *.py")
    add("--reload-exclude", action="append", metavar="GLOB")
    for name, keywords in _OPTIONS.items():
        add(name, **keywords)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, argv: Sequence[str]) -> int:
    """Serve as the command line says, and return the exit status."""
    given = vars(options)
    given.pop("run")
    target: str = given.pop("target")
    workers: int | None = given.pop("workers", None)
    folder: str | None = given.pop("app_dir", None)
    reload = given.pop("reload", False)
    watched = {
        key: given.pop(key, ()) for key in ("reload_dir", "reload_include", "reload_exclude")
    }
    try:
        config = Config(worker_threads=workers)
        if "headers" in given:
            given["headers"] = [_header(text) for text in given["headers"]]
        if reload:
            return Reload(argv, given, **watched).run()
        if folder is not None:
            if not Path(folder).is_dir():
                raise ServeError(f"--app-dir {folder!r} is not a folder")
            put_first_on_path(Path(folder).resolve())
        # First of all: it sets up the logging, and says if uvicorn is not installed.
        make_config(None, **_of_uvicorn(given))
        app = _load(target)
        return _serve(app, config.workers, given)
    except (ServeError, TargetError, ValueError) as error:
        print(f"yamanote serve: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # before there was anything to stop


def _serve(app: Any, workers: int, options: dict[str, Any]) -> int:
    caught: list[int] = []
    forced = False

    async def main() -> None:
        nonlocal forced
        task: Any = asyncio.current_task()
        shutdown = CancellationToken()
        with stopping(shutdown.cancel, task.cancel) as signals:
            try:
                await serve(app, shutdown=shutdown, **options)
            except asyncio.CancelledError:
                if not signals:
                    raise
                forced = True
            finally:
                caught.extend(signals)

    runtime = yamanote.Runtime(worker_threads=workers)
    try:
        try:
            runtime.block_on(main())
        finally:
            # What ignores its cancellation has had its time.
            limited = forced or options.get("timeout_graceful_shutdown") is not None
            runtime.shutdown_timeout(_GRACE if limited else math.inf)
    except ServeError:
        raise
    except KeyboardInterrupt:
        pass
    except Exception as error:
        return _failed("the application does not start", error)
    if signal.SIGTERM in caught:
        # As it would have ended without a handler: whoever has sent it can tell.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
    return 0


def _of_uvicorn(options: dict[str, Any]) -> dict[str, Any]:
    ours = {"host", "port", "uds", "fd", "factory", "lifespan", "timeout_graceful_shutdown"}
    return {key: value for key, value in options.items() if key not in ours}


def _load(target: str) -> Any:
    try:
        return load_object(target, (), "app")
    except TargetError:
        raise
    except Exception as error:
        raise SystemExit(_failed(f"importing {target} has failed", error)) from None


def _failed(what: str, error: Exception) -> int:
    """Show where the application's own code has failed, without ours."""
    folders = [os.path.dirname(str(module.__file__)) for module in (yamanote, importlib)]
    ours = (*folders, "<frozen importlib")
    place: TracebackType | None = error.__traceback__
    while place is not None and place.tb_frame.f_code.co_filename.startswith(ours):
        place = place.tb_next
    print(f"yamanote serve: {what}:", file=sys.stderr)
    traceback.print_exception(type(error), error, place)
    return 1


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ServeError(f"--header takes NAME:VALUE, not {text!r}")
    return name, value.strip()


def _port(text: str) -> int:
    number = _whole(text)
    if number > 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, 0 to 65535")
    return number


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number")
    return number
