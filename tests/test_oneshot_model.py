"""oneshot against a simple model, by hypothesis: the value is received once, or comes back."""

from __future__ import annotations

import random
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yamanote import JoinError, Runtime, spawn, yield_now
from yamanote.sync import RecvError, SendError, TryRecvError, oneshot

LIMIT = 30.0  # seconds, which only a failure takes


steps = st.lists(st.sampled_from(["send", "close tx", "close rx", "try_recv"]), max_size=6)


@given(steps=steps)
def test_in_steps(steps: list[str]) -> None:
    tx, rx = oneshot.channel[str]()
    # What the channel holds, who has gone, and who has got the value.
    held = tx_gone = rx_closed = received = False
    for step in steps:
        if step == "send":
            if tx_gone:
                continue
            tx_gone = True
            if rx_closed:
                with pytest.raises(SendError) as error:
                    tx.send("value")
                assert error.value.value == "value"
            else:
                tx.send("value")
                held = True
        elif step == "close tx":
            if not tx_gone:
                tx.close()
                tx_gone = True
        elif step == "close rx":
            rx.close()
            rx_closed = True
        elif held:
            assert rx.try_recv() == "value"
            held, received = False, True
        else:
            with pytest.raises(TryRecvError) as refused:
                rx.try_recv()
            assert refused.value.is_disconnected() == (tx_gone or rx_closed or received)


@given(
    seed=st.integers(0, 2**32),
    cancelled=st.integers(0, 3),
    closes=st.booleans(),
    drops=st.booleans(),
)
def test_received_once_or_returned(
    multi_rt: Runtime,
    switch_interval: float,
    seed: int,
    cancelled: int,
    closes: bool,
    drops: bool,
) -> None:
    """A thread sends, or closes, while tasks wait, are cancelled, and close."""
    chance = random.Random(seed)
    tx, rx = oneshot.channel[str]()
    returned: list[str] = []
    go = threading.Event()

    def send() -> None:
        go.wait(LIMIT)
        if drops:
            tx.close()
            return
        try:
            tx.send("value")
        except SendError as error:
            returned.append(error.value)

    async def receive() -> Any:
        return await rx

    async def main() -> list[str]:
        for number in range(cancelled):
            if number == cancelled - 1:
                go.set()
            handle = spawn(receive())
            for _ in range(chance.randint(0, 3)):
                await yield_now()
            handle.abort()
            try:
                return [await handle]
            except JoinError as error:
                if isinstance(error.__cause__, RecvError):
                    return []
                if error.is_panic():
                    raise
        go.set()
        if closes:
            rx.close()
        try:
            return [await receive()]
        except RecvError:
            return []

    thread = threading.Thread(target=send)
    thread.start()
    received = multi_rt.spawn(main()).join(LIMIT)
    thread.join()
    assert received + returned == ([] if drops else ["value"])
