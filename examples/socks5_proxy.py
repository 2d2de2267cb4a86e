"""A SOCKS5 proxy (RFC 1928): CONNECT to IPv4 and IPv6 addresses and to names, with a password or
without (RFC 1929).

Each connection is a task: it shakes hands, connects to where the client wants to go, and then
`copy_bidirectional` does the work. Everything has a time limit, and whatever a client sends wrong
is answered as the RFC says. Ctrl-C or SIGTERM lets nobody else in, and gives open connections
`--grace` seconds to end.

    yamanote run --workers 4 examples/socks5_proxy.py:main --port 1080
    curl --proxy socks5h://127.0.0.1:1080 http://example.org/

    SOCKS5_USER=anna:secret python examples/socks5_proxy.py
    curl --proxy socks5h://anna:secret@127.0.0.1:1080 http://example.org/
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hmac
import ipaddress
import os
import socket
import sys
from signal import SIGINT, SIGTERM

import yamanote
from yamanote import TaskTracker, select, signal
from yamanote.net import TcpListener, TcpStream, copy_bidirectional
from yamanote.time import now, sleep_until, timeout

HANDSHAKE = 10.0  # seconds for a client to say what it wants
CONNECTING = 10.0  # seconds to get there
LINGERING = 1.0  # seconds for a client to read why it is turned away

VERSION = 5
PASSWORD_VERSION = 1
CONNECT = 1
NO_PASSWORD, PASSWORD, NO_METHOD = 0, 2, 0xFF
IPV4, NAME, IPV6 = 1, 3, 4

# The replies of RFC 1928, section 6.
SUCCEEDED, FAILURE, NOT_ALLOWED, NETWORK_UNREACHABLE, HOST_UNREACHABLE, REFUSED = range(6)
NO_SUCH_COMMAND, NO_SUCH_ADDRESS_TYPE = 7, 8

REPLY_TO = {
    errno.EACCES: NOT_ALLOWED,
    errno.EPERM: NOT_ALLOWED,
    errno.ENETUNREACH: NETWORK_UNREACHABLE,
    errno.EHOSTUNREACH: HOST_UNREACHABLE,
    errno.ETIMEDOUT: HOST_UNREACHABLE,
    errno.ECONNREFUSED: REFUSED,
}


class Hopeless(Exception):
    """The client does not speak SOCKS5, or may not; whatever there is to say has been said."""


async def shake_hands(client: TcpStream, user: bytes | None) -> None:
    """Agree on a method to authenticate, and do it; `user` is "name:password"."""
    version, count = await client.read_exact(2)
    if version != VERSION:
        raise Hopeless(f"version {version}")
    methods = await client.read_exact(count)
    method = NO_PASSWORD if user is None else PASSWORD
    if method not in methods:
        await client.write_all(bytes([VERSION, NO_METHOD]))
        raise Hopeless("no method in common")
    await client.write_all(bytes([VERSION, method]))
    if user is None:
        return
    version, length = await client.read_exact(2)
    if version != PASSWORD_VERSION:
        raise Hopeless(f"version {version} of the password's message")
    name = await client.read_exact(length)
    password = await client.read_exact(*await client.read_exact(1))
    # Takes equally long however much of it is right.
    right = hmac.compare_digest(name + b":" + password, user)
    await client.write_all(bytes([PASSWORD_VERSION, not right]))
    if not right:
        raise Hopeless("a wrong password")


async def read_request(client: TcpStream) -> tuple[str, int]:
    """Read where the client wants to go."""
    version, command, _, kind = await client.read_exact(4)
    if version != VERSION:
        raise Hopeless(f"version {version} of the request")
    if kind == IPV4:
        host = str(ipaddress.IPv4Address(await client.read_exact(4)))
    elif kind == IPV6:
        host = str(ipaddress.IPv6Address(await client.read_exact(16)))
    elif kind == NAME:
        name = await client.read_exact(*await client.read_exact(1))
        # What is not ASCII no resolver knows either; an empty name would be this machine.
        host = name.decode("ascii", "replace")
        if not host.isascii() or not host.isprintable() or not host:
            await reply(client, HOST_UNREACHABLE)
            raise Hopeless("no name")
    else:
        await reply(client, NO_SUCH_ADDRESS_TYPE)
        raise Hopeless(f"an address of type {kind}")
    port = int.from_bytes(await client.read_exact(2), "big")
    if command != CONNECT:
        await reply(client, NO_SUCH_COMMAND)
        raise Hopeless(f"command {command}")
    return host, port


async def reply(client: TcpStream, code: int, address: tuple[str, int] = ("0.0.0.0", 0)) -> None:
    """Tell the client how it went, and by which address we have gone there."""
    ip = ipaddress.ip_address(address[0].partition("%")[0])
    kind = IPV4 if ip.version == 4 else IPV6
    port = address[1].to_bytes(2, "big")
    await client.write_all(bytes([VERSION, code, 0, kind]) + ip.packed + port)


async def connect(client: TcpStream, host: str, port: int) -> TcpStream:
    """Connect to where the client wants to go, and tell it."""
    try:
        target = await timeout(CONNECTING, TcpStream.connect((host, port)))
    except socket.gaierror as error:
        code, why = HOST_UNREACHABLE, str(error)
    except TimeoutError:
        code, why = HOST_UNREACHABLE, "no answer"
    except (OSError, UnicodeError) as error:  # UnicodeError: a label of the name is too long
        code, why = REPLY_TO.get(getattr(error, "errno", None) or 0, FAILURE), str(error)
    else:
        try:
            await reply(client, SUCCEEDED, target.local_addr()[:2])
        except BaseException:
            target.close()
            raise
        return target
    await reply(client, code)
    raise Hopeless(why)


class Watched:
    """A stream that notes when something was last read from it; `copy_bidirectional` takes
    anything that has these four methods."""

    def __init__(self, stream: TcpStream) -> None:
        self.last = now()
        self.write_all = stream.write_all
        self.flush = stream.flush
        self.shutdown = stream.shutdown
        self._stream = stream

    async def read(self, max_bytes: int = 65536) -> bytes:
        data = await self._stream.read(max_bytes)
        self.last = now()
        return data


async def until_idle(one: Watched, other: Watched, idle: float) -> None:
    """Wait until neither has sent anything for `idle` seconds."""
    while (end := max(one.last, other.last) + idle) > now():
        await sleep_until(end)


async def serve(client: TcpStream, options: argparse.Namespace) -> None:
    user = options.user.encode() if options.user else None
    async with client:
        try:
            async with timeout(HANDSHAKE):
                await shake_hands(client, user)
                host, port = await read_request(client)
            target = await connect(client, host, port)
            async with target:
                client.set_nodelay(True)
                target.set_nodelay(True)
                here, there = Watched(client), Watched(target)
                await select(copy_bidirectional(here, there), until_idle(here, there, options.idle))
        except (Hopeless, EOFError, OSError) as why:
            if options.verbose:
                print(f"a connection has failed: {why!r}", file=sys.stderr)
            if isinstance(why, Hopeless):
                await hang_up(client)


async def hang_up(client: TcpStream) -> None:
    """End a connection so that the last reply arrives: to close it with something unread would
    reset it."""
    with contextlib.suppress(OSError):
        await client.shutdown()
        async with timeout(LINGERING):
            while await client.read():
                pass


async def main() -> None:
    parser = argparse.ArgumentParser(description="A SOCKS5 proxy.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1080, help="0: any free port (default 1080)")
    parser.add_argument(
        "--user",
        metavar="NAME:PASSWORD",
        default=os.environ.get("SOCKS5_USER"),
        help="who may use it (default: $SOCKS5_USER, which others do not see; or everybody)",
    )
    parser.add_argument(
        "--idle", type=float, default=300.0, metavar="SECONDS", help="close what is silent so long"
    )
    parser.add_argument(
        "--grace", type=float, default=5.0, metavar="SECONDS", help="for connections to end"
    )
    parser.add_argument("--verbose", action="store_true", help="say why connections fail")
    options = parser.parse_args()
    if options.user and ":" not in options.user:
        parser.error("--user takes a name and a password: NAME:PASSWORD")
    connections = TaskTracker()

    async def accept(listener: TcpListener) -> None:
        async for stream, _ in listener:
            connections.spawn(serve(stream, options))

    try:
        listener = await TcpListener.bind((options.host, options.port))
    except (OSError, ValueError) as error:
        sys.exit(f"cannot listen: {error}")
    async with listener:
        with signal.unix(SIGINT) as interrupt, signal.unix(SIGTERM) as terminate:
            host, port = listener.local_addr()[:2]
            print(f"listening on {host}:{port}", flush=True)
            await select(accept(listener), interrupt.recv(), terminate.recv())
    # From here on another Ctrl-C has its usual meaning: it ends the program at once.
    connections.close()
    with contextlib.suppress(TimeoutError):  # the runtime ends those that are still there
        await timeout(options.grace, connections.wait())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        yamanote.run(main())
