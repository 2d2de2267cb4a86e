"""tokio/tests/sync_mpsc.rs.

`None` is `RecvError` here, and dropping an end is mostly `close()`: on a free-threaded build
a destructor may have to wait for the thread that made the object.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Awaitable
from typing import Any

import pytest

from tests.channels import LIMIT, on_thread
from tests.gates import PENDING, poll, until
from tests.waiting import Waiting
from yamanote import JoinError, Runtime, run, spawn
from yamanote.sync import (
    RecvError,
    SendError,
    SendTimeoutError,
    TryRecvError,
    TrySendError,
    mpsc,
)


class Value:
    """Something whose end can be seen."""


def full(error: pytest.ExceptionInfo[TrySendError]) -> bool:
    assert error.value.is_full() is not error.value.is_closed()
    return error.value.is_full()


def try_recv_error(rx: Any) -> str:
    with pytest.raises(TryRecvError) as error:
        rx.try_recv()
    assert error.value.is_empty() is not error.value.is_disconnected()
    return "empty" if error.value.is_empty() else "disconnected"


async def recv_fails(rx: Any) -> None:
    with pytest.raises(RecvError):
        await rx.recv()


async def closed(awaitable: Awaitable[Any]) -> None:
    with pytest.raises(SendError):
        await awaitable


async def joined_closed(waiting: Waiting[Any], error: type[Exception] = SendError) -> None:
    with pytest.raises(JoinError) as failure:
        await waiting
    assert isinstance(failure.value.into_panic(), error)


async def outcome(waiting: Waiting[Any]) -> Any:
    try:
        return await waiting
    except JoinError as error:
        return error.try_into_panic()


def test_send_recv_with_buffer(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](16)
        permit = await tx.reserve()
        permit.send(1)
        tx.try_send(2)
        tx.close()
        assert await rx.recv() == 1
        assert await rx.recv() == 2
        await recv_fails(rx)

    rt.block_on(main())


def test_reserve_disarm(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](2)
        permit1 = await tx.reserve()
        permit2 = await tx.clone().reserve()
        r3 = await Waiting(tx.clone().reserve()).pending()
        r4 = await Waiting(tx.clone().reserve()).pending()
        permit1.send(1)
        assert tx.capacity() == 0
        assert r3.is_pending()
        assert await rx.recv() == 1
        held = await r3
        assert r4.is_pending()
        permit2.release()
        held_too = await r4
        r1 = await Waiting(tx.reserve()).pending()
        held.release()
        (await r1).release()
        held_too.release()
        assert tx.capacity() == 2

    rt.block_on(main())


def test_send_recv_stream_with_buffer(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](16)

        async def send() -> None:
            with tx:
                await tx.send(1)
                await tx.send(2)

        sending = spawn(send())
        assert [value async for value in rx] == [1, 2]
        await sending

    rt.block_on(main())


def test_async_send_recv_with_buffer(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](16)

        async def send() -> None:
            with tx:
                await tx.send(1)
                await tx.send(2)

        sending = spawn(send())
        assert await rx.recv() == 1
        assert await rx.recv() == 2
        await recv_fails(rx)
        await sending

    rt.block_on(main())


def test_async_send_recv_many_with_buffer(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](2)
        assert await rx.recv_many(0) == []

        async def send() -> None:
            with tx:
                for value in (1, 2, 7, 0):
                    await tx.send(value)

        sending = spawn(send())
        got: list[int] = []
        while len(got) < 4:
            some = await rx.recv_many(3)
            assert 1 <= len(some) <= 3
            got += some
        assert got == [1, 2, 7, 0]
        assert await rx.recv_many(3) == []
        await sending

    rt.block_on(main())


def test_start_send_past_cap(rt: Runtime) -> None:
    async def main() -> None:
        tx1, rx = mpsc.channel[None](1)
        tx2 = tx1.clone()
        tx1.try_send(None)
        r1 = await Waiting(tx1.reserve()).pending()
        r2 = await Waiting(tx2.reserve()).pending()
        r1.abort()
        await rx.recv()
        (await r2).release()
        with pytest.raises(JoinError) as error:
            await r1
        assert error.value.is_cancelled()
        tx1.close()
        tx2.close()
        await recv_fails(rx)

    rt.block_on(main())


def test_buffer_gteq_one() -> None:
    with pytest.raises(ValueError, match="1 value or more"):
        mpsc.channel[int](0)


def test_send_recv_unbounded(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[int]()
        tx.send(1)
        tx.send(2)
        assert await rx.recv() == 1
        assert await rx.recv() == 2
        tx.close()
        await recv_fails(rx)

    rt.block_on(main())


def test_send_recv_many_unbounded(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[int]()
        assert await rx.recv_many(0) == []
        for value in (7, 13, 100, 1002):
            tx.send(value)
        assert await rx.recv_many(0) == []
        got = []
        while len(got) < 4:
            got += await rx.recv_many(1)
        assert got == [7, 13, 100, 1002]
        for value in (5, 6, 7, 2):
            tx.send(value)
        assert await rx.recv_many(32) == [5, 6, 7, 2]
        tx.close()
        assert await rx.recv_many(4) == []
        await recv_fails(rx)

    rt.block_on(main())


def test_send_recv_many_bounded_capacity(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[str](100)
        expected = [str(number) for number in range(9)]
        for value in expected:
            await tx.send(value)
        await tx.send("one more")
        assert await rx.recv_many(9) == expected
        assert await rx.recv_many(9) == ["one more"]

        async def send() -> None:
            with tx:
                await tx.send("final")

        sending = spawn(send())
        assert await rx.recv_many(9) == ["final"]
        assert await rx.recv_many(9) == []
        await sending

    rt.block_on(main())


def test_send_recv_many_unbounded_capacity(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[str]()
        expected = [str(number) for number in range(9)]
        for value in expected:
            tx.send(value)
        tx.send("one more")
        assert await rx.recv_many(9) == expected
        assert await rx.recv_many(9) == ["one more"]

        async def send() -> None:
            with tx:
                tx.send("final")

        sending = spawn(send())
        assert await rx.recv_many(9) == ["final"]
        assert await rx.recv_many(9) == []
        await sending

    rt.block_on(main())


def test_recv_many_with_non_empty_buffer_bounded_rx_closed_and_idle(rt: Runtime) -> None:
    async def main() -> None:
        _tx, rx = mpsc.channel[int](1)
        rx.close()
        assert await rx.recv_many(1) == []

    rt.block_on(main())


def test_recv_many_with_non_empty_buffer_unbounded_rx_closed_and_idle(rt: Runtime) -> None:
    async def main() -> None:
        _tx, rx = mpsc.unbounded_channel[int]()
        rx.close()
        assert await rx.recv_many(1) == []

    rt.block_on(main())


def test_async_send_recv_unbounded(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[int]()

        async def send() -> None:
            with tx:
                tx.send(1)
                tx.send(2)

        sending = spawn(send())
        assert await rx.recv() == 1
        assert await rx.recv() == 2
        await recv_fails(rx)
        await sending

    rt.block_on(main())


def test_send_recv_stream_unbounded(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[int]()

        async def send() -> None:
            with tx:
                tx.send(1)
                tx.send(2)

        sending = spawn(send())
        assert [value async for value in rx] == [1, 2]
        await sending

    rt.block_on(main())


def test_no_t_bounds_buffer(rt: Runtime) -> None:
    async def main() -> None:
        class NoImpls:
            __eq__ = None  # type: ignore[assignment]
            __hash__ = None  # type: ignore[assignment]
            __repr__ = None  # type: ignore[assignment]

        tx, rx = mpsc.channel[NoImpls](100)
        assert "Sender" in repr(tx)
        assert "Receiver" in repr(rx)
        value = NoImpls()
        tx.clone().try_send(value)
        assert "1/100" in repr(rx)
        assert await rx.recv() is value

    rt.block_on(main())


def test_no_t_bounds_unbounded(rt: Runtime) -> None:
    async def main() -> None:
        class NoImpls:
            __eq__ = None  # type: ignore[assignment]
            __hash__ = None  # type: ignore[assignment]
            __repr__ = None  # type: ignore[assignment]

        tx, rx = mpsc.unbounded_channel[NoImpls]()
        assert "UnboundedSender" in repr(tx)
        assert "UnboundedReceiver" in repr(rx)
        value = NoImpls()
        tx.clone().send(value)
        assert await rx.recv() is value

    rt.block_on(main())


def test_send_recv_buffer_limited(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        p1 = await tx.reserve()
        p1.send(1)
        p2 = await Waiting(tx.reserve()).pending()
        assert await rx.recv() == 1
        with pytest.raises(TrySendError) as error:
            tx.try_send(1337)
        assert full(error)
        assert error.value.value == 1337
        (await p2).send(2)
        assert await rx.recv() == 2

    rt.block_on(main())


def test_recv_close_gets_none_idle(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](10)
        rx.close()
        await recv_fails(rx)
        with pytest.raises(SendError) as error:
            await tx.send(1)
        assert error.value.value == 1

    rt.block_on(main())


def test_recv_close_gets_none_reserved(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        permit1 = await tx.reserve()
        permit2 = await Waiting(tx.clone().reserve()).pending()
        rx.close()
        await joined_closed(permit2)
        recv = await Waiting(rx.recv()).pending()
        permit1.send(123)
        assert await recv == 123
        await recv_fails(rx)

    rt.block_on(main())


def test_failed_reserve_many_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](2)
        permit = tx.try_reserve()
        reserve = await Waiting(tx.reserve_many(2)).pending()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        permit.release()
        await joined_closed(reserve)
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_cancelled_reserve_many_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](2)
        permit = tx.try_reserve()
        reserve = await Waiting(tx.reserve_many(2)).pending()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        permit.release()
        reserve.abort()
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_failed_reserve_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](1)
        permit = tx.try_reserve()
        reserve = await Waiting(tx.reserve()).pending()
        permit.release()
        rx.close()
        # Where the reservation ran in between it has not failed, and gives way here.
        recv = Waiting(rx.recv())
        ended = await outcome(reserve)
        if isinstance(ended, mpsc.Permit):
            ended.release()
        else:
            assert isinstance(ended, SendError)
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_cancelled_reserve_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](1)
        permit = tx.try_reserve()
        reserve = await Waiting(tx.reserve()).pending()
        permit.release()
        reserve.abort()
        rx.close()
        recv = Waiting(rx.recv())
        ended = await outcome(reserve)
        if isinstance(ended, mpsc.Permit):
            ended.release()
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_tx_close_gets_none(rt: Runtime) -> None:
    async def main() -> None:
        rx = mpsc.channel[int](10)[1]
        await recv_fails(rx)

    rt.block_on(main())


def test_try_send_fail(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[str](1)
        tx.try_send("hello")
        with pytest.raises(TrySendError) as error:
            tx.try_send("fail")
        assert full(error)
        assert error.value.value == "fail"
        assert await rx.recv() == "hello"
        tx.try_send("goodbye")
        tx.close()
        assert await rx.recv() == "goodbye"
        await recv_fails(rx)

    rt.block_on(main())


def test_try_send_fail_with_try_recv() -> None:
    tx, rx = mpsc.channel[str](1)
    tx.try_send("hello")
    with pytest.raises(TrySendError) as error:
        tx.try_send("fail")
    assert full(error)
    assert rx.try_recv() == "hello"
    tx.try_send("goodbye")
    tx.close()
    assert rx.try_recv() == "goodbye"
    assert try_recv_error(rx) == "disconnected"


def test_reserve_many_above_cap(rt: Runtime) -> None:
    async def main() -> None:
        tx, _rx = mpsc.channel[None](1)
        for count in (2, 2**61, 2**64):
            with pytest.raises(ValueError, match="1 places"):
                await tx.reserve_many(count)

    rt.block_on(main())


def test_try_reserve_many_zero() -> None:
    tx, rx = mpsc.channel[None](1)
    assert list(tx.try_reserve_many(0)) == []
    tx.try_send(None)
    assert list(tx.try_reserve_many(0)) == []
    rx.close()
    with pytest.raises(TrySendError) as error:
        tx.try_reserve_many(0)
    assert not full(error)


def test_reserve_many_zero(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](1)
        assert list(await tx.reserve_many(0)) == []
        await tx.send(None)
        assert list(await tx.reserve_many(0)) == []
        rx.close()
        await closed(tx.reserve_many(0))

    rt.block_on(main())


def test_try_reserve_many_edge_cases(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](1)
        assert next(tx.try_reserve_many(0), None) is None
        for count in (2**61, 2**64):
            with pytest.raises(TrySendError) as error:
                tx.try_reserve_many(count)
            assert full(error)
        rx.close()
        await closed(tx.reserve_many(0))

    rt.block_on(main())


def test_try_reserve_fails(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[str](1)
        permit = tx.try_reserve()
        with pytest.raises(TrySendError) as error:
            tx.try_reserve()
        assert full(error)
        permit.send("foo")
        assert await rx.recv() == "foo"
        tx.try_reserve().release()
        tx.try_reserve().release()

    rt.block_on(main())


def test_reserve_many_and_send(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[str](100)
        for count in range(100):
            sent = 0
            for permit in await tx.reserve_many(count):
                permit.send("foo")
                sent += 1
                assert await rx.recv() == "foo"
            assert sent == count
            assert try_recv_error(rx) == "empty"

    rt.block_on(main())


def test_try_reserve_many_and_send(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[str](100)
        for count in range(100):
            for permit in tx.try_reserve_many(count):
                permit.send("foo")
                assert await rx.recv() == "foo"
            assert try_recv_error(rx) == "empty"

    rt.block_on(main())


def test_reserve_many_on_closed_channel(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](100)
        rx.close()
        await closed(tx.reserve_many(10))

    rt.block_on(main())


def test_try_reserve_many_on_closed_channel() -> None:
    tx, rx = mpsc.channel[int](100)
    del rx
    with pytest.raises(TrySendError) as error:
        tx.try_reserve_many(10)
    assert not full(error)


def test_try_reserve_many_full() -> None:
    for n in range(1, 30):
        for k in range(n):
            tx, rx = mpsc.channel[int](n)
            permits = tx.try_reserve_many(n)
            assert len(permits) == n
            assert tx.capacity() == 0
            with pytest.raises(TrySendError) as error:
                tx.try_reserve_many(1)
            assert full(error)
            for _ in range(k):
                next(permits).send(0)
            permits.release()
            assert tx.capacity() == n - k
            tx.try_reserve_many(1).release()
            with pytest.raises(TrySendError) as error:
                tx.try_reserve_many(n - k + 1)
            assert full(error)
            for _ in range(k):
                assert rx.try_recv() == 0
            assert tx.capacity() == n


def test_drop_permit_releases_permit(rt: Runtime) -> None:
    async def main() -> None:
        tx1, _rx = mpsc.channel[int](1)
        permit = await tx1.reserve()
        reserve2 = await Waiting(tx1.clone().reserve()).pending()
        del permit
        await until(reserve2.handle.is_finished)
        (await reserve2).release()

    rt.block_on(main())


def test_drop_permit_iterator_releases_permits(rt: Runtime) -> None:
    async def main() -> None:
        for n in range(1, 20):
            tx1, _rx = mpsc.channel[int](n)
            permits = await tx1.reserve_many(n)
            reserve2 = await Waiting(tx1.clone().reserve_many(n)).pending()
            del permits
            await until(reserve2.handle.is_finished)
            (await reserve2).release()
            assert tx1.capacity() == n

    rt.block_on(main())


def test_dropping_last_permit_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](100)
        permit = tx.try_reserve()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        del permit
        await until(recv.handle.is_finished)
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_dropping_last_owned_permit_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](100)
        permit = tx.try_reserve_owned()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        del permit
        await until(recv.handle.is_finished)
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_dropping_last_permit_iterator_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](100)
        permits = tx.try_reserve_many(1)
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        del permits
        await until(recv.handle.is_finished)
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_sending_last_permit_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[str](100)
        permit = tx.try_reserve()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        permit.send("last")
        assert await recv == "last"
        await recv_fails(rx)

    rt.block_on(main())


def test_sending_last_owned_permit_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[str](100)
        permit = tx.try_reserve_owned()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        permit.send("last")
        assert await recv == "last"
        await recv_fails(rx)

    rt.block_on(main())


def test_releasing_last_owned_permit_wakes_closed_receiver(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](100)
        permit = tx.try_reserve_owned()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        inert = permit.release()
        await joined_closed(recv, RecvError)
        assert inert.is_closed()

    rt.block_on(main())


def test_dropping_rx_closes_channel(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[Value](100)
        value = Value()
        gone = weakref.ref(value)
        tx.try_send(value)
        del value, rx
        await until(tx.is_closed)
        await closed(tx.reserve())
        await closed(tx.reserve_many(10))
        await until(lambda: gone() is None)

    rt.block_on(main())


def test_dropping_rx_closes_channel_for_try() -> None:
    tx, rx = mpsc.channel[Value](100)
    value = Value()
    tx.try_send(value)
    gone = weakref.ref(value)
    del rx
    with pytest.raises(TrySendError) as error:
        tx.try_send(value)
    assert not full(error)
    assert error.value.value is value
    with pytest.raises(TrySendError) as other:
        tx.try_reserve()
    assert not full(other)
    with pytest.raises(TrySendError) as other:
        tx.try_reserve_owned()
    assert not full(other)
    del value, error, other
    gc.collect()
    assert gone() is None


def test_unconsumed_messages_are_dropped() -> None:
    tx, rx = mpsc.channel[Value](100)
    value = Value()
    tx.try_send(value)
    gone = weakref.ref(value)
    del value
    assert gone() is not None
    del tx, rx
    assert gone() is None


def test_blocking_recv(rt: Runtime) -> None:
    tx, rx = mpsc.channel[int](1)
    receiving = on_thread(rx.blocking_recv)

    async def main() -> None:
        await tx.send(10)

    rt.block_on(main())
    assert receiving.result(LIMIT) == 10


def test_blocking_recv_async(rt: Runtime) -> None:
    async def main() -> None:
        _tx, rx = mpsc.channel[None](1)
        with pytest.raises(RuntimeError, match=r"await recv\(\)"):
            rx.blocking_recv()

    rt.block_on(main())


def test_blocking_send(rt: Runtime) -> None:
    tx, rx = mpsc.channel[int](1)
    sending = on_thread(tx.blocking_send, 10)

    async def main() -> None:
        assert await rx.recv() == 10

    rt.block_on(main())
    sending.result(LIMIT)


def test_blocking_send_async(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](1)
        with pytest.raises(RuntimeError, match=r"await send\(\)"):
            tx.blocking_send(None)
        assert rx.is_empty()

    rt.block_on(main())


def test_ready_close_cancel_bounded(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](100)
        _tx2 = tx.clone()
        permit = await tx.reserve()
        rx.close()
        recv = await Waiting(rx.recv()).pending()
        permit.release()
        await joined_closed(recv, RecvError)

    rt.block_on(main())


def test_permit_available_not_acquired_close(rt: Runtime) -> None:
    async def main() -> None:
        tx1, rx = mpsc.channel[None](1)
        tx2 = tx1.clone()
        permit1 = await tx1.reserve()
        permit2 = await Waiting(tx2.reserve()).pending()
        rx.close()
        permit1.release()
        await joined_closed(permit2)
        await recv_fails(rx)

    rt.block_on(main())


def test_try_recv_bounded() -> None:
    tx, rx = mpsc.channel[str](5)

    def send(times: int) -> None:
        for _ in range(times):
            tx.try_send("hello")

    def recv(times: int) -> None:
        for _ in range(times):
            assert rx.try_recv() == "hello"

    send(5)
    with pytest.raises(TrySendError):
        tx.try_send("hello")
    recv(5)
    assert try_recv_error(rx) == "empty"
    send(4)
    recv(1)
    send(2)
    with pytest.raises(TrySendError):
        tx.try_send("hello")
    recv(5)
    assert try_recv_error(rx) == "empty"
    send(3)
    tx.close()
    recv(3)
    assert try_recv_error(rx) == "disconnected"


def test_try_recv_unbounded() -> None:
    for number in range(100):
        tx, rx = mpsc.unbounded_channel[int]()
        for value in range(number):
            tx.send(value)
        for value in range(number):
            assert rx.try_recv() == value
        assert try_recv_error(rx) == "empty"
        tx.close()
        assert try_recv_error(rx) == "disconnected"


def test_try_recv_after_receiver_close() -> None:
    _tx, rx = mpsc.channel[None](5)
    assert try_recv_error(rx) == "empty"
    rx.close()
    assert try_recv_error(rx) == "disconnected"


def test_try_recv_after_receiver_close_with_permit() -> None:
    tx, rx = mpsc.channel[None](5)
    permit = tx.try_reserve()
    assert try_recv_error(rx) == "empty"
    rx.close()
    assert try_recv_error(rx) == "empty"
    del permit
    assert try_recv_error(rx) == "disconnected"


def test_try_recv_close_while_empty_bounded() -> None:
    tx, rx = mpsc.channel[None](5)
    assert try_recv_error(rx) == "empty"
    del tx
    assert try_recv_error(rx) == "disconnected"


def test_try_recv_close_while_empty_unbounded() -> None:
    tx, rx = mpsc.unbounded_channel[None]()
    assert try_recv_error(rx) == "empty"
    del tx
    assert try_recv_error(rx) == "disconnected"


def test_recv_timeout() -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](5)
        for value in (10, 20, 30, 40, 50):
            await tx.send_timeout(value, 1)
        with pytest.raises(SendTimeoutError) as error:
            await tx.send_timeout(60, 1)
        assert error.value.value == 60
        rx.close()
        with pytest.raises(SendError) as refused:
            await tx.send_timeout(70, 1)
        assert refused.value.value == 70

    run(main(), flavor="current_thread", start_paused=True)


def test_recv_timeout_panic() -> None:
    tx, _rx = mpsc.channel[int](1)
    tx.try_send(10)
    # Room is needed where Tokio fails in any case: there is nothing to sleep on here.
    sending = tx.send_timeout(10, 1)
    with pytest.raises(RuntimeError, match="no running event loop"):
        sending.send(None)


def test_tx_capacity(rt: Runtime) -> None:
    async def main() -> None:
        tx, _rx = mpsc.channel[None](10)
        assert tx.capacity() == 10
        assert tx.max_capacity() == 10
        _permit = await tx.reserve()
        assert tx.capacity() == 9
        assert tx.max_capacity() == 10
        await tx.send(None)
        assert tx.capacity() == 8
        assert tx.max_capacity() == 10

    rt.block_on(main())


def test_rx_is_closed_when_calling_close_with_sender() -> None:
    _tx, rx = mpsc.channel[None](10)
    rx.close()
    assert rx.is_closed()


def test_rx_is_closed_when_dropping_all_senders(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](10)

        async def drop(_tx: Any) -> None:
            pass

        task = spawn(drop(tx.clone()))
        del tx
        await task
        await until(rx.is_closed)

    rt.block_on(main())


def test_rx_is_not_closed_when_there_are_senders() -> None:
    _tx, rx = mpsc.channel[None](10)
    assert not rx.is_closed()


def test_rx_is_not_closed_when_there_are_senders_and_buffer_filled(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](10)
        for value in range(10):
            await tx.send(value)
        assert not rx.is_closed()

    rt.block_on(main())


def filled(tx: Any) -> None:
    for value in range(10):
        (tx.try_send if isinstance(tx, mpsc.Sender) else tx.send)(value)


def test_rx_is_closed_when_there_are_no_senders_and_there_are_messages() -> None:
    tx, rx = mpsc.channel[int](10)
    filled(tx)
    del tx
    assert rx.is_closed()


def test_rx_is_closed_when_there_are_messages_and_close_is_called() -> None:
    tx, rx = mpsc.channel[int](10)
    filled(tx)
    rx.close()
    assert rx.is_closed()


def test_rx_is_not_closed_when_there_are_permits_but_not_senders(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[None](10)
        permit = await tx.reserve_owned()
        tx.close()
        assert not rx.is_closed()
        permit.release().close()
        assert rx.is_closed()

    rt.block_on(main())


def test_rx_is_empty_when_no_messages_were_sent() -> None:
    _tx, rx = mpsc.channel[None](10)
    assert rx.is_empty()


def test_rx_is_not_empty_when_there_are_messages_in_the_buffer() -> None:
    tx, rx = mpsc.channel[None](10)
    tx.try_send(None)
    assert not rx.is_empty()


def test_rx_is_not_empty_when_the_buffer_is_full() -> None:
    tx, rx = mpsc.channel[int](10)
    filled(tx)
    assert not rx.is_empty()


def test_rx_is_not_empty_when_all_but_one_messages_are_consumed() -> None:
    tx, rx = mpsc.channel[int](10)
    filled(tx)
    for _ in range(9):
        rx.try_recv()
    assert not rx.is_empty()


def test_rx_is_empty_when_all_messages_are_consumed() -> None:
    tx, rx = mpsc.channel[int](10)
    filled(tx)
    for _ in range(10):
        rx.try_recv()
    assert try_recv_error(rx) == "empty"
    assert rx.is_empty()


def test_rx_is_empty_all_senders_are_dropped_and_messages_consumed() -> None:
    tx, rx = mpsc.channel[int](10)
    filled(tx)
    del tx
    for _ in range(10):
        rx.try_recv()
    assert rx.is_empty()


def test_rx_len_on_empty_channel() -> None:
    _tx, rx = mpsc.channel[None](100)
    assert len(rx) == 0


def test_rx_len_on_empty_channel_without_senders() -> None:
    tx, rx = mpsc.channel[None](100)
    del tx
    assert len(rx) == 0


def test_rx_len_on_filled_channel(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](100)
        for value in range(100):
            await tx.send(value)
        assert len(rx) == 100

    rt.block_on(main())


def test_rx_len_on_filled_channel_without_senders() -> None:
    tx, rx = mpsc.channel[int](100)
    for value in range(100):
        tx.try_send(value)
    del tx
    assert len(rx) == 100


def test_rx_len_when_consuming_all_messages(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](100)
        for value in range(100):
            await tx.send(value)
            assert len(rx) == value + 1
        tx.close()
        for left in reversed(range(100)):
            await rx.recv()
            assert len(rx) == left

    rt.block_on(main())


def test_rx_len_when_close_is_called() -> None:
    tx, rx = mpsc.channel[None](100)
    tx.try_send(None)
    rx.close()
    assert len(rx) == 1


def test_rx_len_when_close_is_called_before_dropping_sender() -> None:
    tx, rx = mpsc.channel[None](100)
    tx.try_send(None)
    rx.close()
    del tx
    assert len(rx) == 1


def test_rx_len_when_close_is_called_after_dropping_sender() -> None:
    tx, rx = mpsc.channel[None](100)
    tx.try_send(None)
    del tx
    rx.close()
    assert len(rx) == 1


def test_rx_unbounded_is_closed_when_calling_close_with_sender() -> None:
    _tx, rx = mpsc.unbounded_channel[None]()
    rx.close()
    assert rx.is_closed()


def test_rx_unbounded_is_closed_when_dropping_all_senders(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[None]()

        async def drop(_tx: Any) -> None:
            pass

        task = spawn(drop(tx.clone()))
        del tx
        await task
        await until(rx.is_closed)

    rt.block_on(main())


def test_rx_unbounded_is_not_closed_when_there_are_senders() -> None:
    _tx, rx = mpsc.unbounded_channel[None]()
    assert not rx.is_closed()


def test_rx_unbounded_is_closed_when_there_are_no_senders_and_there_are_messages() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    filled(tx)
    del tx
    assert rx.is_closed()


def test_rx_unbounded_is_closed_when_there_are_messages_and_close_is_called() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    filled(tx)
    rx.close()
    assert rx.is_closed()


def test_rx_unbounded_is_empty_when_no_messages_were_sent() -> None:
    _tx, rx = mpsc.unbounded_channel[None]()
    assert rx.is_empty()


def test_rx_unbounded_is_not_empty_when_there_are_messages_in_the_buffer() -> None:
    tx, rx = mpsc.unbounded_channel[None]()
    tx.send(None)
    assert not rx.is_empty()


def test_rx_unbounded_is_not_empty_when_all_but_one_messages_are_consumed() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    filled(tx)
    for _ in range(9):
        rx.try_recv()
    assert not rx.is_empty()


def test_rx_unbounded_is_empty_when_all_messages_are_consumed() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    filled(tx)
    for _ in range(10):
        rx.try_recv()
    assert try_recv_error(rx) == "empty"
    assert rx.is_empty()


def test_rx_unbounded_is_empty_all_senders_are_dropped_and_messages_consumed() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    filled(tx)
    del tx
    for _ in range(10):
        rx.try_recv()
    assert rx.is_empty()


def test_rx_unbounded_len_on_empty_channel() -> None:
    _tx, rx = mpsc.unbounded_channel[None]()
    assert len(rx) == 0


def test_rx_unbounded_len_on_empty_channel_without_senders() -> None:
    tx, rx = mpsc.unbounded_channel[None]()
    del tx
    assert len(rx) == 0


def test_rx_unbounded_len_with_multiple_messages() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    for value in range(100):
        tx.send(value)
    assert len(rx) == 100


def test_rx_unbounded_len_with_multiple_messages_and_dropped_senders() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    for value in range(100):
        tx.send(value)
    del tx
    assert len(rx) == 100


def test_rx_unbounded_len_when_consuming_all_messages(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.unbounded_channel[int]()
        for value in range(100):
            tx.send(value)
            assert len(rx) == value + 1
        tx.close()
        for left in reversed(range(100)):
            await rx.recv()
            assert len(rx) == left

    rt.block_on(main())


def test_rx_unbounded_len_when_close_is_called() -> None:
    tx, rx = mpsc.unbounded_channel[None]()
    tx.send(None)
    rx.close()
    assert len(rx) == 1


def test_rx_unbounded_len_when_close_is_called_before_dropping_sender() -> None:
    tx, rx = mpsc.unbounded_channel[None]()
    tx.send(None)
    rx.close()
    del tx
    assert len(rx) == 1


def test_rx_unbounded_len_when_close_is_called_after_dropping_sender() -> None:
    tx, rx = mpsc.unbounded_channel[None]()
    tx.send(None)
    del tx
    rx.close()
    assert len(rx) == 1


def test_is_empty_32_msgs(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](33)
        for value in range(1, 257):
            await tx.send(value)
            assert await rx.recv() == value
            assert rx.is_empty(), f"{value}, {len(rx)}"

    rt.block_on(main())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_drop_all_elements_during_panic() -> None:
    ended = []

    class A:
        def __init__(self, fails: bool) -> None:
            self.fails = fails

        def __del__(self) -> None:
            ended.append(self.fails)
            if self.fails:
                raise ValueError("panic!")

    tx, rx = mpsc.unbounded_channel[A]()
    tx.send(A(True))
    tx.send(A(False))
    tx.send(A(False))
    del rx
    assert ended == [True, False, False]
    assert tx.is_closed()


def test_release_waker_on_rx_drop(rt: Runtime) -> None:
    async def main() -> None:
        _tx, rx = mpsc.channel[None](1)
        recv = await Waiting(rx.recv()).pending()
        task = weakref.ref(recv.handle)
        recv.abort()
        with pytest.raises(JoinError):
            await recv
        del recv
        gc.collect()
        await until(lambda: task() is None)
        assert await poll(rx.recv()) is PENDING  # type: ignore[arg-type]

    rt.block_on(main())
