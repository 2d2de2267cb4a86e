"""Serving an application on the workers of a runtime."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..runtime.here import current_core, serving
from ..runtime.join import Ended, JoinError
from ..sync.cancellation import CancellationToken
from ..task.combine import select
from .errors import ServeError
from .listener import Listener
from .site import Site
from .spread import Spread
from .uvicorn import load, make_config

if TYPE_CHECKING:
    from ..runtime.core import Core
    from ..runtime.task import Task

logger = logging.getLogger("uvicorn.error")


async def serve(
    app: Any,
    *,
    host: str | None = "127.0.0.1",
    port: int = 8000,
    uds: str | None = None,
    fd: int | Sequence[int] | None = None,
    workers: int | None = None,
    factory: bool = False,
    lifespan: Literal["auto", "on", "once", "off"] = "auto",
    timeout_graceful_shutdown: float | None = None,
    shutdown: CancellationToken | None = None,
    on_listening: Callable[[list[str]], object] | None = None,
    **options: Any,
) -> None:
    """Serve an ASGI application on the workers of this runtime, until it is told to stop.

        async def main() -> None:
            await serve(app, host="0.0.0.0", port=8000)

        yamanote.run(main())

    Each connection stays on one worker, the one that had the fewest when it came. The
    application's lifespan runs on each worker, and what it puts into `state` is seen by
    that worker's requests.

    To stop, cancel `shutdown`, or the caller: no connection is accepted any more, running
    requests may end, and the lifespans' ends run. Another cancellation of the caller cuts
    this short.

    Args:
        app: the application.
        host, port: where to listen; port 0 is any free one, host None all addresses.
        uds: the path of a Unix socket to listen on instead.
        fd: one or more sockets, by their file descriptors, to listen on instead.
        workers: how many of the runtime's workers serve; all by default.
        factory: `app` is a function without arguments, called on each worker for an
            application of the worker's own.
        lifespan: "auto" runs it on each worker, if the application has one; "on" takes an
            exception of it for a failure; "once" runs it on the first worker only, with
            `state` shared by all; "off" does not run it.
        timeout_graceful_shutdown: after how many seconds the requests that still run
            are cancelled; never by default.
        shutdown: stops the server when it is cancelled.
        on_listening: called with the server's addresses, as URLs, once it listens.
        options: further keyword arguments of `uvicorn.Config`: `log_level`, `ssl_certfile`,
            `root_path`, …

    Raises:
        ServeError: the server cannot start: an address in use, an application that does
            not exist or whose lifespan fails, uvicorn not installed.
        TypeError: there is no such option.
        RuntimeError: not inside a runtime.
    """
    core = current_core()
    if lifespan not in ("auto", "on", "once", "off"):
        raise ServeError(f"lifespan must be 'auto', 'on', 'once' or 'off', not {lifespan!r}")
    if workers is not None and not 1 <= workers <= len(core.workers):
        raise ServeError(f"workers must be 1 to {len(core.workers)}, not {workers!r}")
    options["lifespan"] = "auto" if lifespan == "once" else lifespan
    options["factory"] = factory
    chosen = core.workers[:workers]
    limit = options.get("limit_concurrency")
    if limit is not None:
        options["limit_concurrency"] = -(-limit // len(chosen))  # uvicorn's is each worker's
    configs = [make_config(app, **options)]
    if factory:
        configs += [make_config(app, sets_up_logging=False, **options) for _ in chosen[1:]]
    else:
        load(configs[0])
        configs *= len(chosen)
    spread = Spread()
    spread.sites = [
        Site(worker, config, spread) for worker, config in zip(chosen, configs, strict=True)
    ]
    listener = Listener(host=host, port=port, uds=uds, fd=fd)
    await _Server(
        core,
        spread.sites,
        listener,
        once=lifespan == "once",
        patience=timeout_graceful_shutdown,
        stop=CancellationToken() if shutdown is None else shutdown.child_token(),
        on_listening=on_listening,
    ).run()


class _Server:
    def __init__(
        self,
        core: Core,
        sites: list[Site],
        listener: Listener,
        *,
        once: bool,
        patience: float | None,
        stop: CancellationToken,
        on_listening: Callable[[list[str]], object] | None,
    ) -> None:
        self._core = core
        self._sites = sites
        self._listener = listener
        self._once = once
        self._patience = patience
        self._stop = stop
        self._on_listening = on_listening
        #: The cancellation that came while the server was ending.
        self._interrupted: asyncio.CancelledError | None = None
        # For the requests' synchronous parts, see here.py.
        self._context = contextvars.copy_context()
        self._context.run(serving.set, core)

    def _on(self, site: Site, coro: Coroutine[Any, Any, None]) -> Task[None]:
        """Run a part of a site's life on its worker."""
        return self._context.copy().run(self._core.spawn_on, site.worker, coro)

    async def run(self) -> None:
        try:
            if await self._start():
                await self._listen()
                await self._stop.cancelled()
        finally:
            await self._end()

    # The lifespans start, and end, one after another: applications are not written for
    # two at once in one process.

    async def _start(self) -> bool:
        """Start the application on each worker; False when told to stop meanwhile."""
        first = self._sites[0]
        for site in self._sites:
            own = not self._once or site is first
            if not own:
                site.app_state = first.app_state
            starting = self._on(site, site.start(own))
            try:
                await select(_result(starting), self._stop.cancelled(), biased=True)
            finally:
                starting.abort()
                await Ended(starting)
            if self._stop.is_cancelled():
                return False
        return True

    async def _listen(self) -> None:
        config = self._sites[0].config
        self._listener.listen(config.backlog)
        self._sites[0].on_tick = self._count_requests
        for site in self._sites:
            await _result(self._on(site, site.open(self._listener.sockets)))
        urls = self._listener.urls("https" if config.is_ssl else "http")
        count = len(self._sites)
        logger.info(
            "Yamanote serves on %s with %d worker%s (Press CTRL+C to quit)",
            ", ".join(urls),
            count,
            "" if count == 1 else "s",
        )
        if self._on_listening is not None:
            self._on_listening(urls)

    def _count_requests(self) -> None:
        limit = self._sites[0].config.limit_max_requests
        if limit is not None and sum(site.state.total_requests for site in self._sites) >= limit:
            logger.info("Maximum request limit of %d exceeded. Terminating process.", limit)
            self._stop.cancel()

    async def _end(self) -> None:
        started = [site for site in self._sites if site.started]
        if started:
            logger.info("Shutting down")
        await self._see_end([self._on(site, site.close()) for site in started])
        self._listener.close()
        if any(site.busy() for site in started):
            logger.info("Waiting for running requests to end. (Press CTRL+C to cancel them)")
        deadline = None if self._patience is None else time.monotonic() + self._patience
        await self._see_end([self._on(site, site.drain(deadline)) for site in started])
        for site in reversed(started):
            ending = self._on(site, site.end_lifespan(self._interrupted is not None))
            await self._see_end([ending], abort=True)
        if self._interrupted is not None:
            raise self._interrupted

    async def _see_end(self, parts: list[Task[None]], abort: bool = False) -> None:
        try:
            for part in parts:
                await Ended(part)
        except asyncio.CancelledError as error:
            self._interrupted = error
            for site in self._sites:
                site.hurry = True
            for part in parts:
                if abort:
                    part.abort()
                await Ended(part)


async def _result(part: Task[None]) -> None:
    try:
        await part
    except JoinError as error:
        if error.is_cancelled():
            raise ServeError("the runtime shuts down") from None
        raise error.into_panic() from None
