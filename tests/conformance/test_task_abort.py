"""Counterparts of tokio/tests/task_abort.rs.

What a Rust future does in its destructor a coroutine does in its `finally` block.
"""

from __future__ import annotations

import logging
import threading

import pytest

from tests.channels import LIMIT, on_thread
from tests.gates import Drop, Gate, forever, until
from yamanote import JoinError, JoinHandle, LocalSet, Runtime, spawn, yield_now
from yamanote.time import sleep


class Panic(Exception):
    pass


async def sleep_long(started: Gate) -> None:
    started.open()
    await sleep(100)


async def panic_on_drop(started: Gate) -> None:
    try:
        started.open()
        await sleep(100)
    finally:
        raise Panic("what did you expect")


def test_abort_without_panic_3157(rt: Runtime) -> None:
    async def main() -> None:
        started = Gate()
        handle = spawn(sleep_long(started))
        await started.wait()
        handle.abort()
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.is_cancelled()
        assert not error.value.is_panic()

    rt.block_on(main())


def test_abort_without_panic_3662(rt: Runtime) -> None:
    async def hold(held: object, started: Gate) -> None:
        started.open()
        await forever(held)

    async def main() -> None:
        drop = Drop()
        started = Gate()
        handle = spawn(hold(drop.make(), started))
        await started.wait()

        def abort(handle: JoinHandle[None]) -> JoinHandle[None]:
            assert not drop.is_gone()
            handle.abort()
            return handle

        with pytest.raises(JoinError) as error:
            await on_thread(abort, handle).result(LIMIT)
        assert error.value.is_cancelled()
        await drop.wait()
        await spawn(yield_now())  # the scheduler goes on

    rt.block_on(main())


def test_remote_abort_local_set_3929(rt: Runtime) -> None:
    started = threading.Event()
    ended_on: list[int] = []
    reached: list[str] = []

    async def pending() -> None:
        try:
            started.set()
            await forever()
            reached.append("the end")
        finally:
            ended_on.append(threading.get_ident())

    def abort(handle: JoinHandle[None]) -> None:
        assert started.wait(LIMIT)
        handle.abort()

    local = LocalSet()
    handle = local.spawn_local(pending())
    thread = on_thread(abort, handle)
    rt.block_on(local)
    thread.result(LIMIT)
    assert ended_on == [threading.get_ident()]
    assert not reached
    with pytest.raises(JoinError) as error:
        handle.join(0)
    assert error.value.is_cancelled()


def test_abort_wakes_task_3964(rt: Runtime) -> None:
    async def hold(held: object, started: Gate) -> None:
        started.open()
        await sleep(100)

    async def main() -> None:
        drop = Drop()
        started = Gate()
        handle = spawn(hold(drop.make(), started))
        await started.wait()
        assert not drop.is_gone()
        handle.abort()
        del handle
        await drop.wait()

    rt.block_on(main())


def test_abort_task_that_panics_on_drop_contained(
    rt: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        started = Gate()
        handle = spawn(panic_on_drop(started), name="panicky")
        await started.wait()
        handle.abort()
        del handle
        await until(lambda: caplog.records)
        return "went on"

    with caplog.at_level(logging.ERROR, "yamanote"):
        assert rt.block_on(main()) == "went on"
    [record] = caplog.records
    assert "panicky" in record.getMessage()
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Panic)


def test_abort_task_that_panics_on_drop_returned(rt: Runtime) -> None:
    async def main() -> None:
        started = Gate()
        handle = spawn(panic_on_drop(started))
        await started.wait()
        handle.abort()
        with pytest.raises(JoinError) as error:
            await handle
        assert error.value.is_panic()
        assert not error.value.is_cancelled()
        assert isinstance(error.value.into_panic(), Panic)

    rt.block_on(main())


async def fail_with(payload: object) -> None:
    raise ValueError(payload)


async def join_error(payload: object, name: str | None = None) -> tuple[JoinError, str]:
    handle = spawn(fail_with(payload), name=name)
    with pytest.raises(JoinError) as error:
        await handle
    return error.value, handle.name


PAYLOADS = [f"Format-args payload: {1234}", "Const payload", 1234]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_join_error_display(rt: Runtime, payload: object) -> None:
    error, name = rt.block_on(join_error(payload))
    assert name == f"task-{error.id}"
    assert str(error) == f"{name} panicked: ValueError({payload!r})"
    error, name = rt.block_on(join_error(payload, "mine"))
    assert str(error) == f"mine panicked: ValueError({payload!r})"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_join_error_debug(rt: Runtime, payload: object) -> None:
    error, name = rt.block_on(join_error(payload))
    assert repr(error).startswith("JoinError(")
    assert name in repr(error)
    assert "panicked" in repr(error)
    assert str(payload) in repr(error)
    assert repr(error.id) == f"Id({error.id})"
