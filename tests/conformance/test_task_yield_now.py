"""Counterparts of tokio/tests/task_yield_now.rs; test_rt_common.py has `yield_now` in a runtime."""

from __future__ import annotations

import asyncio

import pytest

from yamanote import Runtime, block_in_place, spawn, yield_now


async def yield_once() -> str:
    await yield_now()
    return "done"


def test_yield_now_outside_of_runtime() -> None:
    coro = yield_once()
    # Suspended, and to be polled again at once: None is that for asyncio, too.
    assert coro.send(None) is None
    with pytest.raises(StopIteration) as stop:
        coro.send(None)
    assert stop.value.value == "done"
    assert asyncio.run(yield_once()) == "done"


def test_yield_now_external_executor_and_block_in_place(multi_rt: Runtime) -> None:
    async def block() -> str:
        return block_in_place(asyncio.run, yield_once())

    async def main() -> str:
        return await spawn(block())

    assert multi_rt.block_on(main()) == "done"
