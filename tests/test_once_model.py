"""OnceCell, SetOnce and Barrier against simple models."""

from __future__ import annotations

import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from yamanote import JoinError, Runtime, spawn, yield_now
from yamanote.sync import Barrier, OnceCell, SetError, SetOnce, SetOnceError

from .gates import Gate
from .polled import Polled, on_one_worker

THREADED = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Attempt:
    """One that asks for the cell's value, and makes it when it is told to."""

    def __init__(self, cell: OnceCell[int], number: int) -> None:
        self.number = number
        self.gate = Gate()
        self.fails = False
        self.polled = Polled(cell.get_or_init(self.init))

    async def init(self) -> int:
        await self.gate.wait()
        if self.fails:
            raise KeyError(self.number)
        return self.number


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ask", "ask", "make", "fail", "cancel", "set"]), st.integers(0, 5)
        ),
        min_size=10,
        max_size=30,
    )
)
@settings(max_examples=200, deadline=None)
def test_once_cell_in_steps(steps: list[tuple[str, int]]) -> None:
    """The first in the line makes the value; if it fails or goes, the next does."""

    async def main() -> None:
        cell = OnceCell[int]()
        line: list[Attempt] = []
        value: int | None = None

        for number, (op, argument) in enumerate(steps, 1):
            if op == "ask":
                line.append(Attempt(cell, number))
            elif op == "make" and line:
                value = line[0].number
                line[0].gate.open()
            elif op == "fail" and line:
                first = line.pop(0)
                first.fails = True
                first.gate.open()
                with pytest.raises(KeyError, match=str(first.number)):
                    await first.polled.ready()
            elif op == "cancel" and line:
                await line.pop(argument % len(line)).polled.drop()
            elif op == "set":
                if value is None and not line:
                    cell.set(number)
                    value = number
                else:
                    with pytest.raises(SetError) as info:
                        cell.set(number)
                    assert info.value.value == number
                    assert info.value.is_initializing_err() == (value is None)
            if value is None:
                for each in line:
                    await each.polled.pending()
            else:
                for each in line:
                    assert await each.polled.ready() == value
                line.clear()
            assert cell.get() == value
            assert cell.initialized() == (value is not None)
        for each in line:
            await each.polled.drop()

    on_one_worker(main())


@given(
    plans=st.lists(st.sampled_from(["make", "fail", "cancel"]), min_size=1, max_size=8),
    workers=st.sampled_from([1, 4]),
)
@THREADED
def test_once_cell_in_threads(plans: list[str], workers: int, switch_interval: float) -> None:
    """Never two at a time, never two values, and one if anybody makes it."""

    async def main() -> None:
        cell = OnceCell[int]()
        inside: list[int] = []
        made: list[int] = []

        async def attempt(number: int, plan: str) -> int:
            async def init() -> int:
                inside.append(number)
                assert len(inside) == 1
                try:
                    await yield_now()
                    if plan == "fail":
                        raise KeyError
                    made.append(number)
                    return number
                finally:
                    inside.remove(number)

            return await cell.get_or_init(init)

        handles = [spawn(attempt(number, plan)) for number, plan in enumerate(plans)]
        for handle, plan in zip(handles, plans, strict=True):
            if plan == "cancel":
                handle.abort()
        results = []
        ends = []
        for handle, plan in zip(handles, plans, strict=True):
            try:
                results.append(await handle)
            except JoinError as error:
                ends.append((plan, repr(error.__cause__)))
        assert set(ends) <= {("fail", "KeyError()"), ("cancel", "None")}
        assert len(set(results)) <= 1
        assert set(results) <= set(made)
        if "make" in plans:
            assert results
            assert cell.get() == results[0]

    with Runtime(worker_threads=workers) as rt:
        rt.block_on(main())


@given(
    setters=st.integers(1, 4),
    waiters=st.lists(st.booleans(), max_size=6),
    workers=st.sampled_from([1, 4]),
)
@THREADED
def test_set_once_in_threads(
    setters: int, waiters: list[bool], workers: int, switch_interval: float
) -> None:
    """One value is set, the others come back; who is not cancelled gets it."""

    async def main() -> None:
        cell = SetOnce[int]()

        async def put(value: int) -> int:
            try:
                cell.set(value)
            except SetOnceError as error:
                return -error.value
            return value

        async def wait() -> int:
            return await cell.wait()

        waiting = [spawn(wait()) for _ in waiters]
        putting = [spawn(put(value + 1)) for value in range(setters)]
        for handle, cancelled in zip(waiting, waiters, strict=True):
            if cancelled:
                handle.abort()
        outcomes = [await handle for handle in putting]
        assert sorted(map(abs, outcomes)) == list(range(1, setters + 1))
        assert [value for value in outcomes if value > 0] == [cell.get()]
        for handle, cancelled in zip(waiting, waiters, strict=True):
            try:
                value = await handle
            except JoinError:
                if not cancelled:
                    raise
            else:
                assert value == cell.get()

    with Runtime(worker_threads=workers) as rt:
        rt.block_on(main())


@given(
    size=st.integers(0, 4),
    steps=st.lists(
        st.tuples(st.sampled_from(["come", "come", "come", "cancel"]), st.integers(0, 5)),
        min_size=10,
        max_size=30,
    ),
)
@settings(max_examples=200, deadline=None)
def test_barrier_in_steps(size: int, steps: list[tuple[str, int]]) -> None:
    """The last to come leads; who is cancelled has come all the same."""

    async def main() -> None:
        barrier = Barrier(size)
        waiting: list[Polled] = []
        come = 0
        for op, argument in steps:
            if op == "come":
                come += 1
                newcomer = Polled(barrier.wait())
                if come < size:
                    await newcomer.pending()
                    waiting.append(newcomer)
                    continue
                come = 0
                assert (await newcomer.ready()).is_leader
                for each in waiting:
                    assert not (await each.ready()).is_leader
                waiting.clear()
            elif waiting:
                await waiting.pop(argument % len(waiting)).drop()
            for each in waiting:
                await each.pending()

    on_one_worker(main())


@given(size=st.integers(1, 5), rounds=st.integers(1, 20), workers=st.sampled_from([1, 4]))
@THREADED
def test_barrier_in_threads(size: int, rounds: int, workers: int, switch_interval: float) -> None:
    """Each round has one leader, and nobody is more than one round ahead."""

    async def main() -> None:
        barrier = Barrier(size)
        at: list[int] = [0] * size

        async def walk(number: int) -> int:
            led = 0
            for round_ in range(rounds):
                assert min(at) >= round_ - 1
                at[number] = round_
                led += (await barrier.wait()).is_leader
                assert min(at) >= round_
            return led

        handles = [spawn(walk(number)) for number in range(size)]
        assert sum([await handle for handle in handles]) == rounds

    with Runtime(worker_threads=workers) as rt:
        rt.block_on(main())
