"""A worker process of pyperf's: one workload on one peer.

    python -m bench.worker KEY PEER SCALE VALUES FILE

writes a pyperf Benchmark of one run into the file, or, if the peer is not able to do it, ends
with status 3 and says why on standard error.
"""

from __future__ import annotations

import os
import resource
import sys
from typing import Any

import pyperf

from bench.once import measure
from bench.peers import load
from bench.peers.peer import Unable
from bench.workloads import find

UNABLE = 3
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2  # bytes for one of us


def main(key: str, peer: str, scale: str, values: str, file: str) -> None:
    work = find(key)
    metadata: dict[str, Any] = {"workload": key, "peer": peer, "unit": work.meter.unit}

    def measured(loops: int) -> float:
        return sum(measure(work, peer, scale) for _ in range(loops))

    # One of its workers, started by us: which peer's turn it is, we say.
    runner = pyperf.Runner()
    arguments = ["--worker", "--loops=1", f"--values={values}", f"--warmups={work.warmups}"]
    runner.parse_args(arguments)
    runner.metadata.update(metadata)
    # A million tasks of some peers would take more than there is.
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        benchmark = runner.bench_time_func(f"{key}: {peer}", measured)
    except MemoryError:
        print(f"it takes more than {MEMORY >> 20:,} MiB", file=sys.stderr)
        sys.exit(UNABLE)
    except Unable as reason:
        print(reason, file=sys.stderr)
        sys.exit(UNABLE)
    if version := load(peer).version():
        benchmark.update_metadata({"peer_version": version})
    benchmark.dump(file, replace=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
