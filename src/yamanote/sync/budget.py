"""What an await costs that is ready at once."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

from ..runtime.compat import current_task, running_task
from ..runtime.task import Task


def spend_budget(count: int = 1) -> Generator[Any, None, None]:
    """Yield, if the task has had its share; for `yield from` in an await that is ready at once,
    or has been so `count` times."""
    task = current_task()
    if isinstance(task, Task):
        if task._budget <= 0 and task._out_of_budget():
            yield None
        task._budget -= count
    del task  # a cancellation's traceback refers to this frame


def out_of_budget() -> bool:
    """Take a share of the task's budget; whether there was none, and it has to yield."""
    try:
        task = running_task()
    except RuntimeError:
        return False
    if not isinstance(task, Task):
        return False
    if task._budget <= 0 and task._out_of_budget():
        return True
    task._budget -= 1
    return False


class Sent:
    """The await of what has been sent already."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return spend_budget()


SENT: Final = Sent()
