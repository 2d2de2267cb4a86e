"""The end of a runtime, in order and by Ctrl-C."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, NoReturn

import pytest

import yamanote
from tests.channels import LIMIT, Oneshot
from yamanote import Handle, JoinError, JoinHandle, Runtime, spawn, spawn_blocking, yield_now
from yamanote.time import sleep

Config = dict[str, Any]


async def forever() -> None:
    await sleep(1e6)


async def nothing() -> None:
    pass


def cancelled(handle: JoinHandle[Any]) -> bool:
    with pytest.raises(JoinError) as error:
        handle.join(LIMIT)
    return error.value.is_cancelled()


@pytest.fixture
def end() -> Iterator[threading.Event]:
    """What blocking calls wait for; set at the end of the test in any case."""
    event = threading.Event()
    yield event
    event.set()


def test_finally_blocks_finish(rt_config: Config) -> None:
    done: list[str] = []

    async def clean_up(running: Oneshot[None], name: str) -> None:
        try:
            running.send(None)
            await (forever() if name == "native" else asyncio.sleep(1e6))
        finally:
            await yield_now()
            await sleep(0.001)
            await asyncio.sleep(0.001)
            assert await spawn_blocking(lambda: 42) == 42
            done.append(name)

    async def main() -> list[JoinHandle[None]]:
        running: list[Oneshot[None]] = [Oneshot(), Oneshot()]
        handles = [spawn(clean_up(running[0], "native")), spawn(clean_up(running[1], "asyncio"))]
        for each in running:
            await each.recv()
        return handles

    handles = yamanote.run(main(), **rt_config)
    assert sorted(done) == ["asyncio", "native"]
    assert all(cancelled(handle) for handle in handles)


def test_async_generators_finish(rt_config: Config) -> None:
    done: list[str] = []
    kept: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            done.append("generator")

    async def main() -> None:
        generator = numbers()
        kept.append(generator)
        assert await anext(generator) == 1

    yamanote.run(main(), **rt_config)
    assert done == ["generator"]


def test_async_generators_of_spawned_tasks_finish(rt_config: Config) -> None:
    done: list[str] = []
    kept: list[AsyncIterator[int]] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            done.append("generator")

    async def begin() -> None:
        generator = numbers()
        kept.append(generator)
        assert await anext(generator) == 1

    async def main() -> None:
        for handle in [spawn(begin()) for _ in range(20)]:
            await handle

    yamanote.run(main(), **rt_config)
    assert done == ["generator"] * 20


def test_asyncio_tasks_are_cancelled_and_finish(rt_config: Config) -> None:
    done: list[str] = []

    async def clean_up(running: asyncio.Event) -> None:
        try:
            running.set()
            await asyncio.sleep(1e6)
        finally:
            await asyncio.sleep(0.001)
            done.append("asyncio task")

    kept: list[asyncio.Task[None]] = []

    async def main() -> None:
        running = asyncio.Event()
        kept.append(asyncio.create_task(clean_up(running)))
        await running.wait()

    yamanote.run(main(), **rt_config)
    assert done == ["asyncio task"]
    assert kept[0].cancelled()


def test_tasks_are_cancelled_once(rt_config: Config) -> None:
    cancellations: list[str] = []

    async def stubborn(running: Oneshot[None]) -> str:
        running.send(None)
        try:
            await forever()
        except asyncio.CancelledError:
            cancellations.append("once")
        await sleep(0.01)
        return "ended by itself"

    async def main() -> JoinHandle[str]:
        running: Oneshot[None] = Oneshot()
        handle = spawn(stubborn(running))
        await running.recv()
        return handle

    handle = yamanote.run(main(), **rt_config)
    assert handle.join(0) == "ended by itself"
    assert cancellations == ["once"]


def test_failures_during_the_shutdown(rt_config: Config) -> None:
    async def fail_at_the_end(running: Oneshot[None]) -> None:
        try:
            running.send(None)
            await forever()
        finally:
            raise KeyError("at the end")

    async def main() -> JoinHandle[None]:
        running: Oneshot[None] = Oneshot()
        handle = spawn(fail_at_the_end(running))
        await running.recv()
        return handle

    handle = yamanote.run(main(), **rt_config)
    with pytest.raises(JoinError) as error:
        handle.join(0)
    assert isinstance(error.value.into_panic(), KeyError)


def test_tasks_that_never_started_never_run() -> None:
    ran = []

    async def run() -> None:
        ran.append(True)

    with Runtime(flavor="current_thread") as rt:
        handles = [rt.spawn(run()) for _ in range(10)]
    assert all(cancelled(handle) for handle in handles)
    assert not ran


def test_tasks_that_do_not_end_are_cut_off(rt: Runtime) -> None:
    running: Oneshot[None] = Oneshot()

    async def endless() -> None:
        running.send(None)
        while True:
            try:
                await forever()
            except asyncio.CancelledError:
                pass

    handle = rt.spawn(endless())
    rt.block_on(running.recv())
    began = time.monotonic()
    rt.shutdown_timeout(0.05)
    assert time.monotonic() - began >= 0.05
    assert handle.is_finished()
    assert cancelled(handle)


def test_tasks_that_do_not_even_suspend_are_cut_off(workers: int, end: threading.Event) -> None:
    blocked = threading.Event()

    async def hog() -> None:
        blocked.set()
        end.wait(LIMIT)

    rt = Runtime(worker_threads=workers)
    handles = [rt.spawn(hog()), rt.spawn(forever())]
    assert blocked.wait(LIMIT)
    rt.shutdown_timeout(0.02)
    assert not end.is_set()
    assert all(cancelled(handle) for handle in handles)


def test_blocking_calls_are_waited_for(rt_config: Config, end: threading.Event) -> None:
    blocked = threading.Event()

    def block() -> bool:
        blocked.set()
        return end.wait(LIMIT)

    async def end_it(running: Oneshot[None]) -> None:
        try:
            running.send(None)
            await forever()
        finally:
            end.set()

    with Runtime(**rt_config) as rt:
        running: Oneshot[None] = Oneshot()
        blocking = rt.spawn_blocking(block)
        rt.spawn(end_it(running))
        rt.block_on(running.recv())
        assert blocked.wait(LIMIT)
        assert not blocking.is_finished()
    assert blocking.join(0) is True


def test_blocking_calls_are_waited_for_as_long_as_told(rt: Runtime, end: threading.Event) -> None:
    running = threading.Event()

    def block() -> None:
        running.set()
        end.wait(LIMIT)

    handle = rt.spawn_blocking(block)
    assert running.wait(LIMIT)
    began = time.monotonic()
    rt.shutdown_timeout(0.05)
    assert time.monotonic() - began >= 0.05
    assert not end.is_set()
    assert handle.is_finished()
    assert cancelled(handle)


def test_blocking_calls_that_wait_are_cancelled(rt_config: Config, end: threading.Event) -> None:
    running = threading.Event()
    ran = []

    def block() -> None:
        running.set()
        end.wait(LIMIT)

    rt = Runtime(**rt_config, max_blocking_threads=1)
    rt.spawn_blocking(block)
    waiting = [rt.spawn_blocking(ran.append, True) for _ in range(5)]
    assert running.wait(LIMIT)
    rt.shutdown_timeout(0.01)
    assert all(cancelled(handle) for handle in waiting)
    end.set()
    assert not ran


def test_idle_blocking_threads_end(rt: Runtime) -> None:
    threads = [rt.spawn_blocking(threading.current_thread) for _ in range(3)]
    pool = {handle.join(LIMIT) for handle in threads}
    rt.shutdown_timeout(LIMIT)
    assert not any(thread.is_alive() for thread in pool)


def test_shutdown_background_does_not_wait(rt: Runtime, end: threading.Event) -> None:
    running = threading.Event()

    def block() -> None:
        running.set()
        end.wait(LIMIT)

    blocking = rt.spawn_blocking(block)
    task = rt.spawn(forever())
    assert running.wait(LIMIT)
    rt.shutdown_background()
    assert cancelled(rt.spawn(nothing()))
    assert cancelled(task)
    assert cancelled(blocking)
    assert not end.is_set()


def test_shutdown_background_lets_a_last_word(rt: Runtime) -> None:
    said = threading.Event()
    running: Oneshot[None] = Oneshot()

    async def last_word() -> None:
        try:
            running.send(None)
            await forever()
        finally:
            said.set()

    handle = rt.spawn(last_word())
    rt.block_on(running.recv())
    rt.shutdown_background()
    assert cancelled(handle)
    assert said.wait(LIMIT)


def test_spawning_after_the_shutdown(rt: Runtime) -> None:
    handle = rt.handle
    rt.shutdown_timeout(LIMIT)
    ran = []

    async def run() -> None:
        ran.append(True)

    with handle.enter():
        after = [
            rt.spawn(run()),
            handle.spawn(run()),
            spawn(run()),
            rt.spawn_blocking(ran.append, True),
            spawn_blocking(ran.append, True),
        ]
    for each in after:
        assert each.is_finished()
        assert cancelled(each)
        each.abort()
    assert not ran
    assert rt.metrics().num_alive_tasks == 0


def test_spawning_during_the_shutdown(rt_config: Config) -> None:
    late: list[JoinHandle[None]] = []
    ran = []

    async def run() -> None:
        ran.append(True)

    async def spawn_at_the_end(running: Oneshot[None]) -> None:
        try:
            running.send(None)
            await forever()
        finally:
            late.append(spawn(run()))
            with pytest.raises(JoinError) as error:
                await late[-1]
            assert error.value.is_cancelled()

    async def main() -> JoinHandle[None]:
        running: Oneshot[None] = Oneshot()
        handle = spawn(spawn_at_the_end(running))
        await running.recv()
        return handle

    assert cancelled(yamanote.run(main(), **rt_config))
    assert len(late) == 1
    assert not ran


def test_twice(rt: Runtime) -> None:
    rt.shutdown_timeout(LIMIT)
    rt.shutdown_timeout(LIMIT)
    rt.shutdown_background()
    with rt:
        pass


def test_a_runtime_that_was_never_used(rt_config: Config) -> None:
    threads = threading.active_count()
    with Runtime(**rt_config):
        pass
    Runtime(**rt_config).shutdown_timeout(0)
    assert threading.active_count() == threads


def drop(things: list[Runtime]) -> None:
    things.clear()
    gc.collect()


def test_an_abandoned_runtime(rt_config: Config) -> None:
    stopped = threading.Event()
    parked = threading.Event()
    said = threading.Event()

    async def last_word() -> None:
        try:
            await forever()
        finally:
            said.set()

    rt = Runtime(**rt_config, on_thread_park=parked.set, on_thread_stop=stopped.set)
    handle = rt.spawn(last_word())
    rt.block_on(yield_now())
    if rt_config["flavor"] == "multi_thread":
        assert parked.wait(LIMIT)
    runtimes = [rt]
    del rt
    with pytest.warns(ResourceWarning, match="dropped without being shut down"):
        drop(runtimes)
    assert cancelled(handle)
    if rt_config["flavor"] == "multi_thread":
        assert stopped.wait(LIMIT)


def test_an_abandoned_runtime_with_a_handle_left() -> None:
    runtimes = [Runtime(worker_threads=1)]
    handle: Handle = runtimes[0].handle
    with pytest.warns(ResourceWarning, match="dropped without being shut down"):
        drop(runtimes)
    assert cancelled(handle.spawn(nothing()))


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exits_in_a_task_stop_the_runtime(rt_config: Config, error: type[BaseException]) -> None:
    done = []

    async def leave() -> None:
        await yield_now()
        raise error(3)

    async def main() -> None:
        spawn(leave())
        try:
            await forever()
        finally:
            done.append("main")

    with pytest.raises(error) as caught:
        yamanote.run(main(), **rt_config)
    assert caught.value.args == (3,)
    assert done == ["main"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_exits_in_a_task_that_is_awaited(rt_config: Config, error: type[BaseException]) -> None:
    async def leave() -> None:
        raise error(3)

    async def main() -> None:
        await spawn(leave())

    with pytest.raises(error) as caught:
        yamanote.run(main(), **rt_config)
    assert caught.value.args == (3,)


def raise_it(error: BaseException) -> NoReturn:
    raise error


@pytest.mark.parametrize("what", ["thread_name", "on_thread_start"])
def test_an_exit_on_a_thread_of_the_runtime_stops_it(what: str) -> None:
    config: Any = {what: lambda: raise_it(SystemExit(3))}

    async def main() -> None:
        spawn_blocking(int)
        await forever()

    with pytest.raises(SystemExit) as caught:
        yamanote.run(main(), worker_threads=1, **config)
    assert caught.value.code == 3


def test_threads_whose_name_cannot_be_had(caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.ERROR, "yamanote"),
        Runtime(worker_threads=2, thread_name=lambda: raise_it(ValueError("name"))) as rt,
    ):
        assert rt.spawn_blocking(int, "42").join(LIMIT) == 42
        rt.spawn(nothing()).join(LIMIT)
    assert "name" in caplog.text


def test_exit_in_main(rt_config: Config) -> None:
    async def main() -> None:
        sys.exit(3)

    with pytest.raises(SystemExit) as caught:
        yamanote.run(main(), **rt_config)
    assert caught.value.code == 3


# ==== Ctrl-C ======

PRELUDE = """
import asyncio, signal, sys, textwrap, threading, time
import yamanote
from yamanote import Runtime, block_in_place, spawn, spawn_blocking, yield_now
from yamanote.time import sleep

def say(*words):
    print(*words, flush=True)

CONFIG = %r

# A shell's background job, which the tests may be, ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


class Script:
    """A program that is sent signals when it says that it is ready."""

    def __init__(self, config: Config, text: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", PRELUDE % config + textwrap.dedent(text)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def interrupt_when(self, line: str) -> None:
        said = self.read()
        assert said == line, (said, self.end())
        self._process.send_signal(signal.SIGINT)

    def interrupt_until_it_ends(self) -> None:
        while True:
            try:
                self._process.wait(0.1)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGINT)
            else:
                return

    def end(self) -> tuple[int, list[str], str]:
        """The exit status, the lines it said, and the last line of its errors."""
        out, err = self._process.communicate(timeout=LIMIT)
        if "_on_interrupt" not in err:  # as when it comes up in code of the user's
            assert err.split("\n").count("KeyboardInterrupt") <= 1  # not one during another
        return self._process.returncode, out.split("\n")[:-1], err.strip().split("\n")[-1]

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture
def script(rt_config: Config) -> Iterator[Any]:
    scripts: list[Script] = []

    def start(text: str) -> Script:
        scripts.append(Script(rt_config, text))
        return scripts[-1]

    yield start
    for each in scripts:
        each.kill()


INTERRUPTED = -signal.SIGINT


def test_ctrl_c_cancels_main(script: Any) -> None:
    program = script(
        """
        async def child():
            try:
                say("ready")
                await sleep(1e6)
            finally:
                await sleep(0.001)
                say("child's finally")

        async def main():
            handle = spawn(child())
            try:
                await sleep(1e6)
            finally:
                await asyncio.sleep(0.001)
                say("main's finally")

        try:
            yamanote.run(main(), **CONFIG)
        except KeyboardInterrupt:
            say("interrupted")
            raise
        """
    )
    program.interrupt_when("ready")
    status, said, error = program.end()
    assert said == ["main's finally", "child's finally", "interrupted"]
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


@pytest.mark.parametrize("wait", ["await asyncio.sleep(1e6)", "await handle", "await spin()"])
def test_ctrl_c_whatever_main_does(script: Any, wait: str) -> None:
    program = script(
        f"""
        async def spin():
            while True:
                await yield_now()

        async def main():
            handle = spawn(sleep(1e6))
            asyncio.get_running_loop().call_soon(say, "ready")
            try:
                {wait}
            except asyncio.CancelledError:
                say("cancelled")
                raise

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    status, said, error = program.end()
    assert said == ["cancelled"]
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_ctrl_c_that_main_survives(script: Any) -> None:
    """Whoever swallows the cancellation goes on, as in asyncio.run."""
    program = script(
        """
        async def main():
            say("ready")
            try:
                await sleep(1e6)
            except asyncio.CancelledError:
                say("swallowed")
            await sleep(0.001)
            return "result"

        say(yamanote.run(main(), **CONFIG))
        """
    )
    program.interrupt_when("ready")
    assert program.end() == (0, ["swallowed", "result"], "")


def test_second_ctrl_c_does_not_wait_for_main(script: Any) -> None:
    program = script(
        """
        async def main():
            try:
                say("ready")
                await sleep(1e6)
            finally:
                say("waiting")
                await sleep(1e6)
                say("not reached")

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    program.interrupt_when("waiting")
    status, said, error = program.end()
    assert said == []
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_second_ctrl_c_does_not_wait_for_tasks(script: Any) -> None:
    program = script(
        """
        async def child():
            try:
                say("ready")
                await sleep(1e6)
            finally:
                say("waiting")
                await sleep(1e6)
                say("not reached")

        async def main():
            await spawn(child())

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    program.interrupt_when("waiting")
    status, said, error = program.end()
    assert said == []
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_second_ctrl_c_does_not_wait_for_asyncio_tasks(script: Any) -> None:
    program = script(
        """
        async def child():
            try:
                say("ready")
                await asyncio.sleep(1e6)
            finally:
                say("waiting")
                await asyncio.sleep(1e6)
                say("not reached")

        async def main():
            task = asyncio.create_task(child())
            await asyncio.sleep(1e6)

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    program.interrupt_when("waiting")
    status, said, error = program.end()
    assert said == []
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_second_ctrl_c_does_not_wait_for_blocking_calls(script: Any) -> None:
    program = script(
        """
        def block():
            say("ready")
            threading.Event().wait(1e6)

        async def main():
            try:
                await spawn_blocking(block)
            finally:
                say("waiting")

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    program.interrupt_when("waiting")
    status, said, error = program.end()
    assert said == []
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_second_ctrl_c_in_a_helper_of_the_shutdown(script: Any) -> None:
    """It comes in a function of the standard library that asyncio calls while the runtime ends,
    such as an isinstance() that asks an abstract class: the runtime must not be torn there."""
    program = script(
        """
        import abc

        HELPER = '''
        def iscoroutine(obj):
            if "_see_asyncio_end" in repr(obj) and not hits:
                hits.append(obj)
                signal.raise_signal(signal.SIGINT)
            return original(obj)
        '''
        hits = []
        original = asyncio.coroutines.iscoroutine
        exec(compile(textwrap.dedent(HELPER), abc.__file__, "exec"))
        asyncio.coroutines.iscoroutine = iscoroutine

        async def main():
            say("ready")
            await sleep(1e6)

        try:
            yamanote.run(main(), **CONFIG)
        finally:
            say(len(hits))
            hits.clear()
        """
    )
    program.interrupt_when("ready")
    status, said, error = program.end()
    assert said == ["1"]
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


@pytest.mark.parametrize("call", ["time.sleep, 1e6", "threading.Event().wait, 1e6"])
def test_second_ctrl_c_ends_what_blocks_in_place(script: Any, rt_config: Config, call: str) -> None:
    if rt_config["flavor"] == "current_thread":
        pytest.skip("block_in_place needs a multi_thread runtime")
    program = script(
        f"""
        async def main():
            say("ready")
            block_in_place({call})

        yamanote.run(main(), **CONFIG)
        """
    )
    assert program.read() == "ready"
    program.interrupt_until_it_ends()
    status, said, error = program.end()
    assert said == []
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_ctrl_c_in_a_busy_main(script: Any) -> None:
    """Code that never awaits is not stopped by the first one, but by the second."""
    program = script(
        """
        async def main():
            try:
                say("ready")
                while True:
                    pass
            finally:
                say("main's finally")

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    program.interrupt_until_it_ends()  # a signal may come before the last one was seen
    status, said, error = program.end()
    assert said == ["main's finally"]
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_ctrl_c_in_block_on(script: Any) -> None:
    """The runtime can be used afterwards."""
    program = script(
        """
        async def main():
            try:
                say("ready")
                await sleep(1e6)
            finally:
                say("main's finally")

        async def answer():
            return 42

        with Runtime(**CONFIG) as rt:
            try:
                rt.block_on(main())
            except KeyboardInterrupt:
                say("interrupted")
            say(rt.block_on(answer()))
        """
    )
    program.interrupt_when("ready")
    assert program.end() == (0, ["main's finally", "interrupted", "42"], "")


def test_ctrl_c_before_and_after_is_pythons_own(script: Any) -> None:
    program = script(
        """
        async def main():
            return signal.getsignal(signal.SIGINT) is signal.default_int_handler

        say(yamanote.run(main(), **CONFIG))
        say(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        """
    )
    assert program.end() == (0, ["False", "True"], "")


def test_ctrl_c_with_a_handler_of_the_programs_own(script: Any) -> None:
    program = script(
        """
        async def main():
            stop = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, stop.set)
            say("ready")
            await stop.wait()
            return "stopped in order"

        say(yamanote.run(main(), **CONFIG))
        """
    )
    program.interrupt_when("ready")
    assert program.end() == (0, ["stopped in order"], "")


def test_ctrl_c_while_main_blocks_in_place(script: Any, rt_config: Config) -> None:
    if rt_config["flavor"] == "current_thread":
        pytest.skip("block_in_place needs a multi_thread runtime")
    program = script(
        """
        async def main():
            asked = threading.Event()
            task = asyncio.current_task()

            async def watch():
                while not task.cancelling():
                    await sleep(0.001)
                asked.set()

            async def tell():
                say("ready")

            def block():
                # Python handles a signal between two bytecodes: one that comes just before
                # wait() blocks would stay unheard.
                while not asked.wait(0.01):
                    pass

            spawn(watch())
            spawn(tell())
            block_in_place(block)
            say("unblocked")
            try:
                await sleep(1e6)
            finally:
                say("main's finally")

        yamanote.run(main(), **CONFIG)
        """
    )
    program.interrupt_when("ready")
    status, said, error = program.end()
    assert said == ["unblocked", "main's finally"]
    assert status == INTERRUPTED
    assert error.startswith("KeyboardInterrupt")


def test_exit_without_a_shutdown(script: Any) -> None:
    """The interpreter ends though a runtime was left running."""
    program = script(
        """
        import warnings
        warnings.simplefilter("ignore")
        rt = Runtime(**CONFIG)
        rt.spawn(sleep(1e6))
        rt.spawn_blocking(threading.Event().wait)
        say(rt.block_on(asyncio.sleep(0, "done")))
        """
    )
    assert program.end() == (0, ["done"], "")
