"""The tasks of one place that have not ended, and who waits for their ends."""

from __future__ import annotations

from typing import Any

from .park import Token


class Registry:
    """Where tasks are from spawn to end.

    Any thread uses it, by single methods of its set and its dict, which are atomic on every
    build.
    """

    __slots__ = ("first_joiner", "no_token", "other_joiners", "tasks")

    def __init__(self) -> None:
        #: Keeps them from being collected half-way.
        self.tasks: set[Any] = set()
        #: Who waits for a task, if somebody does: a list in every task, for those who may join it
        #: later, would be 72 bytes and another object for the collector. There are others only
        #: where there has been a first.
        self.first_joiner: dict[Any, Token] = {}
        #: That of its tasks before they have parked: one for all would be all threads' to count.
        self.no_token: Token = []
        self.other_joiners: dict[Any, list[Token]] = {}
