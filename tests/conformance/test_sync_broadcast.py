"""Counterpart of tokio/tests/sync_broadcast.rs."""

from __future__ import annotations

import random
import sys
from typing import Any

import pytest

from yamanote import Runtime, select, yield_now
from yamanote.sync import Lagged, RecvError, SendError, TryRecvError, broadcast

from ..polled import Polled, on_one_worker, settle


def assert_empty(rx: broadcast.Receiver[Any]) -> None:
    with pytest.raises(TryRecvError) as info:
        rx.try_recv()
    assert info.value.is_empty()


def assert_closed(rx: broadcast.Receiver[Any]) -> None:
    with pytest.raises(TryRecvError) as info:
        rx.try_recv()
    assert info.value.is_disconnected()


def assert_lagged(rx: broadcast.Receiver[Any], missed: int) -> None:
    with pytest.raises(Lagged) as info:
        rx.try_recv()
    assert info.value.missed == missed


def test_send_try_recv_bounded() -> None:
    tx, rx = broadcast.channel[str](16)
    assert_empty(rx)
    assert tx.send("hello") == 1
    assert rx.try_recv() == "hello"
    assert_empty(rx)


def test_send_two_recv() -> None:
    tx, rx1 = broadcast.channel[str](16)
    rx2 = tx.subscribe()
    assert_empty(rx1)
    assert_empty(rx2)
    assert tx.send("hello") == 2
    assert rx1.try_recv() == "hello"
    assert rx2.try_recv() == "hello"
    assert_empty(rx1)
    assert_empty(rx2)


def test_send_recv_bounded() -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[str](16)
        recv = Polled(rx.recv())
        await recv.pending()
        tx.send("hello")
        assert await recv.ready() == "hello"

    on_one_worker(main())


def test_send_two_recv_bounded() -> None:
    async def main() -> None:
        tx, rx1 = broadcast.channel[str](16)
        rx2 = tx.subscribe()
        recv1, recv2 = Polled(rx1.recv()), Polled(rx2.recv())
        await recv1.pending()
        await recv2.pending()
        tx.send("hello")
        assert await recv1.ready() == await recv2.ready() == "hello"

        recv1, recv2 = Polled(rx1.recv()), Polled(rx2.recv())
        await recv1.pending()
        tx.send("world")
        assert await recv1.ready() == await recv2.ready() == "world"

    on_one_worker(main())


def test_change_tasks() -> None:
    async def main() -> None:
        # One task gives up, another goes on with the same awaitable.
        tx, rx = broadcast.channel[str](1)
        recv = rx.recv()
        first = Polled(recv)
        await first.pending()
        await first.drop()
        second = Polled(recv)
        await second.pending()
        tx.send("hello")
        assert await second.ready() == "hello"

    on_one_worker(main())


def test_send_slow_rx() -> None:
    async def main() -> None:
        tx, rx1 = broadcast.channel[str](16)
        rx2 = tx.subscribe()
        recv1, recv2 = Polled(rx1.recv()), Polled(rx2.recv())
        await recv1.pending()
        await recv2.pending()
        tx.send("one")
        tx.send("two")
        assert await recv1.ready() == "one"
        assert await Polled(rx1.recv()).ready() == "two"
        recv1 = Polled(rx1.recv())
        await recv1.pending()
        tx.send("three")
        assert await recv1.ready() == "three"
        assert await recv2.ready() == "one"
        assert rx2.try_recv() == "two"
        assert rx2.try_recv() == "three"

    on_one_worker(main())


def test_drop_rx_while_values_remain() -> None:
    tx, rx1 = broadcast.channel[str](16)
    rx2 = tx.subscribe()
    tx.send("one")
    tx.send("two")
    assert rx1.try_recv() == rx2.try_recv() == "one"
    del rx2
    assert len(tx) == 1
    del rx1
    assert tx.is_empty()


def test_lagging_rx() -> None:
    tx, rx1 = broadcast.channel[str](2)
    rx2 = tx.subscribe()
    tx.send("one")
    tx.send("two")
    assert rx1.try_recv() == "one"
    tx.send("three")
    assert_lagged(rx2, 1)
    assert rx2.try_recv() == "two"
    assert rx1.try_recv() == "two"
    assert rx1.try_recv() == "three"
    tx.send("four")
    tx.send("five")
    assert_lagged(rx2, 1)
    tx.send("six")
    assert_lagged(rx2, 1)


def test_send_no_rx() -> None:
    tx, rx = broadcast.channel[str](16)
    del rx
    with pytest.raises(SendError) as info:
        tx.send("hello")
    assert info.value.value == "hello"
    rx = tx.subscribe()
    tx.send("world")
    assert rx.try_recv() == "world"


def test_zero_capacity() -> None:
    with pytest.raises(ValueError, match="not 0"):
        broadcast.channel(0)


def test_capacity_too_big() -> None:
    with pytest.raises(ValueError, match="2\\*\\*30"):
        broadcast.channel(1 + (sys.maxsize >> 1))


def test_dropping_tx_notifies_rx() -> None:
    async def main() -> None:
        tx, rx1 = broadcast.channel[None](16)
        rx2 = tx.subscribe()
        tx2 = tx.clone()
        recv1, recv2 = Polled(rx1.recv()), Polled(rx2.recv())
        await recv1.pending()
        await recv2.pending()
        del tx
        await recv1.pending()
        await recv2.pending()
        del tx2
        for recv in (recv1, recv2):
            with pytest.raises(RecvError):
                await recv.ready()

    on_one_worker(main())


def test_unconsumed_messages_are_dropped() -> None:
    drops = []

    class Message:
        def __del__(self) -> None:
            drops.append(None)

    tx, rx = broadcast.channel[Message](16)
    tx.send(Message())
    assert not drops
    del rx
    assert len(drops) == 1


def test_single_capacity_recvs() -> None:
    tx, rx = broadcast.channel[int](1)
    tx.send(1)
    assert rx.try_recv() == 1
    assert_empty(rx)


def test_single_capacity_recvs_after_drop_1() -> None:
    tx, rx = broadcast.channel[int](1)
    tx.send(1)
    del tx
    assert rx.try_recv() == 1
    assert_closed(rx)


def test_single_capacity_recvs_after_drop_2() -> None:
    tx, rx = broadcast.channel[int](1)
    tx.send(1)
    tx.send(2)
    del tx
    assert_lagged(rx, 1)
    assert rx.try_recv() == 2
    assert_closed(rx)


def test_dropping_sender_does_not_overwrite() -> None:
    tx, rx = broadcast.channel[int](2)
    tx.send(1)
    tx.send(2)
    del tx
    assert rx.try_recv() == 1
    assert rx.try_recv() == 2
    assert_closed(rx)


def test_lagging_receiver_recovers_after_wrap_closed_1() -> None:
    tx, rx = broadcast.channel[int](2)
    for value in (1, 2, 3):
        tx.send(value)
    del tx
    assert_lagged(rx, 1)
    assert rx.try_recv() == 2
    assert rx.try_recv() == 3
    assert_closed(rx)


def test_lagging_receiver_recovers_after_wrap_closed_2() -> None:
    tx, rx = broadcast.channel[int](2)
    for value in (1, 2, 3, 4):
        tx.send(value)
    del tx
    assert_lagged(rx, 2)
    assert rx.try_recv() == 3
    assert rx.try_recv() == 4
    assert_closed(rx)


def test_lagging_receiver_recovers_after_wrap_open() -> None:
    tx, rx = broadcast.channel[int](2)
    for value in (1, 2, 3):
        tx.send(value)
    assert_lagged(rx, 1)
    assert rx.try_recv() == 2
    assert rx.try_recv() == 3
    assert_empty(rx)


def test_receiver_len_with_lagged() -> None:
    tx, rx = broadcast.channel[int](3)
    for value in (10, 20, 30, 40):
        tx.send(value)
    assert len(rx) == 4
    assert rx.try_recv() == 10
    tx.send(50)
    tx.send(60)
    assert len(rx) == 5
    assert_lagged(rx, 1)


def test_resubscribe_points_to_tail() -> None:
    tx, rx = broadcast.channel[int](3)
    tx.send(1)
    again = rx.resubscribe()
    assert_empty(again)
    assert rx.try_recv() == 1
    tx.send(2)
    assert again.try_recv() == 2
    tx.send(3)
    assert rx.try_recv() == 2
    assert rx.try_recv() == 3
    assert_empty(rx)
    assert again.try_recv() == 3
    assert_empty(again)


def test_resubscribe_lagged() -> None:
    tx, rx = broadcast.channel[int](1)
    tx.send(1)
    tx.send(2)
    again = rx.resubscribe()
    assert_lagged(rx, 1)
    assert_empty(again)
    assert rx.try_recv() == 2
    assert_empty(rx)
    assert_empty(again)


def test_resubscribe_to_closed_channel() -> None:
    tx, rx = broadcast.channel[int](2)
    del tx
    assert_closed(rx.resubscribe())


def test_sender_len() -> None:
    tx, rx1 = broadcast.channel[int](4)
    rx2 = tx.subscribe()
    assert len(tx) == 0
    assert tx.is_empty()
    for value in (1, 2, 3):
        tx.send(value)
    assert len(tx) == 3
    assert not tx.is_empty()
    rx1.try_recv()
    rx1.try_recv()
    assert len(tx) == 3
    rx2.try_recv()
    assert len(tx) == 2
    assert not tx.is_empty()
    for value in (4, 5, 6):
        tx.send(value)
    assert len(tx) == 4
    assert not tx.is_empty()


def test_sender_len_random() -> None:
    tx, rx1 = broadcast.channel[int](16)
    rx2 = tx.subscribe()
    choice = random.Random(1)
    for _ in range(1000):
        rx = choice.choice((rx1, rx2, None, None))
        if rx is None:
            tx.send(0)
        else:
            try:
                rx.try_recv()
            except (Lagged, TryRecvError):
                pass
        assert len(tx) == min(max(len(rx1), len(rx2)), 16)


def test_send_in_waker_drop() -> None:
    async def main() -> None:
        # The waker's destructor there is that of a value which is overwritten here.
        tx, rx = broadcast.channel[object](1)

        class SendOnDrop:
            def __del__(self) -> None:
                tx.send("dropped")

        recv = Polled(rx.recv())
        await recv.pending()
        tx.send(SendOnDrop())
        tx.send(SendOnDrop())
        with pytest.raises(Lagged):
            await recv.ready()
        assert rx.try_recv() == "dropped"
        await settle()

    on_one_worker(main())


def test_receiver_recv_is_cooperative() -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](8)

        async def spin() -> None:
            while True:
                tx.send(1)
                assert await rx.recv() == 1

        assert (await select(spin(), yield_now(), biased=True)).branch == 1

    on_one_worker(main())


def test_broadcast_sender_closed() -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[None](1)
        rx2 = tx.subscribe()
        waiting = Polled(tx.closed())
        await waiting.pending()
        del rx
        await waiting.pending()
        del rx2
        await waiting.ready()

    on_one_worker(main())


def test_broadcast_sender_closed_with_extra_subscribe() -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[None](1)
        rx2 = tx.subscribe()
        waiting = Polled(tx.closed())
        await waiting.pending()
        del rx
        await waiting.pending()
        del rx2
        rx3 = tx.subscribe()
        await waiting.pending()
        del rx3
        await waiting.ready()
        await Polled(tx.closed()).ready()

        rx4 = tx.subscribe()
        waiting = Polled(tx.closed())
        await waiting.pending()
        del rx4
        await waiting.ready()

    on_one_worker(main())


def test_broadcast_sender_new_must_be_closed() -> None:
    async def main() -> None:
        tx = broadcast.Sender[None](1)
        await Polled(tx.closed()).ready()
        _rx = tx.subscribe()
        await Polled(tx.closed()).pending()

    on_one_worker(main())


def test_slow_receiver_within_capacity_does_not_lag() -> None:
    tx, slow = broadcast.channel[int](2)
    fast = tx.subscribe()
    tx.send(1)
    tx.send(2)
    for rx in (fast, slow):
        assert rx.try_recv() == 1
        assert rx.try_recv() == 2
        assert_empty(rx)


def test_capacity_overflow_reports_lagged_then_oldest_retained() -> None:
    tx, rx = broadcast.channel[int](2)
    for value in (10, 20, 30):
        tx.send(value)
    assert_lagged(rx, 1)
    assert rx.try_recv() == 20
    assert rx.try_recv() == 30
    assert_empty(rx)


def test_lagged_count_matches_number_of_overwritten_messages() -> None:
    tx, rx = broadcast.channel[int](4)
    for value in (1, 2, 3, 4):
        tx.send(value)
    assert rx.try_recv() == 1
    for value in (5, 6, 7, 8):
        tx.send(value)
    assert_lagged(rx, 3)
    assert [rx.try_recv() for _ in range(4)] == [5, 6, 7, 8]
    assert_empty(rx)


def test_lag_uses_power_of_two_buffer_length() -> None:
    tx, rx = broadcast.channel[int](3)
    for value in (1, 2, 3, 4):
        tx.send(value)
    assert len(rx) == 4
    assert rx.try_recv() == 1
    tx.send(5)
    assert len(rx) == 4
    tx.send(6)
    assert len(rx) == 5
    assert_lagged(rx, 1)
    assert [rx.try_recv() for _ in range(4)] == [3, 4, 5, 6]
    assert_empty(rx)


def test_async_recv_lagged_then_resumes_from_oldest_retained(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = broadcast.channel[int](2)
        for value in (10, 20, 30):
            tx.send(value)
        with pytest.raises(Lagged) as info:
            await rx.recv()
        assert info.value.missed == 1
        assert await rx.recv() == 20
        assert await rx.recv() == 30

    rt.block_on(main())


def test_lag_catch_up_then_lag_again() -> None:
    tx, rx = broadcast.channel[int](2)
    for first in (1, 4):
        for value in range(first, first + 3):
            tx.send(value)
        assert_lagged(rx, 1)
        assert rx.try_recv() == first + 1
        assert rx.try_recv() == first + 2
        assert_empty(rx)


def test_lag_is_per_receiver() -> None:
    tx, slow = broadcast.channel[int](2)
    fast = tx.subscribe()
    for first in (1, 3):
        tx.send(first)
        tx.send(first + 1)
        assert fast.try_recv() == first
        assert fast.try_recv() == first + 1
    assert_lagged(slow, 2)
    assert slow.try_recv() == 3
    assert slow.try_recv() == 4
    assert_empty(slow)
    assert_empty(fast)


def test_lag_again_before_reading_retained_messages() -> None:
    tx, rx = broadcast.channel[int](2)
    for value in (1, 2, 3):
        tx.send(value)
    assert_lagged(rx, 1)
    for value in (4, 5, 6):
        tx.send(value)
    assert_lagged(rx, 3)
    assert rx.try_recv() == 5
    assert rx.try_recv() == 6
    assert_empty(rx)


def test_single_slot_capacity_lag_semantics() -> None:
    tx, rx = broadcast.channel[int](1)
    tx.send(1)
    assert rx.try_recv() == 1
    tx.send(2)
    tx.send(3)
    assert_lagged(rx, 1)
    assert rx.try_recv() == 3
    assert_empty(rx)


def test_receiver_len_after_lag_error_advances_cursor() -> None:
    tx, rx = broadcast.channel[int](2)
    for value in (1, 2, 3, 4):
        tx.send(value)
    assert len(rx) == 4
    assert_lagged(rx, 2)
    assert len(rx) == 2
    assert rx.try_recv() == 3
    assert len(rx) == 1
    assert rx.try_recv() == 4
    assert len(rx) == 0
