"""One workload on one peer, once, its result checked."""

from __future__ import annotations

from bench.install import why_missing
from bench.peers import load
from bench.peers.peer import Unable
from bench.workloads import Workload


def measure(work: Workload, name: str, scale: str) -> float:
    """Seconds or bytes per operation; Unable says why the peer cannot do it."""
    sizes = work.sizes(scale)
    assert sizes is not None
    try:
        peer = load(name)
    except ImportError as error:
        raise Unable(why_missing(name) or str(error)) from error
    meter = work.meter()
    method = peer.method(work.does)
    if work.outside:
        result = method(meter, *sizes)
    else:
        result = peer.run(method, meter, *sizes, workers=work.workers)
    expected = work.result(*sizes)
    if result != expected:
        raise AssertionError(f"{name}: {work.key} gave {result!r} instead of {expected!r}")
    return meter.value / work.operations(*sizes)
