"""The kinds of task that a library is tried in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

import yamanote
from yamanote import spawn

#: Runs a coroutine in a task of some kind, and returns its result.
Native = Callable[[Coroutine[Any, Any, Any]], Any]


async def in_the_main_task(coro: Coroutine[Any, Any, Any]) -> Any:
    return await coro


async def in_a_spawned_task(coro: Coroutine[Any, Any, Any]) -> Any:
    return await spawn(coro)


async def in_an_asyncio_task(coro: Coroutine[Any, Any, Any]) -> Any:
    return await asyncio.create_task(coro)


@pytest.fixture(params=[in_the_main_task, in_a_spawned_task, in_an_asyncio_task])
def native(request: pytest.FixtureRequest, workers: int) -> Native:
    """Run a coroutine in a task of each kind."""
    return lambda coro: yamanote.run(request.param(coro), worker_threads=workers)


@pytest.fixture
def spawned(workers: int) -> Native:
    """Run a coroutine in a spawned task, on whichever worker takes it."""
    return lambda coro: yamanote.run(in_a_spawned_task(coro), worker_threads=workers)
