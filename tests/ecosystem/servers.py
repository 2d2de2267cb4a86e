"""Real servers, each in a temporary folder and on a free port of the loopback interface.

Where a client library or a server is not installed its tests are skipped; with
YAMANOTE_SERVERS=required in the environment a missing server is a failure.
"""

from __future__ import annotations

import glob
import importlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

START = 60.0  # seconds that only a failure waits
ATTEMPTS = 5  # another process may take a free port before the server does


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server with the superuser `postgres`, who needs no password."""

    port: int
    sockets: str

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"


@dataclass(frozen=True)
class Redis:
    """A Redis server that keeps nothing on disk."""

    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


def package(name: str) -> Any:
    """Import a module at the top of a test module; one that cannot be had is no failure, for
    there are no wheels for every Python."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"no Python package {error.name}", allow_module_level=True)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Debian's package `postgresql`."""
    initdb, pg_ctl = program("initdb", "postgresql"), program("pg_ctl", "postgresql")
    with tempfile.TemporaryDirectory(prefix="yamanote-pg-") as folder:
        as_user: dict[str, Any] = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            nobody = pwd.getpwnam("nobody")
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            as_user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        data, log = f"{folder}/data", f"{folder}/log"

        def call(*command: str) -> int:
            # Into a file: the server inherits it, and a pipe would never come to its end.
            with open(log, "a") as out:
                os.chmod(log, 0o666)
                env = {**os.environ, "LC_ALL": "C"}
                code = subprocess.call(
                    command, stdout=out, stderr=out, cwd=folder, env=env, **as_user
                )
            return code

        auth = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        if call(initdb, "--pgdata", data, "--no-sync", *auth):
            _failed("initdb", Path(log))
        for _ in range(ATTEMPTS):
            port = _free_port()
            # A query that waits for a lock: PostgreSQL forgets the cancellation of one that it
            # has not begun yet, so on a busy machine only its own limit may end it.
            limit = "-c lock_timeout=3s"
            options = f"-F {limit} -c listen_addresses=127.0.0.1 -p {port} -k {folder}"
            start = ["start", "--wait", "--timeout", str(int(START)), "--options", options]
            if call(pg_ctl, "--pgdata", data, "--log", log, *start) == 0:
                break
        else:
            _failed("PostgreSQL", Path(log))
        try:
            yield Postgres(port, folder)
        finally:
            call(pg_ctl, "--pgdata", data, "stop", "--wait", "--mode", "immediate")


@contextmanager
def redis() -> Iterator[Redis]:
    """Debian's package `redis-server`."""
    executable = program("redis-server", "redis-server")
    with tempfile.TemporaryDirectory(prefix="yamanote-redis-") as folder:
        log = f"{folder}/log"
        for _ in range(ATTEMPTS):
            port = _free_port()
            where = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder]
            server = subprocess.Popen([executable, *where, "--logfile", log, "--save", ""])
            if _accepts(server, port):
                break
            server.kill()
            server.wait()
        else:
            _failed("Redis", Path(log))
        try:
            yield Redis(port)
        finally:
            server.kill()
            server.wait()


def program(name: str, debian: str) -> str:
    # Debian keeps PostgreSQL's out of the PATH, a folder for each version.
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])
    found = shutil.which(name, path=path)
    if found is None:
        reason = f"{name} is not installed (Debian, Ubuntu: apt install {debian})"
        if os.environ.get("YAMANOTE_SERVERS") == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return found


def _failed(what: str, log: Path) -> NoReturn:
    text = log.read_text(errors="replace") if log.exists() else ""
    pytest.fail(f"{what} does not start:\n{text}", pytrace=False)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _accepts(server: subprocess.Popen[bytes], port: int) -> bool:
    """Wait until the server accepts connections; False when it has ended instead."""
    deadline = time.monotonic() + START
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), START).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
        else:
            return server.poll() is None
    return False
