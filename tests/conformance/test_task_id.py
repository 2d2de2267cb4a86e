"""Counterparts of tokio/tests/task_id.rs.

A destructor is a `__del__` here. Where Tokio drops the output of a task in the task's own
context, Python calls `__del__` wherever the last reference goes; on a free-threaded build it
leaves that to the thread which made the object, if the last reference goes on another.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from tests.gates import FREE_THREADED, Gate, until
from yamanote import (
    JoinError,
    JoinHandle,
    LocalSet,
    Runtime,
    block_in_place,
    join,
    spawn,
    spawn_blocking,
    spawn_local,
    yield_now,
)
from yamanote.task import Id, id, try_id


async def my_id() -> Id:
    return id()


class Destructor:
    """Notes which task it is dropped in."""

    def __init__(self, seen: list[Id | None]) -> None:
        self._seen = seen

    def __del__(self) -> None:
        self._seen.append(try_id())


class Ready(Destructor):
    def __await__(self) -> Generator[None, None, None]:
        return
        yield


class Pending(Destructor):
    def __await__(self) -> Generator[None, None, None]:
        while True:
            yield


def dropped_in(task: JoinHandle[Any], seen: list[Id | None]) -> bool:
    return seen == [task.id] or (FREE_THREADED and seen == [None])


def test_task_id_spawn(rt: Runtime) -> None:
    async def main() -> None:
        handle = spawn(my_id())
        assert await handle == handle.id

    rt.block_on(main())


def test_task_id_spawn_blocking(rt: Runtime) -> None:
    async def main() -> None:
        handle = spawn_blocking(id)
        assert await handle == handle.id
        handle = spawn_blocking(lambda: block_in_place(id))
        assert await handle == handle.id

    rt.block_on(main())


async def two_ids_differ() -> None:
    one, two = await join(spawn(my_id()), spawn(my_id()))
    assert one != two


def test_task_id_collision_current_thread() -> None:
    with Runtime(flavor="current_thread") as rt:
        rt.block_on(two_ids_differ())


def test_task_id_collision_multi_thread(multi_rt: Runtime) -> None:
    multi_rt.block_on(two_ids_differ())


async def ids_match() -> None:
    told = Gate()
    expected: list[Id] = []

    async def child() -> None:
        await told.wait()
        assert [id()] == expected

    handle = spawn(child())
    expected.append(handle.id)
    told.open()
    await handle


def test_task_ids_match_current_thread() -> None:
    with Runtime(flavor="current_thread") as rt:
        rt.block_on(ids_match())


def test_task_ids_match_multi_thread(multi_rt: Runtime) -> None:
    multi_rt.block_on(ids_match())


def test_task_id_future_destructor_completion(multi_rt: Runtime) -> None:
    async def main() -> None:
        seen: list[Id | None] = []
        handle = spawn(Ready(seen))
        await handle
        await until(lambda: seen)
        assert dropped_in(handle, seen)

    multi_rt.block_on(main())


def test_task_id_future_destructor_abort(multi_rt: Runtime) -> None:
    async def main() -> None:
        seen: list[Id | None] = []
        handle = spawn(Pending(seen))
        handle.abort()
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.is_cancelled()
        await until(lambda: seen)
        assert dropped_in(handle, seen)

    multi_rt.block_on(main())


def test_task_id_output_destructor_handle_dropped_before_completion() -> None:
    async def output(seen: list[Id | None], go_on: Gate) -> Destructor:
        made = Destructor(seen)
        await go_on.wait()
        return made

    async def main() -> None:
        seen: list[Id | None] = []
        go_on = Gate()
        handle = spawn(output(seen, go_on))
        await yield_now()
        del handle
        await yield_now()
        assert not seen
        go_on.open()
        await until(lambda: seen)
        assert len(seen) == 1

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


def test_task_id_output_destructor_handle_dropped_after_completion() -> None:
    async def output(seen: list[Id | None]) -> Destructor:
        return Destructor(seen)

    async def dropper(handles: list[Any]) -> None:
        handles.clear()

    async def main() -> None:
        seen: list[Id | None] = []
        handle = spawn(output(seen))
        await until(handle.is_finished)
        await yield_now()
        assert not seen
        handles = [handle]
        del handle
        drops = spawn(dropper(handles))
        await drops
        assert seen == [drops.id]  # the task that lets go of it

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())


def test_task_try_id_outside_task() -> None:
    assert try_id() is None


async def call(function: Callable[[], Any]) -> Any:
    return function()


def test_task_try_id_inside_block_on(rt: Runtime) -> None:
    assert rt.block_on(call(try_id)) is None


def test_task_id_spawn_local(rt: Runtime) -> None:
    async def main() -> None:
        handle = spawn_local(my_id())
        assert await handle == handle.id

    rt.block_on(LocalSet().run_until(main()))


def test_task_id_nested_spawn_local(rt: Runtime) -> None:
    async def child() -> None:
        parent = id()

        async def inner() -> None:
            assert await spawn_local(my_id()) != parent
            assert id() == parent

        await LocalSet().run_until(inner())
        assert id() == parent

    async def main() -> None:
        await spawn_local(child())

    rt.block_on(LocalSet().run_until(main()))


def test_task_id_block_in_place_block_on_spawn(multi_rt: Runtime) -> None:
    def inside() -> Id:
        with Runtime(flavor="current_thread") as rt:
            return rt.block_on(rt.spawn(my_id()))

    async def main() -> None:
        parent = id()
        assert block_in_place(inside) != parent
        assert id() == parent

    multi_rt.block_on(multi_rt.spawn(main()))


def test_task_id_outside_task_panic_caller() -> None:
    with pytest.raises(RuntimeError, match="inside a Yamanote task only"):
        id()


def test_task_id_inside_block_on_panic_caller(rt: Runtime) -> None:
    with pytest.raises(RuntimeError, match="inside a Yamanote task only"):
        rt.block_on(call(id))
