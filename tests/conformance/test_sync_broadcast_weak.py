"""Counterpart of tokio/tests/sync_broadcast_weak.rs."""

from __future__ import annotations

import pytest

from yamanote import Runtime, spawn
from yamanote.sync import RecvError, broadcast


def test_weak_sender(rt: Runtime) -> None:
    async def send(tx: broadcast.Sender[int]) -> broadcast.WeakSender[int]:
        weak = tx.clone().downgrade()
        for value in range(10):
            tx.send(value)
        other = weak.upgrade()
        assert other is not None
        other.send(20)
        weak = other.downgrade()
        other.close()
        tx.close()
        return weak

    async def main() -> None:
        tx, rx = broadcast.channel[int](11)
        handle = spawn(send(tx))
        del tx
        weak = await handle
        assert [await rx.recv() for _ in range(11)] == [*range(10), 20]
        with pytest.raises(RecvError):
            await rx.recv()
        assert weak.upgrade() is None

    rt.block_on(main())


def test_downgrade_upgrade_sender_failure() -> None:
    tx, _rx = broadcast.channel[int](1)
    weak = tx.downgrade()
    del tx
    assert weak.upgrade() is None


def test_downgrade_drop_upgrade() -> None:
    tx, _rx = broadcast.channel[int](1)
    weak = tx.clone().downgrade()
    del tx
    assert weak.upgrade() is None


def test_tx_count_weak_sender() -> None:
    tx, _rx = broadcast.channel[int](1)
    weak, weak2 = tx.downgrade(), tx.downgrade()
    assert (tx.strong_count(), tx.weak_count()) == (1, 2)
    del tx
    assert weak.upgrade() is None
    assert weak2.upgrade() is None
    assert (weak.strong_count(), weak.weak_count()) == (0, 2)


def test_rx_is_closed_when_dropping_all_senders_except_weak_senders() -> None:
    tx, rx = broadcast.channel[None](10)
    weak = tx.clone().downgrade()
    del tx
    assert (weak.strong_count(), weak.weak_count()) == (0, 1)
    assert rx.is_closed()


def test_sender_strong_count_when_cloned() -> None:
    tx, rx = broadcast.channel[None](1)
    tx2 = tx.clone()
    assert tx.strong_count() == tx2.strong_count() == rx.sender_strong_count() == 2


def test_sender_weak_count_when_downgraded() -> None:
    tx, _rx = broadcast.channel[None](1)
    weak = tx.downgrade()
    assert tx.weak_count() == weak.weak_count() == 1


def test_sender_strong_count_when_dropped() -> None:
    tx, rx = broadcast.channel[None](1)
    tx2 = tx.clone()
    del tx2
    assert tx.strong_count() == rx.sender_strong_count() == 1


def test_sender_weak_count_when_dropped() -> None:
    tx, rx = broadcast.channel[None](1)
    weak = tx.downgrade()
    del weak
    assert tx.weak_count() == rx.sender_weak_count() == 0


def test_sender_strong_and_weak_conut() -> None:
    tx, rx = broadcast.channel[None](1)
    tx2 = tx.clone()
    weak, weak2 = tx.downgrade(), tx2.downgrade()
    for each in (tx, tx2, weak, weak2):
        assert (each.strong_count(), each.weak_count()) == (2, 2)
    assert (rx.sender_strong_count(), rx.sender_weak_count()) == (2, 2)
    del tx2, weak2
    for each in (tx, weak):
        assert (each.strong_count(), each.weak_count()) == (1, 1)
    assert (rx.sender_strong_count(), rx.sender_weak_count()) == (1, 1)
