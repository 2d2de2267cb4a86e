"""Readiness of file descriptors: how a native socket waits.

A socket is registered once, edge-triggered, with the worker on which somebody first had
to wait for it, and stays there; the tasks that use it go where they like. Who wants to
read tries the system call first, and waits only when there is nothing to be had:

    any task, on any worker                  the driver of the worker it is registered with
      tick = readiness.tick                    an event for the descriptor:
      recv() → BlockingIOError                   tick += 1
      readiness.seen = tick                      take the crowd (locks), wake them
      suspended: join the crowd (locks),
        then look whether tick has moved

What is `seen` was found to be used up at that tick. So an event between the system call
and the wait is never lost: it moves the tick, which only the driver writes, and the two
sides lock the crowd between their store and their look.
"""

from __future__ import annotations

import errno
import select
import threading
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from .compat import running_task
from .crowd import Crowd
from .here import current_core, here
from .park import Park, Token, Waiter, wait_outside, wake

if TYPE_CHECKING:
    from .worker import Worker


class Readiness(Park):
    """Whether one direction of a Source may be ready; awaited, it waits until it may be.

    `lock` is held in each system call of the direction: a descriptor that another thread
    closes may be somebody else's the next moment. Re-entrant, as the garbage collector may
    close something in between.
    """

    __slots__ = ("_tokens", "crowd", "final", "lock", "seen", "source", "tick", "watched")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.crowd = Crowd()
        self._tokens = self.crowd.tokens
        #: Whether the source's worker announces this direction.
        self.watched = False
        #: Whether the peer has ended: nothing more will be announced.
        self.final = False
        self.lock = threading.RLock()
        # Nobody has looked yet.
        self.tick = 1
        self.seen = 0

    def is_ready(self) -> bool:
        """Whether a system call may succeed, as far as is known."""
        return self.seen != self.tick

    def __await__(self) -> Generator[Any, None, None]:
        try:
            task = running_task()
        except RuntimeError:
            task = None
        if isinstance(task, Waiter):
            try:
                yield self
            except BaseException:
                self._unregister(task._token)
                del task  # a cancellation's traceback refers to this frame
                raise
        else:
            yield from wait_outside(self)

    def _arm(self, waiter: Any) -> None:
        # As any Park does, with join() written out: two calls less for each message.
        waiter._token = token = [waiter]
        if not self.watched:
            self.source.watch(self)  # may fail, so before others can wake the waiter
        self._tokens[id(token)] = token
        if self.source.level_triggered:
            self.source.rearm(self)
        if self.seen != self.tick or not self.watched or waiter._must_cancel:
            wake(token)

    def join(self, token: Token) -> bool:
        """Have the next event wake `token`'s waiter, once the direction is watched; False if
        there is nothing to wait for."""
        self.crowd.join(token)
        if self.source.level_triggered:
            self.source.rearm(self)
        return self.seen == self.tick and self.watched

    def _unregister(self, token: Token) -> None:
        self.crowd.leave(token)

    def has_ended(self) -> bool:
        """Whether the peer has ended, by the system's own word.

        What was announced may be no more: a socket that is not connected has ended, too. Or it
        was of another descriptor, which had the number before.
        """
        if not self.final:
            return False
        source = self.source
        with self.lock:
            if source.closed:
                return False
            poller = select.poll()
            ended = select.POLLHUP
            if self is source.readable:
                ended |= getattr(select, "POLLRDHUP", 0)  # Linux's
            poller.register(source.fd, ended)
            return any(event & ended for _, event in poller.poll(0))

    def stay_ready(self) -> None:
        """Have everybody try the system call instead of waiting, until one finds it used up."""
        self.seen = 0
        self.wake()

    def announce(self, woken: list[Token]) -> None:
        """There was an event. Moves those who wait to `woken`. For the driver."""
        self.tick += 1
        self.crowd.take(woken)

    def wake(self) -> None:
        """Wake those who wait, to look anew."""
        self.crowd.wake()


class Source:
    """A file descriptor that tasks wait for. Thread-safe.

    Args:
        fd: the descriptor, which must not block.
    """

    __slots__ = (
        "_lock",
        "closed",
        "error",
        "fd",
        "level_triggered",
        "priority",
        "readable",
        "worker",
        "writable",
    )

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.closed = False
        #: Where it is registered.
        self.worker: Worker | None = None
        self.level_triggered = False
        self.readable = Readiness(self)
        self.writable = Readiness(self)
        #: Of out-of-band data and of errors, if somebody wants to know.
        self.priority: Readiness | None = None
        self.error: Readiness | None = None
        # Re-entrant as those of the directions.
        self._lock = threading.RLock()

    def watch(self, readiness: Readiness, used_up: bool = False) -> None:
        """Have a worker announce the events of one direction: the one that runs here, if
        none announces the other direction yet.

        Args:
            used_up: take it for ready only when it has been announced.

        Raises:
            RuntimeError: there is no runtime here, it has been shut down, or something else
                waits for the same descriptor.
            OSError: the system has no readiness for it, such as for a file on a disk; or it is
                closed.
        """
        with self._lock:
            if self.closed:
                raise closed_error()
            if readiness.watched:
                return
            worker = self.worker or here.worker or current_core().any_worker()
            # First: who finds it watched must rearm it.
            self.level_triggered = worker.selector.level_triggered
            if used_up:
                readiness.seen = readiness.tick
            readiness.watched = True
            try:
                worker.selector.watch(self)
            except BaseException:
                readiness.watched = False
                raise
            self.worker = worker

    def directions(self) -> list[Readiness]:
        """All that somebody may wait for."""
        return [
            each
            for each in (self.readable, self.writable, self.priority, self.error)
            if each is not None
        ]

    def rearm(self, readiness: Readiness) -> None:
        """Have the next event of one direction announced, where each is announced once."""
        with self._lock:  # not before it has been watched
            worker = self.worker
        if worker is not None:
            worker.selector.want(self, readiness is self.writable)
            worker.unpark()

    def close(self) -> None:
        """Forget the descriptor; whoever waits is woken by an error. Before it is closed,
        for which one has to hold both locks."""
        with self._lock:
            self.closed = True
        self.detach()

    def detach(self) -> None:
        """Leave the worker, which may have been closed; whoever waits looks anew."""
        with self._lock:
            worker, self.worker = self.worker, None
            for readiness in self.directions():
                readiness.watched = False
            if worker is not None:
                worker.selector.unwatch(self)
        for readiness in self.directions():
            readiness.wake()  # they see `closed`, or that there is no worker


class AnyReadiness(Park):
    """Awaited, waits until one of several directions of a Source may be ready."""

    __slots__ = ("_directions",)

    def __init__(self, directions: list[Readiness]) -> None:
        self._directions = directions

    def __await__(self) -> Generator[Any, None, None]:
        return self._wait()

    def _register(self, token: Token) -> bool:
        for each in self._directions:
            each.source.watch(each)  # may fail, so before others can wake the waiter
        waits = True
        for each in self._directions:
            waits &= each.join(token)
        return waits

    def _unregister(self, token: Token) -> None:
        for each in self._directions:
            each._unregister(token)


def closed_error() -> OSError:
    return OSError(errno.EBADF, "the socket, or the AsyncFd, is closed")
