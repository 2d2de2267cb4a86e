"""mpsc: what Tokio's tests say nothing of. See also tests/conformance/test_sync_mpsc.py."""

from __future__ import annotations

import asyncio
import copy
import gc
import signal
import sys
import threading
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.channels import LIMIT, on_thread
from tests.gates import FREE_THREADED, litter, poll, until
from tests.waiting import Waiting
from yamanote import JoinError, Runtime, join, run, select, spawn, spawn_blocking, yield_now
from yamanote.sync import (
    CancellationToken,
    RecvError,
    SendError,
    SendTimeoutError,
    TryRecvError,
    TrySendError,
    mpsc,
)
from yamanote.time import timeout

Channel = Callable[[], tuple[Any, Any]]

CHANNELS: dict[str, Channel] = {
    "1": lambda: mpsc.channel(1),
    "3": lambda: mpsc.channel(3),
    "unbounded": mpsc.unbounded_channel,
}


@pytest.fixture(params=CHANNELS.values(), ids=CHANNELS)
def channel(request: pytest.FixtureRequest) -> Channel:
    return request.param


async def produce(tx: Any, name: int, count: int) -> None:
    with tx:
        for number in range(count):
            await tx.send((name, number))


def in_order(got: list[tuple[int, int]], producers: int, count: int) -> None:
    """Each value once, and each producer's in order."""
    assert Counter(got) == Counter((p, n) for p in range(producers) for n in range(count))
    for producer in range(producers):
        assert [n for p, n in got if p == producer] == list(range(count))


def test_many_producers(rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()
        for name in range(8):
            spawn(produce(tx.clone(), name, 100))
        tx.close()
        in_order([value async for value in rx], 8, 100)

    rt.block_on(main())


@pytest.mark.usefixtures("switch_interval")
def test_tasks_and_threads_on_both_sides(rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()

        def blocking_produce(tx: Any, name: int) -> None:
            with tx:
                for number in range(60):
                    getattr(tx, "blocking_send", tx.send)((name, number))

        async def consume() -> list[Any]:
            return [value async for value in rx]

        def blocking_consume() -> list[Any]:
            got = []
            try:
                while True:
                    got.append(rx.blocking_recv())
            except RecvError:
                return got

        producers: list[Any] = [spawn(produce(tx.clone(), name, 60)) for name in range(4)]
        producers += [spawn_blocking(blocking_produce, tx.clone(), name) for name in range(4, 8)]
        consumers: list[Any] = [spawn(consume()) for _ in range(2)]
        consumers += [spawn_blocking(blocking_consume) for _ in range(2)]
        tx.close()
        for producer in producers:
            await producer
        got = [value for consumer in consumers for value in await consumer]
        assert Counter(got) == Counter((p, n) for p in range(8) for n in range(60))

    rt.block_on(main())


def test_senders_wait_in_turn(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        tx.try_send(0)
        sends = [await Waiting(tx.send(number)).pending() for number in range(1, 20)]
        with pytest.raises(TrySendError):
            tx.try_send(99)
        assert [await rx.recv() for _ in range(20)] == list(range(20))
        for send in sends:
            await send

    rt.block_on(main())


def test_who_wants_many_places_is_passed_by_nobody(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](3)
        for number in range(3):
            tx.try_send(number)
        many = await Waiting(tx.reserve_many(2)).pending()
        one = await Waiting(tx.send(9)).pending()
        assert await rx.recv() == 0
        await yield_now()
        assert many.is_pending()
        assert one.is_pending()
        assert tx.capacity() == 0
        assert await rx.recv() == 1
        permits = await many
        assert one.is_pending()
        for number, permit in enumerate(permits, 3):
            permit.send(number)
        assert await rx.recv() == 2
        await one
        assert await rx.recv_many(9) == [3, 4, 9]
        assert tx.capacity() == 3

    rt.block_on(main())


def test_a_receiver_that_waits_makes_no_room_where_all_is_reserved(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        permit = await tx.reserve()
        receiving = await Waiting(rx.recv()).pending()
        send = await Waiting(tx.send(2)).pending()
        permit.send(1)
        assert await receiving == 1
        await send
        assert await rx.recv() == 2

    rt.block_on(main())


def test_a_cancelled_sender_has_not_sent(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        tx.try_send(0)
        sends = [await Waiting(tx.send(number)).pending() for number in range(1, 10)]
        for send in sends[::2]:
            send.abort()
        sent = [0]
        got = [await rx.recv()]
        for number, send in enumerate(sends, 1):
            try:
                await send
            except JoinError as error:
                assert error.is_cancelled()  # noqa: PT017
            else:
                sent.append(number)
            if not rx.is_empty():
                got.append(await rx.recv())
        assert got == sent
        assert sent == [0, 2, 4, 6, 8]
        assert tx.capacity() == 1

    rt.block_on(main())


def test_cancelled_with_its_turn_come_a_sender_passes_it_on(rt: Runtime) -> None:
    async def main() -> None:
        for _ in range(50):
            tx, rx = mpsc.channel[str](1)
            tx.try_send("first")
            cancelled = await Waiting(tx.send("cancelled")).pending()
            next_one = await Waiting(tx.send("next")).pending()
            assert rx.try_recv() == "first"  # it is the turn of `cancelled`
            cancelled.abort()
            got = await rx.recv()
            if got == "cancelled":  # it was faster, on another worker
                got = await rx.recv()
            assert got == "next"
            await next_one
            try:
                await cancelled
            except JoinError:
                pass
            await until(lambda tx=tx: tx.capacity() == 1)

    rt.block_on(main())


@pytest.mark.parametrize("many", [False, True], ids=["recv", "recv_many"])
def test_cancelled_with_its_value_come_a_receiver_loses_nothing(
    rt: Runtime, channel: Channel, many: bool
) -> None:
    async def main() -> None:
        for _ in range(50):
            tx, rx = channel()
            receive = (lambda rx=rx: rx.recv_many(1)) if many else rx.recv
            first = await Waiting(receive()).pending()
            await tx.send("value")  # woken with it
            first.abort()
            try:
                got = await first
            except JoinError:
                got = await receive()
            assert got == (["value"] if many else "value")
            assert rx.is_empty()
            if isinstance(tx, mpsc.Sender):
                assert tx.capacity() == tx.max_capacity()

    rt.block_on(main())


def test_a_value_that_is_given_back_is_the_next(rt: Runtime) -> None:
    async def main() -> None:
        for _ in range(20):
            tx, rx = mpsc.unbounded_channel[int]()
            receiving = await Waiting(rx.recv()).pending()
            for number in range(3):
                tx.send(number)
            receiving.abort()
            try:
                got = [await receiving]
            except JoinError:
                got = []
            while len(got) < 3:
                got.append(await rx.recv())
            assert got == [0, 1, 2]

    rt.block_on(main())


def test_cancelled_with_its_value_come_a_receiver_wakes_the_next(
    rt: Runtime, channel: Channel
) -> None:
    async def main() -> None:
        for _ in range(50):
            tx, rx = channel()
            first = await Waiting(rx.recv()).pending()
            second = await Waiting(rx.recv()).pending()
            await tx.send(1)
            first.abort()
            try:
                got = await first
            except JoinError:
                got = await second
            else:
                second.abort()
            assert got == 1

    rt.block_on(main())


def test_several_receivers_share(rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()

        async def consume() -> list[Any]:
            return [value async for value in rx]

        consumers = [spawn(consume()) for _ in range(5)]
        await produce(tx, 0, 200)
        got = [value for consumer in consumers for value in await consumer]
        assert sorted(got) == [(0, number) for number in range(200)]

    rt.block_on(main())


def test_in_select_the_branch_that_loses_takes_nothing(rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()
        other_tx, other = channel()
        await other_tx.send("other")
        assert await select(other.recv(), rx.recv(), biased=True) == (0, "other")
        await tx.send("value")
        await other_tx.send("other")
        assert await select(other.recv(), rx.recv(), biased=True) == (0, "other")
        assert rx.try_recv() == "value"
        # Sending is the branch that loses.
        await other_tx.send("other")
        await select(other.recv(), asyncio_send(tx), biased=True)
        with pytest.raises(TryRecvError):
            rx.try_recv()

    async def asyncio_send(tx: Any) -> None:
        await tx.send("never")

    rt.block_on(main())


def test_branches_of_join_talk(rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()

        async def consume() -> list[Any]:
            return [value async for value in rx]

        _, got = await join(produce(tx, 0, 50), consume())
        assert got == [(0, number) for number in range(50)]

    rt.block_on(main())


def test_ready_awaits_give_others_their_turn(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](10_000)
        unbounded, _rx = mpsc.unbounded_channel[int]()
        stop = CancellationToken()
        turns = 0

        async def other() -> None:
            nonlocal turns
            while not stop.is_cancelled():
                turns += 1
                await yield_now()

        async def main_part() -> None:
            for send in (tx.send, unbounded.send):
                before = turns
                for number in range(1_000):
                    await send(number)
                assert turns > before
            before = turns
            for number in range(1_000):
                assert await rx.recv() == number
            assert turns > before

        # As branches they share a thread.
        async def both() -> None:
            await main_part()
            stop.cancel()

        await join(both(), other())

    rt.block_on(main())


def test_from_asyncio(channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()

        async def consume() -> list[Any]:
            return [value async for value in rx]

        consuming = asyncio.create_task(consume())
        for name in range(3):
            asyncio.create_task(produce(tx.clone(), name, 50))  # noqa: RUF006
        tx.close()
        in_order(await consuming, 3, 50)
        tx, rx = channel()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(rx.recv(), 0.001)
        await tx.send(1)
        assert await asyncio.wait_for(rx.recv(), LIMIT) == 1
        if isinstance(tx, mpsc.Sender):
            for _ in range(tx.max_capacity()):
                await tx.send(1)
            with pytest.raises(SendTimeoutError):
                await tx.send_timeout(2, 0.001)

    asyncio.run(main())


def test_between_asyncio_on_another_thread_and_tasks(rt: Runtime, channel: Channel) -> None:
    tx, rx = channel()
    back_tx, back = channel()

    async def echo() -> None:
        with back_tx:
            async for value in rx:
                await back_tx.send(value)

    echoing = on_thread(lambda: asyncio.run(echo()))

    async def main() -> None:
        for number in range(50):
            await tx.send(number)
            assert await back.recv() == number
        tx.close()
        with pytest.raises(RecvError):
            await back.recv()

    rt.block_on(main())
    echoing.result(LIMIT)


def test_from_trio(channel: Channel) -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        tx, rx = channel()
        got = []

        async def consume() -> None:
            async for value in rx:
                got.append(value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(consume)
            nursery.start_soon(produce, tx.clone(), 0, 50)
            nursery.start_soon(produce, tx.clone(), 1, 50)
            tx.close()
        in_order(got, 2, 50)
        tx, rx = channel()
        with trio.move_on_after(0.001) as scope:
            await rx.recv()
        assert scope.cancelled_caught
        await tx.send(1)
        assert await rx.recv() == 1

    trio.run(main)


def test_two_runtimes(channel: Channel) -> None:
    tx, rx = channel()
    back_tx, back = channel()

    async def echo() -> None:
        with back_tx:
            async for value in rx:
                await back_tx.send(value)

    async def main() -> None:
        with tx:
            for number in range(50):
                await tx.send(number)
                assert await back.recv() == number

    with Runtime(worker_threads=1) as one, Runtime(worker_threads=1) as two:
        echoing = one.spawn(echo())
        two.block_on(main())
        echoing.join(LIMIT)


def test_on_plain_threads(channel: Channel) -> None:
    tx, rx = channel()
    back_tx, back = channel()

    def echo() -> None:
        try:
            while True:
                value = rx.blocking_recv()
                getattr(back_tx, "blocking_send", back_tx.send)(value)
        except RecvError:
            back_tx.close()

    echoing = on_thread(echo)
    for number in range(100):
        getattr(tx, "blocking_send", tx.send)(number)
        assert back.blocking_recv(timeout=LIMIT) == number
    tx.close()
    with pytest.raises(RecvError):
        back.blocking_recv(timeout=LIMIT)
    echoing.result(LIMIT)


def test_receiving_many_in_a_thread() -> None:
    tx, rx = mpsc.channel[int](8)
    assert rx.blocking_recv_many(0) == []
    with pytest.raises(TimeoutError):
        rx.blocking_recv_many(2, timeout=0.001)
    with pytest.raises(ValueError, match="0 or more"):
        rx.blocking_recv_many(-1)
    receiving = on_thread(rx.blocking_recv_many, 2)
    tx.try_send(1)
    assert receiving.result(LIMIT) == [1]
    for number in range(2, 5):
        tx.try_send(number)
    tx.close()
    assert rx.blocking_recv_many(2) == [2, 3]
    assert rx.blocking_recv_many(2) == [4]
    assert rx.blocking_recv_many(2) == []


def test_blocking_calls_time_out() -> None:
    tx, rx = mpsc.channel[int](1)
    with pytest.raises(TimeoutError):
        rx.blocking_recv(timeout=0.001)
    with pytest.raises(TimeoutError):
        rx.blocking_recv(timeout=0)
    tx.blocking_send(1, timeout=0)
    with pytest.raises(SendTimeoutError) as error:
        tx.blocking_send(2, timeout=0.001)
    assert error.value.value == 2
    assert rx.blocking_recv(timeout=0) == 1
    tx.blocking_send(3)
    rx.close()
    with pytest.raises(SendError) as refused:
        tx.blocking_send(4)
    assert refused.value.value == 4
    assert rx.blocking_recv() == 3
    with pytest.raises(RecvError):
        rx.blocking_recv()


def test_closing_wakes_threads() -> None:
    tx, rx = mpsc.channel[int](1)
    receiving = [on_thread(rx.blocking_recv) for _ in range(3)]
    tx.close()
    for each in receiving:
        assert isinstance(each.exception(LIMIT), RecvError)
    tx, rx = mpsc.channel[int](1)
    tx.blocking_send(0)
    sending = [on_thread(tx.blocking_send, number) for number in range(3)]
    rx.close()
    for number, each in enumerate(sending):
        error = each.exception(LIMIT)
        assert isinstance(error, SendError)
        assert error.value == number


def test_send_timeout(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        await tx.send_timeout(1, LIMIT)
        with pytest.raises(SendTimeoutError) as error:
            await tx.send_timeout(2, 0.001)
        assert error.value.value == 2
        assert await rx.recv() == 1
        assert tx.capacity() == 1
        await tx.send_timeout(3, 0)
        waiting = await Waiting(tx.send_timeout(4, LIMIT)).pending()
        assert await rx.recv() == 3
        await waiting
        assert await rx.recv() == 4

    rt.block_on(main())


def test_a_closed_sender_says_so(channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()
        other = tx.clone()
        tx.close()
        tx.close()
        with pytest.raises(SendError, match=r"clone\(\)") as error:
            await tx.send(1)
        assert error.value.value == 1
        with pytest.raises(RuntimeError, match="has been closed"):
            tx.clone()
        assert tx.is_closed()
        assert not other.is_closed()
        assert not tx.same_channel(other)
        assert not tx.same_channel(tx)
        assert tx.downgrade().upgrade() is None
        assert "closed" in repr(tx)
        await tx.closed()
        await other.send(2)
        assert await rx.recv() == 2
        if isinstance(tx, mpsc.Sender):
            with pytest.raises(TrySendError) as refused:
                tx.try_send(3)
            assert refused.value.is_closed()
            with pytest.raises(SendError):
                await tx.reserve()

    run(main())


def test_a_copy_is_a_clone(channel: Channel) -> None:
    tx, rx = channel()
    other = copy.copy(tx)
    weak = copy.copy(tx.downgrade())
    assert (tx.strong_count(), tx.weak_count()) == (2, 1)
    tx.close()
    assert not rx.is_closed()
    other.close()
    assert rx.is_closed()
    assert weak.upgrade() is None


def test_closed(rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()
        waiting = [await Waiting(tx.closed()).pending() for _ in range(3)]
        waiting[0].abort()
        rx.close()
        await waiting[1]
        await waiting[2]
        await tx.closed()
        assert tx.is_closed()

    rt.block_on(main())


def test_misuse() -> None:
    tx, rx = mpsc.channel[int](2)
    with pytest.raises(ValueError, match="0 or more"):
        tx.try_reserve_many(-1)
    with pytest.raises(ValueError, match="2 places"):
        poll_once(tx.reserve_many(-1))
    with pytest.raises(ValueError, match="0 or more"):
        poll_once(rx.recv_many(-1))
    permit = tx.try_reserve()
    permit.send(1)
    with pytest.raises(RuntimeError, match="used or released"):
        permit.send(2)
    permit.release()
    assert tx.capacity() == 1
    assert rx.try_recv() == 1
    with pytest.raises(RuntimeError, match="plain thread"):
        poll_once(rx.recv())


def poll_once(coro: Any) -> None:
    coro.send(None)


def test_permits() -> None:
    tx, rx = mpsc.channel[int](5)
    with tx.try_reserve_many(4) as permits:
        assert len(permits) == 4
        next(permits).send(1)
        with next(permits):
            assert tx.capacity() == 1
        assert "2" in repr(permits)
    assert tx.capacity() == 4
    with tx.try_reserve() as permit:
        permit.send(2)
        assert "used" in repr(permit)
    owned = tx.try_reserve_owned()
    assert tx.strong_count() == 2
    tx.close()
    other = owned.send(3)
    other.try_send(4)
    assert [rx.try_recv() for _ in range(4)] == [1, 2, 3, 4]
    assert other.capacity() == rx.capacity() == rx.max_capacity() == 5


def test_a_permit_outlives_its_sender() -> None:
    tx, rx = mpsc.channel[int](1)
    permit = tx.try_reserve()
    tx.close()
    with pytest.raises(TryRecvError) as error:
        rx.try_recv()
    assert error.value.is_empty()
    permit.send(1)
    assert rx.try_recv() == 1
    with pytest.raises(TryRecvError) as error:
        rx.try_recv()
    assert error.value.is_disconnected()


def test_a_permit_gives_its_value_back_when_the_receiver_is_gone() -> None:
    tx, rx = mpsc.channel[int](1)
    permit = tx.try_reserve()
    del rx
    with pytest.raises(SendError) as error:
        permit.send(7)
    assert error.value.value == 7


def test_reserve_closed(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        owned = await tx.reserve_owned()
        waiting = await Waiting(tx.reserve_owned()).pending()
        assert tx.strong_count() == 3
        rx.close()
        with pytest.raises(JoinError):
            await waiting
        owned.send(1).close()
        assert await rx.recv() == 1

    rt.block_on(main())


def test_the_last_sender_in_a_cycle_closes_the_channel_when_collected(channel: Channel) -> None:
    tx, rx = channel()
    cycle: list[Any] = [tx]
    cycle.append(cycle)
    del tx, cycle
    gc.collect()
    assert rx.is_closed()


def test_a_receiver_that_waits_keeps_no_sender_and_no_receiver_alive(rt: Runtime) -> None:
    async def main() -> None:
        tx, rx = mpsc.channel[int](1)
        waiting = await Waiting(rx.recv()).pending()
        gone = weakref.ref(rx)
        del rx
        assert not tx.is_closed()
        waiting.abort()
        with pytest.raises(JoinError):
            await waiting
        del waiting
        gc.collect()
        await until(tx.is_closed)
        assert gone() is None

    rt.block_on(main())


def test_values_may_send_when_they_are_dropped(channel: Channel) -> None:
    if channel is not mpsc.unbounded_channel:
        pytest.skip("a bounded channel may take its lock")
    tx, rx = channel()

    class Last:
        def __del__(self) -> None:
            try:
                tx.send("from the destructor")
            except SendError as error:
                heard.append(error.value)

    heard: list[str] = []
    tx.send(Last())
    rx.try_recv()
    assert rx.try_recv() == "from the destructor"
    tx.send(Last())
    del rx
    assert heard == ["from the destructor"]


def test_a_sender_that_is_collected_in_its_with_counts_once(channel: Channel) -> None:
    tx, _rx = channel()
    for _ in range(10):
        litter(tx.clone())
    gc.collect()
    assert tx.strong_count() == 1


def test_a_destructor_closes_a_sender_in_the_midst_of_it(channel: Channel) -> None:
    tx, rx = channel()
    others = [tx.clone() for _ in range(300)]
    closed = 0

    def come_between(frame: Any, event: str, argument: object) -> Any:
        # Before each line of the channel, as the collector or a signal might.
        nonlocal closed
        if frame.f_globals["__name__"].startswith(mpsc.__name__):
            others.pop().close()
            closed += 1
        return come_between

    def use() -> None:
        sys.settrace(come_between)
        try:
            tx.clone().close()
            weak = tx.downgrade()
            again = weak.upgrade()
            assert again is not None
            again.close()
            del weak
            tx.close()
        finally:
            sys.settrace(None)

    on_thread(use).result(LIMIT)
    assert closed > 20
    assert rx.sender_strong_count() == len(others)
    assert rx.sender_weak_count() == 0
    for each in others:
        each.close()
        each.close()
    assert rx.is_closed()


@pytest.mark.skipif(FREE_THREADED, reason="collects with every thread stopped, and rarely")
def test_the_garbage_collector_in_the_midst_of_it(rt: Runtime) -> None:
    before = gc.get_threshold()

    async def main() -> None:
        tx, rx = mpsc.channel[Any](2)

        async def send(name: int) -> None:
            mine = tx.clone()
            for number in range(100):
                await mine.send((name, number))
                cycle: list[Any] = [mine.clone(), tx.downgrade()]
                cycle.append(cycle)
                litter(mine.clone())

        sends = [spawn(send(name)) for name in range(4)]
        got = [await rx.recv() for _ in range(400)]
        for each in sends:
            await each
        in_order(got, 4, 100)
        gc.collect()
        assert (tx.strong_count(), tx.weak_count()) == (1, 0)

    gc.set_threshold(1)
    try:
        rt.block_on(main())
    finally:
        gc.set_threshold(*before)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that signal")
def test_an_unbounded_channel_from_a_signal_handler() -> None:
    tx, rx = mpsc.unbounded_channel[int]()
    count = 0

    def handler(*_: Any) -> None:
        nonlocal count
        count += 1
        tx.send(-1)

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        got = []
        sent = 0
        while count < 20:
            tx.send(sent)
            sent += 1
            got.append(rx.try_recv())
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    while not rx.is_empty():
        got.append(rx.try_recv())
    assert [value for value in got if value >= 0] == list(range(sent))
    assert got.count(-1) == count


def test_shutdown_while_they_wait(rt_config: dict[str, Any], channel: Channel) -> None:
    tx, rx = channel()
    full_tx, full = mpsc.channel[int](1)
    full_tx.try_send(0)
    ended = []

    async def wait(awaitable: Any) -> None:
        try:
            await awaitable
        finally:
            ended.append(None)

    runtime = Runtime(**rt_config)

    async def main() -> None:
        for awaitable in (rx.recv(), rx.recv_many(2), full_tx.send(1), tx.closed()):
            await Waiting(wait(awaitable)).pending()

    runtime.block_on(main())
    runtime.shutdown_timeout(LIMIT)
    assert len(ended) == 4
    # Nothing is lost by it.
    run(send_and_receive(tx, rx))
    assert full.try_recv() == 0
    assert full_tx.capacity() == 1


async def send_and_receive(tx: Any, rx: Any) -> None:
    await tx.send("still")
    async with timeout(LIMIT):
        assert await rx.recv() == "still"


@pytest.mark.usefixtures("switch_interval")
def test_a_value_is_sent_or_comes_back_when_the_channel_closes(multi_rt: Runtime) -> None:
    async def main() -> None:
        for round in range(30):
            for tx, rx in (mpsc.channel[Any](2), mpsc.unbounded_channel[Any]()):
                sent: list[Any] = []
                back: list[Any] = []

                async def send(tx: Any, name: int, sent: Any, back: Any) -> None:
                    for number in range(20):
                        try:
                            await tx.send((name, number))
                        except SendError as error:
                            back.append(error.value)
                        else:
                            sent.append((name, number))

                def blocking_send(tx: Any, name: int, sent: Any, back: Any) -> None:
                    for number in range(20):
                        try:
                            getattr(tx, "blocking_send", tx.send)((name, number))
                        except SendError as error:
                            back.append(error.value)
                        else:
                            sent.append((name, number))

                sends: list[Any] = [spawn(send(tx, name, sent, back)) for name in range(3)]
                sends.append(spawn_blocking(blocking_send, tx, 3, sent, back))
                got = [await rx.recv() for _ in range(round)]
                rx.close()
                got += [value async for value in rx]
                for each in sends:
                    await each
                assert Counter(got) == Counter(sent)
                assert Counter(got + back) == Counter((p, n) for p in range(4) for n in range(20))
                with pytest.raises(RecvError):
                    await rx.recv()

    multi_rt.block_on(main())


@pytest.mark.usefixtures("switch_interval")
def test_cancellations_lose_nothing(multi_rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()
        got: list[Any] = []
        lock = threading.Lock()

        async def consume() -> None:
            while True:
                value = await rx.recv()
                with lock:
                    got.append(value)

        sends = [spawn(produce(tx.clone(), name, 100)) for name in range(4)]
        tx.close()
        rounds = 0
        while not all(send.is_finished() for send in sends) or rounds < 50:
            consumers = [spawn(consume()) for _ in range(3)]
            for _ in range(rounds % 5):
                await yield_now()
            for consumer in consumers:
                consumer.abort()
            for consumer in consumers:
                try:
                    await consumer
                except JoinError as error:
                    assert error.is_cancelled() or isinstance(error.into_panic(), RecvError)  # noqa: PT017
            rounds += 1
        got += [value async for value in rx]
        assert Counter(got) == Counter((p, n) for p in range(4) for n in range(100))

    multi_rt.block_on(main())


def test_recv_on_a_closed_channel_is_ready(rt: Runtime, channel: Channel) -> None:
    async def main() -> None:
        tx, rx = channel()
        await tx.send(1)
        tx.close()
        assert await poll(rx.recv()) == 1
        with pytest.raises(RecvError):
            await poll(rx.recv())
        assert await poll(rx.recv_many(2)) == []

    rt.block_on(main())


def test_a_sender_that_is_dropped_elsewhere_closes(multi_rt: Runtime) -> None:
    """Its last reference goes on other threads, while the one that made it sleeps."""

    async def produce(tx: mpsc.Sender[int]) -> None:
        for number in range(5):
            await tx.send(number)

    async def main() -> list[int]:
        tx, rx = mpsc.channel[int](2)
        spawn(produce(tx.clone()))
        spawn_blocking(tx.blocking_send, 100)
        del tx
        return sorted([number async for number in rx])

    for _ in range(20):
        assert multi_rt.spawn(main()).join(LIMIT) == [0, 1, 2, 3, 4, 100]
