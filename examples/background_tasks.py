"""A plain synchronous program with background tasks: no `async` in its main flow.

`with Runtime()` starts the workers; `rt.spawn` and `rt.spawn_blocking` hand them work
from the plain thread, which goes on with its own and calls `join` when it needs a result.

    python examples/background_tasks.py [FILE ...]
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import yamanote
from yamanote import JoinError
from yamanote.time import sleep


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def heartbeat() -> None:
    while True:
        print("still working", file=sys.stderr)
        await sleep(1.0)


def main() -> int:
    paths = [Path(name) for name in sys.argv[1:]] or [Path(__file__)]
    failed = 0
    with yamanote.Runtime() as rt:
        # A task that ends only when it is told to.
        beat = rt.spawn(heartbeat())
        checksums = [rt.spawn_blocking(digest, path) for path in paths]

        # The tasks run by themselves while this thread does something else …
        print(f"{sum(len(path.name) for path in paths)} letters in {len(paths)} names")

        # … and waits for each where it needs the result.
        for path, handle in zip(paths, checksums, strict=True):
            try:
                print(f"{handle.join(timeout=60)}  {path}")
            except JoinError as error:
                failed += 1
                print(f"{path}: {error.__cause__}", file=sys.stderr)

        beat.abort()
        try:
            beat.join(timeout=60)
        except JoinError as error:
            print(f"heartbeat cancelled: {error.is_cancelled()}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
