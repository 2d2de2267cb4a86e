"""`join`, `try_join` and `select`: cancellation, budget, order, and leaving the program."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.gates import PENDING, Gate, forever, poll, until
from yamanote import (
    JoinError,
    LocalSet,
    Runtime,
    join,
    select,
    spawn,
    spawn_local,
    try_join,
    yield_now,
)
from yamanote.task.coop import consume_budget

BUDGET = 128


class Fault(Exception):
    pass


class Stubborn:
    """A branch that, cancelled, first waits for a gate; it counts its CancelledErrors."""

    def __init__(self) -> None:
        self.started = False
        self.cancellations = 0
        self.ended = False
        self.gate = Gate()

    async def run(self) -> None:
        self.started = True
        try:
            await self._wait(forever())
        except asyncio.CancelledError:
            await self._wait(self.gate.wait())
            raise
        finally:
            self.ended = True

    async def _wait(self, what: Awaitable[Any]) -> None:
        try:
            await what
        except asyncio.CancelledError:
            self.cancellations += 1
            raise


async def fail() -> None:
    await yield_now()
    raise Fault


COMBINATIONS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "select": lambda branch: select(branch, yield_now()),
    "select-biased": lambda branch: select(branch, yield_now(), biased=True),
    "try_join": lambda branch: try_join(branch, fail()),
    "nested": lambda branch: join(select(branch, yield_now())),
}


@pytest.mark.parametrize("combine", COMBINATIONS.values(), ids=COMBINATIONS)
def test_cancelled_while_a_loser_cleans_up(rt: Runtime, combine: Any) -> None:
    """The caller is cancelled all the same, and the loser is left to its cleaning up."""

    async def main() -> None:
        branch = Stubborn()
        went_on = []

        async def caller() -> None:
            await combine(branch.run())
            went_on.append(1)

        task = spawn(caller())
        await until(lambda: branch.cancellations)
        task.abort()
        turns = [await yield_now() for _ in range(10)]
        assert len(turns) == 10
        assert not task.is_finished()
        branch.gate.open()
        with pytest.raises(JoinError) as ended:
            await task
        assert ended.value.is_cancelled()
        assert branch.ended
        assert branch.cancellations == 1
        assert not went_on

    rt.block_on(main())


def test_cancelled_twice_breaks_off_the_cleaning_up(rt: Runtime) -> None:
    async def main() -> None:
        branch = Stubborn()
        task: Any = spawn(join(branch.run()))
        await until(lambda: branch.started)
        task.cancel()
        await until(lambda: branch.cancellations == 1)
        task.cancel()
        with pytest.raises(JoinError):
            await task
        assert branch.ended
        assert branch.cancellations == 2

    rt.block_on(main())


def test_timeout_while_a_loser_cleans_up(rt: Runtime) -> None:
    """asyncio.timeout sees the cancellation that it asked for."""

    async def main() -> None:
        branch = Stubborn()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(None) as limit:

                async def expire() -> None:
                    await until(lambda: branch.cancellations)
                    limit.reschedule(asyncio.get_running_loop().time())
                    await until(limit.expired)
                    branch.gate.open()

                watch = asyncio.create_task(expire())
                await select(branch.run(), yield_now())
        await watch
        assert branch.cancellations == 1

    rt.block_on(main())


@pytest.mark.parametrize("combine", [join, try_join, select])
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "python"])
def test_a_loop_of_what_is_ready_lets_others_run(rt: Runtime, combine: Any, ours: bool) -> None:
    async def plain() -> None:
        pass

    async def other(turns: list[int]) -> None:
        while True:
            turns.append(1)
            await yield_now()

    async def busy() -> int:
        turns: list[int] = []
        ticker = spawn_local(other(turns))
        for _ in range(10 * BUDGET):
            await combine(consume_budget() if ours else plain())
        ticker.abort()
        return len(turns)

    # The two of them on one thread.
    async def main() -> int:
        return await spawn_local(busy())

    assert rt.block_on(LocalSet().run_until(main())) >= 9


def test_every_branch_of_many_gets_its_share(rt: Runtime) -> None:
    """More branches than the budget has: each goes on when its turn comes."""
    rounds = 20

    async def main() -> None:
        progress = [0] * (3 * BUDGET)
        spread = 0

        async def branch(index: int) -> None:
            nonlocal spread
            for _ in range(rounds):
                await consume_budget()
                progress[index] += 1
                await yield_now()
                spread = max(spread, max(progress) - min(progress))

        await join(*map(branch, range(len(progress))))
        assert progress == [rounds] * len(progress)
        assert spread <= 2

    rt.block_on(main())


@pytest.mark.parametrize("native", [True, False], ids=["ours", "asyncio"])
def test_biased_is_the_order_of_those_woken_meanwhile(rt: Runtime, native: bool) -> None:
    async def main() -> None:
        gates = [Gate() for _ in range(5)]
        waiting = 0

        async def branch(gate: Gate) -> None:
            nonlocal waiting
            waiting += 1
            await gate.wait()

        async def open_all() -> None:
            await until(lambda: waiting == len(gates))
            for gate in reversed(gates):
                gate.open()

        opener = asyncio.create_task(open_all())  # on the same thread: all before the next poll
        assert await select(*map(branch, gates), biased=True) == (0, None)
        await opener

    if native:
        rt.block_on(main())
    else:
        asyncio.run(main())


@pytest.mark.parametrize("leave", [SystemExit, KeyboardInterrupt])
def test_leaving_the_program_from_a_branch(rt: Runtime, leave: type[BaseException]) -> None:
    """The others are cancelled, not waited for, and it is what is raised."""
    branch = Stubborn()
    branch.gate.open()

    async def exit() -> None:
        await until(lambda: branch.started)
        raise leave

    with pytest.raises(leave):
        rt.block_on(join(branch.run(), exit()))
    assert branch.cancellations == 1
    assert branch.ended


def test_leaving_the_program_from_a_loser(rt: Runtime) -> None:
    async def exit() -> None:
        try:
            await forever()
        finally:
            raise SystemExit(3)

    with pytest.raises(SystemExit) as left:
        rt.block_on(select(exit(), yield_now(), biased=True))
    assert left.value.code == 3


def test_closed_by_force(rt: Runtime) -> None:
    """A coroutine that is closed cannot wait for its branches: they end at once."""

    async def main() -> None:
        branches = [Stubborn(), Stubborn()]
        assert await poll(join(*[branch.run() for branch in branches])) is PENDING
        assert [branch.cancellations for branch in branches] == [1, 1]
        assert [branch.ended for branch in branches] == [True, True]

    rt.block_on(main())


def test_shutdown_ends_the_branches(rt_config: dict[str, Any]) -> None:
    branches = [Stubborn(), Stubborn()]
    rt = Runtime(**rt_config)

    async def main() -> None:
        spawn(join(*[branch.run() for branch in branches]))
        await until(lambda: all(branch.started for branch in branches))

    rt.block_on(main())
    rt.shutdown_timeout(0.1)
    assert all(branch.cancellations for branch in branches)
    assert [branch.ended for branch in branches] == [True, True]


def test_shutdown_from_an_asyncio_task(rt_config: dict[str, Any]) -> None:
    """Ending the branches leaves the loop of the thread that does it as it was."""
    branches = [Stubborn(), Stubborn()]
    rt = Runtime(**rt_config)

    async def main() -> None:
        spawn(join(*[branch.run() for branch in branches]))
        await until(lambda: all(branch.started for branch in branches))

    async def shut_down() -> None:
        me = asyncio.current_task()
        rt.shutdown_background()
        assert asyncio.current_task() is me
        await asyncio.sleep(0)

    rt.block_on(main())
    asyncio.run(shut_down())


def test_disabled_branches(rt: Runtime) -> None:
    async def value() -> int:
        return 1

    async def main() -> None:
        assert await select(None, value()) == (1, 1)
        assert await select(None, a=None, b=value(), biased=True) == ("b", 1)
        assert await select(None, a=None, default=2) == (None, 2)
        assert await select(default=None) == (None, None)
        assert await select(value(), default=2) == (0, 1)
        with pytest.raises(ValueError, match=r"all branches .* are None.*default="):
            await select(None, a=None)
        with pytest.raises(TypeError, match="awaitable is needed"):
            await join(None)  # type: ignore[arg-type]

    rt.block_on(main())
