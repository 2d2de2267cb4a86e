"""watch against a simple model: a value, its version, and the version each receiver has seen."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yamanote import Runtime, spawn, spawn_blocking
from yamanote.sync import RecvError, SendError, watch

from .polled import Polled, on_one_worker, settle

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "send",
                "send",
                "replace",
                "modify",
                "unchanged",
                "changed",
                "changed",
                "cancel",
                "update",
                "borrow",
                "mark",
                "unmark",
                "subscribe",
                "clone",
                "drop",
                "close",
            ]
        ),
        st.integers(0, 7),
    ),
    min_size=10,
    max_size=50,
)


class Reader:
    """A receiver, and what the model knows of it."""

    def __init__(self, rx: watch.Receiver[int], seen: int) -> None:
        self.rx = rx
        self.seen = seen
        self.waiting: Polled | None = None


@given(STEPS)
@settings(max_examples=200, deadline=None)
def test_in_steps(steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        value = version = 0
        readers = [Reader(rx, 0)]
        deserted = Polled(tx.closed())
        is_open = True

        for op, argument in steps:
            reader = readers[argument % len(readers)] if readers else None
            if op == "send" and is_open:
                if readers:
                    tx.send(argument)
                    value, version = argument, version + 1
                else:
                    with pytest.raises(SendError) as info:
                        tx.send(argument)
                    assert info.value.value == argument
            elif op == "replace" and is_open:
                assert tx.send_replace(argument) == value
                value, version = argument, version + 1
            elif op == "modify" and is_open:
                tx.send_modify(lambda old: old + 1)
                value, version = value + 1, version + 1
            elif op == "unchanged" and is_open:
                assert not tx.send_if_modified(lambda _: watch.UNCHANGED)
            elif op == "changed" and reader and not reader.waiting:
                reader.waiting = Polled(reader.rx.changed())
            elif op == "cancel" and reader and reader.waiting:
                reader.waiting.abort()
                reader.waiting = None
                await settle()
            elif op == "update" and reader and not reader.waiting:
                assert reader.rx.borrow_and_update() == value
                reader.seen = version
            elif op == "borrow" and reader:
                assert reader.rx.borrow() == value
            elif op == "mark" and reader and not reader.waiting:
                reader.rx.mark_changed()
                reader.seen = -1
            elif op == "unmark" and reader and not reader.waiting:
                reader.rx.mark_unchanged()
                reader.seen = version
            elif op == "subscribe" and is_open:
                readers.append(Reader(tx.subscribe(), version))
            elif op == "clone" and reader:
                readers.append(Reader(reader.rx.clone(), reader.seen))
            elif op == "drop" and reader:
                if reader.waiting:
                    await reader.waiting.drop()
                reader.rx.close()
                readers.remove(reader)
            elif op == "close" and argument == 0:
                tx.close()
                is_open = False
            for each in readers:
                if each.waiting:
                    done = await each.waiting.poll()
                    assert done == (each.seen != version or not is_open)
                    if done and each.seen != version:
                        await each.waiting.ready()
                        each.seen = version
                    elif done:
                        with pytest.raises(RecvError):
                            await each.waiting.ready()
                    if done:
                        each.waiting = None
                if is_open:
                    assert each.rx.has_changed() == (each.seen != version)
            assert tx.receiver_count() == len(readers)
            assert (await deserted.poll()) == (not readers)
            if not readers:
                deserted = Polled(tx.closed())

    on_one_worker(main())


@given(
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    readers=st.integers(1, 3),
    workers=st.sampled_from([1, 4]),
)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_in_threads(counts: list[int], readers: int, workers: int, switch_interval: float) -> None:
    """No change is lost by the senders, and every receiver sees the last value."""

    async def read(rx: watch.Receiver[int]) -> list[int]:
        values = [rx.borrow_and_update()]
        try:
            while True:
                await rx.changed()
                values.append(rx.borrow_and_update())
        except RecvError:
            return values

    def write(count: int, tx: watch.Sender[int]) -> None:
        with tx:
            for _ in range(count):
                tx.send_modify(lambda value: value + 1)

    async def main() -> None:
        tx, rx = watch.channel(0)
        reading = [spawn(read(rx.clone())) for _ in range(readers)]
        writing = [spawn_blocking(write, count, tx.clone()) for count in counts]
        tx.close()
        for writer in writing:
            await writer
        for reader in reading:
            values = await reader
            assert values == sorted(values)
            assert values[-1] == sum(counts)

    with Runtime(worker_threads=workers) as rt:
        rt.block_on(main())
