"""Counterpart of tokio/tests/sync_watch.rs."""

from __future__ import annotations

import pytest

from yamanote import select, yield_now
from yamanote.sync import RecvError, SendError, watch

from ..polled import Polled, on_one_worker


def test_single_rx_recv() -> None:
    async def main() -> None:
        tx, rx = watch.channel("one")
        waiting = Polled(rx.changed())
        await waiting.pending()
        await waiting.drop()
        assert rx.borrow() == "one"

        waiting = Polled(rx.changed())
        await waiting.pending()
        tx.send("two")
        await waiting.ready()
        assert rx.borrow() == "two"

        waiting = Polled(rx.changed())
        await waiting.pending()
        del tx
        with pytest.raises(RecvError):
            await waiting.ready()
        assert rx.borrow() == "two"

    on_one_worker(main())


def test_rx_version_underflow() -> None:
    _tx, rx = watch.channel("one")
    rx.mark_changed()
    rx.mark_changed()
    assert rx.has_changed()


def test_rx_mark_changed() -> None:
    async def main() -> None:
        tx, rx = watch.channel("one")
        rx2, rx3, rx4 = rx.clone(), rx.clone(), rx.clone()
        rx.mark_changed()
        assert rx.has_changed()
        await Polled(rx.changed()).ready()

        assert not rx2.has_changed()
        await Polled(rx2.changed()).pending()

        rx3.mark_changed()
        assert rx3.borrow() == "one"
        assert rx3.has_changed()
        assert rx3.borrow_and_update() == "one"
        assert not rx3.has_changed()
        await Polled(rx3.changed()).pending()

        tx.send("two")
        assert rx4.has_changed()
        assert rx4.borrow_and_update() == "two"
        rx4.mark_changed()
        assert rx4.has_changed()
        assert rx4.borrow_and_update() == "two"
        assert rx.borrow() == "two"

    on_one_worker(main())


def test_rx_mark_unchanged() -> None:
    async def main() -> None:
        tx, rx = watch.channel("one")
        rx2 = rx.clone()
        assert not rx.has_changed()
        rx.mark_changed()
        assert rx.has_changed()
        rx.mark_unchanged()
        assert not rx.has_changed()
        await Polled(rx.changed()).pending()

        assert not rx2.has_changed()
        tx.send("two")
        assert rx2.has_changed()
        rx2.mark_unchanged()
        assert not rx2.has_changed()
        assert rx2.borrow_and_update() == "two"
        assert rx.borrow() == "two"

    on_one_worker(main())


def test_multi_rx() -> None:
    async def main() -> None:
        tx, rx1 = watch.channel("one")
        rx2 = rx1.clone()
        for rx in (rx1, rx2):
            waiting = Polled(rx.changed())
            await waiting.pending()
            await waiting.drop()
            assert rx.borrow() == "one"

        second = Polled(rx2.changed())
        first = Polled(rx1.changed())
        await first.pending()
        await second.pending()
        tx.send("two")
        await first.ready()
        assert rx1.borrow() == "two"

        first = Polled(rx1.changed())
        await first.pending()
        tx.send("three")
        await first.ready()
        await second.ready()
        assert rx1.borrow() == rx2.borrow_and_update() == "three"

        first, second = Polled(rx1.changed()), Polled(rx2.changed())
        await first.pending()
        await second.pending()
        tx.send("four")
        await first.ready()
        await second.ready()
        assert rx1.borrow() == rx2.borrow() == "four"

    on_one_worker(main())


def test_rx_observes_final_value() -> None:
    async def main() -> None:
        tx, rx = watch.channel("one")
        del tx
        with pytest.raises(RecvError):
            await Polled(rx.changed()).ready()
        assert rx.borrow() == "one"

        tx, rx = watch.channel("one")
        tx.send("two")
        await Polled(rx.changed()).ready()
        assert rx.borrow() == "two"
        waiting = Polled(rx.changed())
        await waiting.pending()
        tx.send("three")
        del tx
        await waiting.ready()
        assert rx.borrow() == "three"
        with pytest.raises(RecvError):
            await Polled(rx.changed()).ready()
        assert rx.borrow() == "three"

    on_one_worker(main())


def test_poll_close() -> None:
    async def main() -> None:
        tx, rx = watch.channel("one")
        waiting = Polled(tx.closed())
        await waiting.pending()
        del rx
        await waiting.ready()
        with pytest.raises(SendError) as info:
            tx.send("two")
        assert info.value.value == "two"

    on_one_worker(main())


def test_borrow_and_update() -> None:
    async def main() -> None:
        tx, rx = watch.channel("one")
        assert not rx.has_changed()
        tx.send("two")
        assert rx.has_changed()
        await Polled(rx.changed()).ready()
        waiting = Polled(rx.changed())
        await waiting.pending()
        await waiting.drop()
        assert not rx.has_changed()

        tx.send("three")
        assert rx.has_changed()
        assert rx.borrow_and_update() == "three"
        waiting = Polled(rx.changed())
        await waiting.pending()
        await waiting.drop()
        assert not rx.has_changed()

        del tx
        assert rx.borrow_and_update() == "three"
        with pytest.raises(RecvError):
            await Polled(rx.changed()).ready()
        with pytest.raises(RecvError):
            rx.has_changed()

    on_one_worker(main())


def test_reopened_after_subscribe() -> None:
    tx, rx = watch.channel("one")
    assert not tx.is_closed()
    del rx
    assert tx.is_closed()
    rx = tx.subscribe()
    assert not tx.is_closed()
    del rx
    assert tx.is_closed()


def test_send_modify_panic() -> None:
    async def main() -> None:
        tx, rx = watch.channel(["one"])

        def to_two(value: list[str]) -> list[str]:
            value[0] = "two"
            return value

        def fail(value: list[str]) -> list[str]:
            value[0] = "panicked"
            raise KeyError

        tx.send_modify(to_two)
        assert rx.borrow_and_update() == ["two"]
        rx2 = rx.clone()
        assert rx2.borrow_and_update() == ["two"]
        waiting = Polled(rx2.changed())
        with pytest.raises(KeyError):
            tx.send_modify(fail)
        await waiting.pending()
        assert rx.borrow() == ["panicked"]
        tx.send_modify(lambda _: ["three"])
        await waiting.ready()
        assert rx.borrow_and_update() == ["three"]

    on_one_worker(main())


def test_multiple_sender() -> None:
    async def main() -> None:
        tx1, rx = watch.channel(0)
        tx2 = tx1.clone()

        async def both() -> tuple[int, int]:
            await rx.changed()
            first = rx.borrow_and_update()
            await rx.changed()
            return first, rx.borrow_and_update()

        waiting = Polled(both())
        tx1.send(1)
        await waiting.pending()
        tx2.send(2)
        assert await waiting.ready() == (1, 2)

    on_one_worker(main())


def test_receiver_is_notified_when_last_sender_is_dropped() -> None:
    async def main() -> None:
        tx1, rx = watch.channel(0)
        tx2 = tx1.clone()
        waiting = Polled(rx.changed())
        await waiting.pending()
        del tx1
        await waiting.pending()
        del tx2
        with pytest.raises(RecvError):
            await waiting.ready()

    on_one_worker(main())


def test_receiver_changed_is_cooperative() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        del tx

        async def spin() -> None:
            while True:
                with pytest.raises(RecvError):
                    await rx.changed()

        assert (await select(spin(), yield_now(), biased=True)).branch == 1

    on_one_worker(main())


def test_receiver_changed_is_cooperative_ok() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)

        async def spin() -> None:
            while True:
                tx.send(0)
                await rx.changed()

        assert (await select(spin(), yield_now(), biased=True)).branch == 1

    on_one_worker(main())


def test_receiver_wait_for_is_cooperative() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        del tx

        async def spin() -> None:
            while True:
                with pytest.raises(RecvError):
                    await rx.wait_for(lambda value: value == 1)

        assert (await select(spin(), yield_now(), biased=True)).branch == 1

    on_one_worker(main())


def test_receiver_wait_for_is_cooperative_ok() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)

        async def spin() -> None:
            while True:
                tx.send(1)
                await rx.wait_for(lambda value: value == 1)

        assert (await select(spin(), yield_now(), biased=True)).branch == 1

    on_one_worker(main())


def test_sender_closed_is_cooperative() -> None:
    async def main() -> None:
        tx, rx = watch.channel(0)
        del rx

        async def spin() -> None:
            while True:
                await tx.closed()

        assert (await select(spin(), yield_now())).branch == 1

    on_one_worker(main())


def test_changed_succeeds_on_closed_channel_with_unseen_value() -> None:
    async def main() -> None:
        tx, rx = watch.channel("A")
        tx.send("B")
        del tx
        await rx.changed()
        assert rx.borrow() == "B"

    on_one_worker(main())


def test_changed_errors_on_closed_channel_with_seen_value() -> None:
    async def main() -> None:
        tx, rx = watch.channel("A")
        del tx
        with pytest.raises(RecvError):
            await rx.changed()

    on_one_worker(main())


def test_has_changed_errors_on_closed_channel_with_unseen_value() -> None:
    tx, rx = watch.channel("A")
    tx.send("B")
    del tx
    with pytest.raises(RecvError):
        rx.has_changed()


def test_has_changed_errors_on_closed_channel_with_seen_value() -> None:
    tx, rx = watch.channel("A")
    del tx
    with pytest.raises(RecvError):
        rx.has_changed()


def test_wait_for_errors_on_closed_channel_true_predicate() -> None:
    async def main() -> None:
        tx, rx = watch.channel("A")
        tx.send("B")
        del tx
        assert await rx.wait_for(lambda _: True) == "B"

    on_one_worker(main())
