"""How tasks run: runtimes, their configuration, handles to them, their figures.

Tokio: `tokio::runtime`.
"""

from typing import TYPE_CHECKING

from ..later import import_later

if TYPE_CHECKING:
    from .names import *
else:
    import_later(__name__)
