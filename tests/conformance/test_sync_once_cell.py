"""Counterpart of tokio/tests/sync_once_cell.rs.

Where Tokio's tests stop the clock to order the tasks, a gate does it here.
"""

from __future__ import annotations

import pytest

from yamanote import Runtime, spawn
from yamanote.sync import OnceCell, SetError

from ..gates import Gate
from ..polled import Polled, on_one_worker
from .test_sync_set_once import Dropped


def test_drop_cell() -> None:
    drops: list[None] = []
    cell = OnceCell[Dropped]()
    cell.set(Dropped(drops))
    assert not drops
    del cell
    assert len(drops) == 1


def test_drop_cell_new_with() -> None:
    drops: list[None] = []
    cell = OnceCell(Dropped(drops))
    assert cell.initialized()
    del cell
    assert len(drops) == 1


def test_from() -> None:
    assert OnceCell(2).get() == 2


async def five() -> int:
    return 5


async def ten() -> int:
    return 10


def test_get_or_init() -> None:
    async def main() -> None:
        cell = OnceCell[int]()
        first, second = Polled(cell.get_or_init(five)), Polled(cell.get_or_init(ten))
        assert await first.ready() == 5
        assert await second.ready() == 5

    on_one_worker(main())


def test_get_or_init_panic() -> None:
    async def main() -> None:
        cell = OnceCell[int]()

        async def panic() -> int:
            raise AssertionError("there is a value already")

        first, second = Polled(cell.get_or_init(five)), Polled(cell.get_or_init(panic))
        assert await first.ready() == 5
        assert await second.ready() == 5

    on_one_worker(main())


def test_set_and_get(rt: Runtime) -> None:
    cell = OnceCell[int]()

    async def set_it() -> None:
        cell.set(5)

    async def main() -> int | None:
        await spawn(set_it())
        return cell.get()

    assert rt.block_on(main()) == 5


def test_get_uninit() -> None:
    assert OnceCell[int]().get() is None


def test_set_twice() -> None:
    cell = OnceCell[int]()
    cell.set(5)
    with pytest.raises(SetError) as info:
        cell.set(6)
    assert info.value.is_already_init_err()
    assert not info.value.is_initializing_err()
    assert info.value.value == 6


def test_set_while_initializing() -> None:
    async def main() -> None:
        cell = OnceCell[int]()
        gate = Gate()

        async def slowly() -> int:
            await gate.wait()
            return 5

        first = Polled(cell.get_or_init(slowly))
        await first.pending()
        with pytest.raises(SetError) as info:
            cell.set(10)
        assert info.value.is_initializing_err()
        assert not info.value.is_already_init_err()
        gate.open()
        assert await first.ready() == 5
        assert cell.get() == 5

    on_one_worker(main())


def test_get_or_try_init() -> None:
    async def main() -> None:
        cell = OnceCell[int]()

        async def fail() -> int:
            raise KeyError("no value")

        first, second = Polled(cell.get_or_try_init(fail)), Polled(cell.get_or_try_init(ten))
        with pytest.raises(KeyError):
            await first.ready()
        assert await second.ready() == 10

    on_one_worker(main())
