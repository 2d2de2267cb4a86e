"""Counterpart of tokio/tests/join_handle_panic.rs."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.gates import until
from yamanote import Runtime, spawn


class PanicsOnDrop:
    def __del__(self) -> None:
        raise ValueError("I told you so")


def test_panics_do_not_propagate_when_dropping_join_handle(
    rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda info: reported.append(str(info.exc_value)))

    async def output() -> Any:
        return PanicsOnDrop()

    async def main() -> str:
        handle = spawn(output())
        await until(handle.is_finished)
        assert not reported
        del handle
        await until(lambda: reported)
        return "went on"

    assert rt.block_on(main()) == "went on"
    assert reported == ["I told you so"]
