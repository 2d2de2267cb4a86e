"""Counterparts of tokio/tests/rt_shutdown_err.rs.

Tokio tells the I/O error of a runtime that is gone from other I/O errors by a function,
`is_rt_shutdown_err`. Here it is a RuntimeError of its own text, and an OSError is never one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from yamanote import JoinError, Runtime
from yamanote.time import sleep


@pytest.fixture
def rt() -> Iterator[Runtime]:
    with Runtime(flavor="current_thread") as runtime:
        yield runtime


def test_is_rt_shutdown_err(rt: Runtime) -> None:
    async def bind() -> tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]:
        loop = asyncio.get_running_loop()
        return loop, loop.create_future()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        gone = Runtime(flavor="current_thread")
        loop, future = gone.block_on(bind())
        gone.shutdown_timeout(10)

        async def use_what_is_gone() -> None:
            with pytest.raises(RuntimeError, match="closed"):
                await loop.sock_accept(listener)
            with pytest.raises(RuntimeError, match="another event loop"):
                await future

        rt.block_on(use_what_is_gone())
        with pytest.raises(RuntimeError, match="shut down"):
            gone.block_on(sleep(0))


async def fail(error: Exception) -> None:
    raise error


def comes_through(rt: Runtime, error: OSError) -> None:
    """It leaves `block_on` and a task as it is, and the runtime goes on."""
    with pytest.raises(type(error)) as caught:
        rt.block_on(fail(error))
    assert caught.value is error
    assert not isinstance(error, RuntimeError)
    with pytest.raises(JoinError) as joined:
        rt.block_on(rt.spawn(fail(error)))
    assert joined.value.is_panic()
    assert joined.value.__cause__ is error


def test_is_not_rt_shutdown_err(rt: Runtime) -> None:
    comes_through(rt, OSError("some other error"))
    comes_through(rt, FileNotFoundError("not found"))


def test_join_error_panic(rt: Runtime) -> None:
    with pytest.raises(JoinError) as error:
        rt.block_on(rt.spawn(fail(ValueError("oops"))))
    assert error.value.is_panic()
    assert not error.value.is_cancelled()
    assert not isinstance(error.value, (OSError, RuntimeError))
    assert "shut down" not in str(error.value)


def test_join_error_cancelled(rt: Runtime) -> None:
    handle = rt.spawn(sleep(1e6))
    handle.abort()
    with pytest.raises(JoinError) as error:
        rt.block_on(handle)
    assert error.value.is_cancelled()
    assert not isinstance(error.value, (OSError, RuntimeError))
    assert "shut down" not in str(error.value)


def test_other_error_kinds_and_strings(rt: Runtime) -> None:
    comes_through(rt, TimeoutError("timed out"))
    comes_through(rt, InterruptedError())
    gone = Runtime(flavor="current_thread")
    gone.shutdown_background()
    with pytest.raises(RuntimeError, match="shut down") as shut_down:
        gone.block_on(sleep(0))
    comes_through(rt, OSError(f"{shut_down.value} (extra info)"))
    comes_through(rt, OSError(f"Error: {shut_down.value}"))
