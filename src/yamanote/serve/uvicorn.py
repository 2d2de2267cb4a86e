"""uvicorn, of which the protocols, the lifespan and the configuration are used."""

from __future__ import annotations

import importlib
import os
import ssl
from collections.abc import Callable
from typing import Any

from ..runtime.at_once import AtOnce
from .errors import ServeError


def make_config(app: Any, *, sets_up_logging: bool = True, **options: Any) -> Any:
    """A `uvicorn.Config` for an application.

    Raises:
        ServeError: uvicorn is not installed, or an option is impossible.
        TypeError: there is no such option.
    """
    try:
        uvicorn: Any = importlib.import_module("uvicorn")
    except ImportError as error:
        raise ServeError(
            f"uvicorn is needed to serve applications ({error}): pip install 'yamanote[serve]'"
        ) from None
    if not sets_up_logging:  # which is the whole process's
        options["log_config"] = None
    _check_file(options, "log_config", "the logging configuration")
    try:
        return uvicorn.Config(app, **options)
    except (ValueError, OSError, ImportError, KeyError) as error:
        raise ServeError(f"uvicorn does not accept this configuration: {error}") from error


def load(config: Any) -> None:
    """Have a `uvicorn.Config` load the protocols and make its application.

    Raises:
        ServeError: the certificates cannot be loaded, a protocol is not installed, or the
            application cannot be called.
        Exception: what the application's factory raised.
    """
    wrong_name = importlib.import_module("uvicorn.importer").ImportFromStringError
    if config.ssl_keyfile and not config.ssl_certfile:
        raise ServeError("ssl_keyfile needs ssl_certfile: TLS takes a key and a certificate")
    if config.is_ssl:
        for option in ("ssl_certfile", "ssl_keyfile", "ssl_ca_certs"):
            _check_file(vars(config), option, "the TLS files")
    if not isinstance(config.app, str):  # which is uvicorn's to import
        if config.factory:
            config.app = _checked(_callable(config.app, "factory of applications"))
        else:
            _callable(config.app, "application")
    try:
        config.load()
    except ssl.SSLError as error:
        raise ServeError(f"cannot use these TLS files: {error}") from error
    except OSError as error:
        if error.filename is None and not config.is_ssl:
            raise
        raise ServeError(f"cannot read the TLS files: {error}") from error
    except (ImportError, wrong_name) as error:
        raise ServeError(f"uvicorn lacks what this configuration needs: {error}") from error
    except SystemExit:
        raise ServeError("the application's factory cannot be called, see above") from None


def _check_file(options: dict[str, Any], option: str, what: str) -> None:
    # Neither `ssl` nor all of Python's `logging` would say which it is.
    path = options.get(option)
    if isinstance(path, str | os.PathLike) and not os.path.exists(path):
        raise ServeError(f"cannot read {what}: there is no {os.fspath(path)!r}")


def _callable(app: Any, what: str) -> Any:
    if not callable(app):
        raise ServeError(f"{app!r} is no {what}: it cannot be called")
    return app


def _checked(factory: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: _callable(factory(), "application, which the factory has to return")


def new_state() -> Any:
    """What uvicorn's protocols of one worker share: `uvicorn.server.ServerState`."""
    state = importlib.import_module("uvicorn.server").ServerState()
    state.tasks = _Tasks()
    return state


class _Tasks(set[Any]):
    """The requests' tasks, each of which gets `discard` as a done callback."""

    def __init__(self) -> None:
        self.discard = AtOnce(super().discard)  # type: ignore[method-assign]
