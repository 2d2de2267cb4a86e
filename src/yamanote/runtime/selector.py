"""A worker's selector: the scheduler where asyncio would wait, and what native sockets
are registered with."""

from __future__ import annotations

import os
import select
import selectors
from collections import deque
from collections.abc import Callable
from typing import Any

from .here import here
from .park import Token
from .readiness import Source

# As many events are taken at once; more are taken the next time. (Tokio: 1024. It is what is
# allocated for each call.)
_MOST = 256


class WorkerSelector(selectors.DefaultSelector):
    """asyncio's usual selector, for systems without epoll: what is watched is registered at
    each wait, until there is an event."""

    level_triggered = True

    turn: Callable[[float | None], Any]
    #: Takes the tokens of those whose event has come.
    wake: Callable[[list[Token]], object]

    def __init__(self) -> None:
        super().__init__()
        #: What is watched, by its descriptor. Any thread adds and removes.
        self._sources: dict[int, Source] = {}
        #: What other threads have asked for.
        self._wanted: deque[tuple[Source, int]] = deque()

    def select(self, timeout: float | None = None) -> Any:
        return self.turn(timeout)

    def poll_io(self, timeout: float | None) -> Any:
        """Wait for I/O, at the most `timeout` seconds: the events that are asyncio's."""
        while self._wanted:
            source, events = self._wanted.popleft()
            if self._sources.get(source.fd) is source:
                self._add(source, events)
            else:
                self._forget(source)
        ready = []
        woken: list[Token] = []
        for key, events in super().select(timeout):
            source = key.data
            if not isinstance(source, Source):
                ready.append((key, events))
                continue
            self.unregister(key.fd)
            if key.events & ~events and self._sources.get(key.fd) is source:
                self._add(source, key.events & ~events)
            if events & selectors.EVENT_READ:
                source.readable.announce(woken)
            if events & selectors.EVENT_WRITE:
                source.writable.announce(woken)
        if woken:
            self.wake(woken)
        return ready

    def _add(self, source: Source, events: int) -> None:
        key = self.get_map().get(source.fd)
        if key is None:
            self.register(source.fd, events, source)
        elif key.data is source:
            self.modify(source.fd, events | key.events, source)

    def watch(self, source: Source) -> None:
        """Announce the events of `source`, of the directions that are to be watched, and first
        whether it is ready now; any thread may call it."""
        self._sources[source.fd] = source

    def unwatch(self, source: Source) -> None:
        """Let `source` be; any thread may call it, before the descriptor is closed."""
        if self._sources.get(source.fd) is source:
            del self._sources[source.fd]
        worker = here.worker
        if worker is not None and worker.selector is self:
            self._forget(source)
        else:
            self._wanted.append((source, 0))

    def _forget(self, source: Source) -> None:
        key = self.get_map().get(source.fd)
        if key is not None and key.data is source:
            self.unregister(source.fd)

    def want(self, source: Source, write: bool) -> None:
        """Announce the next event of one direction; any thread may call it, and wakes the
        worker."""
        self._wanted.append((source, selectors.EVENT_WRITE if write else selectors.EVENT_READ))

    def release(self) -> None:
        """Let all be."""
        for source in list(self._sources.values()):
            source.detach()


if hasattr(select, "epoll"):
    # What is always writable is announced with whatever else happens: it is only asked for
    # when somebody had to wait for it.
    _TO_READ = select.EPOLLET | select.EPOLLIN | select.EPOLLRDHUP
    _TO_WRITE = select.EPOLLET | select.EPOLLOUT
    _READ = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    _WRITE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
    _ENDED = select.EPOLLRDHUP | select.EPOLLHUP
    _BROKEN = select.EPOLLHUP
    _RARE = select.EPOLLPRI | select.EPOLLERR

    class _EpollSelector(WorkerSelector):
        """One epoll for asyncio's descriptors and, edge-triggered, the native ones: another of
        their own would cost a system call more a turn."""

        level_triggered = False

        def __init__(self) -> None:
            super().__init__()
            self._keys: dict[int, selectors.SelectorKey] = {}
            # Another handle of the same, whose methods are public.
            self._epoll = select.epoll.fromfd(os.dup(self.fileno()))

        def close(self) -> None:
            self._epoll.close()
            super().close()
            self._keys.clear()

        def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            key = super().register(fileobj, events, data)
            self._keys[key.fd] = key
            self._sources.pop(key.fd, None)  # of a descriptor that is no more
            return key

        def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            key = super().modify(fileobj, events, data)
            self._keys[key.fd] = key
            return key

        def unregister(self, fileobj: Any) -> selectors.SelectorKey:
            key = super().unregister(fileobj)
            self._keys.pop(key.fd, None)
            return key

        def poll_io(self, timeout: float | None) -> Any:
            events = self._epoll.poll(timeout, _MOST)
            if not events:
                return events
            sources, keys = self._sources, self._keys
            ready = []
            woken: list[Token] = []
            for fd, event in events:
                source = sources.get(fd)
                if source is not None:
                    if event & _READ:
                        readable = source.readable
                        if event & _ENDED:
                            readable.final = True
                        readable.announce(woken)
                    if event & _WRITE:
                        writable = source.writable
                        if event & _BROKEN:
                            writable.final = True
                        writable.announce(woken)
                    if event & _RARE:
                        if event & select.EPOLLPRI and source.priority is not None:
                            source.priority.announce(woken)
                        if event & select.EPOLLERR and source.error is not None:
                            source.error.announce(woken)
                    continue
                key = keys.get(fd)
                if key is not None:
                    mask = key.events & (
                        (selectors.EVENT_WRITE if event & ~select.EPOLLIN else 0)
                        | (selectors.EVENT_READ if event & ~select.EPOLLOUT else 0)
                    )
                    if mask:
                        ready.append((key, mask))
            if woken:
                self.wake(woken)
            return ready

        def watch(self, source: Source) -> None:
            events = _TO_READ if source.readable.watched else 0
            if source.writable.watched:
                events |= _TO_WRITE
            if source.priority is not None:
                events |= select.EPOLLET | select.EPOLLPRI
            if source.error is not None:
                events |= select.EPOLLET  # it is announced in any case
            if self._sources.get(source.fd) is source:
                self._epoll.modify(source.fd, events)
                return
            self._sources[source.fd] = source
            try:
                self._epoll.register(source.fd, events)
            except BaseException as error:
                del self._sources[source.fd]
                if isinstance(error, FileExistsError):
                    raise RuntimeError(
                        f"file descriptor {source.fd} is used by asyncio's loop on this worker: "
                        "take its reader and writer away first, or use a duplicate of it"
                    ) from None
                raise

        def unwatch(self, source: Source) -> None:
            if self._sources.get(source.fd) is not source:
                return  # closed behind our back, and the number used anew
            del self._sources[source.fd]
            try:
                self._epoll.unregister(source.fd)
            except (OSError, ValueError):
                pass  # the descriptor, or the selector, is closed

    make_selector: Callable[[], WorkerSelector] = _EpollSelector
else:
    make_selector = WorkerSelector
