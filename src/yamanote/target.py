"""What the command line names: `package.module:attribute` or `path/script.py:attribute`."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any


class TargetError(Exception):
    """TARGET names nothing that can be run."""


def load_object(target: str, args: Sequence[str], what: str) -> Any:
    """Import `target` as a program of its own and return its object.

    Sets `sys.argv` to the target's file and `args`, and puts the folder in which the program
    looks for its modules first on `sys.path`. `what` is what the object is called in messages.
    Raises `TargetError` when `target` is wrong; an exception out of the target's own code is
    passed on as it is.
    """
    place, colon, attribute = target.rpartition(":")
    if not (colon and place and attribute):
        raise TargetError(f"{target!r} is neither module:{what} nor path/script.py[:{what}]")
    # Before the import: a program may read its arguments in the module's body.
    sys.argv = [place, *args]
    if place.endswith(".py") or os.sep in place or "/" in place:
        module = _load_script(Path(place))
    else:
        module = _load_module(place)
    try:
        return reduce(getattr, attribute.split("."), module)
    except AttributeError:
        raise TargetError(f"{place!r} has no attribute {attribute!r}") from None


def _load_script(path: Path) -> ModuleType:
    check_readable(path)
    path = path.resolve()
    put_first_on_path(path.parent)
    # Under its own name, as if imported from its folder: then `import script` elsewhere is the same
    # module, and what it defines can be pickled and unpickled in a child process. A name that is
    # taken (a script called queue.py) must not replace the module that others rely on.
    name = path.stem if path.stem not in sys.modules else "__yamanote_main__"
    loader = importlib.machinery.SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def check_readable(path: Path) -> None:
    """Raise `TargetError` unless the file can be read."""
    try:
        path.open("rb").close()
    except OSError as error:
        raise TargetError(f"cannot open {str(path)!r}: {error.strerror}") from None


def _load_module(name: str) -> ModuleType:
    put_first_on_path(Path.cwd())
    parts = name.split(".")
    # Package by package: finding a module whose parent is imported runs no code of the program, so
    # "not found" is told apart from an ImportError inside the program.
    for end in range(1, len(parts) + 1):
        step = ".".join(parts[:end])
        try:
            spec = importlib.util.find_spec(step) if parts[end - 1] else None
        except (ImportError, ValueError):
            spec = None
        if spec is None:
            raise TargetError(f"no module named {step!r}")
        sys.argv[0] = spec.origin or step
        module = importlib.import_module(step)
    return module


def put_first_on_path(folder: Path) -> None:
    """Look for modules in `folder` first, unless Python was told not to (`-P`)."""
    if not sys.flags.safe_path and sys.path[:1] != [str(folder)]:
        sys.path.insert(0, str(folder))
