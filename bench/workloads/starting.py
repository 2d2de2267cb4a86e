"""What it takes to begin."""

from __future__ import annotations

from .everyone import EVERYONE
from .workload import Group, Workload

GROUP = Group(
    "starting",
    "Starting",
    "`import`, in a new interpreter, and then to run a main program that does nothing.",
    EVERYONE,
    (
        Workload(
            "import",
            "import",
            "imports",
            (),
            (),
            (),
            operations=lambda: 1,
            result=lambda: True,
            outside=True,
        ),
        Workload("start", "run nothing", "start", (50,), (20,), (1,), outside=True),
    ),
)
