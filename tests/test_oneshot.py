"""oneshot: what Tokio's tests say nothing of. See also
tests/conformance/test_sync_oneshot.py."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from tests.channels import LIMIT, on_thread
from tests.waiting import Waiting
from yamanote import JoinError, Runtime, join, select, spawn, spawn_blocking
from yamanote.sync import RecvError, SendError, TryRecvError, oneshot


def test_from_thread_to_task_and_back(rt: Runtime) -> None:
    async def main() -> None:
        for number in range(50):
            tx, rx = oneshot.channel[int]()
            back_tx, back = oneshot.channel[int]()

            def echo(rx: Any, back_tx: Any) -> None:
                back_tx.send(rx.blocking_recv())

            echoing = spawn_blocking(echo, rx, back_tx)
            tx.send(number)
            assert await back == number
            await echoing

    rt.block_on(main())


def test_from_asyncio() -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rx, 0.001)
        sending = on_thread(tx.send, 1)
        assert await rx == 1
        sending.result(LIMIT)
        tx, rx = oneshot.channel[int]()
        closing = on_thread(rx.close)
        await tx.closed()
        closing.result(LIMIT)

    asyncio.run(main())


def test_from_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        with trio.move_on_after(0.001) as scope:
            await rx
        assert scope.cancelled_caught
        sending = on_thread(tx.send, 1)
        assert await rx == 1
        sending.result(LIMIT)

    trio.run(main)


def test_blocking_recv() -> None:
    tx, rx = oneshot.channel[int]()
    with pytest.raises(TimeoutError):
        rx.blocking_recv(timeout=0.001)
    tx.send(1)
    assert rx.blocking_recv(timeout=0) == 1
    with pytest.raises(RecvError):
        rx.blocking_recv()
    tx, rx = oneshot.channel[int]()
    receiving = on_thread(rx.blocking_recv)
    tx.close()
    assert isinstance(receiving.exception(LIMIT), RecvError)


def test_blocking_recv_on_a_worker(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        tx.send(1)
        with pytest.raises(RuntimeError, match="await the receiver"):
            rx.blocking_recv()

    rt.block_on(main())


def test_cancelled_it_has_received_nothing(rt: Runtime) -> None:
    async def main() -> None:
        for _ in range(50):
            tx, rx = oneshot.channel[int]()
            waiting = await Waiting(rx).pending()
            tx.send(1)
            waiting.abort()
            try:
                assert await waiting == 1
            except JoinError:
                assert not rx.is_terminated()
                assert await rx == 1

    rt.block_on(main())


def test_one_of_several_gets_the_value(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[str]()
        waiting = [await Waiting(rx).pending() for _ in range(5)]
        tx.send("value")
        got = []
        for each in waiting:
            try:
                got.append(await each)
            except JoinError as error:
                assert isinstance(error.into_panic(), RecvError)  # noqa: PT017
        assert got == ["value"]

    rt.block_on(main())


def test_a_sender_sends_once() -> None:
    tx, rx = oneshot.channel[int]()
    tx.send(1)
    with pytest.raises(RuntimeError, match="sends once"):
        tx.send(2)
    tx.close()
    assert rx.try_recv() == 1
    tx, rx = oneshot.channel[int]()
    with tx:
        pass
    with pytest.raises(RuntimeError, match="sends once"):
        tx.send(1)
    with pytest.raises(TryRecvError) as error:
        rx.try_recv()
    assert error.value.is_disconnected()


def test_try_recv_before_the_value() -> None:
    tx, rx = oneshot.channel[int]()
    with pytest.raises(TryRecvError) as error:
        rx.try_recv()
    assert error.value.is_empty()
    tx.send(1)
    assert rx.try_recv() == 1


def test_the_value_goes_with_the_receiver() -> None:
    ended = threading.Event()

    class Value:
        def __del__(self) -> None:
            ended.set()

    tx, rx = oneshot.channel[Value]()
    tx.send(Value())
    del rx
    assert ended.wait(LIMIT)
    assert tx.is_closed()


def test_in_select_and_join(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = oneshot.channel[int]()
        other_tx, other = oneshot.channel[int]()
        tx.send(1)
        assert await select(other, rx, biased=True) == (1, 1)

        async def send() -> None:
            other_tx.send(2)

        assert await join(other, send()) == (2, None)

    rt.block_on(main())


def test_repr() -> None:
    tx, rx = oneshot.channel[int]()
    assert "pending" in repr(tx)
    tx.send(1)
    assert "sent" in repr(rx)
    rx.try_recv()
    assert "received" in repr(rx)
    tx, rx = oneshot.channel[int]()
    rx.close()
    assert "closed" in repr(tx)


@pytest.mark.usefixtures("switch_interval")
def test_sent_or_refused_and_never_both(multi_rt: Runtime) -> None:
    async def main() -> None:
        for number in range(300):
            tx, rx = oneshot.channel[int]()

            async def send(tx: Any, number: int) -> bool:
                try:
                    tx.send(number)
                except SendError as error:
                    assert error.value == number  # noqa: PT017
                    return False
                return True

            async def receive(rx: Any) -> Any:
                try:
                    return await rx
                except RecvError:
                    return None

            sending = spawn(send(tx, number))
            receiving = spawn(receive(rx))
            closing = spawn_blocking(rx.close)
            await closing
            sent = await sending
            assert await receiving == (number if sent else None)

    multi_rt.block_on(main())
