"""Counterparts of tokio/tests/task_yield_now.rs."""

from __future__ import annotations

from typing import Any

import pytest

from yamanote import Runtime, block_in_place, yield_now


async def yield_once() -> str:
    await yield_now()
    return "done"


def poll_by_hand() -> str:
    """A small executor that knows nothing of us."""
    coro: Any = yield_once()
    assert coro.send(None) is None  # suspended, and ready to go on at once
    with pytest.raises(StopIteration) as stop:
        coro.send(None)
    return stop.value.value


def test_yield_now_outside_of_runtime() -> None:
    assert poll_by_hand() == "done"


def test_yield_now_external_executor_and_block_in_place(multi_rt: Runtime) -> None:
    async def block() -> str:
        return block_in_place(poll_by_hand)

    assert multi_rt.block_on(multi_rt.spawn(block())) == "done"
