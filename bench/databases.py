"""The servers that some workloads need, started for one run as the tests do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def started() -> Iterator[None]:
    """Their addresses, or why there are none, are in the environment meanwhile."""
    with ExitStack() as stack:
        try:
            import pytest

            from tests.ecosystem import servers
        except ImportError as error:
            os.environ["BENCH_REDIS"] = os.environ["BENCH_POSTGRESQL"] = str(error)
        else:
            skipped: type[BaseException] = pytest.skip.Exception
            try:
                os.environ["BENCH_REDIS"] = stack.enter_context(servers.redis()).url
            except skipped as reason:
                os.environ["BENCH_REDIS"] = str(reason)
            try:
                os.environ["BENCH_POSTGRESQL"] = stack.enter_context(servers.postgres()).url
            except skipped as reason:
                os.environ["BENCH_POSTGRESQL"] = str(reason)
        yield
