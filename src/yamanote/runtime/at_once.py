"""A callback that the loop need not queue."""

from __future__ import annotations

from collections.abc import Callable


class AtOnce:
    """Calls a function that asks nothing of the order, and raises nothing: on a loop of ours
    `call_soon` calls it at once, on the loop's thread, and returns no handle.

    For the done callbacks of tasks that nobody else sees: to make a handle and to run it takes
    five times as long as to take a task off a set.
    """

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., object]) -> None:
        self.call = call

    def __call__(self, *args: object) -> None:
        self.call(*args)
