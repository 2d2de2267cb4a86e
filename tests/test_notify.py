"""Notify, beyond what Tokio's tests of it cover."""

from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from yamanote import JoinError, Runtime, spawn, spawn_blocking, yield_now
from yamanote.sync import Notified, Notify

from .polled import Polled, on_one_worker, settle

LIMIT = 30.0  # seconds that only a failure waits


def test_permits_do_not_add_up() -> None:
    async def main() -> None:
        notify = Notify()
        notify.notify_one()
        notify.notify_last()
        await Polled(notify.notified()).ready()
        waiting = Polled(notify.notified())
        await waiting.pending()
        await waiting.drop()

    on_one_worker(main())


def test_notify_waiters_is_not_remembered() -> None:
    async def main() -> None:
        notify = Notify()
        notify.notify_waiters()
        waiting = Polled(notify.notified())
        await waiting.pending()
        notify.notify_waiters()
        await waiting.ready()

    on_one_worker(main())


def test_an_enabled_one_that_is_dropped_passes_its_notification_on() -> None:
    async def main() -> None:
        notify = Notify()
        enabled = notify.notified()
        assert not enabled.enable()
        waiting = Polled(notify.notified())
        await waiting.pending()
        notify.notify_one()
        await waiting.pending()
        del enabled
        await waiting.ready()

    on_one_worker(main())


def test_an_enabled_one_that_is_dropped_leaves_the_line() -> None:
    async def main() -> None:
        notify = Notify()
        enabled = notify.notified()
        enabled.enable()
        del enabled
        notify.notify_one()
        await Polled(notify.notified()).ready()

    on_one_worker(main())


def test_the_one_to_whom_it_is_passed_on_is_the_last_for_notify_last() -> None:
    async def main() -> None:
        notify = Notify()
        waiting = [Polled(notify.notified()) for _ in range(4)]
        for each in waiting:
            await each.pending()
        notify.notify_last()
        notify.notify_last()
        waiting[3].abort()
        await waiting[2].ready()
        await waiting[1].ready()
        await waiting[0].pending()
        await waiting[0].drop()

    on_one_worker(main())


def test_a_cancellation_that_is_taken_back_leaves_the_task_waiting() -> None:
    async def main() -> None:
        notify = Notify()
        started = []

        async def wait() -> str:
            started.append(asyncio.current_task())
            await notify.notified()
            return "notified"

        handle = spawn(wait())
        await settle()
        (task,) = started
        task.cancel()
        task.uncancel()
        await settle()
        assert not handle.is_finished()
        notify.notify_one()
        assert await handle == "notified"

    on_one_worker(main())


def test_two_tasks_cannot_await_the_same() -> None:
    async def main() -> None:
        notify = Notify()
        notified = notify.notified()
        first = Polled(notified)
        await first.pending()
        with pytest.raises(RuntimeError, match="one of its own"):
            await Polled(notified).ready()
        notify.notify_one()
        await first.ready()
        await notified

    on_one_worker(main())


def test_a_destructor_in_the_midst_of_anything_may_notify(rt: Runtime) -> None:
    # Garbage that notifies is collected as often as can be, also while the lock is held.
    notify = Notify()

    class Loud:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            notify.notify_one()
            notify.notify_waiters()

    async def main() -> None:
        for _ in range(200):
            Loud()
            notify.notify_one()
            notified = notify.notified()
            notified.enable()
            notify.notify_one()
            await notified

    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        rt.block_on(main())
    finally:
        gc.set_threshold(*before)


def test_threads_wait_and_notify(multi_rt: Runtime) -> None:
    async def main() -> None:
        notify, answer = Notify(), Notify()

        def thread() -> None:
            for _ in range(50):
                notify.blocking_notified(timeout=LIMIT)
                answer.notify_one()

        handle = spawn_blocking(thread)
        for _ in range(50):
            notify.notify_one()
            await answer.notified()
        await handle

    multi_rt.block_on(main())


def test_who_waits_is_not_kept_busy_by_those_who_notify(
    multi_rt: Runtime, switch_interval: float
) -> None:
    notify = Notify()
    enough = threading.Event()

    def go_on_notifying() -> None:
        while not enough.is_set():
            notify.notify_one()

    async def wait_often() -> None:
        for _ in range(200):
            await notify.notified()

    threads = [threading.Thread(target=go_on_notifying) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        multi_rt.spawn(wait_often()).join(LIMIT)
    finally:
        enough.set()
        for thread in threads:
            thread.join(LIMIT)


def test_blocking_notified_gives_up_in_time() -> None:
    notify = Notify()
    with pytest.raises(TimeoutError, match="not notified within 0 s"):
        notify.blocking_notified(timeout=0)
    notify.notify_one()
    notify.blocking_notified(timeout=0)


def test_blocking_notified_on_a_worker_says_what_to_do(rt: Runtime) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match=r"await notified\(\)"):
            Notify().blocking_notified()

    rt.block_on(main())


def test_plain_asyncio() -> None:
    async def main() -> None:
        notify = Notify()
        waiting = [asyncio.ensure_future(as_coroutine(notify.notified())) for _ in range(2)]
        await asyncio.sleep(0)
        notify.notify_one()
        waiting[0].cancel()
        await asyncio.wait_for(waiting[1], LIMIT)
        assert waiting[0].cancelled()
        threading.Thread(target=notify.notify_one).start()
        await asyncio.wait_for(as_coroutine(notify.notified()), LIMIT)

    asyncio.run(main())


async def as_coroutine(notified: Notified) -> None:
    await notified


def test_trio() -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        notify = Notify()
        with trio.move_on_after(0):
            await notify.notified()
        threading.Thread(target=notify.notify_one).start()
        with trio.fail_after(LIMIT):
            await notify.notified()

    trio.run(main)


def test_between_runtimes() -> None:
    ping, pong = Notify(), Notify()

    async def answer() -> None:
        for _ in range(100):
            await ping.notified()
            pong.notify_one()

    async def ask() -> None:
        for _ in range(100):
            ping.notify_one()
            await pong.notified()

    with Runtime(flavor="current_thread") as one, Runtime(worker_threads=2) as other:
        handle = other.handle.spawn(answer())
        one.block_on(ask())
        handle.join(LIMIT)


def test_a_runtime_that_ends_passes_nothing_by() -> None:
    notify = Notify()

    async def main() -> None:
        spawn(as_coroutine(notify.notified()))
        await settle()
        notify.notify_one()

    with Runtime(flavor="current_thread") as rt:
        rt.block_on(main())
    # Whoever was notified there has been, or it was passed on: nobody stands in the line.
    notify.notify_one()
    notify.blocking_notified(timeout=0)


def test_none_is_lost_to_a_cancelled_task(multi_rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        for round_ in range(100):
            notify = Notify()
            first = spawn(as_coroutine(notify.notified()))
            second = spawn(as_coroutine(notify.notified()))
            for _ in range(round_ % 3):
                await yield_now()
            thread = threading.Thread(target=first.abort)
            thread.start()
            (notify.notify_one if round_ % 2 else notify.notify_last)()
            thread.join()
            try:
                await first
            except JoinError:
                pass  # so it is the second's
            else:
                notify.notify_one()
            await second

    multi_rt.block_on(main())
