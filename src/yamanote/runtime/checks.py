"""What is said of a parameter that is no number of seconds, or no whole number."""

from __future__ import annotations

import math
import operator
from typing import Any


def as_seconds(what: str, value: Any) -> float:
    """What `what` was given, if it is a number of seconds.

    Raises:
        TypeError, ValueError: it is none.
    """
    try:
        if 0.0 + value <= math.inf:
            seconds: float = value
            return seconds
    except TypeError:
        raise TypeError(f"{what} needs a number of seconds, not {value!r}") from None
    raise ValueError(f"{what} needs a number of seconds, not NaN")


def check_whole(what: str, value: Any) -> None:
    """Raise a TypeError unless `value`, which is given for `what`, is a whole number."""
    try:
        operator.index(value)
    except TypeError:
        raise TypeError(f"{what} must be a whole number, not {value!r}") from None
