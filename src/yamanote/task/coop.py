"""Cooperative scheduling: giving others a turn.

Every awaitable of Yamanote that is ready at once takes one from the task's budget, which
each poll of the task renews; when it is used up the await yields. So a loop of awaits
that never have to wait does not starve the other tasks.

Tokio: `task::coop`, `task::yield_now`.
"""

from __future__ import annotations

from collections.abc import Generator
from types import coroutine
from typing import Any, TypeVar

from ..runtime.compat import current_task
from ..runtime.task import UNCONSTRAINED, Spawnable, Task, as_coroutine
from ..runtime.trio import running_trio

T = TypeVar("T")


@coroutine
def yield_now() -> Generator[Any, None, None]:
    """Give the other tasks a turn.

    The task goes to the back of its worker's queue. Cancel-safe. It works in tasks of
    asyncio and trio too. Tokio: `task::yield_now`.
    """
    # Every yield makes this frame: with the other function's variable it takes 4 % longer.
    try:
        yield
    except TypeError:
        yield from _as_trio_does()


def _as_trio_does() -> Generator[Any, None, None]:
    """After trio's answer, in a turn of its own, to a yield that is none of its own. To ask for
    trio beforehand would cost every yield of ours a tenth."""
    trio = running_trio()
    if trio is None:
        raise  # what is being handled
    yield from trio.lowlevel.checkpoint_if_cancelled().__await__()


@coroutine
def consume_budget() -> Generator[None, None, None]:
    """Take one from the task's budget, and yield if none is left.

    For loops of long computations. Outside of a Yamanote task it does nothing.
    Cancel-safe. Tokio: `task::coop::consume_budget`.
    """
    task = current_task()
    if isinstance(task, Task):
        if task._out_of_budget():
            yield
        task._budget -= 1


def has_budget_remaining() -> bool:
    """Whether an await that is ready at once would go on without yielding.

    True outside of a Yamanote task. Tokio: `task::coop::has_budget_remaining`.
    """
    task = current_task()
    return not isinstance(task, Task) or not task._out_of_budget()


async def unconstrained(coro: Spawnable[T]) -> T:
    """Await `coro` without regard to the budget.

    The other tasks of the worker wait until it really has to. Tokio:
    `task::coop::unconstrained`.
    """
    task = current_task()
    if not isinstance(task, Task):
        return await as_coroutine(coro)
    locals = task._locals
    if locals is None:
        locals = task._locals = {}
    del task  # an error's traceback refers to this frame
    locals[UNCONSTRAINED] = locals.get(UNCONSTRAINED, 0) + 1
    try:
        return await as_coroutine(coro)
    finally:
        locals[UNCONSTRAINED] -= 1
        if not locals[UNCONSTRAINED]:
            del locals[UNCONSTRAINED]


async def cooperative(coro: Spawnable[T]) -> T:
    """Await `coro`, taking one from the task's budget for it.

    For awaitables of other libraries, which know nothing of the budget. Tokio:
    `task::coop::cooperative`.
    """
    await consume_budget()
    return await as_coroutine(coro)
