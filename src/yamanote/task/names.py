"""What `yamanote.task` has."""

from ..runtime.join import AbortHandle, Id, JoinError, JoinHandle
from . import coop
from .blocking import block_in_place, spawn_blocking
from .combine import Selected, join, select, try_join
from .coop import yield_now
from .ids import id, try_id
from .join_map import JoinMap, JoinMapError
from .join_set import JoinSet, JoinSetBuilder, JoinSetEmpty
from .local import LocalEnterGuard, LocalSet, spawn_local
from .local_key import AccessError, LocalKey
from .local_pool import LocalPool
from .spawning import Builder, spawn
from .tracker import TaskTracker, TaskTrackerToken

__all__ = [
    "AbortHandle",
    "AccessError",
    "Builder",
    "Id",
    "JoinError",
    "JoinHandle",
    "JoinMap",
    "JoinMapError",
    "JoinSet",
    "JoinSetBuilder",
    "JoinSetEmpty",
    "LocalEnterGuard",
    "LocalKey",
    "LocalPool",
    "LocalSet",
    "Selected",
    "TaskTracker",
    "TaskTrackerToken",
    "block_in_place",
    "coop",
    "id",
    "join",
    "select",
    "spawn",
    "spawn_blocking",
    "spawn_local",
    "try_id",
    "try_join",
    "yield_now",
]
