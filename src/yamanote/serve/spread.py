"""Which worker gets the next connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .site import Site


class Spread:
    """Gives each connection to the worker that has the fewest, in turns when they are level.

    The kernel would spread by a hash, or by who wakes first: with keep-alive connections, a
    few of which make all the load, one worker would have twice as many as another for as long
    as they last. Thread-safe: all workers accept.
    """

    def __init__(self) -> None:
        self.sites: list[Site] = []
        # Re-entrant: the collector may run inside, and find a connection's end.
        self._lock = threading.RLock()
        self._turn = 0

    def pick(self) -> Site:
        """The worker for a connection that has just been accepted."""
        with self._lock:
            # Others change the sets meanwhile: their sizes are as good as exact.
            site = min(self.sites, key=lambda site: (site.load(), site.turn))
            self._turn += 1
            site.turn = self._turn
            site.coming += 1
            return site

    def arrived(self, site: Site) -> None:
        """The connection counts among the worker's own from now on, or has failed."""
        with self._lock:
            site.coming -= 1
