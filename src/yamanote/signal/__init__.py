"""Waiting for the operating system's signals.

    terminate = signal.unix(SIGTERM)
    ...
    await terminate.recv()

Python lets the main thread alone install a handler. Streams can be made and waited for
anywhere, but one of another thread needs a main thread that runs a runtime, to ask it.

Tokio: `tokio::signal`.
"""

from typing import TYPE_CHECKING

from ..later import import_later

if TYPE_CHECKING:
    from .names import *
else:
    import_later(__name__)
