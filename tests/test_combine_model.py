"""`join`, `try_join` and `select` over branches of all kinds, against a simple model."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.channels import LIMIT
from tests.gates import Gate, forever, until
from yamanote import JoinError, Runtime, join, select, spawn, try_join, yield_now

pytestmark = pytest.mark.usefixtures("switch_interval")


class Fault(Exception):
    """What a branch of this number raises."""


@dataclass
class Plan:
    """What one branch does: yield, then wait for another thread or not, then end."""

    yields: int
    parks: bool
    ends: str  # "returns", "fails", "cancelled" (by itself), "never"
    cleanup: int  # how often it yields once it is cancelled

    def is_prompt(self) -> bool:
        """Whether it ends by turns of its own, which the model can count."""
        return not self.parks and self.ends != "never"


@dataclass
class Branch:
    """A plan carried out, and what has come of it."""

    number: int
    plan: Plan
    log: list[tuple[int, str]]
    gate: Gate = field(default_factory=Gate)
    started: bool = False
    cancellations: int = 0

    async def run(self) -> int:
        self.started = True
        end = "stopped"
        try:
            for _ in range(self.plan.yields):
                await yield_now()
            if self.plan.parks:
                await self.gate.wait()
            if self.plan.ends == "never":
                await forever()
            end = self.plan.ends
        except asyncio.CancelledError:
            self.cancellations += 1
            for _ in range(self.plan.cleanup):
                await yield_now()
            raise
        finally:
            self.log.append((self.number, end))
        if end == "fails":
            raise Fault(self.number)
        if end == "cancelled":
            raise asyncio.CancelledError
        return self.number


plans = st.builds(
    Plan,
    yields=st.integers(0, 3),
    parks=st.booleans(),
    ends=st.sampled_from(["returns", "returns", "fails", "cancelled", "never"]),
    cleanup=st.integers(0, 2),
)
groups = st.lists(plans, min_size=1, max_size=6)


class World:
    """The branches, and the thread that opens their gates."""

    def __init__(self, group: list[Plan], order: list[int]) -> None:
        self.log: list[tuple[int, str]] = []
        self.branches = [Branch(number, plan, self.log) for number, plan in enumerate(group)]
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._open, args=(order,))
        self._thread.start()

    def _open(self, order: list[int]) -> None:
        assert self._go.wait(LIMIT)
        for number in order:
            self.branches[number].gate.open()

    async def all_started(self) -> None:
        await until(lambda: all(branch.started for branch in self.branches))

    def open_gates(self) -> None:
        self._go.set()

    def close(self) -> None:
        self._go.set()
        self._thread.join(LIMIT)
        assert not self._thread.is_alive()

    def coros(self) -> list[Any]:
        return [branch.run() for branch in self.branches]

    def check_ended(self) -> None:
        """No branch outlives the call, and each that was stopped was told so once."""
        ended = dict(self.log)
        assert len(ended) == len(self.log)
        for branch in self.branches:
            assert (branch.number in ended) == branch.started
            stopped = ended.get(branch.number) == "stopped"
            assert branch.cancellations == (1 if stopped else 0)

    def ends(self) -> list[tuple[int, str]]:
        """Those that ended by themselves, in the order in which they did."""
        return [(number, end) for number, end in self.log if end != "stopped"]


async def outcome(call: Any) -> Any:
    """What the call returns, or ("fails", number), or ("cancelled", None)."""
    try:
        return await call
    except Fault as fault:
        return "fails", fault.args[0]
    except asyncio.CancelledError:
        return "cancelled", None


def failure(number: int, end: str) -> Any:
    return ("fails", number) if end == "fails" else ("cancelled", None)


def run(rt: Runtime, group: list[Plan], order: list[int], main: Any) -> None:
    """Carry out `main(world)` as a task that any worker may take."""
    world = World(group, order)
    try:
        rt.spawn(main(world)).join(LIMIT)
        world.check_ended()
    finally:
        world.close()


orders = st.permutations(range(6))


@given(group=groups, order=orders, biased=st.booleans())
def test_join_models(multi_rt: Runtime, group: list[Plan], order: list[int], biased: bool) -> None:
    """All end by themselves; the results in order, or the first failure."""
    for plan in group:
        if plan.ends == "never":
            plan.ends = "returns"

    async def main(world: World) -> None:
        world.open_gates()
        result = await outcome(join(*world.coros(), biased=biased))
        failed = [(number, end) for number, end in world.ends() if end != "returns"]
        assert len(world.ends()) == len(group)
        assert result == (failure(*failed[0]) if failed else tuple(range(len(group))))

    run(multi_rt, group, [number for number in order if number < len(group)], main)


@given(group=groups, order=orders, biased=st.booleans())
def test_try_join_models(
    multi_rt: Runtime, group: list[Plan], order: list[int], biased: bool
) -> None:
    """The results in order, or the first failure, at which the others are stopped."""
    if all(plan.ends in ("returns", "never") for plan in group):
        for plan in group:
            plan.ends = "returns"

    async def main(world: World) -> None:
        world.open_gates()
        result = await outcome(try_join(*world.coros(), biased=biased))
        failed = [(number, end) for number, end in world.ends() if end != "returns"]
        assert result == (failure(*failed[0]) if failed else tuple(range(len(group))))
        if failed:
            # Nobody ends by himself after the first failure.
            assert world.ends()[-1] == failed[0]

    run(multi_rt, group, [number for number in order if number < len(group)], main)


@given(group=groups, order=orders, biased=st.booleans())
def test_select_models(
    multi_rt: Runtime, group: list[Plan], order: list[int], biased: bool
) -> None:
    """The first to end wins, and is the only one that ends by itself."""
    if all(plan.ends == "never" for plan in group):
        group[0].ends = "returns"

    async def main(world: World) -> None:
        world.open_gates()
        result = await outcome(select(*world.coros(), biased=biased))
        [(number, end)] = world.ends()
        assert result == ((number, number) if end == "returns" else failure(number, end))
        if biased and all(plan.is_prompt() for plan in group):
            # Of those with the fewest turns the first.
            assert number == min(range(len(group)), key=lambda n: group[n].yields)

    run(multi_rt, group, [number for number in order if number < len(group)], main)


@given(group=groups, combine=st.sampled_from([join, try_join, select]))
def test_cancelled_caller_models(multi_rt: Runtime, group: list[Plan], combine: Any) -> None:
    """Cancelling the caller stops every branch, once."""
    for plan in group:
        plan.ends = "never"
        plan.parks = False

    async def main(world: World) -> None:
        caller = spawn(combine(*world.coros()))
        await world.all_started()
        caller.abort()
        with pytest.raises(JoinError) as ended:
            await caller
        assert ended.value.is_cancelled()
        assert [branch.cancellations for branch in world.branches] == [1] * len(group)

    run(multi_rt, group, [], main)


@given(
    group=groups,
    order=orders,
    combine=st.sampled_from([join, try_join, select]),
    turns=st.integers(0, 6),
)
def test_cancelled_at_any_time_models(
    multi_rt: Runtime, group: list[Plan], order: list[int], combine: Any, turns: int
) -> None:
    """Wherever the cancellation meets the call, it ends, and its branches before it."""

    async def main(world: World) -> None:
        async def call() -> Any:
            return await outcome(combine(*world.coros()))

        caller = spawn(call())
        world.open_gates()
        for _ in range(turns):
            await yield_now()
        caller.abort()
        try:
            result = await caller
        except JoinError:
            # It had not begun.
            assert not any(branch.started for branch in world.branches)
            return
        if result == ("cancelled", None):
            return  # by us, or by a branch
        if result[0] == "fails":
            assert (result[1], "fails") in world.ends()
        elif combine is select:
            assert world.ends() == [(result.value, "returns")]
        else:
            assert result == tuple(range(len(group)))

    run(multi_rt, group, [number for number in order if number < len(group)], main)
