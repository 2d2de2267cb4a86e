"""What goes wrong before the first request."""

from __future__ import annotations


class ServeError(Exception):
    """An application cannot be served: the message says why, in one line for a user."""
