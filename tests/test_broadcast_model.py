"""broadcast against a simple model: a list of all values, and an index into it for each
receiver."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yamanote import Runtime, spawn, spawn_blocking
from yamanote.sync import Lagged, RecvError, SendError, TryRecvError, broadcast

from .polled import Polled, on_one_worker, settle

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["send", "send", "send", "try", "try", "recv", "cancel", "subscribe", "close", "clone"]
        ),
        st.integers(0, 7),
    ),
    min_size=10,
    max_size=50,
)


class Reader:
    """A receiver, and what the model knows of it."""

    def __init__(self, rx: broadcast.Receiver[int], behind: int) -> None:
        self.rx = rx
        self.behind = behind
        self.recv: Polled | None = None


@given(capacity=st.integers(1, 5), steps=STEPS)
@settings(max_examples=200, deadline=None)
def test_in_steps(capacity: int, steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](capacity)
        room = 1 << (capacity - 1).bit_length()
        sent = 0
        readers = [Reader(rx, 0)]
        senders = [tx]

        def expected(reader: Reader) -> object:
            """What comes next: a value, Lagged's number in a tuple, or None."""
            missed = sent - room - reader.behind
            if missed > 0:
                reader.behind += missed
                return (missed,)
            if reader.behind == sent:
                return None
            reader.behind += 1
            return reader.behind

        def ended() -> str:
            return "empty" if senders else "disconnected"

        def attempt(rx: broadcast.Receiver[int]) -> object:
            try:
                return rx.try_recv()
            except Lagged as lag:
                return (lag.missed,)
            except TryRecvError as error:
                return "disconnected" if error.is_disconnected() else "empty"

        async def end_of(recv: Polled) -> object:
            try:
                return await recv.ready()
            except Lagged as lag:
                return (lag.missed,)
            except RecvError:
                return None

        for op, argument in steps:
            reader = readers[argument % len(readers)] if readers else None
            if op == "send" and senders:
                sender = senders[argument % len(senders)]
                if readers:
                    assert sender.send(sent + 1) == len(readers)
                    sent += 1
                else:
                    with pytest.raises(SendError) as info:
                        sender.send(sent + 1)
                    assert info.value.value == sent + 1
            elif op == "try" and reader and not reader.recv:
                assert attempt(reader.rx) == (expected(reader) or ended())
            elif op == "recv" and reader:
                if reader.recv is None:
                    reader.recv = Polled(reader.rx.recv())
                done = await reader.recv.poll()
                assert done == (reader.behind < sent or not senders)
                if done:
                    assert await end_of(reader.recv) == expected(reader)
                    reader.recv = None
            elif op == "cancel" and reader and reader.recv:
                reader.recv.abort()
                reader.recv = None
                await settle()
            elif op == "subscribe" and senders:
                readers.append(Reader(senders[0].subscribe(), sent))
            elif op == "close" and reader and argument % 2:
                if reader.recv:
                    await reader.recv.drop()
                reader.rx.close()
                readers.remove(reader)
            elif op == "close" and senders:
                senders.pop().close()
            elif op == "clone" and senders:
                senders.append(senders[0].clone())
            # A task that waits goes on by itself; it must not be one step ahead.
            for each in readers:
                if each.recv and await each.recv.poll():
                    assert await end_of(each.recv) == expected(each)
                    each.recv = None
            if senders:
                held = max((sent - each.behind for each in readers), default=0)
                assert len(senders[0]) == min(held, room)
                assert senders[0].receiver_count() == len(readers)
            assert all(len(each.rx) == sent - each.behind for each in readers)

    on_one_worker(main())


@given(
    capacity=st.integers(1, 8),
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=3),
    readers=st.integers(1, 3),
    workers=st.sampled_from([1, 4]),
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_in_threads(
    capacity: int, counts: list[int], readers: int, workers: int, switch_interval: float
) -> None:
    """Every receiver gets, or is told that it has missed, each value; in the same order."""

    async def read(rx: broadcast.Receiver[tuple[int, int]]) -> tuple[list[tuple[int, int]], int]:
        values, missed = [], 0
        while True:
            try:
                values.append(await rx.recv())
            except Lagged as lag:
                missed += lag.missed
            except RecvError:
                return values, missed

    def write(number: int, count: int, tx: broadcast.Sender[tuple[int, int]]) -> None:
        with tx:
            for value in range(count):
                assert tx.send((number, value)) == readers + 1

    async def main() -> None:
        tx, rx = broadcast.channel[tuple[int, int]](capacity)
        reading = [spawn(read(rx.resubscribe())) for _ in range(readers)]
        writing = [
            spawn_blocking(write, number, count, tx.clone()) for number, count in enumerate(counts)
        ]
        tx.close()
        for writer in writing:
            await writer
        for reader in reading:
            values, missed = await reader
            assert len(values) + missed == sum(counts)
            for number in range(len(counts)):
                own = [value for n, value in values if n == number]
                assert own == sorted(set(own))

    with Runtime(worker_threads=workers) as rt:
        rt.block_on(main())
