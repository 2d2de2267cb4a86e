"""Counterparts of tokio/tests/macros_select.rs.

A pattern that doesn't match is a `case` of Python's; a precondition that is false is a None in
the branch's place; `else` is `default=`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from typing import Any

import pytest

from tests.gates import PENDING, Value, forever, poll, until
from yamanote import Runtime, select, spawn, yield_now
from yamanote.sync import AcquireError, Semaphore
from yamanote.task.coop import consume_budget
from yamanote.time import sleep

BUDGET = 128


async def number(value: int) -> int:
    return value


async def nothing() -> None:
    pass


async def one_of(*values: int) -> int:
    return (await select(*[number(value) for value in values])).value


def test_sync_one_lit_expr_comma(rt: Runtime) -> None:
    # fmt: off
    assert rt.block_on(select(foo=number(1),)) == ("foo", 1)
    # fmt: on


def test_no_branch_else_only(rt: Runtime) -> None:
    assert rt.block_on(select(default=1)) == (None, 1)


def test_no_branch_else_only_biased(rt: Runtime) -> None:
    assert rt.block_on(select(biased=True, default=1)) == (None, 1)


def test_nested_one(rt: Runtime) -> None:
    async def main() -> int:
        match await select(foo=number(1)):
            case ("foo", foo):
                return (await select(bar=number(foo))).value
        return 0

    assert rt.block_on(main()) == 1


def test_sync_one_lit_expr_no_comma(rt: Runtime) -> None:
    assert rt.block_on(select(foo=number(1))) == ("foo", 1)


def test_sync_one_lit_expr_block(rt: Runtime) -> None:
    async def main() -> int:
        match await select(number(1)):
            case (0, foo):
                return foo
        return 0

    assert rt.block_on(main()) == 1


def test_sync_one_await(rt: Runtime) -> None:
    assert rt.block_on(one_of(1)) == 1


def test_sync_one_ident(rt: Runtime) -> None:
    async def main() -> int:
        one = number(1)
        return (await select(one)).value

    assert rt.block_on(main()) == 1


def test_sync_two(rt: Runtime) -> None:
    """Once a branch has ended the others are not even begun."""
    ran = []

    async def branch(value: int) -> int:
        ran.append(value)
        return value

    async def main() -> int:
        return (await select(branch(1), branch(2))).value

    assert ran == [rt.block_on(main())]


def test_drop_in_fut(rt: Runtime) -> None:
    async def main() -> int:
        held = ["hello"]

        async def branch() -> int:
            value = await number(1)
            held.clear()
            return value

        value = (await select(branch())).value
        assert not held
        return value

    assert rt.block_on(main()) == 1


def test_one_ready(rt: Runtime) -> None:
    async def main() -> None:
        one, two = Value(), Value()
        one.send(1)
        assert await select(one.recv(), two.recv()) == (0, 1)
        assert not two.received

    rt.block_on(main())


class Stream:
    """Values for one receiver, who may be cancelled without losing one."""

    def __init__(self) -> None:
        self._values: deque[int] = deque()
        self._sent = Semaphore(0)

    def send(self, value: int) -> None:
        self._values.append(value)
        self._sent.add_permits(1)

    def close(self) -> None:
        self._sent.close()

    async def recv(self) -> int | None:
        try:
            (await self._sent.acquire()).forget()
        except AcquireError:
            if not self._values:
                return None
        return self._values.popleft()


def test_select_streams(rt: Runtime) -> None:
    async def main() -> list[int]:
        streams: list[Stream | None] = [Stream(), Stream()]
        one, two = streams
        assert one is not None
        assert two is not None

        async def send() -> None:
            two.send(1)
            await yield_now()
            one.send(2)
            await yield_now()
            two.send(3)
            await yield_now()
            one.close()
            two.close()

        spawn(send())
        values = []
        while True:
            match await select(*[each and each.recv() for each in streams], default="end"):
                case (int(index), None):
                    streams[index] = None
                case (int(), value):
                    values.append(value)
                case (None, end):
                    assert end == "end"
                    return sorted(values)

    assert rt.block_on(main()) == [1, 2, 3]


def test_move_uncompleted_futures(rt: Runtime) -> None:
    """What a branch waited for can be awaited once more: it is the wait that is cancelled."""

    async def main() -> None:
        one, two = spawn(number(1)), spawn(number(2))
        match await select(one, two):
            case (0, value):
                assert (value, await two) == (1, 2)
            case (_, value):
                assert (await one, value) == (1, 2)

    rt.block_on(main())


def test_nested(rt: Runtime) -> None:
    async def main() -> int:
        x = (await select(number(1))).value
        y = (await select(select(number(2)))).value.value
        return x + y

    assert rt.block_on(main()) == 3


def borrow_and_change(rt: Runtime, **options: Any) -> None:
    async def main() -> None:
        values = [234]

        async def change() -> None:
            values[0] += 1

        match await select(changed=change(), noop=nothing(), **options):
            case ("changed", None):
                assert values == [235]
            case ("noop", None):
                values[0] += 5
                assert values == [239]
            case _:
                pytest.fail("a branch was ready")

    rt.block_on(main())


def test_mutable_borrowing_future_with_same_borrow_in_block(rt: Runtime) -> None:
    borrow_and_change(rt)


def test_mutable_borrowing_future_with_same_borrow_in_block_and_else(rt: Runtime) -> None:
    borrow_and_change(rt, default=27)


def test_future_panics_after_poll(rt: Runtime) -> None:
    """A branch that has ended with what nobody wants is left out from then on."""
    polls = []

    async def once() -> None:
        assert not polls
        polls.append(1)

    async def wait(value: Value) -> int:
        first: Any = once()
        while True:
            match await select(first, value.recv(), biased=True):
                case (0, None):
                    first = None
                case (1, result):
                    return result

    async def main() -> None:
        value = Value()
        waiting = spawn(wait(value))
        await until(lambda: polls)
        assert not waiting.is_finished()
        value.send(1)
        assert await waiting == 1

    rt.block_on(main())


def test_disable_with_if(rt: Runtime) -> None:
    async def main() -> None:
        value = Value()
        assert await poll(select(None, value.recv())) is PENDING
        waiting = spawn(select(None, value.recv()))
        value.send("sent")
        assert await waiting == (1, "sent")

    rt.block_on(main())


def test_join_with_select(rt: Runtime) -> None:
    async def both(one: Value, two: Value) -> tuple[Any, Any]:
        a = b = None
        while a is None or b is None:
            match await select(
                a=one.recv() if a is None else None, b=two.recv() if b is None else None
            ):
                case ("a", value):
                    a = value
                case ("b", value):
                    b = value
        return a, b

    async def main() -> None:
        one, two = Value(), Value()
        waiting = spawn(both(one, two))
        one.send(123)
        await until(lambda: one.received)
        assert not waiting.is_finished()
        two.send(456)
        assert await waiting == (123, 456)
        assert (one.received, two.received) == (1, 1)

    rt.block_on(main())


@pytest.mark.parametrize("condition", [False])
def test_use_future_in_if_condition(rt: Runtime, condition: bool) -> None:
    async def main() -> None:
        assert await select(sleep(0) if condition else None, number(1)) == (1, 1)

    rt.block_on(main())


@pytest.mark.parametrize("condition", [False])
def test_use_future_in_if_condition_biased(rt: Runtime, condition: bool) -> None:
    async def main() -> None:
        won = await select(sleep(0) if condition else None, number(1), biased=True)
        assert won == (1, 1)

    rt.block_on(main())


def test_many_branches(rt: Runtime) -> None:
    assert rt.block_on(one_of(*[1] * 64)) == 1


def test_never_branch_no_warnings(rt: Runtime) -> None:
    assert rt.block_on(select(never=forever(), one=number(1))) == ("one", 1)


def test_mut_on_left_hand_side(rt: Runtime) -> None:
    async def main() -> int:
        match await select(number(1)):
            case (0, a):
                a += 1
                return a
        return 0

    assert rt.block_on(main()) == 2


def test_biased_one_not_ready(rt: Runtime) -> None:
    async def main() -> None:
        one, two, three = Value(), Value(), Value()
        two.send(2)
        three.send(3)
        assert await select(one.recv(), two.recv(), three.recv(), biased=True) == (1, 2)
        assert not three.received

    rt.block_on(main())


def test_biased_eventually_ready(rt: Runtime) -> None:
    async def main() -> list[Any]:
        won: list[Any] = []
        while True:
            match await select(
                two=yield_now() if len(won) < 2 else None,
                three=yield_now() if len(won) < 3 else None,
                one=nothing() if len(won) < 1 else None,
                biased=True,
                default="end",
            ):
                case (None, "end"):
                    return won
                case (branch, _):
                    won.append(branch)

    assert rt.block_on(main()) == ["one", "two", "three"]


def test_mut_ref_patterns(rt: Runtime) -> None:
    async def some() -> list[str]:
        return ["1"]

    async def main() -> None:
        match await select(some()):
            case (0, [foo]):
                assert foo == "1"
                foo = "2"
                assert foo == "2"
            case _:
                pytest.fail("the pattern matches")

    rt.block_on(main())


async def select_0_to_9() -> int:
    return await one_of(*range(10))


async def several() -> list[int]:
    return [await select_0_to_9() for _ in range(8)]


def test_deterministic_select_current_thread() -> None:
    values = []
    for _ in range(2):
        with Runtime(flavor="current_thread", seed=7) as rt:
            values.append(rt.block_on(several()))
    assert values[0] == values[1]
    assert len(set(values[0])) > 1


def test_deterministic_select_multi_thread() -> None:
    values = []
    for _ in range(2):
        with Runtime(flavor="multi_thread", worker_threads=1, seed=7) as rt:
            values.append(rt.block_on(rt.spawn(several())))
    assert values[0] == values[1]
    assert len(set(values[0])) > 1


class NotACoroutine:
    def __await__(self) -> Generator[Any, None, str]:
        yield from yield_now()
        return "done"


def test_select_into_future(rt: Runtime) -> None:
    assert rt.block_on(select(NotACoroutine())) == (0, "done")


def test_temporary_lifetime_extension(rt: Runtime) -> None:
    """What is awaited lives as long as the select, though nobody else refers to it."""
    gone = []

    class Temporary(NotACoroutine):
        def __await__(self) -> Generator[Any, None, str]:
            result = yield from super().__await__()
            assert not gone
            return result

        def __del__(self) -> None:
            gone.append(1)

    assert rt.block_on(select(Temporary())) == (0, "done")


def test_select_is_budget_aware(rt: Runtime) -> None:
    async def main() -> None:
        for _ in range(BUDGET):
            assert await poll(select(consume_budget(), nothing(), biased=True)) == (0, None)
        assert await poll(select(consume_budget(), nothing(), biased=True)) is PENDING

    rt.block_on(main())
    rt.block_on(rt.spawn(main()))
