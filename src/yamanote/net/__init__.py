"""Native sockets, which any task on any worker may use, and streams of bytes.

Tokio: `tokio::net`, and `tokio::io`.
"""

from typing import TYPE_CHECKING

from ..later import import_later

if TYPE_CHECKING:
    from .names import *
else:
    import_later(__name__)
