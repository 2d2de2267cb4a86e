"""Packages that import their modules when one of their names is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any


def import_later(package: str) -> None:
    """Have the package import `names`, and take on the names in there, when it is asked for one.

    Then its `__getattr__` is gone: of a module that has one CPython looks up each name the slow
    way, 34 ns of a `yield_now`'s 340. A submodule may not be called as one of the names is, for
    it would be found in its place.
    """
    module = sys.modules[package]
    own = vars(module)

    def take_names() -> None:
        names = import_module(f"{package}.names")
        own.update({name: getattr(names, name) for name in ("__all__", *names.__all__)})
        own.pop("__getattr__", None)
        own.pop("__dir__", None)

    def get(name: str) -> Any:
        if name.startswith("__") and name != "__all__":
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return import_module(f"{package}.{name}")  # as `from . import` asks for one
        except ModuleNotFoundError:
            take_names()
        return getattr(module, name)

    def names() -> list[str]:
        take_names()
        return dir(module)

    own.update(__getattr__=get, __dir__=names)
