"""Time that stands still, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import Any

from ..runtime.checks import as_seconds
from ..runtime.clock import Clock
from ..runtime.core import Core
from ..runtime.here import current_core, here
from ..runtime.park import Park, Token, wake


def pause() -> None:
    """Stop the runtime's clock, for tests.

    From here on `time.now()` stands still while tasks run. When all of them wait, and no
    blocking call runs, it jumps to the next timer: a `sleep` of an hour takes no time, and
    ends after one of a minute. What asyncio has to do with time obeys it too:
    `loop.time()`, `call_later`, `asyncio.sleep`, `asyncio.timeout`. Sockets, threads and
    `time.monotonic()` do not.

    `start_paused=True` is the same from the runtime's start.

    Raises:
        RuntimeError: the clock is paused, the runtime is no `current_thread` one, or there
            is none here.

    Tokio: `time::pause`.
    """
    core = _current_thread_core("pause")
    if core.clock.paused:
        raise RuntimeError("pause() while time is paused already")
    core.clock.pause()
    _reconsider(core)


def resume() -> None:
    """Let the paused clock go on, from the time at which it stands.

    Raises:
        RuntimeError: the clock is not paused, or as `pause`.

    Tokio: `time::resume`.
    """
    core = _current_thread_core("resume")
    _paused_clock(core, "resume").resume()
    _reconsider(core)


async def advance(seconds: float) -> None:
    """Move the paused clock forward, in one jump.

    Timers that are due by then fire all at the same time, and those they wake get a turn
    before this returns. Sleeping does it in steps: `await sleep(seconds)`.

    Raises:
        RuntimeError: the clock is not paused, or as `pause`.
        TypeError, ValueError: `seconds` is negative or no number.

    Tokio: `time::advance`.
    """
    core = _current_thread_core("advance")
    clock = _paused_clock(core, "advance")
    if not as_seconds("advance()", seconds) >= 0:
        raise ValueError(f"time can be advanced by 0 seconds or more, not by {seconds!r}")
    clock.advance_to(clock.now() + seconds)
    worker = here.worker
    if worker is not None:
        worker.fire_timers()
    await _Turn()
    await _Turn()  # the first wakes asyncio's tasks


class _Turn(Park):
    """A turn of the loop: what is due and ready goes first."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait()

    def _register(self, token: Token) -> bool:
        asyncio.get_running_loop().call_soon(wake, token)
        return True


def _current_thread_core(name: str) -> Core:
    core = current_core()
    if core.config.flavor != "current_thread":
        raise RuntimeError(
            f"{name}() needs a runtime with one thread, on which nothing happens at the same "
            'time: Runtime(flavor="current_thread")'
        )
    return core


def _paused_clock(core: Core, name: str) -> Clock:
    if not core.clock.paused:
        raise RuntimeError(
            f"{name}() while time is not paused: call pause(), or Runtime(start_paused=True)"
        )
    return core.clock


def _reconsider(core: Core) -> None:
    """The worker may sleep by the other kind of time, and its loop has it from the clock."""
    for worker in core.workers:
        worker.loop.keep_time()
        worker.unpark()
