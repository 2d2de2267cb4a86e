"""Asynchronous green threads: what can be done with tasks.

Tokio: `tokio::task`.
"""

from typing import TYPE_CHECKING

from ..later import import_later

if TYPE_CHECKING:
    from .names import *
else:
    import_later(__name__)
