"""Which task is this?"""

from __future__ import annotations

from ..runtime.compat import current_task
from ..runtime.here import here
from ..runtime.join import Id, JoinHandle
from ..runtime.task import Task


def id() -> Id:
    """The number of the task that calls this.

    Raises:
        RuntimeError: not inside a spawned task or call; the main coroutine of `block_on` is none.

    Tokio: `task::id`.
    """
    current = try_id()
    if current is None:
        raise RuntimeError(
            "task.id() can be called inside a Yamanote task only: try_id() elsewhere"
        )
    return current


def try_id() -> Id | None:
    """The number of the task that calls this; None outside of a Yamanote task.

    Tokio: `task::try_id`.
    """
    task = current_task() or here.blocking_call
    if not isinstance(task, JoinHandle) or (isinstance(task, Task) and task.main() is not None):
        return None
    return task.id
