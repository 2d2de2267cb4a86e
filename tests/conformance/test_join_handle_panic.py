"""Counterparts of tokio/tests/join_handle_panic.rs."""

from __future__ import annotations

import sys

import pytest

from tests.gates import until
from yamanote import Runtime, spawn


class PanicsOnDrop:
    def __del__(self) -> None:
        raise ValueError("I told you so")


def test_panics_do_not_propagate_when_dropping_join_handle(
    rt: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    unraisable: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: unraisable.append(str(args.exc_value)))

    async def work() -> PanicsOnDrop:
        return PanicsOnDrop()

    async def main() -> str:
        handle = spawn(work())
        await until(handle.is_finished)
        assert not unraisable
        del handle
        await until(lambda: unraisable)
        return "went on"

    assert rt.block_on(main()) == "went on"
    assert unraisable == ["I told you so"]
