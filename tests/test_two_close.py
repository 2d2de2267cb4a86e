"""An end of a channel that two threads close at the same time is counted off once."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.channels import LIMIT, on_thread
from yamanote.sync import broadcast, mpsc, watch

Ends = tuple[Any, Any, Callable[[], int]]


def of_mpsc() -> Ends:
    tx, rx = mpsc.channel[int](1)
    return tx.clone(), (tx, rx), tx.strong_count


def of_broadcast() -> Ends:
    tx, rx = broadcast.channel[int](1)
    return tx.clone(), (tx, rx), tx.strong_count


def reader_of_broadcast() -> Ends:
    tx, rx = broadcast.channel[int](1)
    return tx.subscribe(), (tx, rx), tx.receiver_count


def of_watch() -> Ends:
    tx, rx = watch.channel(1)
    return tx.clone(), (tx, rx), tx.sender_count


def reader_of_watch() -> Ends:
    tx, rx = watch.channel(1)
    return rx.clone(), (tx, rx), tx.receiver_count


@pytest.mark.parametrize("step", range(3))
@pytest.mark.parametrize(
    "make", [of_mpsc, of_broadcast, reader_of_broadcast, of_watch, reader_of_watch]
)
def test_one_closes_while_another_is_about_to(make: Callable[[], Ends], step: int) -> None:
    end, others, count = make()
    stands, goes_on = threading.Event(), threading.Event()
    lines = itertools.count()

    def before_a_line(frame: Any, event: str, argument: object) -> Any:
        if frame.f_code.co_name == "close" and next(lines) == step:
            stands.set()
            assert goes_on.wait(LIMIT)
        return before_a_line

    def close() -> None:
        sys.settrace(before_a_line)
        try:
            end.close()
        finally:
            sys.settrace(None)

    closing = on_thread(close)
    assert stands.wait(LIMIT)
    end.close()
    goes_on.set()
    closing.result(LIMIT)
    assert count() == 1
    for each in others:
        each.close()
