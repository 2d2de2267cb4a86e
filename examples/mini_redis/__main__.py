"""`python -m examples.mini_redis`, or `python examples/mini_redis`."""

import contextlib
import sys
from pathlib import Path

import yamanote

if not __package__:  # started as a folder: make it a package, whose modules find each other
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    from mini_redis.server import main
else:
    from .server import main

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        yamanote.run(main())
