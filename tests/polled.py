"""An awaitable that waits in a task of its own, for tests that go step by step.

On a runtime with one worker a task that can go on has gone on after a few turns: `pending`
and `ready` know, and do not guess.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any

from yamanote import JoinError, Runtime, spawn, yield_now

TURNS = 8


async def settle() -> None:
    """Let all go on that can."""
    for _ in range(TURNS):
        await yield_now()


class Polled:
    """An awaitable, and how far it is."""

    def __init__(self, awaitable: Awaitable[Any]) -> None:
        self._awaitable: Awaitable[Any] | None = awaitable
        self._handle: Any = None

    async def _run(self) -> Any:
        awaitable, self._awaitable = self._awaitable, None
        assert awaitable is not None
        return await awaitable

    async def poll(self) -> bool:
        """Start it, or let it go on; whether it has ended."""
        if self._handle is None:
            self._handle = spawn(self._run())
        await settle()
        return self._handle.is_finished()

    async def pending(self) -> None:
        assert not await self.poll()

    async def ready(self) -> Any:
        """What it has come to; raises what it has raised."""
        assert await self.poll()
        try:
            return await self._handle
        except JoinError as error:
            if error.is_cancelled():
                raise
            raise error.into_panic() from None

    def abort(self) -> None:
        """Drop it, without giving it another turn before."""
        self._awaitable = None
        if self._handle is not None:
            self._handle.abort()

    async def drop(self) -> None:
        """Drop it, to the end."""
        self.abort()
        await settle()
        if self._handle is not None:
            assert self._handle.is_finished()


def on_one_worker(coro: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine on a runtime of one worker."""
    with Runtime(flavor="current_thread") as rt:
        rt.block_on(coro)
