"""uvicorn, of which the protocols, the lifespan and the configuration are used."""

from __future__ import annotations

import importlib
import ssl
from typing import Any

from .errors import ServeError


def make_config(app: Any, *, log_config: bool = True, **options: Any) -> Any:
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
    if not log_config:
        # Logging is the whole process's, and set up.
        options["log_config"] = None
    try:
        return uvicorn.Config(app, **options)
    except (ValueError, OSError, ImportError, KeyError) as error:
        raise ServeError(f"uvicorn does not accept this configuration: {error}") from error


def load(config: Any) -> None:
    """Have a `uvicorn.Config` load the protocols and make its application.

    Raises:
        ServeError: the certificates cannot be loaded, or a protocol is not installed.
        Exception: what the application's factory raised.
    """
    wrong_name = importlib.import_module("uvicorn.importer").ImportFromStringError
    if config.ssl_keyfile and not config.ssl_certfile:
        raise ServeError("ssl_keyfile needs ssl_certfile: TLS takes a key and a certificate")
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


def new_state() -> Any:
    """What uvicorn's protocols of one worker share: `uvicorn.server.ServerState`."""
    return importlib.import_module("uvicorn.server").ServerState()
