"""A worker: its queues, its poll loop, and what it does without work.

    asyncio's loop ──► turn(timeout) ──► fire the timers that are due
                                     ──► run_tasks: poll up to `event_interval` tasks
                                     ──► ran any?  look for I/O without waiting
                                         else      search the others' queues,
                                                   or sleep until I/O, a timer, a wake-up

A worker is not a thread: one thread at a time drives it, the one that holds its
`baton`. What is said below to be the worker's own is touched by that thread only.

`queue`, `lifo` and `pinned` are worked on by the owner and, the first two, by thieves:
each access is one method of a deque or list, which is atomic on every build. A thread
that looks and then pops must expect to find nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from contextvars import Context
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from .baton import Baton
from .callbacks import call_hook
from .carrier import CARRY, ENDED, SPARE, Carrier, Step, new_carrier, own_step
from .compat import clear_current_task, swap_current_task
from .here import here
from .idle import TIDY_AFTER, WATCH
from .loop import WorkerLoop
from .park import Park, Token
from .registry import Registry
from .seat import Seat
from .shared import FREE_THREADED
from .task import BUDGET, Task, is_busy_context
from .timer import RESOLUTION, Timers
from .wakeup import make_wakeup

if TYPE_CHECKING:
    from random import Random

    from .core import Core
    from .corked import Outbox
    from .selector import WorkerSelector

# How many tasks in a row may come from the LIFO slot, so that two tasks which wake each
# other leave the rest their turn (Tokio's figure).
_LIFO_LIMIT = 3

# How many tasks in a row are polled of those that stay on the worker while roaming ones
# wait, and the other way round. A task that joins many others is resumed once for a
# slice of them, not for each one: a fan-out of 1,000 takes half the time.
_SLICE = 30

# How many turns in a row a worker takes without asyncio's loop.
_SHORT_TURNS = 8

# The system's poll takes no longer one: asyncio's limit too, a day.
_LONGEST_SLEEP = 86400.0


class WorkerClosed(BaseException):
    """Raised out of a `block_in_place` that outlived its runtime: there is no worker left
    to go on with, so the thread has to leave the task, which was cut off before."""


class Worker:
    """One of a runtime's workers."""

    # CPython specializes no method call on an object with a dict of more than 30 attributes: 40 ns
    # at each.
    __slots__ = (
        "_alone",
        "_busy",
        "_busy_since",
        "_event_interval",
        "_global_interval",
        "_injection",
        "_random",
        "_sleeping",
        "_slice",
        "_tidied",
        "_timer_heap",
        "_timer_line",
        "_unseen",
        "_until",
        "_waits_for_calls_only",
        "_wakeup",
        "_watching",
        "_yielded",
        "baton",
        "callbacks",
        "callers",
        "carriers",
        "carry",
        "clock",
        "closed",
        "core",
        "index",
        "lifo",
        "loop",
        "loop_tasks",
        "outbox",
        "parks",
        "pinned",
        "poll_io",
        "polling",
        "polls",
        "push_next",
        "queue",
        "queue_callback",
        "registry",
        "searching",
        "seat",
        "selector",
        "sleepers",
        "slot",
        "spawned",
        "steals",
        "timers",
    )

    def __init__(self, core: Core, index: int, make_loop: Callable[[Worker], WorkerLoop]) -> None:
        config = core.config
        self.core = core
        self.index = index
        self.sleepers = core.idle.sleepers
        self._injection = core.injection
        self._alone = core.alone
        #: Runnable tasks that roam; others steal from its front.
        self.queue: deque[Task[Any]] = deque()
        #: The roaming task woken last, to be polled next: what it was sent is in the
        #: cache. Others steal it only when all queues are empty.
        self.lifo: list[Task[Any]] = []
        #: Runnable tasks that stay on this worker; with the others where nobody steals.
        self.pinned = self.queue if core.alone else deque[Task[Any]]()
        #: Of the tasks that were spawned here.
        self.registry = Registry()
        #: Those of asyncio's on its loop, which keeps them from being collected; where asyncio
        #: does not.
        self.loop_tasks: set[Any] = set()
        self.timers = Timers()
        self._timer_line, self._timer_heap = self.timers.deadlines, self.timers.heap
        self.baton = Baton(self.unpark)
        self.seat = Seat()
        #: Whether its driver has something else to do: see `drive`.
        self._until: Callable[[], bool] = _never
        self.searching = False
        #: Whether it keeps watch, see idle.py.
        self._watching = False
        self.callers = 0

        self.polls = 0
        #: How many of them others have been woken for, by `_sleep_tidily`.
        self._tidied = 0
        self.spawned = 0
        self.steals = 0
        self.parks = 0
        self._busy = 0.0
        self._busy_since = perf_counter()

        self.closed = False
        #: How many poll loops are under way: one, and those of threads that block in place.
        #: Without any, what runs is a callback or a task of asyncio's.
        self.polling = 0
        #: Tasks that have yielded while callbacks of asyncio waited.
        self._yielded: deque[Task[Any]] = deque()
        #: Those that wait for a task, and whether the next one gets one: see carrier.py.
        self.carriers: list[Carrier] = []
        self.carry = False
        lifo = config.flavor == "multi_thread"
        self.push_next = self._push_lifo if lifo else self.queue.append
        #: For wakers in a hurry: as long as it is empty, a roaming task that is woken here
        #: may be appended instead of pushed, and the one that runs has to suspend before
        #: any other goes on. Never empty where others steal.
        self.slot: list[Any] = self.lifo if lifo and core.alone else [None]
        self._event_interval = config.event_interval
        #: How many callbacks have been run since the last look for I/O.
        self._unseen = 0
        self._global_interval = config.global_queue_interval
        # Longer than what comes from the LIFO slot in a row, which is taken from neither queue.
        self._slice = max(min(_SLICE, config.global_queue_interval), _LIFO_LIMIT + 1)
        self.clock = core.clock
        self._random: Random | None = None
        #: Holds an element while the driver sleeps; who pops it must wake the driver. A lonely
        #: worker's is what tells who sleeps.
        self._sleeping: list[None] = core.idle.sleepers if core.alone else []
        #: Its loop's, which fills these in: the selector, asyncio's callbacks that wait and how
        #: another is added, on the loop's thread only, and the transports that have to send.
        self.selector: WorkerSelector
        self.callbacks: deque[Any]
        self.queue_callback: Callable[[Any], None]
        self.outbox: Outbox
        self.loop = make_loop(self)
        self.poll_io = self.selector.poll_io
        self._waits_for_calls_only = self.selector.waits_for_calls_only
        self._wakeup = make_wakeup(self)

    @property
    def random(self) -> Random:
        if self._random is None:
            # Not at the top: it is a tenth of `import yamanote`, and a lone worker seldom needs it.
            from random import Random

            seed = self.core.config.seed
            self._random = Random(None if seed is None else seed + self.index)
        return self._random

    # Runnable tasks arrive.

    def spawn(self, coro: Any, name: str | None, context: Context) -> Task[Any]:
        """A new task, at the back of the queue. Only for the worker's own driver."""
        core = self.core
        registry = self.registry
        if core.has_task_hooks:
            task = core.new_task(Task, coro, core, registry, context, name)
        else:
            # new_task() written out: that call is 4 % of a spawn and join.
            task = Task()
            task._done = False
            task._name = name
            task._aborted = False
            task._cancelling = 0
            task._context = context
            task._future = None
            task._home = core
            task._locals = None
            task._must_cancel = False
            task._registry = registry
            task._runner = coro
            task._step = None
            task._token = registry.no_token
        registry.tasks.add(task)
        if core.closing:
            task._cut_off()
            task._close()
            return task
        self.spawned += 1
        self.queue.append(task)
        if self.sleepers:
            core.idle.share(self.queue)
        return task

    def push(self, task: Task[Any]) -> None:
        """A pinned task is runnable; any thread may call it."""
        self.pinned.append(task)
        if self._sleeping:
            self.unpark()

    def _push_lifo(self, task: Task[Any]) -> None:
        """A roaming task was woken by what runs here. Only for the worker's own driver."""
        lifo = self.lifo
        if lifo:
            try:
                displaced = lifo.pop()
            except IndexError:
                pass  # stolen
            else:
                self.queue.append(displaced)
                self.share()
        lifo.append(task)

    def unpark(self) -> None:
        """Wake the driver if it sleeps; any thread may call it."""
        try:
            self._sleeping.pop()
        except IndexError:
            return
        self._wakeup.send()

    # The poll loop.

    def run_tasks(self) -> bool:
        """Poll runnable tasks, up to `event_interval`; whether there was any.

        With LocalSets on this thread it is as many for each of them.
        """
        polls = self._poll_some(self.pinned)
        for queue in self.seat.queues:
            if queue:
                polls += self._poll_some(queue)
        self.polls += polls
        return polls > 0

    def _poll_some(self, stay: deque[Task[Any]]) -> int:
        polls = 0
        limit = self._event_interval
        while polls < limit:
            if not (stay or self.queue or self.lifo or self._take_injected()):
                break
            polls += self._poll(stay, limit - polls)
        while self._yielded:
            self._queue_again(self._yielded.popleft())
        return polls

    def _queue_again(self, task: Task[Any]) -> None:
        home = task._home
        if home is self.core:
            self.queue.append(task)
        elif home is self:
            self.pinned.append(task)
        else:
            home.push(task)

    def _poll(self, stay: deque[Task[Any]], limit: int) -> int:
        """Poll tasks from the LIFO slot, and from `stay` (those that stay here) and the
        roaming `queue` in turns, until all are empty or `limit` have been polled; returns
        how many. To come here once in 61 polls and not in 31 takes 10 % off a yield."""
        # A bytecode here is a hundredth of a yield: see tests/test_cost.py. The busiest names come
        # first, for 3.13 loads two of the first sixteen at once.
        task: Any = None
        current: Task[Any] | None = None
        step: Step | None = None
        yielded: Any = None
        core = self.core
        loop = self.loop
        lifo = self.lifo
        queue = self.queue
        source: deque[Task[Any]] = stay
        other: deque[Task[Any]] | Literal[False] = stay is not queue and queue
        callbacks = self.callbacks
        budget = BUDGET
        carriers, carry = self.carriers, self.carry
        carrier: Carrier | None = None
        lifo_left = _LIFO_LIMIT
        injection = self._injection
        at_once = self._global_interval if stay is queue else self._slice
        first = polls = stolen = 0
        self.polling += 1
        while first < limit:
            if injection:
                self._take_injected(1)
                if current is not None:
                    # It may be this one, stolen and polled elsewhere meanwhile.
                    clear_current_task(loop)
                    current = None
            for polls in range(first + 1, min(first + at_once, limit) + 1):
                try:
                    if lifo:
                        if lifo_left:
                            lifo_left -= 1
                            task = lifo.pop()
                        else:
                            lifo_left = _LIFO_LIMIT
                            if other and not source:
                                source, other = other, source
                            task = source.popleft() if source else lifo.pop()
                    elif source:
                        task = source.popleft()
                    else:
                        polls -= 1
                        break
                except IndexError:
                    stolen += 1
                    continue
                if task is not current:
                    swap_current_task(loop, task)
                    current = task
                    task._poller = self
                task._budget = budget
                step = task._step
                try:
                    if task._must_cancel:
                        yielded = task._poll_cancelled()
                    elif step is not None:
                        yielded = task._context.run(step, task._runner, None)
                    elif carry:
                        if carrier is None:
                            carrier = carriers.pop() if carriers else new_carrier()
                        yielded = task._context.run(CARRY, carrier, task)
                        if yielded is not ENDED:
                            carry = False
                            task._keep(carrier)
                            carrier = None
                    else:
                        task._step = own_step(task._runner)
                        yielded = task._context.run(task._step, task._runner, None)
                except StopIteration as stop:
                    if step is None:
                        carry = True
                    task._value = stop.value
                    task._returned(self)
                    continue
                except WorkerClosed:
                    raise
                except BaseException as error:
                    if step is None:
                        carrier = None  # it has ended with the coroutine
                    if is_busy_context(error):
                        self._poll_later(task)
                    elif task._raised(error):
                        core.panicked(error)
                    continue
                # The one place that decides what a yielded value means.
                if yielded is None:
                    if callbacks:
                        # asyncio's tasks are others too: it goes on once they had a turn.
                        self._yielded.append(task)
                    elif task._home is core:
                        queue.append(task)
                    elif task._home is self:
                        self.pinned.append(task)
                    else:
                        task._home.push(task)
                    if other:  # a yield gives the others their turn
                        break
                elif yielded is ENDED:
                    if step is not None:
                        carriers.append(task._runner)
                    task._returned(self)
                else:
                    try:
                        if isinstance(yielded, Park):
                            yielded._arm(task)
                        else:
                            task._await_foreign(yielded)
                    except Exception as error:
                        # A fault of the awaitable, and the task's to hear of.
                        task._token.clear()
                        task._throw_next(error)
            first = polls
            if other:
                source, other = other, source
            elif not source and not lifo:
                break
        if current is not None:
            clear_current_task(loop)
        self.polling -= 1
        if carrier is not None:
            carriers.append(carrier)
        del carriers[SPARE:]
        self.carry = carry
        # A task's failure refers to this frame by its own frame's f_back.
        task = step = carrier = current = yielded = None
        return polls - stolen

    def _poll_later(self, task: Task[Any]) -> None:
        """Another thread runs in the task's context, which the two were given to share."""
        token = task._token = [task]
        self.timers.push(self.clock.now() + 0.001, token)

    # Without work.

    def turn(self, timeout: float | None) -> Any:
        """What the loop does instead of waiting for I/O: returns the events of I/O."""
        if self._timer_line or self._timer_heap:
            self.fire_timers()
        if self.searching:
            # Woken to search. The tasks found are run below.
            found = self._take_injected() or self._steal()
            self.core.idle.end_search(self, found)
            if not found and not self._watching:
                self.core.idle.watch(self)
                self._watching = self.core.idle.watcher is self
        elif not (self.pinned or self.queue or self.lifo or self._injection or self.seat.queues):
            if timeout != 0:
                return self._rest(timeout)
            # asyncio's own business.
            if self._watching:
                self._end_watch()
            # Where there are no sockets, callbacks are counted as polls are: not to ask the system
            # at each turn takes 8 % off a create_task and await.
            unseen = self._unseen + len(self.callbacks) + 1
            if unseen < self._event_interval and self._waits_for_calls_only():
                self._unseen = unseen
                return ()
            self._unseen = 0
            return self.poll_io(0)
        if self.run_tasks() or timeout == 0:
            # Never wait after tasks have run: they may have queued callbacks.
            if self._watching:
                self._end_watch()
            return self._poll_io_on()
        return self._rest(timeout)

    def _rest(self, timeout: float | None) -> Any:
        """Search the others' queues, if there are others, and else sleep."""
        if not self._alone and self._search():
            self._end_watch()
            self.run_tasks()
            return self.poll_io(0)
        return self._sleep(timeout)

    def _end_watch(self) -> None:
        self._watching = False
        self.core.idle.end_watch(self)

    def _poll_io_on(self) -> Any:
        """Look for I/O, without waiting, and go on with tasks as long as there is nothing of
        asyncio's to do: a turn of its loop takes 2.4 µs, 40 ns for each of the 61 polls."""
        events = self.poll_io(0)
        for _ in range(_SHORT_TURNS):
            if events or self.baton.wanted or self._until() or not self.loop.rests():
                break
            if self._timer_line or self._timer_heap:
                self.fire_timers()
            if not self.run_tasks():
                break
            events = self.poll_io(0)
        return events

    def _runnable(self) -> int:
        return len(self.queue) + self.pinned_depth()

    def pinned_depth(self) -> int:
        """How many runnable tasks are pinned; 0 where they stand among the others."""
        return 0 if self.pinned is self.queue else len(self.pinned)

    def fire_timers(self) -> None:
        """Wake those whose time has come, to be polled in this order."""
        self.wake_all(self.timers.due(self.clock.now()))

    def wake_all(self, tokens: list[Token]) -> None:
        """wake() for each, but past the LIFO slot. Only for the worker's own driver."""
        core = self.core
        roam = 0
        for token in tokens:
            if token:
                try:
                    waiter = token.pop()
                except IndexError:
                    continue
                home = waiter._home
                if home is core:
                    self.queue.append(waiter)
                    roam += 1
                elif home is self:
                    self.pinned.append(waiter)
                else:
                    home.push(waiter)
        # While it is about to sleep it is a sleeper itself, see _sleep.
        if roam > 1 and not self._sleeping:
            self.share()

    def share(self) -> None:
        """There is more to do than this worker can at once. Only for its own driver."""
        if self.sleepers:
            self.core.idle.share(self.queue)

    def _take_injected(self, most: int | None = None) -> bool:
        """Move a fair share of the injection queue, or `most` tasks, to the own queue."""
        injection = self._injection
        waiting = len(injection)
        if not waiting:
            return False
        share = waiting // len(self.core.workers) + 1
        return self._move(injection, share if most is None else most) > 0

    def _search(self) -> bool:
        """Look for stealable tasks, if not too many others do."""
        idle = self.core.idle
        if not idle.start_search(self):
            return False
        found = self._steal()
        if found:
            idle.end_search(self, True)
        return found

    def _steal(self) -> bool:
        """Take half of another worker's queue, trying all from a random one on."""
        workers = self.core.workers
        start = self.random.randrange(len(workers))
        victims = [w for w in (*workers[start:], *workers[:start]) if w is not self]
        for victim in victims:
            taken = self._move(victim.queue, (len(victim.queue) + 1) // 2)
            if taken:
                self.steals += taken
                return True
        for victim in victims:
            try:
                self.queue.append(victim.lifo.pop())
            except IndexError:
                continue
            self.steals += 1
            return True
        return False

    def _move(self, source: deque[Task[Any]], count: int) -> int:
        moved = 0
        try:
            while moved < count:
                self.queue.append(source.popleft())
                moved += 1
        except IndexError:
            pass  # others take from it too
        return moved

    def _sleep(self, timeout: float | None) -> Any:
        """Wait for I/O, a timer or a wake-up, at the most `timeout` seconds."""
        deadline = self.timers.next_deadline()
        if timeout is not None or deadline != math.inf:
            now = self.clock.now()
            if timeout is not None:
                deadline = min(deadline, now + timeout)
            timeout = min(max(deadline - now, 0), _LONGEST_SLEEP)

        core = self.core
        # In this order: who finds this worker among the sleepers must be able to wake it.
        self._sleeping.append(None)
        must_look = self._watching
        if self._watching:
            self._watching = core.idle.watch_on(self)
        if not self._alone:
            must_look |= core.idle.sleep(self)
        # Announced; now look at everything once more, see idle.py.
        if self._has_work():
            timeout = 0
        elif self._watching:
            timeout = WATCH if timeout is None else min(timeout, WATCH)
        elif must_look and core.has_stealable(self):
            timeout = 0
        elif self.clock.paused:
            timeout = self._skip_to(deadline)
        parked = timeout != 0
        if parked:
            self.parks += 1
            if core.on_park is not None:
                call_hook(core.on_park)
                if self._has_work():  # of the hook's making
                    timeout = 0
        began = perf_counter()
        self._busy += began - self._busy_since
        try:
            if FREE_THREADED and self.polls != self._tidied:
                events = self._sleep_tidily(timeout)
            else:
                events = self.poll_io(timeout)
        finally:
            self._busy_since = perf_counter()
            try:
                self._sleeping.pop()
            except IndexError:
                pass  # the byte that woke us is read by the loop
            if not self._alone:
                core.idle.awake(self)
        if self._watching and (events or self._has_work()):
            self._end_watch()
        if len(self.queue) > 1:
            self.share()
        if parked and core.on_unpark is not None:
            call_hook(core.on_unpark)
        return events

    def _sleep_tidily(self, timeout: float | None) -> Any:
        """As poll_io, but see that what was dropped here is collected: see Core.tidy."""
        first = TIDY_AFTER if timeout is None else min(timeout, TIDY_AFTER)
        events = self.poll_io(first)
        if events or first == timeout or not self._sleeping or self._has_work():
            return events
        self._tidied = self.polls
        for worker in self.core.workers:
            if worker is not self:
                worker.unpark()
        return self.poll_io(None if timeout is None else timeout - first)

    def _has_work(self) -> bool:
        core = self.core
        return bool(
            self.pinned
            or self.lifo
            or self.queue
            or self._injection
            or self.baton.wanted
            or (self.seat.queues and self.seat.has_work())
            or (self.loop.is_driven() and core.has_ended(self))
            or self.callbacks
        )

    def _skip_to(self, deadline: float) -> float | None:
        """With a paused clock: be there at once, unless blocking calls run or there is no
        deadline. Returns how long to sleep, as `_sleep` has it."""
        if deadline == math.inf or self.core.pool.busy():
            return None
        if not self._has_work():  # else a call has just ended, and woken a task before
            if deadline + RESOLUTION == deadline:
                # Years from now floats are coarse, and asyncio's timers fire after their time.
                deadline = math.nextafter(deadline, math.inf)
            self.clock.advance_to(deadline)
        return 0

    # Being driven.

    def drive(self, seat: Seat, until: Callable[[], bool]) -> bool:
        """Run on this thread, which holds the baton, until `until()` (True) or until
        somebody with a better claim waits for the baton (False)."""
        self.take(seat)
        self._until = until
        try:
            while not until():
                try:
                    self.loop.run_once()
                except BaseException:
                    if here.worker is not self:
                        raise WorkerClosed from None
                    raise
                if here.worker is not self:  # the task has caught WorkerClosed
                    raise WorkerClosed
                if self.baton.wanted:
                    return until()
            return True
        finally:
            if here.worker is self:
                self.leave()

    def take(self, seat: Seat) -> None:
        """This thread, which holds the baton, is the worker's driver from here on."""
        self.seat = seat
        seat.worker = here.worker = self
        here.seat = seat
        self.loop.enter()

    def leave(self) -> None:
        """The opposite of `take`."""
        clear_current_task(self.loop)  # still set if Ctrl-C came in the middle of the poll loop
        self.loop.leave()
        self.seat.worker = here.worker = None
        here.seat = None

    def drop_queued(self) -> None:
        """End the tasks in the queues, which will not be polled any more."""
        close_all(self.queue.popleft)
        close_all(self.pinned.popleft)
        close_all(self._yielded.popleft)
        close_all(self.lifo.pop)

    def busy_seconds(self) -> float:
        """How long the worker has not slept, in seconds."""
        if self._sleeping:
            return self._busy
        return self._busy + perf_counter() - self._busy_since

    def close(self) -> None:
        """End: nobody will drive this worker again. With the baton held."""
        self.closed = True
        self.baton.close()
        self.selector.release()
        self._wakeup.close()
        self.carriers.clear()
        WorkerLoop.close(self.loop)
        self.loop_tasks.clear()
        self.timers.clear()


def _never() -> bool:
    return False


def close_all(pop: Callable[[], Task[Any]]) -> None:
    """End the coroutines of the queued tasks that `pop` gives."""
    while True:
        try:
            task = pop()
        except IndexError:
            return
        task._cut_off()
        task._close()
