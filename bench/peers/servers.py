"""Servers of ASGI applications, by their command lines."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, ClassVar

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

    def run(self, function: Callable[..., Any], *args: Any, workers: int = 1) -> Any:
        raise Unable("it is a program")

    def _load(self, meter: Meter, application: str, seconds: int) -> bool:
        if find_spec(self.module) is None:
            raise Unable("not installed")
        arguments = self.arguments.replace("{app}", f"bench.web.{application}:app").split()
        with wrk.server([sys.executable, "-m", self.module, *arguments]) as url:
            meter.read(1 / wrk.load(url, seconds))
        return True


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
