"""tokio/tests/sync_oneshot.rs.

What is awaited a second time fails with RecvError here, where Tokio panics.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from tests.gates import PENDING, poll, until
from tests.waiting import Waiting
from yamanote import JoinError, Runtime, spawn
from yamanote.sync import RecvError, SendError, TryRecvError, oneshot


async def recv_fails(rx: Any) -> None:
    with pytest.raises(RecvError):
        await rx


async def is_pending(awaitable: Any) -> bool:
    async def wait() -> Any:
        return await awaitable

    return await poll(wait()) is PENDING


def try_recv_fails(rx: Any) -> None:
    with pytest.raises(TryRecvError) as error:
        rx.try_recv()
    assert error.value.is_disconnected()
    assert not error.value.is_empty()


def refused(tx: Any) -> None:
    with pytest.raises(SendError) as error:
        tx.send(1)
    assert error.value.value == 1


async def failed(waiting: Waiting[Any]) -> None:
    with pytest.raises(JoinError) as error:
        await waiting
    assert isinstance(error.value.into_panic(), RecvError)


def test_send_recv(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        waiting = await Waiting(rx).pending()
        tx.send(1)
        assert await waiting == 1

    rt.block_on(main())


def test_async_send_recv(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        tx.send(1)
        assert await rx == 1

    rt.block_on(main())


def test_close_tx(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        waiting = await Waiting(rx).pending()
        del tx
        await until(waiting.handle.is_finished)
        await failed(waiting)

    rt.block_on(main())


def test_close_rx(rt: Runtime) -> None:
    async def main() -> None:
        tx = oneshot.channel[int]()[0]
        await until(tx.is_closed)
        refused(tx)

        tx, rx = oneshot.channel[int]()
        waiting = await Waiting(tx.closed()).pending()
        del rx
        await until(tx.is_closed)
        await waiting
        await tx.closed()
        refused(tx)

    rt.block_on(main())


def test_async_rx_closed(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[None]()

        async def drop() -> None:
            rx.close()

        dropping = spawn(drop())
        await tx.closed()
        await dropping

    rt.block_on(main())


def test_explicit_close_poll(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        tx.send(1)
        rx.close()
        assert await rx == 1

        for send in (True, False):
            tx, rx = oneshot.channel[int]()
            waiting = await Waiting(tx.closed()).pending()
            rx.close()
            await waiting
            assert tx.is_closed()
            assert not await is_pending(tx.closed())
            if send:
                refused(tx)
            await recv_fails(rx)

    rt.block_on(main())


def test_explicit_close_try_recv(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        tx.send(1)
        rx.close()
        assert rx.try_recv() == 1

        tx, rx = oneshot.channel[int]()
        waiting = await Waiting(tx.closed()).pending()
        rx.close()
        await waiting
        assert tx.is_closed()
        try_recv_fails(rx)

    rt.block_on(main())


def test_close_try_recv_poll(rt: Runtime) -> None:
    async def main() -> None:
        _tx, rx = oneshot.channel[int]()
        rx.close()
        try_recv_fails(rx)
        await recv_fails(rx)

    rt.block_on(main())


def test_close_after_recv() -> None:
    tx, rx = oneshot.channel[int]()
    tx.send(17)
    assert rx.try_recv() == 17
    rx.close()
    assert tx.is_closed()


def test_try_recv_after_completion() -> None:
    tx, rx = oneshot.channel[int]()
    tx.send(17)
    assert rx.try_recv() == 17
    try_recv_fails(rx)
    rx.close()


def test_try_recv_after_completion_await(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        tx.send(17)
        assert await rx == 17
        try_recv_fails(rx)
        rx.close()

    rt.block_on(main())


def test_drops_tasks(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        on_tx = await Waiting(tx.closed()).pending()
        on_rx = await Waiting(rx).pending()
        tasks = [weakref.ref(on_tx.handle), weakref.ref(on_rx.handle)]
        tx.close()
        await failed(on_rx)
        rx.close()
        await on_tx
        del on_tx, on_rx
        gc.collect()
        await until(lambda: [task() for task in tasks] == [None, None])
        assert tx.is_closed()
        assert rx.is_terminated()

    rt.block_on(main())


def test_receiver_changes_task(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        task1 = await Waiting(rx).pending()
        task1.abort()
        with pytest.raises(JoinError):
            await task1
        task2 = await Waiting(rx).pending()
        tx.send(1)
        assert await task2 == 1

    rt.block_on(main())


def test_sender_changes_task(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        task1 = await Waiting(tx.closed()).pending()
        task1.abort()
        with pytest.raises(JoinError):
            await task1
        task2 = await Waiting(tx.closed()).pending()
        rx.close()
        await task2

    rt.block_on(main())


def test_receiver_is_terminated_send(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        assert not rx.is_terminated()
        tx.send(17)
        assert not rx.is_terminated()
        assert await rx == 17
        assert rx.is_terminated()

    rt.block_on(main())


def test_receiver_is_terminated_try_recv() -> None:
    tx, rx = oneshot.channel[int]()
    assert not rx.is_terminated()
    tx.send(17)
    assert not rx.is_terminated()
    assert rx.try_recv() == 17
    assert rx.is_terminated()


def test_receiver_is_terminated_drop(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        assert not rx.is_terminated()
        tx.close()
        assert not rx.is_terminated()
        await recv_fails(rx)
        assert rx.is_terminated()

    rt.block_on(main())


def test_receiver_is_terminated_rx_close(rt: Runtime) -> None:
    async def main() -> None:
        _tx, rx = oneshot.channel[int]()
        assert not rx.is_terminated()
        rx.close()
        assert not rx.is_terminated()
        await recv_fails(rx)
        assert rx.is_terminated()

    rt.block_on(main())


def test_receiver_is_empty_send(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        assert rx.is_empty()
        tx.send(17)
        assert not rx.is_empty()
        assert await rx == 17
        assert rx.is_empty()

    rt.block_on(main())


def test_receiver_is_empty_try_recv() -> None:
    tx, rx = oneshot.channel[int]()
    assert rx.is_empty()
    tx.send(17)
    assert not rx.is_empty()
    assert rx.try_recv() == 17
    assert rx.is_empty()


def test_receiver_is_empty_drop(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        assert rx.is_empty()
        tx.close()
        assert rx.is_empty()
        await recv_fails(rx)
        assert rx.is_empty()

    rt.block_on(main())


def test_receiver_is_empty_rx_close() -> None:
    _tx, rx = oneshot.channel[int]()
    assert rx.is_empty()
    rx.close()
    assert rx.is_empty()
