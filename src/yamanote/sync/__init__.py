"""Channels, locks and signals for tasks on any worker, in any library, and for threads.

Tokio: `tokio::sync`, tokio-util's `sync`.
"""

from .cancellation import CancellationToken, DropGuard
from .errors import (
    AcquireError,
    Lagged,
    RecvError,
    SendError,
    SendTimeoutError,
    TryAcquireError,
    TryLockError,
    TryRecvError,
    TrySendError,
)
from .mutex import Mutex, MutexGuard
from .rwlock import RwLock, RwLockReadGuard, RwLockWriteGuard
from .semaphore import Semaphore, SemaphorePermit

__all__ = [
    "AcquireError",
    "CancellationToken",
    "DropGuard",
    "Lagged",
    "Mutex",
    "MutexGuard",
    "RecvError",
    "RwLock",
    "RwLockReadGuard",
    "RwLockWriteGuard",
    "Semaphore",
    "SemaphorePermit",
    "SendError",
    "SendTimeoutError",
    "TryAcquireError",
    "TryLockError",
    "TryRecvError",
    "TrySendError",
]
