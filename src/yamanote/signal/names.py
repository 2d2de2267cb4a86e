"""What `yamanote.signal` has."""

from .streams import Signal, ctrl_c, unix

__all__ = ["Signal", "ctrl_c", "unix"]
