"""The peers, a module for each."""

from __future__ import annotations

from importlib import import_module

from .peer import Peer

# By name: the module, which imports the peer's library, and the class in it.
_WHERE = {
    "yamanote": ("on_yamanote", "Yamanote"),
    "yamanote's loop": ("on_yamanote_loop", "YamanoteLoop"),
    "asyncio": ("on_asyncio", "Asyncio"),
    "uvloop": ("on_uvloop", "Uvloop"),
    "rloop": ("on_rloop", "Rloop"),
    "trio": ("on_trio", "Trio"),
    "anyio": ("on_anyio", "Anyio"),
    "gevent": ("on_gevent", "Gevent"),
    "hypertile": ("on_hypertile", "Hypertile"),
    "tinyio": ("on_tinyio", "Tinyio"),
    "tonio": ("on_tonio", "Tonio"),
    "mt-asyncio": ("on_mt_asyncio", "MtAsyncio"),
    "pyroutine-rt": ("on_pyroutine", "Pyroutine"),
    "bare trampoline": ("trampoline", "Trampoline"),
    "bare threads": ("threads", "Threads"),
    "janus": ("on_janus", "Janus"),
    "culsans": ("on_culsans", "Culsans"),
    "yamanote serve": ("servers", "YamanoteServe"),
    "yamanote serve, 2 workers": ("servers", "YamanoteServeTwo"),
    "uvicorn": ("servers", "Uvicorn"),
    "uvicorn, 2 processes": ("servers", "UvicornTwo"),
    "hypercorn": ("servers", "Hypercorn"),
    "granian": ("servers", "Granian"),
}


def load(name: str) -> Peer:
    """The peer of this name; ImportError when it is not installed, or not for this build."""
    module, kind = _WHERE[name]
    peer: Peer = getattr(import_module(f"{__name__}.{module}"), kind)()
    return peer


def names() -> list[str]:
    """Of all there are, installed or not."""
    return list(_WHERE)
