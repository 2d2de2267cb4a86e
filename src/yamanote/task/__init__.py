"""Asynchronous green threads: what can be done with tasks.

Tokio: `tokio::task`.
"""

from typing import TYPE_CHECKING

from ..later import importer
from ..runtime.join import AbortHandle, Id, JoinError, JoinHandle
from . import coop
from .blocking import block_in_place, spawn_blocking
from .coop import yield_now
from .ids import id, try_id
from .local import LocalEnterGuard, LocalSet, spawn_local
from .local_key import AccessError, LocalKey
from .spawn import Builder, spawn

if TYPE_CHECKING:
    from .combine import Selected, join, select, try_join
    from .join_map import JoinMap, JoinMapError
    from .join_set import JoinSet, JoinSetBuilder, JoinSetEmpty
    from .local_pool import LocalPool
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

# A sixth of the time that `import yamanote` takes.
__getattr__ = importer(
    __name__,
    {
        "JoinMap": "join_map",
        "JoinMapError": "join_map",
        "JoinSet": "join_set",
        "JoinSetBuilder": "join_set",
        "JoinSetEmpty": "join_set",
        "LocalPool": "local_pool",
        "Selected": "combine",
        "TaskTracker": "tracker",
        "TaskTrackerToken": "tracker",
        "join": "combine",
        "select": "combine",
        "try_join": "combine",
    },
)
