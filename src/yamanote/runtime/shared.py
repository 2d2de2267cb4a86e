"""What all threads use at every turn, on free-threaded builds.

There a reference to an object that another thread has made is counted by an atomic operation,
and threads that count the same one wait for each other: to look at a global takes 28 ns on one
thread and 75 to 155 on two (CPython 3.14).
"""

from __future__ import annotations

import sys
from typing import Any

#: Whether this build of CPython can run without the GIL.
FREE_THREADED = "t" in getattr(sys, "abiflags", "")


def sentinel(name: str) -> Any:
    """A value that nothing else is: a string, for those that are interned are never counted."""
    return sys.intern(f"<yamanote's {name}>")


def leave_uncounted(*objects: Any) -> None:
    """Have references to these not be counted, where CPython can do so (3.14 and later). When
    nothing refers to them any more is found out by the garbage collector."""
    if FREE_THREADED and sys.version_info >= (3, 14):
        try:
            import ctypes

            defer: Any = ctypes.pythonapi.PyUnstable_Object_EnableDeferredRefcount
        except (ImportError, AttributeError):
            return  # a build without it: slower
        for obj in objects:
            defer(ctypes.py_object(obj))
