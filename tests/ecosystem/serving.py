"""`yamanote serve` as a process, for the tests that drive it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yamanote

LIMIT = 30.0  # seconds, which only a failure takes


class Process:
    """The command, with what it says on standard error."""

    def __init__(self, folder: Path, *args: str, **keywords: Any) -> None:
        self._changed = threading.Condition()
        self.lines: list[str] = []
        self._ended = False
        environment = {
            **os.environ,
            "PYTHONPATH": str(Path(yamanote.__file__).parents[1]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
            **keywords.pop("environment", {}),
        }
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "yamanote", "serve", *args],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # A shell's background job ignores Ctrl-C, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            **keywords,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        self.popen.stdout.close()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def says(self, pattern: str, times: int = 1) -> re.Match[str]:
        """Wait until a line that matches has come so many times; returns the last match."""

        def found() -> list[re.Match[str]]:
            return [match for line in self.lines if (match := re.search(pattern, line))]

        with self._changed:
            self._changed.wait_for(lambda: len(found()) >= times or self._ended, LIMIT)
            matches = found()
        assert len(matches) >= times, f"{pattern!r} is not in:\n{self.output}"
        return matches[times - 1]

    def url(self) -> str:
        """Where it serves, once it does."""
        return self.says(r"serves on (\S+?),? ")[1]

    def send(self, signum: int) -> None:
        self.popen.send_signal(signum)

    def wait(self) -> int:
        """Its exit status."""
        status = self.popen.wait(LIMIT)
        self._reader.join(LIMIT)
        return status

    def kill(self) -> None:
        self.popen.kill()
        self.wait()

    def stop(self, signum: int = signal.SIGINT) -> int:
        self.send(signum)
        return self.wait()


@contextmanager
def serving(folder: Path, *args: str, failures: bool = False, **keywords: Any) -> Iterator[Process]:
    """A server on a free port, unless told otherwise; in the end Ctrl-C must end it, and
    without `failures` it must have said of none."""
    if not {"--port", "--uds", "--fd"} & set(args):
        args = ("--port", "0", *args)
    process = Process(folder, *args, **keywords)
    try:
        yield process
        if process.popen.poll() is None:
            assert process.stop() == 0, process.output
        assert failures or "Traceback" not in process.output, process.output
    finally:
        process.kill()
