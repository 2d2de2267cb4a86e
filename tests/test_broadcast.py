"""broadcast, beyond what Tokio's tests of it cover."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import threading
from typing import Any

import pytest

from yamanote import Runtime, spawn, spawn_blocking
from yamanote.sync import Lagged, RecvError, SendError, TryRecvError, broadcast

from .channels import on_thread
from .gates import litter, until
from .polled import Polled, on_one_worker, settle

LIMIT = 30.0  # seconds that only a failure waits


def test_async_for_ends_with_the_channel(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](4)
        for value in range(4):
            tx.send(value)
        tx.close()
        assert [value async for value in rx] == [0, 1, 2, 3]

    rt.block_on(main())


def test_async_for_tells_of_a_lag_and_goes_on(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](2)
        for value in range(5):
            tx.send(value)
        tx.close()
        with pytest.raises(Lagged, match="missed 3 values"):
            async for _ in rx:
                pass
        assert [value async for value in rx] == [3, 4]

    rt.block_on(main())


def test_a_cancelled_recv_takes_nothing() -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](2)
        recv = Polled(rx.recv())
        await recv.pending()
        tx.send(1)
        recv.abort()
        await recv.drop()
        assert rx.try_recv() == 1

    on_one_worker(main())


def test_closed_ends_are_of_no_use() -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](2)
        tx.send(1)
        other = tx.subscribe()
        recv = Polled(other.recv())
        await recv.pending()
        with other:
            pass
        other.close()
        with pytest.raises(RecvError):
            await recv.ready()
        with pytest.raises(TryRecvError):
            other.try_recv()
        assert tx.receiver_count() == 1
        rx.close()
        assert tx.is_empty()
        with pytest.raises(SendError, match="no receiver") as info:
            tx.send(2)
        assert info.value.value == 2
        with tx:
            pass
        with pytest.raises(RuntimeError, match="sender has been closed"):
            tx.send(3)
        with pytest.raises(RuntimeError, match="sender has been closed"):
            tx.clone()

    on_one_worker(main())


def test_same_channel_and_an_empty_one_is_true() -> None:
    tx, rx = broadcast.channel[int](2)
    other_tx, other_rx = broadcast.channel[int](2)
    assert tx
    assert rx
    assert rx.is_empty()
    assert tx.same_channel(tx.clone())
    assert rx.same_channel(rx.resubscribe())
    assert not tx.same_channel(other_tx)
    assert not rx.same_channel(other_rx)


def test_a_weak_sender_is_cloned() -> None:
    tx, rx = broadcast.channel[int](2)
    weak = tx.downgrade().clone()
    again = weak.upgrade()
    assert again is not None
    again.send(1)
    assert rx.try_recv() == 1
    assert weak.weak_count() == 1


def test_values_go_when_all_have_received_them() -> None:
    drops: list[None] = []

    class Value:
        def __del__(self) -> None:
            drops.append(None)

    tx, rx = broadcast.channel[Any](4)
    other = tx.subscribe()
    tx.send(Value())
    rx.try_recv()
    assert not drops
    other.try_recv()
    assert len(drops) == 1
    for _ in range(5):
        tx.send(Value())
    assert len(drops) == 2
    del rx
    assert len(drops) == 2
    other.close()
    assert len(drops) == 6


def test_ends_that_are_collected_in_their_with_count_once() -> None:
    tx, rx = broadcast.channel[int](2)
    for _ in range(10):
        litter(tx.clone())
        litter(tx.subscribe())
    gc.collect()
    assert (tx.strong_count(), tx.receiver_count()) == (1, 1)
    assert tx.send(1) == 1
    assert rx.try_recv() == 1


def test_two_threads_close_the_same_end(switch_interval: float) -> None:
    tx, rx = broadcast.channel[int](2)
    for _ in range(100):
        for end in (tx.clone(), tx.subscribe()):
            together = threading.Barrier(4)

            def close(end: Any = end, together: threading.Barrier = together) -> None:
                together.wait(LIMIT)
                end.close()

            for each in [on_thread(close) for _ in range(4)]:
                each.result(LIMIT)
    assert (tx.strong_count(), tx.receiver_count()) == (1, 1)
    assert not rx.is_closed()


def test_the_destructor_of_a_value_may_use_the_channel() -> None:
    tx, rx = broadcast.channel[Any](1)
    keep = tx.subscribe()
    undelivered: list[str] = []

    class Loud:
        def __del__(self) -> None:
            try:
                tx.send("dropped")
            except SendError:
                undelivered.append("dropped")

    tx.send(Loud())
    keep.close()
    rx.close()
    assert undelivered == ["dropped"]
    rx = tx.subscribe()
    tx.send(Loud())
    rx.try_recv()
    assert rx.try_recv() == "dropped"


def test_a_destructor_or_signal_handler_comes_in_the_midst() -> None:
    tx, rx = broadcast.channel[tuple[str, int]](1 << 16)
    late = itertools.count()
    received: list[tuple[str, int]] = []
    others: list[broadcast.Receiver[Any]] = []

    def receive(rx: broadcast.Receiver[Any]) -> None:
        with contextlib.suppress(TryRecvError):
            received.append(rx.try_recv())

    def come_between(frame: Any, event: str, argument: object) -> Any:
        # Before each line of the channel, as the collector or a signal might.
        if frame.f_globals["__name__"] == broadcast.__name__:
            assert tx.send(("late", next(late))) >= 1
            receive(rx)
            others.append(tx.subscribe())
            receive(others[0])
            others.pop().close()
            assert tx.clone().same_channel(tx)
        return come_between

    def use() -> None:
        sys.settrace(come_between)
        try:
            for number in range(20):
                tx.send(("own", number))
                with tx.subscribe() as other:
                    tx.send(("own", number + 1000))
                    assert len(tx) > 0
                    while other.try_recv() != ("own", number + 1000):
                        pass
                receive(rx)
        finally:
            sys.settrace(None)

    on_thread(use).result(LIMIT)
    while not rx.is_empty():
        receive(rx)
    own = [number for who, number in received if who == "own"]
    assert own == [each for number in range(20) for each in (number, number + 1000)]
    assert {number for who, number in received if who == "late"} == set(range(next(late)))
    assert len(received) == len(set(received))
    assert tx.is_empty()
    assert tx.strong_count() == tx.receiver_count() == 1


def test_an_end_in_a_cycle_is_collected(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](2)
        cycle: list[Any] = [tx]
        cycle.append(cycle)
        del tx, cycle

        def collected() -> bool:
            gc.collect()
            return rx.is_closed()

        await until(collected)
        with pytest.raises(RecvError):
            await rx.recv()

    rt.block_on(main())


def test_each_gets_all_in_order(multi_rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[tuple[int, int]](1024)

        async def read(rx: broadcast.Receiver[tuple[int, int]]) -> list[tuple[int, int]]:
            return [value async for value in rx]

        def write(number: int, tx: broadcast.Sender[tuple[int, int]]) -> None:
            with tx:
                for value in range(200):
                    tx.send((number, value))

        readers = [spawn(read(rx.resubscribe())) for _ in range(3)]
        writers = [spawn_blocking(write, number, tx.clone()) for number in range(2)]
        tx.close()
        for writer in writers:
            await writer
        results = [await reader for reader in readers]
        assert results[0] == results[1] == results[2]
        for number in range(2):
            assert [v for n, v in results[0] if n == number] == list(range(200))

    multi_rt.block_on(main())


def test_what_is_missed_is_counted(multi_rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](4)

        async def read(rx: broadcast.Receiver[int]) -> int:
            expected = 0
            while True:
                try:
                    value = await rx.recv()
                except Lagged as lag:
                    expected += lag.missed
                except RecvError:
                    return expected
                else:
                    assert value == expected
                    expected += 1

        readers = [spawn(read(rx.resubscribe())) for _ in range(3)]

        def write() -> None:
            with tx:
                for value in range(1000):
                    tx.send(value)

        await spawn_blocking(write)
        assert [await reader for reader in readers] == [1000] * 3

    multi_rt.block_on(main())


def test_threads(multi_rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](64)

        def thread() -> list[int]:
            values = []
            while True:
                try:
                    values.append(rx.blocking_recv(timeout=LIMIT))
                except RecvError:
                    return values

        handle = spawn_blocking(thread)
        for value in range(50):
            tx.send(value)
            await settle()
        tx.close()
        assert await handle == list(range(50))

    multi_rt.block_on(main())


def test_blocking_gives_up_in_time_and_not_on_a_worker(rt: Runtime) -> None:
    _tx, rx = broadcast.channel[int](2)
    with pytest.raises(TimeoutError, match="within 0 s"):
        rx.blocking_recv(timeout=0)

    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"await recv\(\)"):
            rx.blocking_recv()

    rt.block_on(main())


def test_plain_asyncio() -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](2)

        async def recv() -> int:
            return await rx.recv()

        waiting = asyncio.ensure_future(recv())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        threading.Thread(target=tx.send, args=(1,)).start()
        assert await asyncio.wait_for(recv(), LIMIT) == 1
        rx.close()
        await tx.closed()

    asyncio.run(main())


def test_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        tx, rx = broadcast.channel[int](2)
        with trio.move_on_after(0):
            await rx.recv()
        threading.Thread(target=tx.send, args=(1,)).start()
        with trio.fail_after(LIMIT):
            assert await rx.recv() == 1

    trio.run(main)
