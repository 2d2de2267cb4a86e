"""Names that a package has, and imports when they are asked for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def importer(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package: by name, the submodule that has it, or is it."""

    def import_it(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{place}")
        value = module if name == place else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    return import_it
