"""Signals, beyond what Tokio's tests of them cover."""

from __future__ import annotations

import asyncio
import gc
import os
import signal as os_signals
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from signal import SIGINT, SIGTERM, SIGUSR1, SIGUSR2, getsignal
from typing import Any

import pytest

import yamanote
from tests.gates import Gate, until
from tests.polled import Polled, on_one_worker
from tests.test_shutdown import script as script
from tests.waiting import Waiting
from yamanote import (
    JoinError,
    Runtime,
    block_in_place,
    run,
    select,
    signal,
    spawn,
    spawn_blocking,
    yield_now,
)
from yamanote.sync import RecvError
from yamanote.time import timeout

LIMIT = 30.0  # seconds that only a failure waits


def send(signum: int) -> None:
    os.kill(os.getpid(), signum)


class Sender:
    """Sends a signal when the main thread is about to sleep.

    To a thread of its own, so that the signal does not end the sleep by ending its system call.
    """

    def __init__(self) -> None:
        self._asleep = threading.Event()

    def on_park(self) -> None:
        """The runtime's callback."""
        if threading.current_thread() is threading.main_thread():
            self._asleep.set()

    async def send(self, signum: int, received: Awaitable[Any]) -> None:
        def wait_and_send() -> None:
            self._asleep.wait(LIMIT)
            os_signals.pthread_kill(threading.get_ident(), signum)

        thread = threading.Thread(target=wait_and_send)
        thread.start()
        self._asleep.clear()
        await received
        thread.join(LIMIT)


class Earlier:
    """The handler of the program's own, which has been there before."""

    def __init__(self) -> None:
        self.came: list[int] = []

    def handle(self, signum: int, frame: object) -> None:
        self.came.append(signum)

    def is_back(self) -> bool:
        return getsignal(SIGUSR1) == self.handle


@pytest.fixture
def earlier() -> Iterator[Earlier]:
    own = Earlier()
    before = os_signals.signal(SIGUSR1, own.handle)
    yield own
    os_signals.signal(SIGUSR1, before)


def in_thread(func: Callable[[], Any]) -> Any:
    """What `func` returns, or raises, on a thread of its own."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(func())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(LIMIT)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


# ==== Streams ======


def test_signals_that_come_while_nobody_waits_count_as_one(earlier: Earlier) -> None:
    async def main() -> None:
        with signal.unix(SIGUSR1) as stream:
            for _ in range(3):
                send(SIGUSR1)
            await Polled(stream.recv()).ready()
            again = Polled(stream.recv())
            await again.pending()
            send(SIGUSR1)
            await again.ready()

    on_one_worker(main())
    assert earlier.came == []


def test_a_stream_does_not_hear_of_what_came_before(earlier: Earlier) -> None:
    async def main() -> None:
        with signal.unix(SIGUSR1) as first:
            send(SIGUSR1)
            await first.recv()
            with signal.unix(SIGUSR1) as second:
                waiting = Polled(second.recv())
                await waiting.pending()
                send(SIGUSR1)
                await waiting.ready()

    on_one_worker(main())


def test_a_cancelled_wait_loses_no_signal(earlier: Earlier) -> None:
    async def main() -> None:
        with signal.unix(SIGUSR1) as stream:
            waiting = Polled(stream.recv())
            await waiting.pending()
            send(SIGUSR1)  # it is woken, and dropped before it goes on
            await waiting.drop()
            await Polled(stream.recv()).ready()

    on_one_worker(main())


def test_in_select(rt: Runtime, earlier: Earlier) -> None:
    async def main() -> int:
        with signal.unix(SIGUSR1) as one, signal.unix(SIGUSR2) as two:
            send(SIGUSR2)
            return (await select(one.recv(), two.recv()))[0]

    assert rt.block_on(main()) == 1


def test_close_ends_those_who_wait(rt: Runtime) -> None:
    async def main() -> None:
        stream = signal.unix(SIGUSR1)
        waiting = await Waiting(stream.recv()).pending()
        stream.close()
        stream.close()
        with pytest.raises(JoinError) as failed:
            await waiting
        assert isinstance(failed.value.into_panic(), RecvError)
        with pytest.raises(RecvError, match="has been closed"):
            await stream.recv()
        assert "closed" in repr(stream)

    rt.block_on(main())


def test_async_for_ends_when_the_stream_is_closed(rt: Runtime, earlier: Earlier) -> None:
    async def main() -> int:
        count = 0
        async with signal.unix(SIGUSR1) as stream:
            send(SIGUSR1)
            async for _ in stream:
                count += 1
                if count == 3:
                    stream.close()
                else:
                    send(SIGUSR1)
        return count

    assert rt.block_on(main()) == 3


def test_a_stream_that_has_a_signal_gives_others_their_turn() -> None:
    async def main() -> None:
        done = spawn(yield_now())
        with signal.unix(SIGUSR2) as stream:
            while not done.is_finished():
                send(SIGUSR2)
                await stream.recv()

    on_one_worker(main())


# ==== Handlers ======


def test_the_handler_is_back_when_the_last_stream_is_gone(rt: Runtime, earlier: Earlier) -> None:
    async def main() -> None:
        first = signal.unix(SIGUSR1)
        second = signal.unix(SIGUSR1)
        assert not earlier.is_back()
        first.close()
        assert not earlier.is_back()
        del second
        gc.collect()
        assert earlier.is_back()
        send(SIGUSR1)
        await until(lambda: earlier.came == [SIGUSR1])

    rt.block_on(main())


def test_the_default_action_is_back(rt: Runtime) -> None:
    async def main() -> None:
        assert getsignal(SIGUSR2) is os_signals.SIG_DFL
        with signal.unix(SIGUSR2):
            assert getsignal(SIGUSR2) is not os_signals.SIG_DFL
        assert getsignal(SIGUSR2) is os_signals.SIG_DFL

    rt.block_on(main())


def test_somebody_elses_handler_is_left_alone(rt: Runtime, earlier: Earlier) -> None:
    async def main() -> None:
        with signal.unix(SIGUSR1):
            os_signals.signal(SIGUSR1, os_signals.SIG_IGN)
        assert getsignal(SIGUSR1) is os_signals.SIG_IGN

    rt.block_on(main())


def test_a_new_stream_replaces_somebody_elses_handler(rt: Runtime, earlier: Earlier) -> None:
    async def main() -> None:
        with signal.unix(SIGUSR1) as first:
            os_signals.signal(SIGUSR1, os_signals.SIG_IGN)
            with signal.unix(SIGUSR1) as second:
                send(SIGUSR1)
                await first.recv()
                await second.recv()
        assert getsignal(SIGUSR1) is os_signals.SIG_IGN

    rt.block_on(main())


def test_a_stream_closed_where_the_main_thread_is_away(earlier: Earlier) -> None:
    with Runtime(worker_threads=1) as rt:
        with rt.enter():
            stream = signal.unix(SIGUSR1)
        in_thread(stream.close)
        # Nobody could take our handler away; it leaves the signal to the other.
        send(SIGUSR1)
        deadline = threading.Event()
        while not earlier.came and not deadline.wait(0):
            pass
        assert earlier.came == [SIGUSR1]
        assert earlier.is_back()


def test_a_stream_closed_where_the_main_thread_is_away_is_seen_to_by_the_next_block_on(
    rt: Runtime, earlier: Earlier
) -> None:
    with rt.enter():
        stream = signal.unix(SIGUSR1)
    in_thread(stream.close)
    rt.block_on(yield_now())
    assert earlier.is_back()


# ==== Threads ======


def test_from_a_thread_of_the_pool(rt: Runtime, earlier: Earlier) -> None:
    async def main() -> None:
        stream = await spawn_blocking(signal.unix, SIGUSR1)
        assert not earlier.is_back()
        send(SIGUSR1)
        await stream.recv()
        await spawn_blocking(stream.close)
        await until(earlier.is_back)

    rt.block_on(main())


def test_from_another_worker(earlier: Earlier) -> None:
    started = threading.Event()
    gate = Gate()

    async def listen() -> int:
        started.set()
        assert threading.current_thread() is not threading.main_thread()
        with signal.unix(SIGUSR1) as stream:
            gate.open()
            await stream.recv()
        return threading.get_ident()

    async def main() -> None:
        listening = spawn(listen())
        started.wait(LIMIT)  # blocks this worker: another has to take the task
        await gate.wait()
        send(SIGUSR1)
        await listening
        await until(earlier.is_back)

    run(main(), worker_threads=4)


def test_ctrl_c_from_another_worker() -> None:
    started = threading.Event()

    async def listen() -> str:
        started.set()
        await signal.ctrl_c()
        return "heard"

    async def main() -> None:
        before = getsignal(SIGINT)
        listening = spawn(listen())
        started.wait(LIMIT)
        await until(lambda: getsignal(SIGINT) != before)
        send(SIGINT)
        assert await listening == "heard"
        await until(lambda: getsignal(SIGINT) == before)

    run(main(), worker_threads=4)


def test_where_no_main_thread_runs_a_runtime(rt_config: dict[str, Any]) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="only be handled while the main thread runs"):
            signal.unix(SIGUSR1)
        with pytest.raises(RuntimeError, match="only be handled while the main thread runs"):
            await signal.ctrl_c()

    in_thread(lambda: run(main(), **rt_config))
    assert getsignal(SIGUSR1) is os_signals.SIG_DFL
    assert getsignal(SIGINT) is os_signals.default_int_handler


def test_where_the_main_thread_blocks_in_place() -> None:
    async def main() -> None:
        def call() -> None:
            async def inner() -> None:
                signal.unix(SIGUSR1)

            with pytest.raises(RuntimeError, match="or blocks in place"):
                in_thread(lambda: run(inner()))

        block_in_place(call)
        assert getsignal(SIGUSR1) is os_signals.SIG_DFL

    run(main(), flavor="multi_thread", worker_threads=2)


def test_another_threads_runtime_asks_the_main_threads(
    rt_config: dict[str, Any], earlier: Earlier
) -> None:
    gate = Gate()

    async def listen() -> str:
        with signal.unix(SIGUSR1) as stream:
            gate.open()
            await stream.recv()
        return "heard"

    async def main() -> None:
        listening = spawn_blocking(in_thread, lambda: run(listen(), **rt_config))
        await gate.wait()
        send(SIGUSR1)
        assert await listening == "heard"
        await until(earlier.is_back)

    run(main())


def test_a_stream_of_the_main_thread_lets_others_listen(earlier: Earlier) -> None:
    heard = threading.Event()
    listens = threading.Event()

    async def listen() -> None:
        with signal.unix(SIGUSR1) as stream:
            listens.set()
            await stream.recv()
        heard.set()

    with Runtime(worker_threads=1) as rt:
        with rt.enter():
            stream = signal.unix(SIGUSR1)
        thread = threading.Thread(target=run, args=(listen(),))
        thread.start()
        assert listens.wait(LIMIT)
        send(SIGUSR1)
        assert heard.wait(LIMIT)
        thread.join(LIMIT)
        stream.close()
        assert earlier.is_back()


def test_a_busy_main_thread_is_not_waited_for_in_vain(earlier: Earlier) -> None:
    """The other asks while this worker is blocked, and is answered when it suspends."""
    asks = threading.Event()

    def listen() -> signal.Signal:
        asks.set()
        return signal.unix(SIGUSR1)

    async def main() -> None:
        listening = spawn_blocking(listen)
        asks.wait(LIMIT)
        stream = await listening
        send(SIGUSR1)
        await stream.recv()
        stream.close()

    run(main(), worker_threads=1)
    assert earlier.is_back()


@pytest.mark.parametrize("turn", range(20))
def test_from_a_worker_that_the_main_thread_waits_for(turn: int, earlier: Earlier) -> None:
    async def listen() -> signal.Signal:
        while rt.metrics().num_alive_tasks < 2:
            pass  # this worker is blocked until the main thread comes with a task of its own
        return signal.unix(SIGUSR1)

    async def main() -> None:
        stream = await listening
        send(SIGUSR1)
        await stream.recv()
        stream.close()

    with Runtime(worker_threads=1) as rt:
        listening = rt.spawn(listen())
        rt.block_on(main())
        rt.block_on(until(earlier.is_back))


def test_a_signal_wakes_a_worker_that_sleeps(rt_config: dict[str, Any], earlier: Earlier) -> None:
    sender = Sender()

    async def receive(stream: signal.Signal) -> None:
        await stream.recv()

    async def main() -> None:
        with signal.unix(SIGUSR1) as stream:
            for _ in range(20):
                await sender.send(SIGUSR1, stream.recv())
                await sender.send(SIGUSR1, spawn(receive(stream)))

    run(main(), on_thread_park=sender.on_park, **rt_config)


def test_many_listen_come_and_go(earlier: Earlier, switch_interval: float) -> None:
    async def listen() -> int:
        for _ in range(50):
            with signal.unix(SIGUSR1) as stream:
                send(SIGUSR1)
                await stream.recv()
            await yield_now()
        return 50

    async def main() -> None:
        tasks = [spawn(listen()) for _ in range(8)]
        async with timeout(LIMIT):
            assert sum([await task for task in tasks]) == 400
        await until(earlier.is_back)

    run(main(), worker_threads=4)


def test_a_roaming_task_does_not_wait_for_the_main_threads_worker(earlier: Earlier) -> None:
    heard = threading.Event()

    async def listen(stream: signal.Signal) -> None:
        await stream.recv()
        heard.set()

    async def main() -> None:
        with signal.unix(SIGUSR1) as stream:
            waiting = await Waiting(listen(stream)).pending()
            send(SIGUSR1)
            assert heard.wait(LIMIT)  # blocks this worker, on which the handler ran
            await waiting

    run(main(), worker_threads=4)


# ==== Other loops ======


def test_in_plain_asyncio(earlier: Earlier) -> None:
    async def main() -> None:
        with signal.unix(SIGUSR1) as stream:
            waiting = asyncio.create_task(wait(stream))
            await asyncio.sleep(0)
            send(SIGUSR1)
            await waiting

    async def wait(stream: signal.Signal) -> None:
        await stream.recv()

    asyncio.run(main())
    assert earlier.is_back()


def test_in_our_event_loop(earlier: Earlier) -> None:
    async def wait(stream: signal.Signal) -> str:
        await stream.recv()
        return "heard"

    async def main() -> None:
        stream, other = [await asyncio.to_thread(signal.unix, SIGUSR1) for _ in range(2)]
        waiting = [asyncio.create_task(wait(stream)), spawn(wait(other))]
        send(SIGUSR1)
        assert [await each for each in waiting] == ["heard", "heard"]
        stream.close()
        other.close()

    loop = yamanote.EventLoop()
    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    assert os_signals.set_wakeup_fd(-1) == -1


def test_in_plain_asyncio_on_another_thread(rt: Runtime, earlier: Earlier) -> None:
    gate = Gate()

    async def listen() -> str:
        with signal.unix(SIGUSR1) as stream:
            gate.open()
            await stream.recv()
        return "heard"

    async def main() -> None:
        listening = spawn_blocking(in_thread, lambda: asyncio.run(listen()))
        await gate.wait()
        send(SIGUSR1)
        assert await listening == "heard"
        await until(earlier.is_back)

    rt.block_on(main())


def test_in_trio(earlier: Earlier) -> None:
    if sys.version_info.releaselevel != "final":
        pytest.skip("trio supports released versions of CPython")
    trio = pytest.importorskip("trio")
    pytest.importorskip("trio.testing")

    async def main() -> None:
        with signal.unix(SIGUSR1) as stream:
            async with trio.open_nursery() as nursery:

                async def listen() -> None:
                    await stream.recv()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(listen)
                await trio.testing.wait_all_tasks_blocked()
                send(SIGUSR1)
                await trio.sleep_forever()

    trio.run(main)
    assert earlier.is_back()


def test_beside_asyncios_handlers(rt_config: dict[str, Any], earlier: Earlier) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        came = asyncio.Event()
        with signal.unix(SIGUSR1) as stream:
            loop.add_signal_handler(SIGUSR2, came.set)
            for _ in range(2):
                send(SIGUSR1)
                await stream.recv()
                send(SIGUSR2)
                await came.wait()
                came.clear()
            loop.remove_signal_handler(SIGUSR2)
            for _ in range(20):
                # Still woken by it, though asyncio has reset the descriptor.
                await sender.send(SIGUSR1, stream.recv())

    sender = Sender()
    run(main(), on_thread_park=sender.on_park, **rt_config)
    assert os_signals.set_wakeup_fd(-1) == -1


def test_asyncios_handlers_work_in_a_second_block_on() -> None:
    came = []

    async def add() -> None:
        asyncio.get_running_loop().add_signal_handler(SIGUSR2, came.append, "came")

    async def wait() -> None:
        send(SIGUSR2)
        await until(lambda: came == ["before", "came"])
        asyncio.get_running_loop().remove_signal_handler(SIGUSR2)

    async def between() -> None:
        await until(lambda: came == ["came"])
        came[:] = ["before"]

    # Of a multi_thread runtime another thread may have taken the worker over.
    with Runtime(flavor="current_thread") as rt:
        rt.block_on(add())
        send(SIGUSR2)
        rt.block_on(between())
        rt.block_on(wait())
    assert os_signals.set_wakeup_fd(-1) == -1


# ==== Ctrl-C ======


def test_ctrl_c_goes_to_the_streams_and_then_to_main(script: Any) -> None:
    program = script(
        """
        async def listen():
            with yamanote.signal.unix(signal.SIGINT) as stream:
                say("ready")
                for count in range(2):
                    await stream.recv()
                    say("heard")

        async def main():
            before = signal.getsignal(signal.SIGINT)
            try:
                await spawn(listen())
                while signal.getsignal(signal.SIGINT) != before:
                    await yield_now()
                say("closed")
                await sleep(1e6)
            finally:
                say("main's finally")

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    program.interrupt_when("heard")
    assert program.read() == "heard"
    program.interrupt_when("closed")
    assert program.end() == (-SIGINT, ["main's finally"], "KeyboardInterrupt")


def test_a_stream_that_outlives_its_runtime_keeps_ctrl_c(script: Any) -> None:
    program = script(
        """
        async def first():
            return yamanote.signal.unix(signal.SIGINT)

        async def second():
            say("ready")
            await stream.recv()
            stream.close()
            try:
                say("closed")
                await sleep(1e6)
            finally:
                say("main's finally")

        stream = yamanote.run(first(), **CONFIG)
        try:
            yamanote.run(second(), **CONFIG)
        except KeyboardInterrupt:
            say("interrupted")
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """
    )
    program.interrupt_when("ready")
    program.interrupt_when("closed")
    assert program.end() == (0, ["main's finally", "interrupted", "True"], "")


def test_a_stream_that_outlives_all_runtimes(script: Any) -> None:
    program = script(
        """
        async def main():
            return yamanote.signal.unix(signal.SIGINT)

        stream = yamanote.run(main(), **CONFIG)
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        stream.close()
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        stream = yamanote.run(main(), **CONFIG)
        """
    )
    assert program.end() == (0, ["False", "True"], "")


def test_an_orderly_end(script: Any) -> None:
    program = script(
        """
        async def serve():
            try:
                await sleep(1e6)
            finally:
                say("closed")

        async def main():
            before = signal.getsignal(signal.SIGINT)
            spawn(serve())
            stop = spawn(yamanote.signal.ctrl_c())
            while signal.getsignal(signal.SIGINT) == before:
                await yield_now()
            say("ready")
            await stop
            say("bye")

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    assert program.end() == (0, ["bye", "closed"], "")


# ==== Misuse ======


@pytest.mark.parametrize("signum", [0, -1, 1000])
def test_no_such_signal(signum: int) -> None:
    with pytest.raises(ValueError, match=f"there is no signal {signum} here"):
        signal.unix(signum)


@pytest.mark.parametrize("name", ["SIGILL", "SIGFPE", "SIGKILL", "SIGSEGV", "SIGSTOP"])
def test_a_signal_that_cannot_be_handled(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} cannot be waited for"):
        signal.unix(getattr(os_signals, name))


def test_not_a_number() -> None:
    misused: Any = "SIGTERM"
    with pytest.raises(TypeError, match=r"signal\.SIGTERM, not 'SIGTERM'"):
        signal.unix(misused)


def test_no_runtime() -> None:
    with pytest.raises(RuntimeError, match="no Yamanote runtime here"):
        signal.unix(SIGTERM)
    assert getsignal(SIGTERM) is os_signals.SIG_DFL
