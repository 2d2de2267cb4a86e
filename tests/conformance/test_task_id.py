"""Counterparts of tokio/tests/task_id.rs: `task.id()` and `JoinHandle.id`."""

from __future__ import annotations

import gc
import weakref

import pytest

from tests.channels import Oneshot
from tests.gates import until
from yamanote import LocalSet, Runtime, block_in_place, join, spawn, spawn_blocking, spawn_local
from yamanote.task import Id, id, try_id
from yamanote.time import sleep


def current_thread() -> Runtime:
    return Runtime(flavor="current_thread")


async def own_id() -> Id:
    return id()


async def two_ids() -> tuple[Id, Id]:
    return await join(spawn(own_id()), spawn(own_id()))


async def told_id_is_own() -> bool:
    told: Oneshot[Id] = Oneshot()

    async def compare() -> bool:
        return await told.recv() == id()

    handle = spawn(compare())
    told.send(handle.id)
    return await handle


class Output:
    """A result that can be seen to go."""


def test_task_id_spawn() -> None:
    async def main() -> tuple[Id, Id]:
        handle = spawn(own_id())
        return handle.id, await handle

    with current_thread() as rt:
        expected, seen = rt.block_on(main())
    assert seen == expected
    assert str(seen) == str(int(seen))


def test_task_id_spawn_blocking() -> None:
    async def main() -> tuple[Id, Id]:
        handle = spawn_blocking(id)
        return handle.id, await handle

    with current_thread() as rt:
        expected, seen = rt.block_on(main())
    assert seen == expected


def test_task_id_collision_current_thread() -> None:
    with current_thread() as rt:
        first, second = rt.block_on(two_ids())
    assert first != second


def test_task_id_collision_multi_thread(multi_rt: Runtime) -> None:
    first, second = multi_rt.block_on(two_ids())
    assert first != second


def test_task_ids_match_current_thread() -> None:
    with current_thread() as rt:
        assert rt.block_on(told_id_is_own())


def test_task_ids_match_multi_thread(multi_rt: Runtime) -> None:
    assert multi_rt.block_on(told_id_is_own())


def test_task_id_future_destructor_completion(multi_rt: Runtime) -> None:
    seen: list[Id] = []

    class Held:
        def __del__(self) -> None:
            seen.append(id())

    async def hold() -> None:
        _held = Held()
        try:
            pass
        finally:
            seen.append(id())

    async def main() -> Id:
        handle = spawn(hold())
        number = handle.id
        await handle
        return number

    number = multi_rt.block_on(main())
    assert seen == [number, number]


def test_task_id_future_destructor_abort(multi_rt: Runtime) -> None:
    seen: list[Id] = []
    started: Oneshot[None] = Oneshot()

    async def hold() -> None:
        try:
            started.send(None)
            await sleep(1e6)
        finally:
            seen.append(id())

    async def main() -> Id:
        handle = spawn(hold())
        number = handle.id
        await started.recv()
        handle.abort()
        await until(handle.is_finished)
        return number

    number = multi_rt.block_on(main())
    assert seen == [number]


# Which task a destructor of the output runs in is the garbage collector's choice, not an
# owner's. That the output goes when its last owner does is what is left to check.


def test_task_id_output_destructor_handle_dropped_before_completion() -> None:
    outputs: list[weakref.ref[Output]] = []

    async def work() -> Output:
        output = Output()
        outputs.append(weakref.ref(output))
        return output

    async def main() -> None:
        handle = spawn(work())
        del handle
        assert not outputs
        await until(lambda: outputs)
        await until(lambda: gc.collect() and outputs[0]() is None)

    with current_thread() as rt:
        rt.block_on(main())


def test_task_id_output_destructor_handle_dropped_after_completion() -> None:
    outputs: list[weakref.ref[Output]] = []

    async def work() -> Output:
        output = Output()
        outputs.append(weakref.ref(output))
        return output

    async def main() -> None:
        handle = spawn(work())
        await until(handle.is_finished)
        gc.collect()
        assert outputs[0]() is not None
        del handle
        await until(lambda: outputs[0]() is None)

    with current_thread() as rt:
        rt.block_on(main())


def test_task_try_id_outside_task() -> None:
    assert try_id() is None


def test_task_try_id_inside_block_on(rt: Runtime) -> None:
    async def main() -> Id | None:
        return try_id()

    assert rt.block_on(main()) is None


def test_task_id_spawn_local() -> None:
    async def main() -> tuple[Id, Id]:
        handle = spawn_local(own_id())
        return handle.id, await handle

    with current_thread() as rt:
        expected, seen = LocalSet().block_on(rt, main())
    assert seen == expected


def test_task_id_nested_spawn_local() -> None:
    async def inner() -> Id:
        return await spawn_local(own_id())

    async def parent() -> None:
        own = id()
        assert await LocalSet().run_until(inner()) != own
        assert id() == own

    async def main() -> None:
        await spawn_local(parent())

    with current_thread() as rt:
        LocalSet().block_on(rt, main())


def test_task_id_block_in_place_block_on_spawn(multi_rt: Runtime) -> None:
    def block() -> Id:
        with current_thread() as inner:

            async def main() -> Id:
                return await inner.spawn(own_id())

            return inner.block_on(main())

    async def parent() -> None:
        own = id()
        assert block_in_place(block) != own
        assert id() == own

    async def main() -> None:
        await spawn(parent())

    multi_rt.block_on(main())


def test_task_id_outside_task_panic_caller() -> None:
    with pytest.raises(RuntimeError, match=r"inside a Yamanote task only: try_id\(\) elsewhere"):
        id()


def test_task_id_inside_block_on_panic_caller(rt: Runtime) -> None:
    async def main() -> None:
        id()

    with pytest.raises(RuntimeError, match=r"inside a Yamanote task only: try_id\(\) elsewhere"):
        rt.block_on(main())
