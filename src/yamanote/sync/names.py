"""What `yamanote.sync` has."""

from . import broadcast, mpsc, oneshot, watch
from .barrier import Barrier, BarrierWaitResult
from .cancellation import CancellationToken, DropGuard
from .errors import (
    AcquireError,
    Lagged,
    RecvError,
    SendError,
    SendTimeoutError,
    SetError,
    SetOnceError,
    TryAcquireError,
    TryLockError,
    TryRecvError,
    TrySendError,
)
from .mutex import Mutex, MutexGuard, MutexScope
from .notify import Notified, Notify
from .once_cell import OnceCell
from .rwlock import RwLock, RwLockReadGuard, RwLockWriteGuard
from .semaphore import Semaphore, SemaphorePermit
from .set_once import SetOnce

__all__ = [
    "AcquireError",
    "Barrier",
    "BarrierWaitResult",
    "CancellationToken",
    "DropGuard",
    "Lagged",
    "Mutex",
    "MutexGuard",
    "MutexScope",
    "Notified",
    "Notify",
    "OnceCell",
    "RecvError",
    "RwLock",
    "RwLockReadGuard",
    "RwLockWriteGuard",
    "Semaphore",
    "SemaphorePermit",
    "SendError",
    "SendTimeoutError",
    "SetError",
    "SetOnce",
    "SetOnceError",
    "TryAcquireError",
    "TryLockError",
    "TryRecvError",
    "TrySendError",
    "broadcast",
    "mpsc",
    "oneshot",
    "watch",
]
