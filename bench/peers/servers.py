"""Servers of ASGI applications, by their command lines."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import ClassVar

from bench.meter import Meter
from bench.web import wrk

from .peer import Peer, Unable

YAMANOTE = "serve {app} --port {port} --log-level warning --no-access-log"
UVICORN = "{app} --port {port} --log-level warning --no-access-log"


class Server(Peer):
    """Run as `python -m`; the arguments are for an application and a port."""

    arguments: ClassVar[str]

    def plain(self, meter: Meter, seconds: int) -> bool:
        return self._load(meter, "plain", seconds)

    def starlette(self, meter: Meter, seconds: int) -> bool:
        return self._load(meter, "starlette_hello", seconds)

    def fastapi(self, meter: Meter, seconds: int) -> bool:
        return self._load(meter, "fastapi_hello", seconds)

    def busy(self, meter: Meter, seconds: int) -> bool:
        return self._load(meter, "busy", seconds)

    def tail(self, meter: Meter, seconds: int) -> bool:
        with self._started("fastapi_hello") as server:
            meter.read(server.load(seconds).tail)
        return True

    def memory(self, meter: Meter, seconds: int) -> bool:
        with self._started("fastapi_hello") as server:
            server.load(seconds)
            meter.read(server.memory())
        return True

    def _load(self, meter: Meter, application: str, seconds: int) -> bool:
        with self._started(application) as server:
            meter.read(1 / server.load(seconds).per_second)
        return True

    def _started(self, application: str) -> AbstractContextManager[wrk.Server]:
        if find_spec(self.module) is None:
            raise Unable("not installed")
        arguments = self.arguments.replace("{app}", f"bench.web.{application}:app").split()
        return wrk.server([sys.executable, "-m", self.module, *arguments])


class YamanoteServe(Server):
    name = "yamanote serve"
    distribution = module = "yamanote"
    arguments = YAMANOTE


class YamanoteServeTwo(YamanoteServe):
    name = "yamanote serve, 2 workers"
    arguments = f"{YAMANOTE} --workers 2"


class Uvicorn(Server):
    name = distribution = module = "uvicorn"
    arguments = UVICORN


class UvicornTwo(Uvicorn):
    name = "uvicorn, 2 processes"
    arguments = f"{UVICORN} --workers 2"


class Hypercorn(Server):
    name = distribution = module = "hypercorn"
    arguments = "{app} --bind 127.0.0.1:{port} --log-level warning"


class Granian(Server):
    name = distribution = module = "granian"
    arguments = "{app} --interface asgi --port {port} --log-level warning"
