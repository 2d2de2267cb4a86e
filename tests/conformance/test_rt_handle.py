"""Counterparts of tokio/tests/rt_handle.rs."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from tests.channels import LIMIT, Channel, Oneshot, on_thread
from yamanote import Handle, JoinHandle, Runtime, select, spawn
from yamanote.time import sleep


def current_thread() -> Runtime:
    return Runtime(flavor="current_thread")


def test_basic_enter() -> None:
    with current_thread() as one, current_thread() as two:
        with one.enter():
            with two.enter():
                assert Handle.current() == two.handle
            assert Handle.current() == one.handle
        assert Handle.try_current() is None


def in_fresh_thread(func: Callable[[], None]) -> None:
    """What `enter` leaves behind on a thread shall not reach the other tests."""
    on_thread(func).result(LIMIT)


def test_interleave_enter_different_rt() -> None:
    def interleave() -> None:
        with current_thread() as one, current_thread() as two:
            outer, inner = one.enter(), two.enter()
            outer.__enter__()
            inner.__enter__()
            with pytest.raises(RuntimeError):
                outer.__exit__(None, None, None)

    in_fresh_thread(interleave)


def test_interleave_enter_same_rt() -> None:
    def interleave() -> None:
        with current_thread() as rt, rt.enter():
            outer, inner = rt.enter(), rt.enter()
            outer.__enter__()
            inner.__enter__()
            with pytest.raises(RuntimeError):
                outer.__exit__(None, None, None)
            inner.__exit__(None, None, None)
            outer.__exit__(None, None, None)

    in_fresh_thread(interleave)


def test_interleave_then_enter() -> None:
    async def answer() -> int:
        return 42

    def interleave() -> None:
        with ExitStack() as runtimes:
            one = runtimes.enter_context(current_thread())
            two = runtimes.enter_context(current_thread())
            outer, inner = one.enter(), two.enter()
            outer.__enter__()
            inner.__enter__()
            with pytest.raises(RuntimeError):
                outer.__exit__(None, None, None)
            inner.__exit__(None, None, None)
        with current_thread() as three, three.enter():
            assert Handle.current() == three.handle
            assert three.block_on(spawn(answer())) == 42

    in_fresh_thread(interleave)


def test_drop_tasks_with_reference_cycle() -> None:
    class Thing:
        pass

    async def poll_once(handle: JoinHandle[None]) -> None:
        """Wait for a handle, so that its task knows the waiter, and give up."""
        await select(handle, sleep(0), biased=True)

    async def main() -> weakref.ref[Thing]:
        sent: Channel[JoinHandle[None]] = Channel()
        polled: Channel[None] = Channel()
        thing = Thing()

        async def first(thing: Thing) -> None:
            other = await sent.recv()
            await poll_once(other)
            polled.send(None)
            await Oneshot[None]().recv()
            del thing, other

        async def second(first: JoinHandle[None], thing: Thing) -> None:
            await poll_once(first)
            polled.send(None)
            await Oneshot[None]().recv()
            del thing

        a = spawn(first(thing))
        sent.send(spawn(second(a, thing)))
        await polled.recv()
        await polled.recv()
        assert not a.is_finished()
        return weakref.ref(thing)

    with current_thread() as rt:
        thing = rt.block_on(main())
        assert thing() is not None
    gc.collect()
    assert thing() is None


def test_runtime_id_is_same() -> None:
    with current_thread() as rt:
        assert rt.handle == rt.handle
        assert hash(rt.handle) == hash(rt.handle)

        async def current() -> Handle:
            return Handle.current()

        assert rt.block_on(current()) == rt.handle


def test_runtime_ids_different() -> None:
    with current_thread() as one, current_thread() as two:
        assert one.handle != two.handle
        assert len({one.handle, two.handle, one.handle}) == 2
