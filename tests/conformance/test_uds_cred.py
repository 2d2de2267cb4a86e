"""Counterpart of tokio/tests/uds_cred.rs."""

from __future__ import annotations

import os
import socket

import pytest

from yamanote import Runtime
from yamanote.net import UCred, UnixStream


@pytest.mark.skipif(not hasattr(socket, "SO_PEERCRED"), reason="the system does not tell")
def test_socket_pair(rt: Runtime) -> None:
    async def main() -> None:
        a, b = UnixStream.pair()
        async with a, b:
            assert a.peer_cred() == b.peer_cred() == UCred(os.geteuid(), os.getegid(), os.getpid())

    rt.block_on(main())
