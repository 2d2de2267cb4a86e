"""An asyncio event loop for ordinary programs, which is a runtime of one worker."""

from __future__ import annotations

import asyncio
from asyncio.events import Handle
from typing import TYPE_CHECKING, NoReturn, final

from .baton import RETURNING
from .config import Config
from .core import Core
from .here import here
from .join import Ended
from .loop import WorkerLoop
from .loop_task import LoopTask
from .seat import Seat

if TYPE_CHECKING:
    from .worker import Worker


# asyncio's name for it may be given to another loop, to ours even.
_Base = asyncio.SelectorEventLoop


@final
class EventLoop(WorkerLoop):
    """An event loop for asyncio programs, which may use Yamanote's tasks too.

        asyncio.run(main(), loop_factory=yamanote.EventLoop)

    It is asyncio's own `SelectorEventLoop`, so whatever works there works here, but its
    tasks are Yamanote's: `asyncio.create_task` and all that is built on it switch tasks
    faster, and `spawn`, `spawn_blocking`, `Handle.current()` and the rest work inside. What
    was spawned and has not ended is cancelled and waited for by `shutdown_asyncgens()`, which
    `asyncio.run` calls at its end, and cut off by `close()`.

    As thread-safe as asyncio's loop; `Handle.spawn` may be called from any thread. Tokio:
    a current-thread `runtime::Runtime`.
    """

    def __init__(self) -> None:
        core = Core(Config(flavor="current_thread"), self._set_up)
        core.on_failure = self._raise_soon

    def _set_up(self, worker: Worker) -> EventLoop:
        super().__init__(worker)
        return self

    def run_forever(self) -> None:
        """Run until `stop()` is called."""
        worker = self.worker
        seat = Seat.of_this_thread()
        # First: when it finds out by itself, 3.13's stops being the running loop.
        self._check_closed()  # type: ignore[attr-defined]
        self._check_running()  # type: ignore[attr-defined]
        outer = here.worker, here.core, here.seat
        seat.present = True
        seat.wait_for(worker, RETURNING)
        worker.seat, seat.worker = seat, worker
        here.worker, here.core, here.seat = worker, worker.core, seat
        self.arrive()
        try:
            _Base.run_forever(self)  # a worker's own would not let others run it
        finally:
            self.depart()
            here.worker, here.core, here.seat = outer
            seat.worker = None
            seat.give_way()
            seat.present = False

    async def shutdown_asyncgens(self) -> None:
        """Cancel what was spawned, see it end, and close all asynchronous generators."""
        core = self.worker.core
        core.close()
        for task in core.live_tasks():
            await Ended(task)
        await super().shutdown_asyncgens()

    def close(self) -> None:
        """Close the loop, which must not run; what was spawned and still lives is cut off."""
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if not self.is_closed():
            self.worker.core.cut_off()
            self.worker.close()

    def _raise_soon(self, failure: BaseException) -> None:
        def throw() -> NoReturn:
            raise failure

        self.call_soon_threadsafe(throw)

    # One worker has nothing to pin to, and asyncio checks threads in debug mode only.

    def _claim(self) -> None:
        pass

    get_debug = _Base.get_debug

    if not TYPE_CHECKING:
        call_at = _Base.call_at
        create_future = _Base.create_future
        _add_reader = _Base._add_reader
        _remove_reader = _Base._remove_reader
        _add_writer = _Base._add_writer
        _remove_writer = _Base._remove_writer
        _make_socket_transport = _Base._make_socket_transport
        run_in_executor = _Base.run_in_executor

        def call_soon(self, callback, *args, context=None):
            if self._debug or self._closed:
                return self._checked_call_soon(callback, args, context)
            # A LoopTask is its own handle: a future that it awaits is done.
            if callback.__class__ is not LoopTask:
                callback = Handle(callback, args, self, context)
            self._ready.append(callback)
            return callback

        def _checked_call_soon(self, callback, args, context):
            if callback.__class__ is LoopTask:
                self._check_thread()
                return self._ready.append(callback)
            handle = _Base.call_soon(self, callback, *args, context=context)
            if handle._source_traceback:
                del handle._source_traceback[-2:]
            return handle

        def create_task(self, coro, **kwargs):
            if self._debug or self._closed or self._task_factory is not None:
                return super().create_task(coro, **kwargs)
            return LoopTask(coro, self, **kwargs)


def new_event_loop() -> EventLoop:
    """A new event loop, for those who ask for a function that makes one.

    uvicorn --loop yamanote:new_event_loop package.module:app
    """
    return EventLoop()
