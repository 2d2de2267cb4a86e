"""watch, beyond what Tokio's tests of it cover."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from yamanote import Runtime, spawn, spawn_blocking
from yamanote.sync import RecvError, SendError, watch

from .channels import on_thread
from .gates import litter, until
from .polled import Polled, on_one_worker

LIMIT = 30.0  # seconds that only a failure waits


def test_send_if_modified() -> None:
    async def main() -> None:
        tx, rx = watch.channel(1)
        waiting = Polled(rx.changed())
        await waiting.pending()
        assert not tx.send_if_modified(lambda _: watch.UNCHANGED)
        await waiting.pending()
        assert tx.borrow() == 1
        assert tx.send_if_modified(lambda value: value + 1)
        await waiting.ready()
        assert rx.borrow() == 2

    on_one_worker(main())


def test_send_replace_needs_no_receiver() -> None:
    tx = watch.Sender("one")
    assert tx.is_closed()
    with pytest.raises(SendError, match="no receiver"):
        tx.send("two")
    assert tx.borrow() == "one"
    assert tx.send_replace("two") == "one"
    rx = tx.subscribe()
    assert not rx.has_changed()
    assert rx.borrow() == "two"


def test_a_function_that_sends_by_the_same_channel() -> None:
    tx, rx = watch.channel(0)

    def modify(value: int) -> int:
        tx.send(10)
        assert rx.borrow_and_update() == 10
        return value + 1

    tx.send_modify(modify)
    assert rx.has_changed()
    assert rx.borrow_and_update() == 1


def test_counts_and_same_channel() -> None:
    tx, rx = watch.channel(0)
    other_tx, other_rx = watch.channel(0)
    assert (tx.sender_count(), tx.receiver_count()) == (1, 1)
    tx2, rx2 = tx.clone(), rx.clone()
    assert (tx.sender_count(), tx.receiver_count()) == (2, 2)
    assert tx.same_channel(tx2)
    assert rx.same_channel(rx2)
    assert not tx.same_channel(other_tx)
    assert not rx.same_channel(other_rx)
    tx2.close()
    tx2.close()
    rx2.close()
    rx2.close()
    assert (tx.sender_count(), tx.receiver_count()) == (1, 1)


def test_closed_ends_are_of_no_use() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        waiting = Polled(rx.changed())
        await waiting.pending()
        with rx:
            pass
        with pytest.raises(RecvError, match="receiver has been closed"):
            await waiting.ready()
        with pytest.raises(RecvError):
            await rx.wait_for(lambda value: value > 0)
        assert tx.is_closed()
        with tx:
            pass
        with pytest.raises(RuntimeError, match="sender has been closed"):
            tx.send(1)
        with pytest.raises(RuntimeError, match="sender has been closed"):
            tx.clone()

    on_one_worker(main())


def test_wait_for_asks_once_for_each_value() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        asked: list[int] = []

        def three(value: int) -> bool:
            asked.append(value)
            return value == 3

        waiting = Polled(rx.wait_for(three))
        for value in (1, 2, 3):
            await waiting.pending()
            tx.send(value)
        assert await waiting.ready() == 3
        assert asked == [0, 1, 2, 3]
        assert not rx.has_changed()
        tx.close()
        waiting = Polled(rx.wait_for(lambda value: asked.append(-value)))
        with pytest.raises(RecvError):
            await waiting.ready()
        assert asked[4:] == [-3]

    on_one_worker(main())


def test_what_a_predicate_raises_is_passed_on() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        waiting = Polled(rx.wait_for(lambda value: value and 1 // (value - 1)))
        await waiting.pending()
        tx.send(1)
        with pytest.raises(ZeroDivisionError):
            await waiting.ready()
        tx.send(2)
        assert await rx.wait_for(lambda value: value == 2) == 2

    on_one_worker(main())


def test_a_cancelled_wait_has_seen_nothing() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        waiting = Polled(rx.changed())
        await waiting.pending()
        tx.send(1)
        waiting.abort()
        await waiting.drop()
        assert rx.has_changed()

    on_one_worker(main())


def test_ends_that_are_collected_in_their_with_count_once() -> None:
    tx, rx = watch.channel(0)
    for _ in range(10):
        litter(tx.clone())
        litter(rx.clone())
    gc.collect()
    assert (tx.sender_count(), tx.receiver_count()) == (1, 1)


def test_two_threads_close_the_same_end(switch_interval: float) -> None:
    tx, rx = watch.channel(0)
    for _ in range(100):
        for end in (tx.clone(), rx.clone()):
            together = threading.Barrier(4)

            def close(end: Any = end, together: threading.Barrier = together) -> None:
                together.wait(LIMIT)
                end.close()

            for each in [on_thread(close) for _ in range(4)]:
                each.result(LIMIT)
    assert (tx.sender_count(), tx.receiver_count()) == (1, 1)


def test_the_destructor_of_a_value_may_send() -> None:
    tx, rx = watch.channel[Any](None)

    class Loud:
        def __del__(self) -> None:
            tx.send_replace("dropped")

    tx.send(Loud())
    tx.send("second")
    assert rx.borrow() == "dropped"
    tx.send_modify(lambda _: Loud())
    tx.send_modify(lambda _: "third")
    assert rx.borrow() == "dropped"


def test_an_end_in_a_cycle_is_collected(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        cycle: list[Any] = [tx]
        cycle.append(cycle)
        del tx, cycle

        def collected() -> bool:
            gc.collect()
            try:
                rx.has_changed()
            except RecvError:
                return True
            return False

        await until(collected)
        with pytest.raises(RecvError):
            await rx.changed()

    rt.block_on(main())


def test_the_last_value_is_always_seen(multi_rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)

        async def read(rx: watch.Receiver[int]) -> list[int]:
            seen = []
            while True:
                try:
                    await rx.changed()
                except RecvError:
                    return seen
                seen.append(rx.borrow_and_update())

        readers = [spawn(read(rx.clone())) for _ in range(3)]

        def write() -> None:
            with tx:
                for _ in range(300):
                    tx.send_modify(lambda value: value + 1)

        def count(tx: watch.Sender[int]) -> None:
            with tx:
                for _ in range(300):
                    tx.send_modify(lambda value: value + 1)

        second = spawn_blocking(count, tx.clone())
        first = spawn_blocking(write)
        await first
        await second
        for reader in readers:
            seen = await reader
            assert seen == sorted(set(seen))
            assert seen[-1] == 600

    multi_rt.block_on(main())


def test_threads(multi_rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        back, answers = watch.channel(0)

        def thread() -> int:
            while True:
                try:
                    rx.blocking_changed(timeout=LIMIT)
                except RecvError:
                    return rx.borrow()
                back.send(rx.borrow_and_update())

        handle = spawn_blocking(thread)
        other = spawn_blocking(rx.clone().blocking_wait_for, lambda value: value == 20)
        for value in range(1, 21):
            tx.send(value)
            await answers.wait_for(lambda seen, value=value: seen == value)
        assert await other == 20
        tx.close()
        assert await handle == 20

    multi_rt.block_on(main())


def test_blocking_gives_up_in_time_and_not_on_a_worker(rt: Runtime) -> None:
    _tx, rx = watch.channel(0)
    with pytest.raises(TimeoutError, match="within 0 s"):
        rx.blocking_changed(timeout=0)
    with pytest.raises(TimeoutError, match="within 0 s"):
        rx.blocking_wait_for(lambda value: value > 0, timeout=0)

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"await changed\(\)"):
            rx.blocking_changed()
        with pytest.raises(RuntimeError, match=r"await wait_for\(\)"):
            rx.blocking_wait_for(lambda value: value > 0)

    rt.block_on(main())


def test_plain_asyncio() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        threading.Thread(target=tx.send, args=(1,)).start()
        assert await asyncio.wait_for(rx.wait_for(lambda value: value == 1), LIMIT) == 1
        waiting = asyncio.ensure_future(rx.wait_for(lambda value: value == 2))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        rx.close()
        await tx.closed()

    asyncio.run(main())


def test_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        tx, rx = watch.channel(0)
        with trio.move_on_after(0):
            await rx.changed()
        threading.Thread(target=tx.send, args=(1,)).start()
        with trio.fail_after(LIMIT):
            await rx.changed()

    trio.run(main)
