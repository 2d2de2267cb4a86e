"""Waiting for time to pass. All durations are seconds, as floats.

Tokio: `tokio::time`.
"""

from typing import TYPE_CHECKING

from ..later import import_later

if TYPE_CHECKING:
    from .names import *
else:
    import_later(__name__)
