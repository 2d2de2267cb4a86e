"""Packages that import their modules when one of their names is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def import_later(package: str) -> None:
    """Have the package import `names`, and take on the names in there, when it is asked for one.

    With the GIL its `__getattr__` is gone then: of a module that has one CPython looks up each
    name the slow way, 34 ns of a `yield_now`'s 340. A submodule may not be called as one of the
    names is, for it would be found in its place.
    """
    module = sys.modules[package]
    own = vars(module)
    if "__all__" in own:
        return  # it is being reloaded

    def take_names() -> None:
        names = import_module(f"{package}.names")
        for name in (*names.__all__, "__all__"):
            own.setdefault(name, getattr(names, name))  # unless somebody has put another there
        from .runtime.shared import FREE_THREADED  # itself in such a package

        if not FREE_THREADED:  # there another thread may be about to look for it
            own.pop("__getattr__", None)
        own.pop("__dir__", None)

    def get(name: str) -> Any:
        if "__all__" not in own and (name == "__all__" or not name.startswith("_")):
            try:
                return import_module(f"{package}.{name}")  # as `from . import` asks for one
            except ModuleNotFoundError:
                take_names()
        try:
            return own[name]
        except KeyError:
            raise AttributeError(f"module {package!r} has no attribute {name!r}") from None

    def names() -> list[str]:
        take_names()
        return dir(module)

    own.update(__getattr__=get, __dir__=names)
