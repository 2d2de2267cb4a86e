"""Counterpart of tokio/tests/sync_set_once.rs."""

from __future__ import annotations

import threading

import pytest

from yamanote import Runtime, spawn
from yamanote.sync import SetOnce, SetOnceError


class Dropped:
    def __init__(self, drops: list[None]) -> None:
        self._drops = drops

    def __del__(self) -> None:
        self._drops.append(None)


def test_drop_cell() -> None:
    drops: list[None] = []
    cell = SetOnce[Dropped]()
    cell.set(Dropped(drops))
    assert not drops
    del cell
    assert len(drops) == 1


def test_drop_cell_new_with() -> None:
    drops: list[None] = []
    cell = SetOnce(Dropped(drops))
    assert cell.initialized()
    del cell
    assert len(drops) == 1


def test_from() -> None:
    assert SetOnce(2).get() == 2


def test_set_and_get() -> None:
    cell = SetOnce[int]()
    cell.set(5)
    assert cell.get() == 5


def test_set_and_wait(rt: Runtime) -> None:
    cell = SetOnce[int]()

    async def set_it() -> None:
        cell.set(5)

    async def main() -> int:
        spawn(set_it())
        return await cell.wait()

    assert rt.block_on(main()) == 5


def test_set_and_wait_multiple_threads() -> None:
    cell = SetOnce[int]()
    failed = []

    def set_to(value: int) -> None:
        try:
            cell.set(value)
        except SetOnceError as error:
            failed.append(error.value)

    threads = [threading.Thread(target=set_to, args=(value,)) for value in (4, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(failed) == 1
    assert {cell.get(), *failed} == {3, 4}


def test_set_and_wait_threads(rt: Runtime) -> None:
    cell = SetOnce[int]()

    async def main() -> int:
        thread = threading.Thread(target=cell.set, args=(4,))
        thread.start()
        value = await cell.wait()
        thread.join()
        return value

    assert rt.block_on(main()) == 4


def test_get_uninit() -> None:
    assert SetOnce[int]().get() is None


def test_set_twice() -> None:
    cell = SetOnce[int]()
    cell.set(5)
    with pytest.raises(SetOnceError) as info:
        cell.set(6)
    assert info.value.value == 6
    assert cell.get() == 5


def test_is_none_initializing() -> None:
    cell = SetOnce[int]()
    assert cell.get() is None
    cell.set(20)
    with pytest.raises(SetOnceError):
        cell.set(10)
    assert cell.get() == 20


def test_is_some_initializing(rt: Runtime) -> None:
    cell = SetOnce[int]()

    async def set_it() -> None:
        cell.set(20)

    async def main() -> int:
        spawn(set_it())
        return await cell.wait()

    assert rt.block_on(main()) == 20


def test_into_inner_int_empty_setonce() -> None:
    # What is taken out there is got here.
    cell = SetOnce[int]()
    assert not cell.initialized()
    assert cell.get() is None
