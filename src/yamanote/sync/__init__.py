"""Telling other tasks something.

Tokio: `tokio::sync`, tokio-util's `sync`.
"""

from .cancellation import CancellationToken, DropGuard

__all__ = [
    "CancellationToken",
    "DropGuard",
]
