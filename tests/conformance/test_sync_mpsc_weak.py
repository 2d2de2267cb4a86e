"""tokio/tests/sync_mpsc_weak.rs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gates import until
from yamanote import Runtime, spawn
from yamanote.sync import RecvError, SendError, mpsc, oneshot


def weak_sender(rt: Runtime, channel: Any) -> None:
    async def main() -> None:
        tx, rx = channel()

        async def send() -> Any:
            with tx:
                weak = tx.clone().downgrade()
                for value in range(10):
                    await tx.send(value)
                other = weak.upgrade()
                assert other is not None
                with other:
                    await other.send(20)
                    return other.downgrade()

        weak = await spawn(send())
        assert [await rx.recv() for _ in range(11)] == [*range(10), 20]
        await until(rx.is_closed)
        with pytest.raises(RecvError):
            await rx.recv()
        assert weak.upgrade() is None

    rt.block_on(main())


def test_weak_sender(rt: Runtime) -> None:
    weak_sender(rt, lambda: mpsc.channel[int](11))


def test_weak_unbounded_sender(rt: Runtime) -> None:
    weak_sender(rt, mpsc.unbounded_channel[int])


class Actor:
    """Answers with numbers, and sends one message to itself."""

    def __init__(self, rx: Any, weak: Any) -> None:
        self.rx = rx
        self.weak = weak
        self.next_id = 0
        self.heard_itself = False

    async def run(self) -> None:
        first = True
        async for message in self.rx:
            if message is None:
                self.heard_itself = True
            else:
                self.next_id += 1
                message.send(self.next_id)
            if first:
                tx = self.weak.upgrade()
                if tx is not None:
                    with tx:
                        await tx.send(None)
            first = False


def actor(rt: Runtime, channel: Any) -> None:
    async def main() -> None:
        tx, rx = channel()
        it = Actor(rx, tx.downgrade())
        running = spawn(it.run())

        async def ask() -> int:
            # Closed only when it has answered: by then it has had its sender.
            with tx:
                answer_tx, answer = oneshot.channel[int]()
                await tx.send(answer_tx)
                number = await answer
                await until(lambda: it.heard_itself)
                return number

        assert await spawn(ask()) == 1
        await running
        assert it.heard_itself

    rt.block_on(main())


def test_actor_weak_sender(rt: Runtime) -> None:
    actor(rt, lambda: mpsc.channel[Any](8))


def test_actor_weak_unbounded_sender(rt: Runtime) -> None:
    actor(rt, mpsc.unbounded_channel[Any])


def values_dropped_with_receiver(rt: Runtime, channel: Any) -> None:
    dropped = []

    class Message:
        def __del__(self) -> None:
            dropped.append(self)

    async def main() -> None:
        tx, rx = channel()
        for _ in range(3):
            await tx.send(Message())
        await rx.recv()
        await rx.recv()
        del rx
        await until(lambda: len(dropped) == 3)
        with pytest.raises(SendError) as error:
            await tx.send(Message())
        assert isinstance(error.value.value, Message)
        del error
        await until(lambda: len(dropped) == 4)

    rt.block_on(main())


def test_msgs_dropped_on_rx_drop(rt: Runtime) -> None:
    values_dropped_with_receiver(rt, lambda: mpsc.channel[Any](3))


def test_msgs_dropped_on_unbounded_rx_drop(rt: Runtime) -> None:
    values_dropped_with_receiver(rt, mpsc.unbounded_channel[Any])


def test_downgrade_upgrade_sender_success() -> None:
    tx, _rx = mpsc.channel[int](1)
    other = tx.downgrade().upgrade()
    assert other is not None
    assert other.same_channel(tx)


def test_downgrade_upgrade_sender_failure() -> None:
    tx, _rx = mpsc.channel[int](1)
    weak = tx.downgrade()
    del tx
    assert weak.upgrade() is None


def test_downgrade_drop_upgrade() -> None:
    tx, _rx = mpsc.channel[int](1)
    weak = tx.clone().downgrade()
    del tx
    assert weak.upgrade() is None


def test_downgrade_get_permit_upgrade_no_senders(rt: Runtime) -> None:
    async def main() -> None:
        tx, _rx = mpsc.channel[int](1)
        weak = tx.downgrade()
        _permit = await tx.reserve_owned()
        tx.close()
        assert weak.upgrade() is not None

    rt.block_on(main())


def test_downgrade_upgrade_get_permit_no_senders(rt: Runtime) -> None:
    async def main() -> None:
        tx, _rx = mpsc.channel[int](1)
        tx2 = tx.clone()
        _permit = await tx.reserve_owned()
        tx.close()
        weak = tx2.downgrade()
        tx2.close()
        assert weak.upgrade() is not None

    rt.block_on(main())


def test_tx_count_weak_sender() -> None:
    tx, _rx = mpsc.channel[int](1)
    weak, weak2 = tx.downgrade(), tx.downgrade()
    del tx
    assert weak.upgrade() is None
    assert weak2.upgrade() is None


def test_downgrade_upgrade_unbounded_sender_success() -> None:
    tx, _rx = mpsc.unbounded_channel[int]()
    other = tx.downgrade().upgrade()
    assert other is not None
    assert other.same_channel(tx)


def test_downgrade_upgrade_unbounded_sender_failure() -> None:
    tx, _rx = mpsc.unbounded_channel[int]()
    weak = tx.downgrade()
    del tx
    assert weak.upgrade() is None


def test_downgrade_drop_upgrade_unbounded() -> None:
    tx, _rx = mpsc.unbounded_channel[int]()
    weak = tx.clone().downgrade()
    del tx
    assert weak.upgrade() is None


def test_tx_count_weak_unbounded_sender() -> None:
    tx, _rx = mpsc.unbounded_channel[int]()
    weak, weak2 = tx.downgrade(), tx.downgrade()
    del tx
    assert weak.upgrade() is None
    assert weak2.upgrade() is None


def test_rx_is_closed_when_dropping_all_senders_except_weak_senders() -> None:
    tx, rx = mpsc.channel[None](10)
    _weak = tx.clone().downgrade()
    del tx
    assert rx.is_closed()


def test_rx_unbounded_is_closed_when_dropping_all_senders_except_weak_senders() -> None:
    tx, rx = mpsc.unbounded_channel[None]()
    _weak = tx.clone().downgrade()
    del tx
    assert rx.is_closed()


def strong_cloned(channel: Any) -> None:
    tx, rx = channel
    tx2 = tx.clone()
    assert tx.strong_count() == tx2.strong_count() == rx.sender_strong_count() == 2


def weak_downgraded(channel: Any) -> None:
    tx, _rx = channel
    weak = tx.downgrade()
    assert tx.weak_count() == weak.weak_count() == 1


def strong_dropped(channel: Any) -> None:
    tx, rx = channel
    tx2 = tx.clone()
    del tx2
    assert tx.strong_count() == rx.sender_strong_count() == 1


def weak_dropped(channel: Any) -> None:
    tx, rx = channel
    weak = tx.downgrade()
    del weak
    assert tx.weak_count() == rx.sender_weak_count() == 0


def strong_and_weak(channel: Any) -> None:
    tx, rx = channel
    tx2 = tx.clone()
    weak, weak2 = tx.downgrade(), tx2.downgrade()
    for end in (tx, tx2, weak, weak2):
        assert (end.strong_count(), end.weak_count()) == (2, 2)
    assert (rx.sender_strong_count(), rx.sender_weak_count()) == (2, 2)
    del end, tx2, weak2
    for end in (tx, weak):
        assert (end.strong_count(), end.weak_count()) == (1, 1)
    assert (rx.sender_strong_count(), rx.sender_weak_count()) == (1, 1)


def test_sender_strong_count_when_cloned() -> None:
    strong_cloned(mpsc.channel[None](1))


def test_sender_weak_count_when_downgraded() -> None:
    weak_downgraded(mpsc.channel[None](1))


def test_sender_strong_count_when_dropped() -> None:
    strong_dropped(mpsc.channel[None](1))


def test_sender_weak_count_when_dropped() -> None:
    weak_dropped(mpsc.channel[None](1))


def test_sender_strong_and_weak_conut() -> None:
    strong_and_weak(mpsc.channel[None](1))


def test_unbounded_sender_strong_count_when_cloned() -> None:
    strong_cloned(mpsc.unbounded_channel[None]())


def test_unbounded_sender_weak_count_when_downgraded() -> None:
    weak_downgraded(mpsc.unbounded_channel[None]())


def test_unbounded_sender_strong_count_when_dropped() -> None:
    strong_dropped(mpsc.unbounded_channel[None]())


def test_unbounded_sender_weak_count_when_dropped() -> None:
    weak_dropped(mpsc.unbounded_channel[None]())


def test_unbounded_sender_strong_and_weak_conut() -> None:
    strong_and_weak(mpsc.unbounded_channel[None]())
