"""A worker's selector: the scheduler where asyncio would wait, and what native sockets
are registered with."""

from __future__ import annotations

import errno
import os
import select
import selectors
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .here import here
from .inbox import Inbox, Reader
from .park import Token
from .readiness import Source

# As many events are taken at once; more are taken the next time. (Tokio: 1024. It is what is
# allocated for each call.)
_MOST = 256


class WorkerSelector(selectors.DefaultSelector):
    """asyncio's usual selector, for systems without epoll: what is watched is registered at
    each wait, until there is an event."""

    level_triggered = True

    #: asyncio's callbacks that wait.
    ready: deque[Any]
    #: Takes the tokens of those whose event has come.
    wake: Callable[[list[Token]], object]

    def __init__(self) -> None:
        super().__init__()
        #: What is watched, by its descriptor. Any thread adds and removes.
        self._sources: dict[int, Source] = {}
        #: Whether `release` has been called: nothing is watched any more.
        self._released = False
        # Of that, re-entrant as those of a Source.
        self._releasing = threading.RLock()
        #: What other threads have asked for.
        self._wanted: deque[tuple[Source, int]] = deque()

    def end_waits_by(self, fd: int) -> None:
        """Have each write to an eventfd end a wait, or the next one, and nothing else. For those
        that are not level-triggered."""
        raise NotImplementedError

    def waits_for_calls_only(self) -> bool:
        """Whether nothing is watched but what wakes the loop."""
        return not self._sources and len(super().get_map() or ()) < 2

    # What asyncio finds: what is its own.

    def get_map(self) -> Any:
        self._catch_up()
        keys = super().get_map()
        return keys and _AsyncioKeys(keys)  # None once it is closed

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        fd = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        if fd not in self._sources:
            key = super().register(fileobj, events, data)
            if fd not in self._sources:  # nor since: watch() looks here after it has entered it
                return key
            super().unregister(fileobj)
        raise FileExistsError(errno.EEXIST, f"an AsyncFd or native socket has descriptor {fd}")

    def poll_io(self, timeout: float | None) -> Any:
        """Wait for I/O, at the most `timeout` seconds: the events that are asyncio's, but for
        those whose callbacks have been put among those that wait."""
        ready = []
        woken: list[Token] = []
        for key, events in self._wait(timeout, woken):
            source = key.data
            if not isinstance(source, Source):
                ready.append((key, events))
                continue
            super().unregister(key.fd)
            if key.events & ~events and self._sources.get(key.fd) is source:
                self._add(source, key.events & ~events)
            if events & selectors.EVENT_READ:
                source.readable.announce(woken)
            if events & selectors.EVENT_WRITE:
                source.writable.announce(woken)
        if woken:
            self.wake(woken)
        return ready

    def _wait(self, timeout: float | None, woken: list[Token]) -> Any:
        while True:
            self._catch_up()
            try:
                return super().select(timeout)
            except OSError as error:
                # One that is closed fails them all: another thread has just done so, and has
                # said it before, or somebody whose AsyncFd is still open.
                if error.errno != errno.EBADF or not (self._wanted or self._drop_closed(woken)):
                    raise
                timeout = 0

    def _drop_closed(self, woken: list[Token]) -> bool:
        closed = [
            key.data
            for key in list(super().get_map().values())
            if isinstance(key.data, Source) and not _is_open(key.fd)
        ]
        for source in closed:
            self._forget(source)
            source.readable.announce(woken)
            source.writable.announce(woken)
        return bool(closed)

    def _catch_up(self) -> None:
        while self._wanted:
            source, events = self._wanted.popleft()
            if self._sources.get(source.fd) is source:
                self._add(source, events)
            else:
                self._forget(source)

    def _add(self, source: Source, events: int) -> None:
        key = super().get_map().get(source.fd)
        if key is None or key.data is source:
            if key is not None:
                events |= key.events
                super().unregister(source.fd)
            super().register(source.fd, events, source)

    def watch(self, source: Source) -> None:
        """Announce the events of `source`, of the directions that are to be watched, and first
        whether it is ready now; any thread may call it.

        Raises:
            RuntimeError: the runtime has been shut down, or something else waits for the same
                descriptor.
            OSError: the system has no readiness for it.
        """
        with self._releasing:
            if self._released:
                raise RuntimeError("this Yamanote runtime has been shut down")
            self._watch(source)

    def _watch(self, source: Source) -> None:
        if self._sources.setdefault(source.fd, source) is not source:
            raise in_use(source.fd, native=True)
        key = super().get_map().get(source.fd)
        if key is not None and not isinstance(key.data, Source):
            del self._sources[source.fd]
            raise in_use(source.fd, native=False)

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
        key = (super().get_map() or {}).get(source.fd)
        if key is not None and key.data is source:
            super().unregister(source.fd)

    def want(self, source: Source, write: bool) -> None:
        """Announce the next event of one direction; any thread may call it, and wakes the
        worker."""
        self._wanted.append((source, selectors.EVENT_WRITE if write else selectors.EVENT_READ))

    def release(self) -> None:
        """Let all be, before the selector is closed."""
        with self._releasing:
            self._released = True
        for source in list(self._sources.values()):
            source.detach()


class _AsyncioKeys(Mapping[Any, selectors.SelectorKey]):
    """A selector's keys without those of native sockets."""

    def __init__(self, keys: Mapping[Any, selectors.SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> selectors.SelectorKey:
        key = self._keys[fileobj]
        if isinstance(key.data, Source):
            raise KeyError(fileobj)
        return key

    def __iter__(self) -> Iterator[Any]:
        return (fd for fd, key in self._keys.items() if not isinstance(key.data, Source))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def in_use(fd: int, native: bool) -> RuntimeError:
    """What to raise where a descriptor cannot be watched, as somebody else does."""
    if native:
        return RuntimeError(
            f"another AsyncFd or native socket waits for file descriptor {fd}: close that "
            "first, share it, or use a duplicate of the descriptor"
        )
    return RuntimeError(
        f"file descriptor {fd} is used by asyncio's loop on this worker: take its reader and "
        "writer away first, or use a duplicate of it"
    )


if hasattr(select, "epoll"):
    # What is always writable is announced with whatever else happens: it is only asked for
    # when somebody had to wait for it.
    _TO_READ = select.EPOLLET | select.EPOLLIN | select.EPOLLRDHUP
    _TO_WRITE = select.EPOLLET | select.EPOLLOUT
    _IN = select.EPOLLIN
    _READ = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
    _WRITE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
    _ENDED = select.EPOLLRDHUP | select.EPOLLHUP
    _BROKEN = select.EPOLLHUP

    def _events(source: Source) -> int:
        """What to ask for."""
        events = _TO_READ if source.readable.watched else 0
        if source.writable.watched:
            events |= _TO_WRITE
        if source.priority is not None:
            events |= select.EPOLLET | select.EPOLLPRI
        if source.error is not None:
            events |= select.EPOLLET  # it is announced in any case
        return events

    class _EpollSelector(WorkerSelector):
        """One epoll for asyncio's descriptors and, edge-triggered, the native ones: another of
        their own would cost a system call more a turn."""

        level_triggered = False

        def __init__(self) -> None:
            super().__init__()
            self._keys: dict[int, selectors.SelectorKey] = {}
            #: asyncio's handles of those that are watched for reading, by their descriptor.
            self._readers: dict[int, Any] = {}
            # Another handle of the same, whose methods are public.
            self._epoll = select.epoll.fromfd(os.dup(self.fileno()))

        def end_waits_by(self, fd: int) -> None:
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLET)

        def waits_for_calls_only(self) -> bool:
            return len(self._keys) < 2 and not self._sources

        # The native ones are not among them.
        get_map = selectors.DefaultSelector.get_map

        def close(self) -> None:
            self._epoll.close()
            super().close()
            self._keys.clear()
            self._readers.clear()

        def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            key = selectors.DefaultSelector.register(self, fileobj, events, data)
            self._enter(key)
            self._sources.pop(key.fd, None)  # of a descriptor that is no more
            return key

        def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
            key = super().modify(fileobj, events, data)
            self._enter(key)
            return key

        def _enter(self, key: selectors.SelectorKey) -> None:
            self._keys[key.fd] = key
            if key.events & selectors.EVENT_READ:
                self._readers[key.fd] = key.data[0]
            else:
                self._readers.pop(key.fd, None)

        def unregister(self, fileobj: Any) -> selectors.SelectorKey:
            key = super().unregister(fileobj)
            self._keys.pop(key.fd, None)
            self._readers.pop(key.fd, None)
            return key

        def poll_io(self, timeout: float | None) -> Any:
            events = self._epoll.poll(timeout, _MOST)
            if not events:
                return events
            sources, readers = self._sources, self._readers
            ready = []
            inbox: list[Reader] = []
            woken: list[Token] = []
            for fd, event in events:
                source = sources.get(fd)
                if source is not None:
                    if event == _IN:  # that it is this and no more is the rule
                        readable = source.readable
                        readable.tick += 1  # announce(), written out
                        readable.crowd.take(woken)
                    else:
                        self._announce(source, event, woken)
                    continue
                reader = readers.get(fd) if event == _IN else None
                if reader is not None and not reader._cancelled:
                    # The usual one goes to the callbacks from here: 36 bytecode instructions in
                    # all, and 85 by asyncio's `_process_events`.
                    if reader.__class__ is Reader:
                        inbox.append(reader)
                    else:
                        self.ready.append(reader)
                    continue
                key = self._keys.get(fd)
                if key is not None:
                    mask = key.events & (
                        (selectors.EVENT_WRITE if event & ~select.EPOLLIN else 0)
                        | (selectors.EVENT_READ if event & ~select.EPOLLOUT else 0)
                    )
                    if mask:
                        ready.append((key, mask))
            if woken:
                self.wake(woken)
            if inbox:
                self.ready.append(Inbox(inbox))
            return ready

        def _announce(self, source: Source, event: int, woken: list[Token]) -> None:
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
            if event & select.EPOLLPRI and source.priority is not None:
                source.priority.announce(woken)
            if event & select.EPOLLERR and source.error is not None:
                source.error.announce(woken)

        def _watch(self, source: Source) -> None:
            events = _events(source)
            fd, sources = source.fd, self._sources
            other = sources.get(fd)
            if other is source:
                self._epoll.modify(fd, events)
                return
            sources[fd] = source  # first: there may be an event at once
            try:
                self._epoll.register(fd, events)
            except BaseException as error:
                del sources[fd]
                if not isinstance(error, FileExistsError):
                    raise
                if other is not None:
                    self._restore(other)
                raise in_use(fd, native=fd not in self._keys) from None

        def _restore(self, source: Source) -> None:
            """Go on with a source that is registered, whose events were taken for another's."""
            self._sources[source.fd] = source
            try:
                self._epoll.modify(source.fd, _events(source))  # announces them anew
            except OSError:
                pass  # closed just now
            if source.closed:
                self.unwatch(source)

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
