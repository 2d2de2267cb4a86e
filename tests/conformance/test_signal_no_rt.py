"""Counterpart of tokio/tests/signal_no_rt.rs."""

from __future__ import annotations

from signal import SIGHUP

import pytest

from yamanote import signal


def test_no_runtime_panics_creating_signals() -> None:
    with pytest.raises(RuntimeError, match="there is no Yamanote runtime here"):
        signal.unix(SIGHUP)
