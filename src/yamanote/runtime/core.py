"""What a runtime's workers share, and the runtime's own life: start, run, shut down.

A runtime is RUNNING until `closing` is set: from then on a task that is spawned is
cancelled at once, and those that live are cancelled. When none is left, or the deadline
has come, `stopped` is set: the drivers leave their workers, whoever holds a worker winds
its loop down, and what still lives is cut off.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import itertools
import threading
import time
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from . import main_thread
from .baton import BACKGROUND, CALLER, RETURNING
from .blocking import BlockingPool
from .callbacks import call_hook
from .checks import as_seconds
from .clock import Clock
from .compat import (
    all_tasks,
    current_task,
    register_task,
    swap_current_task,
    unregister_task,
)
from .here import here
from .idle import Idle, Lonely
from .join import JoinError, logger
from .loop import WorkerLoop
from .park import NO_TOKEN, Callback
from .registry import Registry
from .seat import Seat
from .shared import leave_uncounted
from .task import Task, as_coroutine, new_task
from .trio import running_trio
from .worker import Worker, WorkerClosed, close_all

if TYPE_CHECKING:
    from .config import Config
    from .interrupt import Interrupts
    from .metrics import RuntimeMetrics

T = TypeVar("T")

# How often a shutdown that waits for threads looks whether Ctrl-C has told it not to, and how
# long it then waits for drivers all the same, in seconds: one that still winds a loop down when
# the interpreter ends leaves warnings behind. A glance is also what asyncio's tasks get to end,
# once the deadline has passed.
_GLANCE = 0.1
_GRACE = 0.5


class Core:
    """The shared part of a runtime; the home of its roaming tasks."""

    def __init__(
        self, config: Config, make_loop: Callable[[Worker], WorkerLoop] = WorkerLoop
    ) -> None:
        self.config = config
        #: Takes what stops the runtime, if that is an event loop, which somebody else runs.
        self.on_failure: Callable[[BaseException], object] | None = None
        self.clock = Clock(config.start_paused)
        #: Roaming tasks that became runnable outside of the workers.
        self.injection: deque[Task[Any]] = deque()
        #: Of the tasks that were spawned outside of the workers.
        self.registry = Registry()
        self.closing = False
        self.stopped = False
        self.interrupted = False
        self.failure: BaseException | None = None
        self.on_park = config.on_thread_park
        self.on_unpark = config.on_thread_unpark
        # Re-entrant: the collector, or a signal, may come inside, and a destructor or a handler
        # that spawns or shuts down. It finds nothing half-way changed, and after a call nothing
        # need be as it was seen before.
        self.lock = threading.RLock()
        self._started = False
        self._shutting_down = False
        self._cancelled_all = False
        #: What sees the asyncio tasks end on the loops that are being wound down.
        self._endings: set[asyncio.Task[None]] = set()
        self._spawned_outside = 0
        self._threads: set[threading.Thread] = set()
        self._thread_numbers = itertools.count()
        # Now: `import yamanote` is to be short, and metrics() may be called when no file can be
        # opened any more.
        import_module(f"{__package__}.metrics")
        self.new_task: Callable[..., Task[Any]] = new_task
        task_hooks = (
            config.on_task_spawn,
            config.on_task_terminate,
            config.on_before_task_poll,
            config.on_after_task_poll,
        )
        self.has_task_hooks = any(task_hooks)
        if self.has_task_hooks:
            from .hooks import TaskHooks  # which few need

            self.new_task = TaskHooks(*task_hooks).new_task
        self.pool = BlockingPool(self)
        count = config.worker_threads or 1
        #: Whether there is one worker, from which nobody steals.
        self.alone = count == 1
        self.idle = Lonely(self) if self.alone else Idle(count)
        if not self.alone:
            leave_uncounted(
                here, NO_TOKEN, self, self.clock, self.injection, self.idle, self.idle.sleepers
            )
        self.workers = [Worker(self, index, make_loop) for index in range(count)]

    # Tasks come in.

    def spawn(
        self,
        coro: Any,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> Task[Any]:
        """Spawn a roaming task from any thread."""
        coro = as_coroutine(coro)
        context = contextvars.copy_context() if context is None else checked(context, coro)
        worker = here.worker
        if worker is not None and worker.core is self:
            return worker.spawn(coro, name, context)
        if not self._started:
            self._start_for(coro)
        task = self.new_task(Task, coro, self, self.registry, context, name)
        self.registry.tasks.add(task)
        if self.closing:
            task._cut_off()
            task._close()
            # Who shuts down may have found it in the registry, and wait for its end.
            self.workers[0].unpark()
            return task
        with self.lock:
            self._spawned_outside += 1
        self._inject(task)
        if self.stopped:
            close_all(self.injection.popleft)
        return task

    def spawn_on(self, worker: Worker, coro: Any, name: str | None = None) -> Task[Any]:
        """Spawn a task that stays on `worker`, from any thread."""
        context = contextvars.copy_context()
        coro = as_coroutine(coro)
        if not self._started:
            self._start_for(coro)
        task = self.new_task(Task, coro, worker, self.registry, context, name)
        self.registry.tasks.add(task)
        if self.closing:
            task._cut_off()
            task._close()
            self.workers[0].unpark()
            return task
        with self.lock:
            self._spawned_outside += 1
        worker.push(task)
        if self.stopped:
            close_all(worker.pinned.popleft)
        return task

    def push(self, task: Task[Any]) -> None:
        """A roaming task is runnable; any thread may call it."""
        worker = here.worker
        if worker is not None and worker.core is self:
            worker.push_next(task)
        else:
            self._inject(task)

    def _inject(self, task: Task[Any]) -> None:
        self.injection.append(task)
        idle = self.idle
        if idle.sleepers and not idle.searching:
            idle.notify()

    def any_worker(self) -> Worker:
        """A worker for what comes from outside and needs one.

        Raises:
            RuntimeError: the runtime has been shut down.
        """
        if self.closing:
            raise RuntimeError("this Yamanote runtime has been shut down")
        if not self._started:
            self._start()
        return self.workers[0]

    def tidy(self) -> None:
        """Wake the workers that sleep, for a moment.

        On a free-threaded build an object belongs to the thread that made it. If another one
        drops the last reference it is collected when its owner next runs Python code: never,
        if that sleeps until, say, the channel is closed whose last sender it is. So a thread
        that has run code and then had nothing to do for `TIDY_AFTER` calls this.
        """
        for worker in self.workers:
            worker.unpark()

    def has_stealable(self, thief: Worker) -> bool:
        """Whether another worker has a task that may be stolen."""
        return any(worker.queue or worker.lifo for worker in self.workers if worker is not thief)

    def interrupt(self) -> None:
        """Ctrl-C, and main is cancelled or has ended: wait for nothing more.

        Called by a signal handler, in the middle of anything: it takes no lock.
        """
        self.interrupted = self.closing = True
        if self.failure is None:
            self.failure = KeyboardInterrupt()
        for ending in self._endings.copy():
            ending.get_loop().call_soon_threadsafe(ending.cancel)
        worker = here.worker
        if worker is not None:
            worker.unpark()

    def panicked(self, error: BaseException) -> None:
        """An exception has escaped a task, not by a cancellation: does it stop the runtime?"""
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            self._fail(error)
        elif self.config.unhandled_panic == "shutdown_runtime":
            failure = RuntimeError(
                "a task panicked, and this runtime is configured to shut down then "
                "(unhandled_panic='shutdown_runtime')"
            )
            failure.__cause__ = error
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        if self.on_failure is not None:
            self.on_failure(failure)
            return
        with self.lock:
            if self.failure is None:
                self.failure = failure
            self.closing = True
        if any(worker.callers for worker in self.workers):
            # block_on raises it, and whoever owns the runtime shuts it down.
            for worker in self.workers:
                worker.unpark()
        else:
            self.shutdown_background()

    # Threads.

    def thread_started(self) -> None:
        """To be called on each thread of the runtime's own, first."""
        # An exit stops the runtime, as one in a task does. The thread goes on: somebody waits
        # for what it will run.
        try:
            # Named here, because the name may come from a function of the user's, which is
            # not to be called with a lock held.
            call_hook(self._name_thread)
            if self.config.on_thread_start is not None:
                call_hook(self.config.on_thread_start)
        except BaseException as error:
            self._fail(error)

    def _name_thread(self) -> None:
        name = self.config.thread_name
        threading.current_thread().name = (
            name() if callable(name) else f"{name}-{next(self._thread_numbers)}"
        )

    def thread_stopped(self) -> None:
        """To be called on each thread of the runtime's own, last."""
        if self.config.on_thread_stop is not None:
            call_hook(self.config.on_thread_stop)

    @property
    def runs_in_block_on_only(self) -> bool:
        """Whether nothing runs here unless a thread calls `block_on`."""
        return self.config.flavor == "current_thread"

    def _start(self, besides: Worker | None = None) -> None:
        """Have the workers driven, but for one that the caller drives; once.

        A current_thread runtime is driven by `block_on` only.
        """
        with self.lock:
            if self._started:
                return
            self._started = True
        if self.config.flavor == "multi_thread":
            try:
                for worker in self.workers:
                    if worker is not besides:
                        self._add_driver(worker)
            except RuntimeError:
                # The system has no more threads to give. Who comes next tries again.
                self._started = False
                raise

    def _start_for(self, coro: Any, besides: Worker | None = None) -> None:
        """As `_start`; closes the coroutine, which nobody will run, if that fails."""
        try:
            self._start(besides)
        except RuntimeError:
            close_coroutine(coro)
            raise

    def _add_driver(self, worker: Worker) -> None:
        thread = threading.Thread(target=self._drive, args=(worker,), daemon=True)
        with self.lock:
            if self.stopped:
                return
            thread.start()
            self._threads.add(thread)
            ended = [other for other in self._threads.copy() if not other.is_alive()]
            self._threads.difference_update(ended)

    def hand_over(self, worker: Worker, seat: Seat) -> None:
        """Give up a worker that must go on without this thread."""
        if not seat.give_way() and self.config.flavor == "multi_thread":
            self._add_driver(worker)

    def _drive(self, worker: Worker) -> None:
        """A thread that drives `worker` whenever nobody else does.

        It leaves when it has not been needed for the keep-alive time: whoever gives the
        worker up and finds nobody waiting for it makes a new thread.
        """
        here.core = self
        self.thread_started()
        seat = Seat.of_this_thread()
        seat.present = True
        # Tasks that only this thread may run are a reason to stay.
        while seat.wait_for(
            worker, BACKGROUND, None if seat.queues else self.config.thread_keep_alive
        ):
            try:
                if worker.drive(seat, self._background_done):
                    self._wind_down(worker, None)
                    break
            except WorkerClosed:
                break
            except BaseException as error:
                # SystemExit from an asyncio callback, say: it stops the runtime, and this
                # thread goes on so that it can be shut down.
                if not isinstance(error, (KeyboardInterrupt, SystemExit)):
                    logger.critical("internal error of the runtime", exc_info=error)
                self._fail(error)
            seat.give_way()
        seat.present = False
        self.thread_stopped()

    def _background_done(self) -> bool:
        if self.closing and not self.stopped and self._quiet():
            self.workers[0].unpark()  # who shuts down waits for this
        return self.stopped

    def blocking_call_ended(self) -> None:
        """A paused clock stands while calls run: it may go on now."""
        if self.clock.paused:
            self.workers[0].unpark()

    # block_on

    def block_on(
        self, coro: Any, *, stay: bool = False, interrupts: Interrupts | None = None
    ) -> Any:
        """Run a coroutine to its end, driving a worker with this thread meanwhile.

        `stay`: the caller shuts the runtime down next, nobody need take the worker over.
        """
        refuse_nested(coro, "block_on()")
        if self.on_failure is not None:
            close_coroutine(coro)
            raise RuntimeError(
                "this runtime is an event loop, which somebody else runs: spawn() the coroutine "
                "and join() the handle, or use asyncio.run_coroutine_threadsafe()"
            )
        coro = as_coroutine(coro)
        seat = Seat.of_this_thread()
        context = contextvars.copy_context()
        with self.lock:
            worker = min(self.workers, key=lambda worker: worker.callers)
            self._start_for(coro, besides=worker)
            worker.callers += 1
        # Where there is one worker nothing can leave it, and to roam is faster.
        home = self if self.alone else worker
        main: Any = new_task(Task, coro, home, self.registry, context, "main")
        main.become_main(seat, worker)
        # In this order: whoever sets `closing` later finds it, and cancels it.
        self.registry.tasks.add(main)
        if self.closing:
            main._cut_off()
            main._close()
            with self.lock:
                worker.callers -= 1
            # As in spawn().
            self.workers[0].unpark()
            raise RuntimeError("this runtime has been shut down")
        if stay:
            # The shutdown begins with main's end, not with this thread's: that may be held
            # up by another task, which blocks it in place until it is cancelled.
            main._register([Callback(self.close)])
        if interrupts is not None:
            interrupts.watch(main, worker)
        outer, here.core = here.core, self
        attended = main_thread.attend(True)
        seat.present = True
        try:
            register_task(main)
            worker.push(main)  # not to the injection queue, from which any thread may take it
            if self.stopped:
                close_all(worker.pinned.popleft)
            while seat.wait_for(worker, CALLER, unless=main):
                try:
                    if worker.drive(seat, functools.partial(self._ended, main)):
                        break
                except (KeyboardInterrupt, SystemExit) as error:
                    self._fail(error)  # of an asyncio callback
                    raise
                seat.give_way()
        except WorkerClosed:
            pass
        finally:
            unregister_task(main)
            here.core = outer
            main_thread.attend(attended)
            with self.lock:
                worker.callers -= 1
            if seat.baton is not None:
                if self.stopped:
                    self._wind_down(worker, time.monotonic())
                elif stay:
                    seat.give_way()
                else:
                    self.hand_over(worker, seat)
            seat.present = False
            if self.stopped:
                self._wind_down_unheld(worker, time.monotonic())
            if seat is not here.own_seat:
                self._cut_off_bound(seat)
            if self.closing:
                self._cut_off_bound()
                self.workers[0].unpark()
            if interrupts is not None:
                interrupts.unwatch()
        try:
            if self.failure is not None and _ended_by(self.failure, main):
                raise self.failure
            if not main._done:
                raise RuntimeError("the runtime was shut down meanwhile")
            if main.cancelled() and interrupts is not None and interrupts.count:
                raise KeyboardInterrupt
            return main.result()
        finally:
            del main, coro  # an error's traceback refers to this frame

    def _ended(self, main: Task[Any]) -> bool:
        return main._done is not False or self.failure is not None

    # block_in_place

    def block_in_place(self, func: Callable[[], T]) -> T:
        """Call `func` on this worker's thread while another drives the worker."""
        worker, seat = here.worker, here.seat
        assert worker is not None
        assert seat is not None
        if self.config.flavor == "current_thread":
            raise RuntimeError(
                "block_in_place() needs a multi_thread runtime: a current_thread runtime has no "
                "other thread to go on with. Use spawn_blocking()"
            )
        task = current_task()
        if getattr(getattr(task, "_home", None), "bound_to_thread", False):
            raise RuntimeError(
                "block_in_place() inside a LocalSet would stop the set's tasks, which cannot "
                "leave this thread. Use spawn_blocking()"
            )
        loop = worker.loop
        rank = worker.baton.rank
        callbacks = len(worker.callbacks)
        worker.leave()
        outer, here.blocked_in = here.blocked_in, self
        attended = main_thread.attend(False)
        try:
            self.hand_over(worker, seat)
            return call_in_place(func)
        finally:
            here.blocked_in = outer
            if attended:
                main_thread.attend(True)
            if not seat.wait_for(worker, RETURNING):
                raise WorkerClosed
            worker.baton.hold_as(rank)
            worker.take(seat)
            loop.refill(callbacks)
            if task is not None:
                swap_current_task(loop, task)
            del task  # an error's traceback refers to this frame

    # Shutdown

    def _registries(self) -> Iterable[set[Any]]:
        yield self.registry.tasks
        for worker in self.workers:
            yield worker.registry.tasks

    def _quiet(self) -> bool:
        return not any(self._registries())

    def has_ended(self, worker: Worker) -> bool:
        """Whether the driver of `worker` has nothing to wait for any more."""
        # Who shuts down drives the first one. The others sleep until it is told that all is quiet
        # (see _background_done), lest they take the time that it needs.
        return self.stopped or (self._shutting_down and worker is self.workers[0] and self._quiet())

    def live_tasks(self) -> list[Task[Any]]:
        """The tasks that have not ended."""
        return [task for registry in self._registries() for task in registry.copy()]

    def close(self) -> None:
        """Cancel all tasks; those to come are cancelled at once."""
        with self.lock:
            self.closing = True
            if self._cancelled_all:
                return
            self._cancelled_all = True
        for task in self.live_tasks():
            task.abort()

    def _cut_off_bound(self, seat: Seat | None = None) -> None:
        """Cut off the tasks that are bound to `seat`, or else to any thread that has left
        the runtime: in a LocalSet that nobody drives any more."""
        for task in self.live_tasks():
            home = task._home
            place = home.seat if getattr(home, "bound_to_thread", False) else None
            if place is not None and (place is seat if seat is not None else not place.present):
                task._cut_off()

    def shutdown(self, timeout: float | None) -> None:
        """Cancel all tasks, see them end, and end the threads.

        Waits at most `timeout` seconds, None for as long as it takes; what has not ended
        by then is cut off.

        Raises:
            TypeError, ValueError: `timeout` is no number.
            RuntimeError: called on a thread that runs tasks, which it would block.
        """
        if timeout is not None:
            as_seconds("a shutdown", timeout)
        if timeout == 0 and here.worker is not None and here.worker.core is not self:
            self.shutdown_background()  # another runtime's, which is not waited for
            return
        if here.blocked_in is self or runs_event_loop():
            raise RuntimeError(
                "a runtime cannot be shut down from inside a task, which would wait for "
                "itself: leave block_on() first, or use another thread"
            )
        with self.lock:
            if self._shutting_down:
                return
            self.closing = self._shutting_down = True
        self._shut_down(timeout)

    def shutdown_background(self) -> None:
        """Shut down without waiting."""
        worker = here.worker
        if worker is not None and worker.core is self and self.failure is None:
            raise RuntimeError("a runtime cannot be shut down from inside one of its tasks")
        with self.lock:
            if self._shutting_down:
                return
            self.closing = self._shutting_down = True
        threading.Thread(
            target=self._shut_down, args=(0,), name="yamanote-shutdown", daemon=True
        ).start()

    def cut_short(self) -> None:
        """Wait no longer for a shutdown that was interrupted."""
        self.interrupt()
        self._shut_down(0)

    def _shut_down(self, timeout: float | None) -> None:
        outer, here.core = here.core, self
        try:
            self._end_all(timeout)
        finally:
            here.core = outer

    def _end_all(self, timeout: float | None) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        self.close()

        # Drive a worker until all is quiet: who else would on a current_thread runtime?
        first = self.workers[0]
        seat = Seat.of_this_thread()
        seat.present = True
        self._cut_off_bound()
        while held := seat.wait_for(first, CALLER, _remaining(deadline)):
            if deadline is not None:  # a timer, to end the worker's sleep
                nudge_at = self.clock.now() + max(deadline - time.monotonic(), 0)
                first.timers.push(nudge_at, [Callback(first.unpark)])
            if first.drive(seat, lambda: self._quiet() or self.interrupted or _passed(deadline)):
                break
            seat.give_way()
        seat.present = False
        if self.interrupted:
            deadline = time.monotonic()
        threads = self._cut_off_all()
        if held:
            self._wind_down(first, deadline)
        for worker in self.workers:
            self._wind_down_unheld(worker, deadline)
        drivers = [thread for thread in threads if thread is not threading.current_thread()]
        for thread in drivers + self.pool.close():
            while thread.is_alive() and not self.interrupted and not _passed(deadline):
                left = _remaining(deadline)
                thread.join(_GLANCE if left is None else min(left, _GLANCE))
        if self.interrupted:
            deadline = time.monotonic() + _GRACE
            for thread in drivers:
                thread.join(_remaining(deadline))
        self.pool.cut_off()

    def _cut_off_all(self) -> list[threading.Thread]:
        """End whatever still lives, and have the drivers leave, which are returned."""
        with self.lock:
            self.closing = self._shutting_down = self.stopped = True
            threads = list(self._threads)
        for worker in self.workers:
            worker.unpark()
        for task in self.live_tasks():
            task._cut_off()
        close_all(self.injection.popleft)
        for worker in self.workers:
            worker.drop_queued()
        return threads

    def cut_off(self) -> None:
        """Shut down at once, with nobody driving; the caller closes the worker."""
        self._cut_off_all()
        self.pool.close()
        self.pool.cut_off()

    def _wind_down_unheld(self, worker: Worker, deadline: float | None) -> None:
        """Wind a worker down if nobody drives it; a driver does it itself, or finds, when it
        has let go of the worker, that it should have."""
        if not worker.closed and Seat().wait_for(worker, BACKGROUND, 0):
            self._wind_down(worker, deadline)

    def _wind_down(self, worker: Worker, deadline: float | None) -> None:
        """End what asyncio still has on the worker's loop, and close it."""
        here.worker = worker
        worker.seat = Seat()
        # Asked from outside of the loop: inside it, from 3.14 on, asyncio knows only of the
        # tasks that were made on the calling thread.
        tasks = all_tasks(worker.loop)
        ending: Any = worker.loop.create_task(_end_asyncio(tasks, _remaining(deadline)))
        ending._log_destroy_pending = False  # as when Ctrl-C comes up in one of the tasks
        try:
            self._endings.add(ending)
            if self.interrupted:
                ending.cancel()
            worker.loop.run_until_complete(ending)
        except asyncio.CancelledError:
            pass  # Ctrl-C, before it has begun
        except Exception:
            logger.exception("winding down an event loop failed")
        finally:
            self._endings.discard(ending)
            here.worker = None
            worker.close()

    # Figures

    def metrics(self) -> RuntimeMetrics:
        """A snapshot."""
        from .metrics import RuntimeMetrics, WorkerMetrics

        threads, idle, queued = self.pool.counts()
        return RuntimeMetrics(
            num_workers=len(self.workers),
            num_alive_tasks=sum(map(len, self._registries())),
            spawned_tasks_count=self._spawned_outside + sum(w.spawned for w in self.workers),
            injection_queue_depth=len(self.injection),
            num_blocking_threads=threads,
            num_idle_blocking_threads=idle,
            blocking_queue_depth=queued,
            workers=tuple(
                WorkerMetrics(
                    polls=worker.polls,
                    steals=worker.steals,
                    parks=worker.parks,
                    local_queue_depth=len(worker.queue) + len(worker.lifo),
                    pinned_queue_depth=worker.pinned_depth(),
                    busy_seconds=worker.busy_seconds(),
                )
                for worker in self.workers
            ),
        )


def call_in_place(func: Callable[[], T]) -> T:
    """Call a function of the user's. In a frame of its own, by which Ctrl-C knows that it may
    end the call."""
    return func()


async def _end_asyncio(tasks: set[asyncio.Task[Any]], timeout: float | None) -> None:
    """What asyncio.run does at its end, in `timeout` seconds at the most."""
    # In a task that can be left behind: what swallows its cancellation holds up whoever
    # awaits it, asyncio.timeout() or not.
    ending: Any = asyncio.get_running_loop().create_task(_see_asyncio_end(tasks))
    ending._log_destroy_pending = False
    try:
        await asyncio.wait([ending], timeout=timeout)
    except asyncio.CancelledError:
        pass  # Ctrl-C
    if not ending.done():
        ending.cancel()
        await asyncio.wait([ending], timeout=_GLANCE)
    if ending.done() and not ending.cancelled():
        ending.result()


async def _see_asyncio_end(tasks: set[asyncio.Task[Any]]) -> None:
    loop = asyncio.get_running_loop()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            loop.call_exception_handler(
                {
                    "message": "unhandled exception during the runtime's shutdown",
                    "exception": error,
                    "task": task,
                }
            )
    await loop.shutdown_asyncgens()
    await loop.shutdown_default_executor()


def runs_event_loop() -> bool:
    """Whether to block this thread would block a worker, or a loop of asyncio or trio."""
    return (
        here.worker is not None
        or events._get_running_loop() is not None
        or running_trio() is not None
    )


def refuse_nested(coro: Any, what: str) -> None:
    """Raise if this thread runs an event loop, which the caller would block."""
    if runs_event_loop():
        close_coroutine(coro)
        raise RuntimeError(
            f"{what} would block the event loop that runs on this thread: await the "
            "coroutine or spawn() it, or call this inside spawn_blocking() or block_in_place()"
        )


def checked(context: Any, coro: Any) -> contextvars.Context:
    """What `spawn` was given as its context, if it is one; else closes `coro`.

    Raises:
        TypeError: it is none.
    """
    if isinstance(context, contextvars.Context):
        return context
    close_coroutine(coro)
    raise TypeError(
        f"a contextvars.Context is needed, not {context!r}: copy_context() makes one of the "
        "caller's variables"
    )


def _ended_by(failure: BaseException, main: Task[Any]) -> bool:
    """Whether main was stopped by the failure of a task, or has awaited that."""
    if not main._done or main.cancelled():
        return True
    error = main.exception()
    return isinstance(error, JoinError) and error.try_into_panic() is failure


def close_coroutine(coro: Any) -> None:
    """Close a coroutine that will not run, which would warn otherwise."""
    if isinstance(coro, Coroutine):
        coro.close()


def _remaining(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0)


def _passed(deadline: float | None) -> bool:
    return deadline is not None and time.monotonic() >= deadline
