"""What the packages have, and when it is imported."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import yamanote
from tests.gates import FREE_THREADED

PACKAGES = ["net", "runtime", "signal", "sync", "task", "time"]


def run(program: str) -> str:
    """What a new interpreter prints, where nothing has been imported."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("package", PACKAGES)
def test_import_star_dir_and_all_agree(package: str) -> None:
    program = f"""
before = set(globals())
from yamanote.{package} import *
print(sorted(set(globals()) - before - {{"before"}}))
"""
    names = sorted(import_module(f"yamanote.{package}").__all__)
    assert run(program) == f"{names}\n"
    listed = run(f"import yamanote; print(*dir(yamanote.{package}))").split()
    assert set(names) <= set(listed)


@pytest.mark.parametrize("package", PACKAGES)
def test_many_threads_ask_first(package: str) -> None:
    program = f"""
import sys, threading, yamanote
sys.setswitchinterval(1e-6)
names = {import_module(f"yamanote.{package}").__all__}
start, found = threading.Barrier(8), []
def ask(names):
    start.wait()
    found.append([getattr(yamanote.{package}, name) for name in names])
count = len(names)
rotated = [names[n % count :] + names[: n % count] for n in range(8)]
threads = [threading.Thread(target=ask, args=(each,)) for each in rotated]
for thread in threads: thread.start()
for thread in threads: thread.join()
values = [getattr(yamanote.{package}, name) for name in names]
print(all(sorted(map(id, each)) == sorted(map(id, values)) for each in found))
print(len(found))
"""
    assert run(program) == "True\n8\n"


@pytest.mark.parametrize("package", [*PACKAGES, None])
def test_no_such_name(package: str | None) -> None:
    where = "yamanote" if package is None else f"yamanote.{package}"
    program = f"""
import yamanote
for _ in range(2):
    try:
        {where}.spwan
    except AttributeError as error:
        print(error)
"""
    said = f"module {where!r} has no attribute 'spwan'\n"
    assert run(program) == said * 2


def test_what_is_not_needed_is_not_imported() -> None:
    program = "import sys, yamanote; print(*sys.modules)"
    imported = set(run(program).split())
    assert "yamanote.runtime.core" in imported
    for module in ("sync.mpsc", "net.tcp_stream", "time.sleeping", "signal.streams", "serve"):
        assert f"yamanote.{module}" not in imported


@pytest.mark.parametrize("package", [None] if FREE_THREADED else [None, *PACKAGES])
def test_names_are_looked_up_the_fast_way(package: str | None) -> None:
    # CPython does not specialize the lookup in a module that has a __getattr__.
    where = yamanote if package is None else import_module(f"yamanote.{package}")
    assert where.__all__
    assert "__getattr__" not in vars(where)


def test_no_submodule_is_called_as_a_name_is() -> None:
    # It would be found in its place, by who comes between its import and the name's.
    root = Path(yamanote.__file__).parent
    for package in PACKAGES:
        module = import_module(f"yamanote.{package}")
        modules = {path.stem for path in (root / package).iterdir()}
        for name in modules & set(module.__all__):
            assert getattr(module, name) is import_module(f"yamanote.{package}.{name}")


@pytest.mark.parametrize("of", ["yamanote.run", "yamanote.main", "yamanote.Runtime.__init__"])
def test_annotations_can_be_looked_up(of: str) -> None:
    assert "config" in run(f"import typing, yamanote; print(*typing.get_type_hints({of}))")


def test_what_has_been_put_in_the_place_of_a_name_stays() -> None:
    program = """
import importlib, yamanote
from unittest import mock
yamanote.time.sleep = instead = object()
print(yamanote.time.interval is not None, yamanote.time.sleep is instead)
with mock.patch("yamanote.net.TcpStream") as fake:
    print(yamanote.net.TcpListener is not None, yamanote.net.TcpStream is fake)
importlib.reload(yamanote.sync)
mutex = yamanote.sync.Mutex
importlib.reload(yamanote.sync)
with mock.patch("yamanote.sync.Mutex") as fake:
    print(hasattr(yamanote.sync, "nothing"), yamanote.sync.Mutex is fake)
print(yamanote.sync.Mutex is mutex)
"""
    assert run(program) == "True True\nTrue True\nFalse True\nTrue\n"
