"""asyncio's transport of a connected socket, made safe for a loop among others."""

from __future__ import annotations

import threading
from asyncio import selector_events
from typing import TYPE_CHECKING


class SocketTransport(selector_events._SelectorSocketTransport):  # type: ignore[name-defined,misc]
    """asyncio's, which sends at once if it can, on whatever thread that is."""

    if not TYPE_CHECKING:

        def write(self, data):
            loop = self._loop  # None once the connection is lost
            if loop is not None and loop._thread_id != threading.get_ident():
                loop._claim()
            return super().write(data)

        def writelines(self, list_of_data):
            loop = self._loop
            if loop is not None and loop._thread_id != threading.get_ident():
                loop._claim()
            return super().writelines(list_of_data)
