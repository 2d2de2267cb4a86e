"""An ASGI application that computes for about a millisecond: always the same."""

from __future__ import annotations

from typing import Any

from bench.work import burn

from .plain import app as answer

TURNS = 25_000


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        burn(TURNS)
    await answer(scope, receive, send)
