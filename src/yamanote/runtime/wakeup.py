"""What ends the sleep of a worker's driver, from another thread."""

from __future__ import annotations

import os
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .worker import Worker


class SocketWakeup:
    """A pair of sockets, which the loop reads from."""

    def __init__(self, worker: Worker) -> None:
        self._loop = worker.loop
        self._wake_end, self._sleep_end = socket.socketpair()
        self._wake_end.setblocking(False)
        self._sleep_end.setblocking(False)
        self._loop.add_reader(self._sleep_end, self._sleep_end.recv, 4096)

    def send(self) -> None:
        """End the sleep, or the next one; any thread may call it."""
        try:
            self._wake_end.send(b"\0")
        except OSError:
            pass  # full of wake-ups already, or closed

    def close(self) -> None:
        """Release the descriptors; with the loop still open."""
        self._loop.remove_reader(self._sleep_end)
        self._sleep_end.close()
        self._wake_end.close()


class EventfdWakeup:
    """Linux's eventfd, edge-triggered: each write to it is an event, and nobody has to read
    from it, which is two system calls and a callback less for each wake-up."""

    def __init__(self, worker: Worker) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        # So that it is not closed, and the number another file's, when it is written to.
        # Re-entrant, for signal handlers.
        self._lock = threading.RLock()
        worker.selector.end_waits_by(self._fd)

    def send(self) -> None:
        """End the sleep, or the next one; any thread may call it."""
        with self._lock:
            if self._fd >= 0:
                os.eventfd_write(self._fd, 1)

    def close(self) -> None:
        """Release the descriptor; with the loop still open."""
        with self._lock:
            fd, self._fd = self._fd, -1
            os.close(fd)


def make_wakeup(worker: Worker) -> SocketWakeup | EventfdWakeup:
    """The best that this system has, of a worker that has its loop."""
    if worker.selector.level_triggered or not hasattr(os, "eventfd"):
        return SocketWakeup(worker)
    return EventfdWakeup(worker)
