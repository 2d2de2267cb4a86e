"""Awaiting several things at once inside one task.

Tokio: `tokio::join!`, `try_join!`, `select!`.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, NamedTuple, TypeVar, overload

from ..runtime.branches import Branches, group
from ..runtime.here import here
from ..runtime.task import Spawnable

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
D = TypeVar("D")
B_co = TypeVar("B_co", covariant=True)
T_co = TypeVar("T_co", covariant=True)


class Selected(NamedTuple, Generic[B_co, T_co]):
    """What `select` returns: which branch won, and its result.

    `branch` is the keyword of a named branch, the index of a positional one, and None if
    all were disabled and `value` is the default. A type checker that sees the index knows the
    type of `value`, for up to four positional branches.
    """

    branch: B_co
    value: T_co


@overload
async def join(a: Spawnable[T1], /, *, biased: bool = ...) -> tuple[T1]: ...
@overload
async def join(a: Spawnable[T1], b: Spawnable[T2], /, *, biased: bool = ...) -> tuple[T1, T2]: ...
@overload
async def join(
    a: Spawnable[T1], b: Spawnable[T2], c: Spawnable[T3], /, *, biased: bool = ...
) -> tuple[T1, T2, T3]: ...
@overload
async def join(
    a: Spawnable[T1], b: Spawnable[T2], c: Spawnable[T3], d: Spawnable[T4], /, *, biased: bool = ...
) -> tuple[T1, T2, T3, T4]: ...
@overload
async def join(
    a: Spawnable[T1],
    b: Spawnable[T2],
    c: Spawnable[T3],
    d: Spawnable[T4],
    e: Spawnable[T5],
    /,
    *,
    biased: bool = ...,
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
async def join(
    a: Spawnable[T1],
    b: Spawnable[T2],
    c: Spawnable[T3],
    d: Spawnable[T4],
    e: Spawnable[T5],
    f: Spawnable[T6],
    /,
    *,
    biased: bool = ...,
) -> tuple[T1, T2, T3, T4, T5, T6]: ...
@overload
async def join(*awaitables: Spawnable[T], biased: bool = ...) -> tuple[T, ...]: ...


async def join(*awaitables: Any, biased: bool = False) -> tuple[Any, ...]:
    """Await all of `awaitables` at the same time, inside this task.

    All run to their end, also when one fails. They share the caller's contextvars and
    task-locals and never run in parallel; for that, spawn them.

    Args:
        awaitables: coroutines, any awaitables, and futures of `concurrent.futures`, which
            are waited for but never cancelled.
        biased: poll those that can go on in the order given, every time. By default each
            round begins with another one, which is fair: they share the caller's budget.

    Returns:
        The results, in the order of the arguments.

    Raises:
        Exception: what the first one to fail raised, when all have ended; what others
            raised is logged.
        KeyboardInterrupt, SystemExit: one of them raised it, which cancels the others.
        TypeError, RuntimeError: an argument cannot be awaited, as for `spawn`.
        RuntimeError: the caller is a task of trio: join and select run in tasks of
            Yamanote and asyncio.

    Cancelling the caller cancels all and sees them end. Tokio: `tokio::join!`.
    """
    branches = group(awaitables, len(awaitables), biased=biased)
    try:
        await branches
        return _results(branches)
    finally:
        del branches  # an error's traceback refers to this frame


@overload
async def try_join(a: Spawnable[T1], /, *, biased: bool = ...) -> tuple[T1]: ...
@overload
async def try_join(
    a: Spawnable[T1], b: Spawnable[T2], /, *, biased: bool = ...
) -> tuple[T1, T2]: ...
@overload
async def try_join(
    a: Spawnable[T1], b: Spawnable[T2], c: Spawnable[T3], /, *, biased: bool = ...
) -> tuple[T1, T2, T3]: ...
@overload
async def try_join(
    a: Spawnable[T1], b: Spawnable[T2], c: Spawnable[T3], d: Spawnable[T4], /, *, biased: bool = ...
) -> tuple[T1, T2, T3, T4]: ...
@overload
async def try_join(
    a: Spawnable[T1],
    b: Spawnable[T2],
    c: Spawnable[T3],
    d: Spawnable[T4],
    e: Spawnable[T5],
    /,
    *,
    biased: bool = ...,
) -> tuple[T1, T2, T3, T4, T5]: ...
@overload
async def try_join(
    a: Spawnable[T1],
    b: Spawnable[T2],
    c: Spawnable[T3],
    d: Spawnable[T4],
    e: Spawnable[T5],
    f: Spawnable[T6],
    /,
    *,
    biased: bool = ...,
) -> tuple[T1, T2, T3, T4, T5, T6]: ...
@overload
async def try_join(*awaitables: Spawnable[T], biased: bool = ...) -> tuple[T, ...]: ...


async def try_join(*awaitables: Any, biased: bool = False) -> tuple[Any, ...]:
    """As `join`, but the first failure cancels the others and is raised when they have
    ended.

    Tokio: `tokio::try_join!`.
    """
    branches = group(awaitables, len(awaitables), or_failed=True, biased=biased)
    try:
        await branches
        return _results(branches)
    finally:
        del branches  # an error's traceback refers to this frame


_NO_DEFAULT: Any = object()


@overload
async def select(
    a: Spawnable[T1] | None,
    /,
    *,
    biased: bool = ...,
) -> Selected[Literal[0], T1]: ...
@overload
async def select(
    a: Spawnable[T1] | None,
    b: Spawnable[T2] | None,
    /,
    *,
    biased: bool = ...,
) -> Selected[Literal[0], T1] | Selected[Literal[1], T2]: ...
@overload
async def select(
    a: Spawnable[T1] | None,
    b: Spawnable[T2] | None,
    c: Spawnable[T3] | None,
    /,
    *,
    biased: bool = ...,
) -> Selected[Literal[0], T1] | Selected[Literal[1], T2] | Selected[Literal[2], T3]: ...
@overload
async def select(
    a: Spawnable[T1] | None,
    b: Spawnable[T2] | None,
    c: Spawnable[T3] | None,
    d: Spawnable[T4] | None,
    /,
    *,
    biased: bool = ...,
) -> (
    Selected[Literal[0], T1]
    | Selected[Literal[1], T2]
    | Selected[Literal[2], T3]
    | Selected[Literal[3], T4]
): ...
@overload
async def select(
    a: Spawnable[T1] | None, /, *, biased: bool = ..., default: D
) -> Selected[Literal[0], T1] | Selected[None, D]: ...
@overload
async def select(
    a: Spawnable[T1] | None, b: Spawnable[T2] | None, /, *, biased: bool = ..., default: D
) -> Selected[Literal[0], T1] | Selected[Literal[1], T2] | Selected[None, D]: ...
@overload
async def select(
    a: Spawnable[T1] | None,
    b: Spawnable[T2] | None,
    c: Spawnable[T3] | None,
    /,
    *,
    biased: bool = ...,
    default: D,
) -> (
    Selected[Literal[0], T1]
    | Selected[Literal[1], T2]
    | Selected[Literal[2], T3]
    | Selected[None, D]
): ...
@overload
async def select(
    a: Spawnable[T1] | None,
    b: Spawnable[T2] | None,
    c: Spawnable[T3] | None,
    d: Spawnable[T4] | None,
    /,
    *,
    biased: bool = ...,
    default: D,
) -> (
    Selected[Literal[0], T1]
    | Selected[Literal[1], T2]
    | Selected[Literal[2], T3]
    | Selected[Literal[3], T4]
    | Selected[None, D]
): ...
@overload
async def select(
    *positional: Any, biased: bool = ..., default: Any = ..., **named: Any
) -> Selected[int | str | None, Any]: ...


async def select(
    *positional: Any, biased: bool = False, default: Any = _NO_DEFAULT, **named: Any
) -> Selected[int | str | None, Any]:
    """Await several things at the same time, inside this task, until the first one ends.

        match await select(message=rx.recv(), tick=interval.tick()):
            case ("message", value): ...

    A branch that is None is disabled, so that a condition can stand in its place (Tokio's
    `, if condition`): `message=rx.recv() if room else None`.

    Args:
        positional, named: the branches, as the arguments of `join`, or None.
        biased: poll them in the order given, so that of two that are ready at once the
            first wins. By default a random one begins, which is fair.
        default: the value if there is no branch that is not None (Tokio's `else`); the
            result is then `Selected(None, default)`.

    Returns:
        Which branch ended first, and its result. The others have been cancelled and have
        ended by then: one that is not cancel-safe may have lost something.

    Raises:
        Exception: what the winning branch raised. What the others raised while they were
            cancelled is logged.
        KeyboardInterrupt, SystemExit: any branch raised it.
        ValueError: there is no branch, or all are None, and there is no default.
        TypeError, RuntimeError: a branch cannot be awaited, as for `spawn`.

    Cancelling the caller cancels all and sees them end. Tokio: `tokio::select!`.
    """
    names: list[int | str] = [*range(len(positional)), *named]
    awaitables = [*positional, *named.values()]
    if any(each is None for each in awaitables):
        names = [name for name, each in zip(names, awaitables, strict=True) if each is not None]
        awaitables = [each for each in awaitables if each is not None]
    if not awaitables:
        if default is not _NO_DEFAULT:
            return Selected(None, default)
        if positional or named:
            raise ValueError(
                "all branches of select() are None, which disables them: it would wait for "
                "ever; pass default= for this case"
            )
        raise ValueError("select() needs at least one branch: it would wait for ever")
    first = 0
    if not biased:
        first = int(_chance() * len(awaitables))
    branches = group(awaitables, 1, biased=biased, first=first)
    del positional, named, awaitables
    winner = None
    try:
        await branches
        winner = branches.ended[0]
        branches.log_failures(but=winner)
        return Selected(names[winner._index], winner.result())
    finally:
        del branches, winner  # an error's traceback refers to this frame


def _chance() -> float:
    worker = here.worker
    if worker is not None:
        return worker.random.random()
    from random import random  # see Worker.random

    return random()


def _results(branches: Branches) -> tuple[Any, ...]:
    try:
        failed = [branch for branch in branches.ended if branch._failure is not None]
        if failed:
            branches.log_failures(but=failed[0])
            failed[0].result()
        return tuple([branch._value for branch in branches.branches])
    finally:
        del branches, failed  # an error's traceback refers to this frame
