"""A worker's asyncio event loop, whose selector is the scheduler.

The loop is asyncio's own `SelectorEventLoop`: transports, TLS, subprocesses, DNS and
signals are asyncio's code. Where it would wait for I/O it calls `selector.select`, and
there the worker polls tasks, looks for more, or sleeps (`Worker.turn`).

Beside that hook, two things are added. The loop can be driven by one thread after
another (`enter`, `leave`, `run_once`), which asyncio's `run_forever` has no public way
for: this file alone uses private names of asyncio's loop. And a task that uses the loop
is pinned to it, while a use from another thread is an error, not a race.
"""

from __future__ import annotations

import asyncio
import selectors
import signal
import socket
import sys
from asyncio import events
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any

from . import main_thread
from .at_once import AtOnce
from .compat import all_tasks, current_task, unregister_task
from .corked import CorkedTransport, Outbox
from .here import here
from .loop_task import LoopTask
from .selector import make_selector
from .timer import RESOLUTION
from .transport import SocketTransport

if TYPE_CHECKING:
    from .worker import Worker


def _nothing() -> None:
    pass


class _Driver:
    """The thread that drives a loop, and what that has changed of it."""

    __slots__ = ("hooks", "is_main_thread", "outer_wakeup_fd", "present")

    def __init__(self) -> None:
        self.present = False
        self.hooks: Any = None
        self.is_main_thread = False
        self.outer_wakeup_fd = -1


class WorkerLoop(asyncio.SelectorEventLoop):
    """The event loop of one worker.

    asyncio's own has 27 attributes, and with more than 30 each call of a method takes 35 ns more
    (see Worker), so there are few here. Slots would be no way out: a class with both slots and a
    dict loses as much from 3.13 on.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        selector = make_selector()
        super().__init__(selector)
        ready: deque[Any] = self._ready  # type: ignore[attr-defined]
        # Set now: creating the loop has not waited for anything.
        selector.select = worker.turn  # type: ignore[assignment,method-assign]
        selector.wake = worker.wake_all
        selector.ready = ready
        worker.selector = selector
        worker.callbacks = ready
        worker.queue_callback = ready.append
        worker.outbox = Outbox(ready)
        self.keep_time()
        self._driver = _Driver()

    def push(self, task: LoopTask) -> None:
        """A LoopTask was woken by what is Yamanote's; any thread may call it."""
        worker = self.worker
        worker.queue_callback(task)
        if worker._sleeping:
            worker.unpark()

    def _write_to_self(self) -> None:
        # After call_soon_threadsafe(). The worker looks at the callbacks before it sleeps, so only
        # a sleep has to be ended, by three calls of the system less than asyncio's sockets take.
        self.worker.unpark()

    # To be driven by the runtime.

    def is_driven(self) -> bool:
        """Whether some thread is between `enter` and `leave`."""
        return self._driver.present

    def enter(self) -> None:
        """Make this the running loop of the calling thread."""
        self._driver.present = True
        self._thread_id = get_ident()
        self._driver.hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook,  # type: ignore[attr-defined]
            finalizer=self._asyncgen_finalizer_hook,  # type: ignore[attr-defined]
        )
        events._set_running_loop(self)
        self.arrive()

    def leave(self) -> None:
        """Undo `enter`, on the same thread."""
        self.depart()
        events._set_running_loop(None)
        sys.set_asyncgen_hooks(*self._driver.hooks)
        self._driver.hooks = None
        self._thread_id = None  # type: ignore[assignment]
        self._driver.present = False

    def arrive(self) -> None:
        """The calling thread runs this loop from now on.

        A signal's handler runs between two bytecodes of the main thread. A signal that comes
        just before that sleeps in its selector has to wake it, so that there is a next one.
        """
        driver = self._driver
        driver.is_main_thread = main_thread.is_here()
        if driver.is_main_thread:
            fd = self._csock.fileno()  # type: ignore[attr-defined]
            driver.outer_wakeup_fd = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
            main_thread.runs(self)

    def depart(self) -> None:
        """The calling thread does not run this loop any more."""
        driver = self._driver
        if driver.is_main_thread:
            driver.is_main_thread = False
            main_thread.runs(None)
            own = self._csock.fileno()  # type: ignore[attr-defined]
            outer = driver.outer_wakeup_fd
            if self._signal_handlers:  # type: ignore[attr-defined]
                outer = own  # asyncio hears of signals by it, also of those that come now
            elif outer == own:
                outer = -1
            try:
                signal.set_wakeup_fd(outer, warn_on_full_buffer=False)
            except (OSError, ValueError):  # closed meanwhile
                signal.set_wakeup_fd(-1)

    def remove_signal_handler(self, sig: int) -> bool:
        removed = super().remove_signal_handler(sig)
        # After the last one asyncio resets the descriptor.
        if removed and self._driver.is_main_thread:
            fd = self._csock.fileno()  # type: ignore[attr-defined]
            signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        return removed

    def attach(self, sock: socket.socket, protocol: asyncio.Protocol) -> None:
        """Give a connected socket to a protocol. On the loop's thread only."""
        self._ensure_fd_no_transport(sock)  # type: ignore[attr-defined]
        CorkedTransport(self, sock, protocol)

    def add_read_handle(self, fd: int, handle: events.Handle) -> None:
        """As asyncio's `_add_reader`, with a handle of one's own."""
        self._claim()
        self._check_closed()  # type: ignore[attr-defined]
        selector = self.worker.selector
        key = selector.get_map().get(fd)
        if key is None:
            selector.register(fd, selectors.EVENT_READ, (handle, None))
            return
        reader, writer = key.data
        selector.modify(fd, key.events | selectors.EVENT_READ, (handle, writer))
        if reader is not None:
            reader.cancel()

    def run_once(self) -> None:
        """One turn: tasks, I/O, due timers, callbacks."""
        self._run_once()  # type: ignore[attr-defined]

    def rests(self) -> bool:
        """Whether nothing of asyncio's is to be done now: no callback waits, no timer is due."""
        if self._ready or self._stopping:  # type: ignore[attr-defined]
            return False
        timers = self._scheduled  # type: ignore[attr-defined]
        return not timers or timers[0].when() > self.time() + RESOLUTION

    def refill(self, count: int) -> None:
        """Have at least `count` callbacks wait.

        A callback that blocks in place stands in the middle of asyncio's loop over those
        that waited, which counted them and relies on finding as many; meanwhile another
        thread has run them.
        """
        for _ in range(count - len(self._ready)):  # type: ignore[attr-defined]
            super().call_soon(_nothing)

    def keep_time(self) -> None:
        """Go by the runtime's clock, which has just been made, paused or resumed. Its own method
        is the loop's: a call less, in each turn."""
        self.time = self.worker.core.clock.now  # type: ignore[method-assign]

    def run_forever(self) -> None:
        # First: when it finds out by itself, 3.13's stops being the running loop.
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()  # type: ignore[attr-defined]
        if here.worker is not self.worker:
            raise RuntimeError(
                "this event loop belongs to a Yamanote runtime, which runs it: "
                "use the runtime's block_on()"
            )
        self.arrive()
        try:
            super().run_forever()
        finally:
            self.depart()

    def close(self) -> None:
        if not self.worker.closed and not self.is_running() and not sys.is_finalizing():
            raise RuntimeError(
                "this event loop belongs to a Yamanote runtime, which closes it: "
                "shut the runtime down"
            )
        super().close()
        for task in all_tasks(self):
            if isinstance(task, LoopTask):
                unregister_task(task)

    def stop(self) -> None:
        if self.is_driven():
            raise RuntimeError(
                "this event loop belongs to a Yamanote runtime, which stops it: "
                "return from the main coroutine, or shut the runtime down"
            )
        super().stop()

    # Every use of the loop begins with one of these, which pin and check.

    def _claim(self) -> None:
        thread = self._thread_id
        if thread is None:
            return
        if thread != get_ident():
            raise RuntimeError(
                "this event loop runs on another thread: use call_soon_threadsafe() or "
                "asyncio.run_coroutine_threadsafe(), or keep the tasks that share an "
                "asyncio object on one loop (asyncio.create_task, or a LocalSet)"
            )
        # Only what a poll loop polls can be pinned: for callbacks there is nothing to look up.
        task = current_task() if self.worker.polling else None
        if task is not None:
            pin = getattr(task, "_pin", None)
            if pin is not None:
                pin(self.worker)

    def _call_back(self, callback: Any, args: tuple[Any, ...], context: Any) -> None:
        """Before another thread gets its error: if it has just completed a future of this
        loop, call those who wait for it. It is done, they would hang; asyncio calls the
        callbacks once, and after the first error no more.
        """
        future = args[0] if len(args) == 1 else None
        if not asyncio.isfuture(future) or not future.done():
            return
        waiting = list(getattr(future, "_callbacks", None) or ())
        if not waiting or waiting[0][0] is not callback:  # it is still there before 3.14
            waiting.insert(0, (callback, context))
        for func, where in waiting:
            if func.__class__ is LoopTask:
                self.push(func)
            else:
                self.call_soon_threadsafe(func, future, context=where)

    def get_debug(self) -> bool:
        # asyncio.Future() asks for it: the one trace of a future that is made directly. So does
        # each handle and task, for which no call is made.
        if self.worker.polling and self._thread_id == get_ident():
            self._claim()
        return self._debug  # type: ignore[attr-defined,no-any-return]

    if not TYPE_CHECKING:  # the signatures stay those of the base class

        def call_soon(self, callback, *args, context=None):
            thread = self._thread_id
            if thread == get_ident():
                kind = callback.__class__
                if kind is LoopTask:  # a future that it awaits is done
                    return self._ready.append(callback)
                if kind is AtOnce:
                    return callback.call(*args)
                if not self._debug:
                    # asyncio's, without its three calls.
                    if self.worker.polling:
                        self._claim()
                    handle = events.Handle(callback, args, self, context)
                    self._ready.append(handle)
                    return handle
            elif thread is not None:
                self._call_back(callback, args, context)
            elif callback.__class__ is LoopTask:
                return self.push(callback)  # the next driver may be about to sleep
            self._claim()
            return super().call_soon(callback, *args, context=context)

        def _process_events(self, event_list):
            # asyncio's, without a call for each event.
            ready = self._ready
            for key, mask in event_list:
                reader, writer = key.data
                if mask & selectors.EVENT_READ and reader is not None:
                    if reader._cancelled:
                        self._remove_reader(key.fileobj)
                    else:
                        ready.append(reader)
                if mask & selectors.EVENT_WRITE and writer is not None:
                    if writer._cancelled:
                        self._remove_writer(key.fileobj)
                    else:
                        ready.append(writer)

        def call_at(self, when, callback, *args, context=None):
            self._claim()
            return super().call_at(when, callback, *args, context=context)

        def create_future(self):
            self._claim()
            return super().create_future()

        def create_task(self, coro, **kwargs):
            self._claim()
            if self._task_factory is not None:
                return super().create_task(coro, **kwargs)
            self._check_closed()
            task = LoopTask(coro, self, **kwargs)
            if task._source_traceback:  # in debug mode
                del task._source_traceback[-1]
            return task

        # The public ones call these, and so do transports.

        def _add_reader(self, fd, callback, *args, **kwargs):
            self._claim()
            return super()._add_reader(fd, callback, *args, **kwargs)

        def _remove_reader(self, fd):
            self._claim()
            return super()._remove_reader(fd)

        def _add_writer(self, fd, callback, *args, **kwargs):
            self._claim()
            return super()._add_writer(fd, callback, *args, **kwargs)

        def _remove_writer(self, fd):
            self._claim()
            return super()._remove_writer(fd)

        def _make_socket_transport(self, sock, *args, **kwargs):
            # As asyncio does, whose transport does not use the loop in `write`. To make it another
            # class afterwards stops, on a free-threaded build, all threads for a moment.
            self._ensure_fd_no_transport(sock)
            return SocketTransport(self, sock, *args, **kwargs)

        def run_in_executor(self, executor, func, *args):
            self._claim()
            return super().run_in_executor(executor, func, *args)
