"""What serves on one worker: its lifespan, its connections, and their end.

A Site belongs to its worker: everything runs there, but for `load()`, `coming` and `turn`,
which `Spread` uses under its lock, and `adopt`, which is sent there.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from .errors import ServeError
from .request_loop import RequestLoop
from .spread import Spread
from .uvicorn import load, new_state

if TYPE_CHECKING:
    from ..runtime.worker import Worker

logger = logging.getLogger("uvicorn.error")

# How many connections are accepted in a row, so that those which are there get their turn.
_ACCEPTS = 32

# Seconds until accept is tried again when the system is out of descriptors or memory.
_BACK_OFF = 1.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

# How often a site that is closing looks whether its connections have gone, and how long the
# requests that were cancelled get to end, in seconds.
_GLANCE = 0.02
_GRACE = 1.0


class Site:
    """One worker's part of a server."""

    def __init__(self, worker: Worker, config: Any, spread: Spread) -> None:
        self.worker = worker
        self.config = config
        #: What the lifespan has left for the requests.
        self.app_state: dict[str, Any] = {}
        #: Connections on their way here, and when it last got one.
        self.coming = 0
        self.turn = 0
        #: Set by `Server`: wait for nothing more.
        self.hurry = False
        self.started = False
        #: Called each second.
        self.on_tick: Callable[[], object] | None = None
        self._loop = worker.loop
        self._requests: Any = None
        self._spread = spread
        self._lifespan: Any = None
        self._sockets: list[socket.socket] = []
        self._closing = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.TimerHandle | None = None
        self.state: Any = None

    def load(self) -> int:
        """How many connections the worker has, or is about to have."""
        return len(self.state.connections) + self.coming

    # The start.

    async def start(self, with_lifespan: bool) -> None:
        """Make the application, if that was not done before, and run its lifespan's start.

        Raises:
            ServeError: the application does not start.
        """
        if not self.config.loaded:
            load(self.config)
        self.state = new_state()
        self._requests = RequestLoop(self._loop, self.config.timeout_keep_alive)
        if with_lifespan:
            await self._start_lifespan()
        self.started = True

    async def _start_lifespan(self) -> None:
        class Lifespan(self.config.lifespan_class):  # type: ignore[misc, name-defined]
            task: Any = None

            async def main(self) -> None:
                self.task = asyncio.current_task()
                await super().main()

        self._lifespan = Lifespan(self.config)
        try:
            await self._lifespan.startup()
        except asyncio.CancelledError:
            await self.end_lifespan(hurry=True)
            raise
        if self._lifespan.should_exit:
            self._lifespan = None
            raise ServeError("the application's lifespan has failed at the start, see above")
        self.app_state = self._lifespan.state

    async def end_lifespan(self, hurry: bool = False) -> None:
        """Run the end of the application's lifespan; or cancel it, when in a hurry."""
        lifespan, self._lifespan = self._lifespan, None
        if lifespan is None:
            return
        try:
            if hurry and lifespan.task is not None:
                lifespan.task.cancel()
            elif not hurry:
                await lifespan.shutdown()
        except asyncio.CancelledError:
            lifespan.task.cancel()
            raise
        finally:
            if lifespan.task is not None:
                await asyncio.wait([lifespan.task], timeout=_GRACE)

    async def open(self, sockets: list[socket.socket]) -> None:
        """Begin to accept connections, for all workers."""
        self._tick()
        self._sockets = sockets
        for sock in sockets:
            self._loop.add_reader(sock, self._accept, sock)

    def _tick(self) -> None:
        headers = list(self.config.encoded_headers)
        if self.config.date_header:
            headers.insert(0, (b"date", formatdate(time.time(), usegmt=True).encode()))
        self.state.default_headers = headers
        if self.on_tick is not None:
            self.on_tick()
        self._ticker = self._loop.call_later(1.0, self._tick)

    # Connections.

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, _address = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return  # another worker has it
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                logger.error("Cannot accept connections for a moment: %s", error)
                self._loop.remove_reader(sock)
                self._loop.call_later(_BACK_OFF, self._accept_again, sock)
                return
            connection.setblocking(False)
            site = self._spread.pick()
            if site is self:
                self.adopt(connection)
                continue
            try:
                site._loop.call_soon_threadsafe(site.adopt, connection)
            except RuntimeError:  # its loop is closed: the runtime shuts down
                self._spread.arrived(site)
                connection.close()

    def _accept_again(self, sock: socket.socket) -> None:
        if not self._closing:
            self._loop.add_reader(sock, self._accept, sock)

    def adopt(self, connection: socket.socket) -> None:
        """Serve a connection that was accepted, perhaps on another worker."""
        if self._closing:
            self._spread.arrived(self)
            connection.close()
            return
        if self.config.ssl is None:
            self._loop.attach(connection, self._make_protocol())
            # After the call of connection_made.
            self._loop.call_soon(self._spread.arrived, self)
            return
        task = self._loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make_protocol, connection, ssl=self.config.ssl
            )
        except OSError as error:  # of TLS too: a client that speaks no TLS, say
            logger.debug("a connection has failed: %s", error)
        finally:
            self._spread.arrived(self)

    def _make_protocol(self) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self.config.http_protocol_class(
            config=self.config,
            server_state=self.state,
            app_state=self.app_state,
            _loop=self._requests,
        )
        return protocol

    # The end.

    async def close(self) -> None:
        """Accept no more connections."""
        self._closing = True
        if self._ticker is not None:
            self._ticker.cancel()
        for sock in self._sockets:
            self._loop.remove_reader(sock)
        self._sockets = []

    async def drain(self, deadline: float | None) -> None:
        """See the requests that run end; cancel those that do not by `deadline`, in
        seconds of `time.monotonic()`."""
        if self.state is None:
            return
        for connection in list(self.state.connections):
            connection.shutdown()
        if not await self._gone(self.busy, deadline):
            if self.state.tasks:
                logger.error(
                    "Cancel %s running task(s), timeout graceful shutdown exceeded",
                    len(self.state.tasks),
                )
            for task in [*self.state.tasks, *self._connecting]:
                task.cancel(msg="Task cancelled, timeout graceful shutdown exceeded")
            self.hurry = False
            await self._gone(self._runs, time.monotonic() + _GRACE)
        for connection in list(self.state.connections):
            connection.transport.abort()

    def _runs(self) -> bool:
        return bool(self.state.tasks or self._connecting)

    def busy(self) -> bool:
        """Whether there are connections or requests; any thread may ask."""
        return bool(self.state.connections or self._runs())

    async def _gone(self, busy: Callable[[], bool], deadline: float | None) -> bool:
        while busy():
            if self.hurry or (deadline is not None and time.monotonic() >= deadline):
                return False
            await asyncio.sleep(_GLANCE)
        return True
