"""`--reload`: a child process that serves, started anew when files change.

The parent holds the listening sockets, so that a request made meanwhile waits instead of
being refused.
"""

from __future__ import annotations

import importlib
import logging
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from .errors import ServeError
from .listener import Listener
from .signals import HANDLED
from .uvicorn import make_config

logger = logging.getLogger("uvicorn.error")

_INCLUDED = ("*.py",)
_EXCLUDED = (".*", ".py[cod]", ".sw.*", "~*")

# Options that concern the parent alone, and whether they take a value.
_OWN = {
    "--reload": False,
    "--reload-dir": True,
    "--reload-include": True,
    "--reload-exclude": True,
    "--host": True,
    "--port": True,
    "--uds": True,
    "--fd": True,
}

# Seconds that a child which was told to stop is given beyond its requests' deadline.
_PATIENCE = 10.0


class Reload:
    """Starts the server in a child process, again and again.

    Raises:
        ServeError: watchfiles is not installed, or an address is in use.
    """

    def __init__(
        self,
        argv: Sequence[str],
        options: dict[str, Any],
        *,
        reload_dir: Sequence[str],
        reload_include: Sequence[str],
        reload_exclude: Sequence[str],
    ) -> None:
        try:
            self._watch: Any = importlib.import_module("watchfiles").watch
        except ImportError as error:
            raise ServeError(
                f"--reload needs watchfiles ({error}): pip install 'yamanote[serve]'"
            ) from None
        log = {key: options[key] for key in ("log_config", "log_level") if key in options}
        make_config(None, **log)
        self._folders = [Path(folder).resolve() for folder in reload_dir or (".",)]
        for folder in self._folders:
            if not folder.is_dir():
                raise ServeError(f"--reload-dir {str(folder)!r} is not a folder")
        self._included = (*_INCLUDED, *reload_include)
        self._excluded = tuple(
            pattern for pattern in _EXCLUDED if pattern not in reload_include
        ) + tuple(reload_exclude)
        where = {key: options[key] for key in ("host", "port", "uds", "fd") if key in options}
        if not where.keys() & {"uds", "fd"}:
            where = {"host": "127.0.0.1", "port": 8000, **where}
        self._scheme = "https" if "ssl_certfile" in options else "http"
        self._listener = Listener(**where)
        self._listener.listen(options.get("backlog", 2048))
        self._args = _without_own(argv)
        grace = options.get("timeout_graceful_shutdown")
        self._patience = None if grace is None else grace + _PATIENCE
        self._stopping = threading.Event()
        self._caught: list[int] = []
        self._child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Serve until a signal comes, and return the exit status."""
        before = {signum: signal.signal(signum, self._on_signal) for signum in HANDLED}
        try:
            logger.info(
                "Yamanote serves on %s and watches %s for changes (Press CTRL+C to quit)",
                ", ".join(self._listener.urls(self._scheme)),
                ", ".join(map(str, self._folders)),
            )
            # First the watch, which then sees each change that the child does not.
            changes = self._watch(
                *self._folders,
                watch_filter=None,
                stop_event=self._stopping,
                yield_on_timeout=True,
                ignore_permission_denied=True,
                debounce=200,
                rust_timeout=500,
                raise_interrupt=False,
            )
            self._start()
            for changed in changes:
                if self._stopping.is_set():
                    break
                paths = {Path(path) for _, path in changed}
                seen = sorted(str(path) for path in paths if self._is_watched(path))
                if seen:
                    logger.warning("Changes in %s: starting anew", ", ".join(seen))
                    self._stop()
                    self._start()
        finally:
            self._stop()
            self._listener.close()
            for signum, handler in before.items():
                signal.signal(signum, handler)
        if signal.SIGTERM in self._caught:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.raise_signal(signal.SIGTERM)
        return 0

    def _is_watched(self, path: Path) -> bool:
        if not any(
            fnmatch(path.name, pattern) or path.match(pattern) for pattern in self._included
        ):
            return False
        parts = [path]
        for folder in self._folders:
            if folder in path.parents:
                # A folder that is left out leaves out all below it.
                parts += [above for above in path.parents if folder in above.parents]
        return not any(
            part.match(pattern) or str(part) == str(Path(pattern).resolve())
            for part in parts
            for pattern in self._excluded
        )

    def _start(self) -> None:
        fds = [sock.fileno() for sock in self._listener.sockets]
        given = [word for fd in fds for word in ("--fd", str(fd))]
        command = [sys.executable, "-m", "yamanote", "serve", *given, *self._args]
        self._child = subprocess.Popen(command, pass_fds=fds)

    def _stop(self) -> None:
        child = self._child
        if child is None:
            return
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(self._patience)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._child = None

    def _on_signal(self, signum: int, _: Any) -> None:
        first = not self._caught  # before: another handler may run in the midst of this one
        self._caught.append(signum)
        self._stopping.set()
        child = self._child
        if first and child is not None and child.poll() is None:
            # Ctrl-C comes to the child from the terminal too: there a SIGTERM that follows it
            # hurries nothing, and another Ctrl-C does.
            child.terminate()


def _without_own(argv: Sequence[str]) -> list[str]:
    """The command line for the child."""
    left: list[str] = []
    words = iter(argv)
    for word in words:
        name, equals, _ = word.partition("=")
        if name not in _OWN:
            left.append(word)
        elif _OWN[name] and not equals:
            next(words, None)
    return left
