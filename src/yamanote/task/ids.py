"""Which task is this?"""

from __future__ import annotations

from ..runtime.compat import current_task
from ..runtime.join import Id
from ..runtime.task import Task


def id() -> Id:
    """The number of the task that calls this.

    Raises:
        RuntimeError: not inside a Yamanote task.

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
    task = current_task()
    return task.id if isinstance(task, Task) else None
