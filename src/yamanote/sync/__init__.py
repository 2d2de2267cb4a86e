"""Channels, locks and signals for tasks on any worker, in any library, and for threads.

Tokio: `tokio::sync`, tokio-util's `sync`.
"""

from typing import TYPE_CHECKING

from ..later import import_later

if TYPE_CHECKING:
    from .names import *
else:
    import_later(__name__)
