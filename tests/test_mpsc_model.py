"""mpsc against a model: a list of values, and a line of what waits for room.

Tasks run on one worker, each step until nothing more happens: so the model says exactly what
each of them gets.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable
from typing import Any

import pytest

pytest.importorskip("hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

from yamanote import JoinError, JoinHandle, Runtime, run, spawn, spawn_blocking, yield_now
from yamanote.sync import RecvError, SendError, TryRecvError, TrySendError, mpsc

MANY = 1 << 60

OPERATIONS = st.lists(
    st.one_of(
        st.sampled_from(["send", "try_send", "recv", "try_recv", "permit_send", "permit_drop"]),
        st.tuples(st.just("reserve"), st.integers(1, 4)),
        st.tuples(st.just("recv_many"), st.integers(1, 4)),
        st.tuples(st.just("cancel"), st.integers(0, 5)),
        st.just("close"),
    ),
    max_size=40,
)


class Model:
    """What a channel does, in steps that nothing interrupts."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.values: list[int] = []
        self.permits = 0
        self.closed = False
        #: Those who want places: (who, how many, the value to send or None for permits).
        self.line: list[tuple[int, int, int | None]] = []
        #: Those who want values: (who, how many at the most, whether they want a list).
        self.receivers: list[tuple[int, int, bool]] = []
        self.results: dict[int, Any] = {}

    def room(self) -> int:
        return self.capacity - len(self.values) - self.permits

    def want(self, who: int, count: int, value: int | None) -> None:
        self.line.append((who, count, value))
        self.settle()

    def want_values(self, who: int, limit: int, as_list: bool) -> None:
        self.receivers.append((who, limit, as_list))
        self.settle()

    def settle(self) -> None:
        """Let all go on that can."""
        while True:
            if self.line and (self.closed or self.line[0][1] <= self.room()):
                who, count, value = self.line.pop(0)
                if self.closed:
                    self.results[who] = ("closed", value)
                elif value is None:
                    self.permits += count
                    self.results[who] = ("permits", count)
                else:
                    self.values.append(value)
                    self.results[who] = ("sent", value)
            elif self.receivers and self.values:
                who, limit, as_list = self.receivers.pop(0)
                got = self.values[:limit]
                del self.values[:limit]
                self.results[who] = ("got", got if as_list else got[0])
            elif self.receivers and self.closed and not self.permits:
                who, _, as_list = self.receivers.pop(0)
                self.results[who] = ("got", []) if as_list else ("over", None)
            else:
                return

    def cancel(self, who: int) -> None:
        self.line = [entry for entry in self.line if entry[0] != who]
        self.receivers = [entry for entry in self.receivers if entry[0] != who]
        self.results[who] = ("cancelled", None)
        self.settle()


async def settled() -> None:
    """All others have gone on until they wait."""
    for _ in range(12):
        await yield_now()


async def outcome(awaitable: Awaitable[Any], kind: str, value: Any = None) -> Any:
    try:
        got = await awaitable
    except asyncio.CancelledError:
        return ("cancelled", None)
    except SendError as error:
        return ("closed", error.value)
    except RecvError:
        return ("over", None)
    return (kind, got if kind == "got" else value), got


async def check(capacity: int, operations: list[Any]) -> None:
    tx: Any
    rx: Any
    tx, rx = mpsc.channel(capacity) if capacity < MANY else mpsc.unbounded_channel()
    bounded = capacity < MANY
    model = Model(capacity)
    tasks: dict[int, JoinHandle[Any]] = {}
    permits: list[Any] = []

    async def collect() -> None:
        await settled()
        finished = {who for who, task in tasks.items() if task.is_finished()}
        assert finished == set(model.results)
        for who in sorted(finished):
            task = tasks.pop(who)
            try:
                result = await task
            except JoinError as error:
                assert error.is_cancelled()  # noqa: PT017
                result = ("cancelled", None)
            got = None
            if isinstance(result[0], tuple):
                result, got = result
            assert result == model.results.pop(who)
            if result[0] == "permits":
                permits.extend(got)
        assert len(rx) == len(model.values)
        assert rx.is_closed() == model.closed
        if bounded:
            # What the head of the line has been given is not free either.
            assert tx.capacity() == (0 if model.line else model.room())

    for number, operation in enumerate(operations):
        name, argument = operation if isinstance(operation, tuple) else (operation, 0)
        if name == "send":
            if bounded:
                model.want(number, 1, number)
                tasks[number] = spawn(outcome(tx.send(number), "sent", number))
            else:
                try:
                    tx.send(number)
                except SendError as error:
                    assert model.closed
                    assert error.value == number  # noqa: PT017
                else:
                    assert not model.closed
                    model.values.append(number)
                    model.settle()
        elif name == "try_send" and bounded:
            free = not model.closed and not model.line and model.room() > 0
            try:
                tx.try_send(number)
            except TrySendError as error:
                assert not free
                assert error.value == number  # noqa: PT017
                assert error.is_closed() == model.closed  # noqa: PT017
            else:
                assert free
                model.values.append(number)
                model.settle()
        elif name == "reserve" and bounded:
            count = min(argument, capacity)
            model.want(number, count, None)
            tasks[number] = spawn(outcome(tx.reserve_many(count), "permits", count))
        elif name == "recv":
            model.want_values(number, 1, False)
            tasks[number] = spawn(outcome(rx.recv(), "got"))
        elif name == "recv_many":
            model.want_values(number, argument, True)
            tasks[number] = spawn(outcome(rx.recv_many(argument), "got"))
        elif name == "try_recv":
            try:
                got = rx.try_recv()
            except TryRecvError as error:
                assert not model.values
                assert error.is_disconnected() == (model.closed and not model.permits)  # noqa: PT017
            else:
                assert got == model.values.pop(0)
                model.settle()
        elif name == "permit_send" and permits:
            permits.pop(0).send(number)
            model.permits -= 1
            model.values.append(number)
            model.settle()
        elif name == "permit_drop" and permits:
            permits.pop(0).release()
            model.permits -= 1
            model.settle()
        elif name == "cancel" and tasks:
            who = sorted(tasks)[argument % len(tasks)]
            tasks[who].abort()
            model.cancel(who)
        elif name == "close":
            rx.close()
            model.closed = True
            model.settle()
        await collect()
    for task in tasks.values():
        task.abort()
    await settled()


@settings(deadline=None)
@given(capacity=st.sampled_from([1, 2, 3, MANY]), operations=OPERATIONS)
def test_as_the_model(capacity: int, operations: list[Any]) -> None:
    run(check(capacity, operations), flavor="current_thread")


@settings(deadline=None)
@given(capacity=st.sampled_from([1, 2, 3, MANY]), operations=OPERATIONS)
def test_as_the_model_with_the_fast_path(capacity: int, operations: list[Any]) -> None:
    async def main() -> None:
        await spawn(check(capacity, operations))

    run(main(), flavor="multi_thread", worker_threads=1)


PRODUCER = st.tuples(
    st.sampled_from(["task", "thread", "permits"]), st.integers(0, 12), st.booleans()
)


@settings(deadline=None)
@given(
    capacity=st.sampled_from([1, 2, 5, MANY]),
    producers=st.lists(PRODUCER, min_size=1, max_size=6),
    consumers=st.lists(st.sampled_from(["task", "many", "thread"]), min_size=1, max_size=4),
    close_after=st.one_of(st.none(), st.integers(0, 20)),
    workers=st.sampled_from([1, 4]),
)
def test_each_value_is_received_once_or_returned(
    capacity: int,
    producers: list[tuple[str, int, bool]],
    consumers: list[str],
    close_after: int | None,
    workers: int,
) -> None:
    async def main() -> None:
        tx: Any
        rx: Any
        tx, rx = mpsc.channel(capacity) if capacity < MANY else mpsc.unbounded_channel()

        async def send(tx: Any, who: int, count: int, permits: bool) -> tuple[list[Any], list[Any]]:
            sent: list[Any] = []
            back: list[Any] = []
            with tx:
                for number in range(count):
                    value = (who, number)
                    try:
                        if permits:
                            with await tx.reserve() as permit:
                                await yield_now()
                                permit.send(value)
                        else:
                            await tx.send(value)
                    except SendError:
                        back.append(value)
                    else:
                        sent.append(value)
            return sent, back

        def blocking_send(tx: Any, who: int, count: int) -> tuple[list[Any], list[Any]]:
            sent: list[Any] = []
            back: list[Any] = []
            with tx:
                for number in range(count):
                    try:
                        getattr(tx, "blocking_send", tx.send)((who, number))
                    except SendError as error:
                        back.append(error.value)
                    else:
                        sent.append((who, number))
            return sent, back

        async def receive() -> list[Any]:
            return [value async for value in rx]

        async def receive_many() -> list[Any]:
            got: list[Any] = []
            while some := await rx.recv_many(3):
                got += some
            return got

        def blocking_receive() -> list[Any]:
            got: list[Any] = []
            try:
                while True:
                    got.append(rx.blocking_recv())
            except RecvError:
                return got

        sends: list[Any] = []
        cancelled: list[Any] = []
        for who, (kind, count, cancel) in enumerate(producers):
            if kind == "thread":
                sends.append(spawn_blocking(blocking_send, tx.clone(), who, count))
                continue
            permits = kind == "permits" and capacity < MANY
            handle = spawn(send(tx.clone(), who, count, permits))
            (cancelled if cancel else sends).append(handle)
        tx.close()
        receives: list[Any] = []
        for kind in consumers:
            if kind == "thread":
                receives.append(spawn_blocking(blocking_receive))
            else:
                receives.append(spawn(receive() if kind == "task" else receive_many()))
        for handle in cancelled:
            await yield_now()
            handle.abort()
        if close_after is not None:
            for _ in range(close_after):
                await yield_now()
            rx.close()
        sent: list[Any] = []
        back: list[Any] = []
        for handle in sends:
            ours, returned = await handle
            sent += ours
            back += returned
        got = [await handle for handle in receives]
        certain = {
            who for who, (kind, _, cancel) in enumerate(producers) if kind == "thread" or not cancel
        }
        received = Counter(value for part in got for value in part)
        assert not received or max(received.values()) == 1
        assert Counter(v for v in received.elements() if v[0] in certain) == Counter(sent)
        assert not received.keys() & set(back)
        for part in got:
            # Each receiver gets each sender's values in order.
            for who in range(len(producers)):
                numbers = [number for name, number in part if name == who]
                assert numbers == sorted(numbers)

    with Runtime(flavor="multi_thread", worker_threads=workers) as runtime:
        runtime.block_on(main())
