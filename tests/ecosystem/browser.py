"""Headless Chromium (Debian's package `chromium`), by its remote debugging protocol."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

LIMIT = 60.0  # seconds, which only a failure takes

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


class Page:
    """A page, in which JavaScript can be run."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._ids = itertools.count()

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            answer = json.loads(self._socket.recv(LIMIT))
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; a promise is awaited."""
        answer = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")


@contextmanager
def opened(url: str) -> Iterator[Page]:
    """A browser that shows the page; the test is skipped if there is none."""
    client = pytest.importorskip("websockets.sync.client", exc_type=ImportError)
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        reason = "chromium is not installed (Debian, Ubuntu: apt install chromium)"
        if os.environ.get("YAMANOTE_SERVERS") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = subprocess.Popen(
            [
                program,
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
                "--no-proxy-server",
                "--remote-debugging-port=0",
                f"--user-data-dir={folder}",
                "about:blank",
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert browser.stderr is not None
            found = None
            for line in browser.stderr:
                if found := re.search(r"DevTools listening on ws://([^/]+)", line):
                    break
            assert found, "Chromium does not start"
            request = urllib.request.Request(f"http://{found[1]}/json/new?{url}", method="PUT")
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(request, timeout=LIMIT) as answer:
                target = json.load(answer)["webSocketDebuggerUrl"]
            with client.connect(target, proxy=None, open_timeout=LIMIT) as socket:
                page = Page(socket)
                # The new page is an empty one first.
                while page.run("location.href + document.readyState") != f"{url}/complete":
                    pass
                yield page
        finally:
            browser.kill()
            browser.wait()
            assert browser.stderr is not None
            browser.stderr.close()
