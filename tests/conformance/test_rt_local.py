"""Counterparts of tokio/tests/rt_local.rs.

Tokio's LocalRuntime is a current_thread runtime that is a LocalSet as well; here the two
are put together with `LocalSet.block_on`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.channels import LIMIT, Oneshot, on_thread
from yamanote import Handle, JoinError, LocalSet, Runtime, spawn, spawn_local, yield_now


@pytest.fixture
def current() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread") as runtime:
        yield runtime


async def send_five(sender: Oneshot[int]) -> None:
    await yield_now()
    sender.send(5)


async def nothing() -> None:
    pass


def test_spawn_local_in_runtime(current: Runtime) -> None:
    async def main() -> int:
        five: Oneshot[int] = Oneshot()
        spawn_local(send_five(five))
        return await five.recv()

    assert LocalSet().block_on(current, main()) == 5


def test_spawn_from_handle(current: Runtime) -> None:
    five: Oneshot[int] = Oneshot()
    current.handle.spawn(send_five(five))
    assert LocalSet().block_on(current, five.recv()) == 5


def test_spawn_local_on_runtime_object(current: Runtime) -> None:
    local = LocalSet()
    five: Oneshot[int] = Oneshot()
    local.spawn_local(send_five(five))
    assert local.block_on(current, five.recv()) == 5


def test_spawn_local_from_guard(current: Runtime) -> None:
    local = LocalSet()
    five: Oneshot[int] = Oneshot()
    with local.enter():
        spawn_local(send_five(five))
    assert local.block_on(current, five.recv()) == 5


def test_spawn_from_guard_other_thread() -> None:
    def make() -> Handle:
        with Runtime(flavor="current_thread") as rt:
            return rt.handle

    handle = on_thread(make).result(LIMIT)
    with handle.enter():
        task = spawn(nothing())
    with pytest.raises(JoinError) as error:
        task.join(LIMIT)
    assert error.value.is_cancelled()


def test_spawn_local_from_guard_other_thread(current: Runtime) -> None:
    local = LocalSet()

    async def elsewhere() -> None:
        def spawn_there() -> None:
            with current.enter():
                spawn_local(nothing())

        with pytest.raises(RuntimeError, match="LocalSet"):
            on_thread(spawn_there).result(LIMIT)

    local.block_on(current, elsewhere())


def test_spawn_local_panic(current: Runtime) -> None:
    async def main() -> None:
        on_thread(lambda: spawn_local(nothing())).result(LIMIT)

    with pytest.raises(RuntimeError, match="LocalSet"):
        LocalSet().block_on(current, main())


async def spawn_local_outside() -> None:
    spawn_local(nothing())


def test_spawn_local_in_current_thread_runtime(current: Runtime) -> None:
    with pytest.raises(RuntimeError, match="LocalSet"):
        current.block_on(spawn_local_outside())


def test_spawn_local_in_multi_thread_runtime(multi_rt: Runtime) -> None:
    with pytest.raises(RuntimeError, match="LocalSet"):
        multi_rt.block_on(spawn_local_outside())
