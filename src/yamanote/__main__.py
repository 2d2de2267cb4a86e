"""`python -m yamanote` is the `yamanote` command."""

import sys

from yamanote.cli import main

if __name__ == "__main__":
    sys.exit(main())
