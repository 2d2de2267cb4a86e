"""TLS: what goes over it, how it begins and ends, and what tasks do to it at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import hashlib
import random
import select
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from yamanote import JoinError, Runtime, spawn, spawn_blocking, yield_now
from yamanote.net import (
    AsyncRead,
    AsyncWrite,
    TcpListener,
    TcpStream,
    TlsAcceptor,
    TlsConnector,
    TlsStream,
    UnixStream,
    copy_bidirectional,
)
from yamanote.task import try_join
from yamanote.time import Elapsed, timeout

from .gates import FREE_THREADED, PENDING, poll, settled

if FREE_THREADED and sys.version_info.releaselevel == "alpha":
    pytest.skip("cryptography crashes this interpreter", allow_module_level=True)
trustme = pytest.importorskip("trustme")

CA = trustme.CA()
CERT = CA.issue_cert("example.org", "localhost")
OTHER_CERT = CA.issue_cert("other.example")
CLIENT_CERT = CA.issue_cert("client@example.org")

DATA = random.Random(1).randbytes(3_000_000)


def server_context(cert: Any = CERT, **attributes: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    cert.configure_cert(context)
    CA.configure_trust(context)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def client_context(**attributes: Any) -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


SERVER = server_context()
CLIENT = client_context()
ACCEPTOR = TlsAcceptor(SERVER)
CONNECTOR = TlsConnector(CLIENT)


async def connected(
    one: Any,
    other: Any,
    connector: TlsConnector = CONNECTOR,
    acceptor: TlsAcceptor = ACCEPTOR,
    name: str = "example.org",
) -> tuple[TlsStream[Any], TlsStream[Any]]:
    return await try_join(connector.connect(name, one), acceptor.accept(other))


async def pair(
    connector: TlsConnector = CONNECTOR, acceptor: TlsAcceptor = ACCEPTOR
) -> tuple[TlsStream[UnixStream], TlsStream[UnixStream]]:
    return await connected(*UnixStream.pair(), connector, acceptor)


async def tcp_pair() -> tuple[TcpStream, TcpStream]:
    async with await TcpListener.bind(("127.0.0.1", 0)) as listener:
        one = await TcpStream.connect(listener.local_addr())
        other, _ = await listener.accept()
    return one, other


class Dribble(AsyncRead, AsyncWrite):
    """A transport of one's own: it gives and takes some bytes at a time, with others' turns in
    between, and has nothing but what it must have."""

    def __init__(self, stream: UnixStream, most: int, seed: int = 0) -> None:
        self.stream = stream
        self.most = most
        self.random = random.Random(seed)
        self.failures: list[OSError] | None = None

    async def _receive(self, max_bytes: int) -> bytes:
        if self.random.random() < 0.3:
            await yield_now()
        return await self.stream.read(min(max_bytes, self.random.randint(1, self.most)))

    async def write(self, data: Any) -> int:
        if self.failures is not None:
            self.failures.append(BrokenPipeError())
            raise self.failures[-1]
        if self.random.random() < 0.3:
            await yield_now()
        return await self.stream.write(data[: self.random.randint(1, self.most)])

    async def shutdown(self) -> None:
        await self.stream.shutdown()

    def close(self) -> None:
        self.stream.close()


# What goes over it.


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_ends_read_what_the_other_writes(rt: Runtime, version: ssl.TLSVersion) -> None:
    async def main() -> None:
        connector = TlsConnector(client_context(maximum_version=version))
        one, other = await tcp_pair()
        client, server = await connected(one, other, connector)
        async with client, server:
            assert client.version() == server.version() == version.name.replace("_", ".")
            assert client.cipher() == server.cipher()
            assert client.get_ref() is one
            assert client.peer_addr() == server.local_addr()
            assert "TlsStream TLSv1" in repr(client)

            await client.write_all(b"hello")
            assert await server.read() == b"hello"
            assert await server.write(bytearray(b"good day")) == 8
            await server.flush()
            assert await client.read(4) == b"good"
            assert await client.peek() == b" day"
            assert await client.read_exact(4) == b" day"

            await server.write_all_vectored([b"one\n", b"", b"tw", b"o\n", b"rest"])
            await server.write_all(b"")
            await server.shutdown()
            assert [line async for line in client.lines()] == ["one", "two", "rest"]
            assert await client.read() == b""

    rt.block_on(main())


def test_the_default_context_trusts_nobody_whom_the_system_does_not(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        server = spawn(ACCEPTOR.accept(other))
        with pytest.raises(ssl.SSLCertVerificationError):
            await TlsConnector().connect("example.org", one)
        with pytest.raises(JoinError) as caught:
            await server
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert one.is_closed()
        assert other.is_closed()

    rt.block_on(main())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("owned", [False, True])
def test_large_data_both_ways_at_once(
    rt: Runtime, version: ssl.TLSVersion, owned: bool, switch_interval: float
) -> None:
    async def send(half: Any) -> None:
        rng = random.Random(0)
        sent = 0
        while sent < len(DATA):
            count = rng.choice([1, 100, 20_000, 300_000])
            await half.write_all(DATA[sent : sent + count])
            sent += count
        await half.shutdown()

    async def receive(half: Any) -> str:
        digest = hashlib.sha256()
        while data := await half.read():
            digest.update(data)
        return digest.hexdigest()

    async def main() -> None:
        connector = TlsConnector(client_context(maximum_version=version))
        client, server = await pair(connector)
        halves = [
            half
            for stream in (client, server)
            for half in (stream.into_split() if owned else stream.split())
        ]
        writers = [spawn(send(half)) for half in halves[1::2]]
        readers = [spawn(receive(half)) for half in halves[::2]]
        digest = hashlib.sha256(DATA).hexdigest()
        for reader in readers:
            assert await reader == digest
        for writer in writers:
            await writer
        if owned:
            for half in halves:
                half.close()
        else:
            client.close()
            server.close()
        assert client.get_ref().is_closed()

    rt.block_on(main())


def test_writers_at_the_same_time_write_one_after_the_other(multi_rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()
        async with client, server:
            size = 200_000
            writers = [spawn(client.write_all(bytes([n]) * size)) for n in range(8)]
            pieces = [await server.read_exact(size) for _ in writers]
            assert sorted(pieces) == [bytes([n]) * size for n in range(8)]
            for writer in writers:
                await writer

    multi_rt.block_on(main())


def test_copying_through(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()
        near, inside = UnixStream.pair()
        tunnel = spawn(copy_bidirectional(inside, client))
        async with near, server, client, inside:

            async def send() -> None:
                await near.write_all(DATA)
                await near.shutdown()

            sending = spawn(send())
            assert await server.read_to_end() == DATA
            await server.write_all(b"thanks")
            await server.shutdown()
            assert await near.read_to_end() == b"thanks"
            await sending
            assert await tunnel == (len(DATA), 6)

    rt.block_on(main())


@pytest.mark.parametrize("most", [7, 100_000])
def test_over_a_transport_of_ones_own(rt: Runtime, most: int) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        client, server = await connected(Dribble(one, most), Dribble(other, most, 1))
        data = DATA[: 3000 * most][:300_000]
        sending = spawn(client.write_all(data))
        assert await server.read_exact(len(data)) == data
        await sending
        # Without try_write() it is kept until somebody goes on.
        assert await server.write(b"answer") == 6
        with pytest.raises(BlockingIOError):
            client.try_read()
        reading = spawn(server.read())
        await client.readable()
        assert client.try_read() == b"answer"
        await client.write_all(b"bye")
        assert await reading == b"bye"
        await client.shutdown()
        assert await server.read() == b""
        client.close()
        server.close()
        assert one.is_closed()
        assert other.is_closed()

    rt.block_on(main())


def test_one_can_read_when_one_cannot_write(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        transport = Dribble(one, 100_000)
        client, server = await connected(transport, other)
        transport.failures = []
        assert await client.write(b"not to be sent") == 14
        reading = spawn(client.read_exact(9))
        await settled()
        await settled()
        await server.write_all(b"some ")
        await settled()
        await server.write_all(b"data")
        assert await reading == b"some data"
        # Now and then it is tried again.
        assert 0 < len(transport.failures) < 20
        with pytest.raises(BrokenPipeError):
            await client.flush()
        client.close()
        server.close()

    rt.block_on(main())


def test_tls_in_tls(rt: Runtime) -> None:
    async def main() -> None:
        outer = await pair()
        client, server = await connected(*outer)
        async with client, server:
            assert client.get_ref() is outer[0]
            reader, writer = client.split()
            sending = spawn(writer.write_all(DATA))
            back = spawn(server.write_all(DATA[::-1]))
            got = spawn(reader.read_exact(len(DATA)))
            assert await server.read_exact(len(DATA)) == DATA
            assert await got == DATA[::-1]
            await sending
            await back
            client.close()
            assert await server.read() == b""
            assert await outer[1].read() == b""

    rt.block_on(main())


def test_without_waiting(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()
        async with client, server:
            await client.writable()
            assert client.try_write(b"") == 0
            assert client.try_write_vectored([b"", b"ping"]) == 4
            await server.readable()
            assert server.try_read(2) == b"pi"
            assert server.try_read() == b"ng"
            with pytest.raises(BlockingIOError):
                server.try_read()

            sent = 0
            with pytest.raises(BlockingIOError):
                while True:
                    sent += client.try_write(DATA)
            received = await server.read_exact(1)
            while len(received) < sent:
                try:
                    received += server.try_read()
                except BlockingIOError:
                    await client.flush()
                    await server.readable()
            assert received == (DATA[:65536] * (sent // 65536 + 1))[:sent]

    rt.block_on(main())


# Cancellation.


def test_cancelled_reads_lose_nothing(rt: Runtime, switch_interval: float) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        client, server = await connected(Dribble(one, 5000), Dribble(other, 3000, 1))
        received = bytearray()
        data = DATA[:500_000]
        dice = random.Random(2)
        cancelled = 0

        async def take() -> None:
            received.extend(await server.read(dice.randint(1, 40_000)))

        sending = spawn(client.write_all(data))
        while len(received) < len(data):
            reading = spawn(take())
            for _ in range(dice.randrange(6)):
                await yield_now()
            reading.abort()
            try:
                await reading
            except JoinError as error:
                cancelled += error.is_cancelled()
        await sending
        assert received == data
        assert cancelled
        client.close()
        server.close()

    rt.block_on(main())


def test_cancelled_writes_take_nothing(rt: Runtime) -> None:
    async def finish(client: TlsStream[UnixStream]) -> None:
        assert await client.write(b"!") == 1
        await client.shutdown()

    async def main() -> None:
        client, server = await pair()
        async with client, server:
            sent = cancelled = turn = 0
            received = bytearray()
            while cancelled < 20 or sent < len(DATA) // 2:
                writing = spawn(client.write(DATA[sent : sent + 50_000]))
                turn += 1
                for _ in range(turn % 4):
                    await yield_now()
                writing.abort()
                try:
                    sent += await writing
                except JoinError:
                    cancelled += 1
                try:
                    received += server.try_read() if turn % 7 == 0 else b""
                except BlockingIOError:
                    pass
            finishing = spawn(finish(client))
            received += await server.read_to_end()
            await finishing
            assert received == DATA[:sent] + b"!"

    rt.block_on(main())


@pytest.mark.parametrize("most", [0, 1000])
def test_a_write_goes_on_where_a_cancelled_one_stopped(rt: Runtime, most: int) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        client, server = await connected(Dribble(one, most) if most else one, other)
        async with client, server:
            for turn in range(5):
                writing = spawn(client.write_all(DATA))
                head = await server.read_exact(turn * 1000)
                writing.abort()
                with pytest.raises(JoinError):
                    await writing
                mark = b"%d is the end" % turn
                going_on = spawn(client.write_all(mark))
                rest = head + await server.read_until(mark, limit=len(DATA))
                await going_on
                assert rest == DATA[: len(rest) - len(mark)] + mark

    rt.block_on(main())


# How it begins.


@pytest.mark.parametrize(
    ("name", "cert"),
    [
        ("other.example", CERT),
        ("example.org", trustme.CA().issue_cert("example.org")),
        (
            "example.org",
            CA.issue_cert(
                "example.org",
                not_before=datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC),
                not_after=datetime.datetime(2002, 1, 1, tzinfo=datetime.UTC),
            ),
        ),
    ],
    ids=["another name", "not trusted", "expired"],
)
def test_a_certificate_that_is_not_valid(rt: Runtime, name: str, cert: Any) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        serving = spawn(TlsAcceptor(server_context(cert)).accept(other))
        with pytest.raises(ssl.SSLCertVerificationError):
            await CONNECTOR.connect(name, one)
        assert one.is_closed()
        # The server is told why.
        with pytest.raises(JoinError) as caught:
            await serving
        cause = caught.value.__cause__
        assert isinstance(cause, ssl.SSLError)
        assert "ALERT" in str(cause.reason)
        assert other.is_closed()

    rt.block_on(main())


def test_garbage_instead_of_a_handshake(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        async with other:
            await other.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            with pytest.raises(ssl.SSLError):
                await CONNECTOR.connect("example.org", one)
            assert one.is_closed()

        one, other = UnixStream.pair()
        async with one:
            await one.write_all(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(ssl.SSLError, match=r"(?i)http.request"):
                await ACCEPTOR.accept(other)
            assert other.is_closed()

    rt.block_on(main())


def test_the_end_instead_of_a_handshake(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        async with one:
            await one.shutdown()
            with pytest.raises(ssl.SSLEOFError) as caught:
                await ACCEPTOR.accept(other)
            assert caught.value.reason == "UNEXPECTED_EOF_WHILE_READING"
            assert other.is_closed()

    rt.block_on(main())


def test_a_handshake_that_is_cancelled_closes_the_transport(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        connecting = spawn(CONNECTOR.connect("example.org", one))
        assert (await other.read())[0] == 22  # a handshake's record
        connecting.abort()
        with pytest.raises(JoinError):
            await connecting
        assert one.is_closed()
        await other.read_to_end()
        other.close()

        one, other = UnixStream.pair()
        with pytest.raises(Elapsed):
            await timeout(0.01, ACCEPTOR.accept(other))
        assert other.is_closed()
        one.close()

    rt.block_on(main())


def test_server_name_indication(rt: Runtime) -> None:
    names: list[str | None] = []
    context, other_context = server_context(), server_context(OTHER_CERT)

    def choose(stream: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        names.append(name)
        if name == "other.example":
            stream.context = other_context

    context.sni_callback = choose
    acceptor = TlsAcceptor(context)

    async def main() -> None:
        for name in ("example.org", "other.example"):
            client, server = await connected(*UnixStream.pair(), CONNECTOR, acceptor, name)
            async with client, server:
                assert client.server_hostname == name
                assert server.server_hostname is None
                certificate = client.peer_certificate()
                assert ("DNS", name) in certificate["subjectAltName"]
                der = client.peer_certificate(binary_form=True)
                assert ssl.DER_cert_to_PEM_cert(der)
        assert names == ["example.org", "other.example"]

        anyone = TlsConnector(client_context(check_hostname=False))
        client, server = await connected(*UnixStream.pair(), anyone, acceptor, None)  # type: ignore[arg-type]
        async with client, server:
            assert names[2] is None

    rt.block_on(main())


def test_alpn(rt: Runtime) -> None:
    server, client = server_context(), client_context()
    server.set_alpn_protocols(["h2", "http/1.1"])
    client.set_alpn_protocols(["spdy", "http/1.1"])

    async def main() -> None:
        for connector, expected in ((TlsConnector(client), "http/1.1"), (CONNECTOR, None)):
            one, other = await pair(connector, TlsAcceptor(server))
            async with one, other:
                assert one.alpn_protocol() == other.alpn_protocol() == expected

    rt.block_on(main())


def test_client_certificates(rt: Runtime) -> None:
    acceptor = TlsAcceptor(server_context(verify_mode=ssl.CERT_REQUIRED))
    context = client_context()
    CLIENT_CERT.configure_cert(context)

    async def main() -> None:
        client, server = await pair(TlsConnector(context), acceptor)
        async with client, server:
            names = server.peer_certificate()["subjectAltName"]
            assert names == (("email", "client@example.org"),)

        one, other = UnixStream.pair()
        serving = spawn(acceptor.accept(other))
        # In TLS 1.3 the client learns of it when it reads.
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"):
            async with await CONNECTOR.connect("example.org", one) as client:
                await client.read()
        with pytest.raises(JoinError) as caught:
            await serving
        assert isinstance(caught.value.__cause__, ssl.SSLError)
        assert other.is_closed()

    rt.block_on(main())


def test_a_client_that_writes_and_goes_at_once_is_heard(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()

        async def tell() -> None:
            async with await CONNECTOR.connect("example.org", one) as client:
                await client.write_all(b"that is all")

        telling = spawn(tell())
        await settled()
        async with await ACCEPTOR.accept(other) as server:
            await telling
            assert await server.read_to_end() == b"that is all"

    rt.block_on(main())


def test_misuse() -> None:
    with pytest.raises(TypeError, match=r"ssl\.SSLContext"):
        TlsConnector("example.org")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="CLIENT_AUTH"):
        TlsAcceptor(None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="for clients, not for servers"):
        TlsConnector(SERVER)
    with pytest.raises(ValueError, match="for servers, not for clients"):
        TlsAcceptor(CLIENT)

    async def main() -> None:
        with pytest.raises(TypeError, match=r"has no write\(\)"):
            await ACCEPTOR.accept(asyncio.StreamReader())  # type: ignore[type-var]
        one, other = UnixStream.pair()
        with pytest.raises(ValueError, match="hostname"):
            await CONNECTOR.connect(None, one)
        assert one.is_closed()
        other.close()

    with Runtime() as rt:
        rt.block_on(main())


# How it ends.


def test_each_direction_ends_by_itself(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()
        async with client, server:
            # Some is decrypted already, some is not, and some is still to come.
            await server.write_all(b"one record ")
            await server.write_all(b"and another ")
            assert await client.read(4) == b"one "
            await client.shutdown()
            await client.shutdown()
            for call in (client.write, client.write_all):
                with pytest.raises(BrokenPipeError, match="shutdown"):
                    await call(b"more")
            with pytest.raises(BrokenPipeError, match="shutdown"):
                client.try_write(b"more")
            assert await server.read() == b""
            assert await server.read() == b""
            reading = spawn(client.read_to_end())
            await server.write_all(b"and a third")
            await server.write_all(DATA)
            await server.shutdown()
            assert await reading == b"record and another and a third" + DATA
            assert await client.read() == b""

    rt.block_on(main())


def test_the_end_of_the_writing_half_is_an_end(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()
        reader, writer = client.into_split()
        async with server:
            async with writer:
                assert await writer.write(b"bye") == 3
            assert await server.read_to_end() == b"bye"
            await server.write_all(b"see you")
            assert await reader.read() == b"see you"
            reader.close()
            assert client.is_closed()

        client, server = await pair()
        async with server:
            reader, writer = client.into_split()
            assert reader.reunite(writer) is client
            await client.write_all(b"hello")
            client.close()
            client.close()
            assert await server.read_to_end() == b"hello"

    rt.block_on(main())


@pytest.mark.parametrize("suppress", [False, True])
def test_an_end_that_nobody_has_announced(rt: Runtime, suppress: bool) -> None:
    async def main() -> None:
        acceptor = TlsAcceptor(SERVER, suppress_ragged_eofs=suppress)
        client, server = await pair(CONNECTOR, acceptor)
        async with client, server:
            await client.write_all(b"more to co")
            await client.get_ref().shutdown()
            assert await server.read() == b"more to co"
            for _ in range(2):
                if suppress:
                    assert await server.read() == b""
                else:
                    with pytest.raises(ssl.SSLEOFError, match="close_notify"):
                        await server.read()
            # The other direction is as it was.
            await server.write_all(b"what?")
            assert await client.read() == b"what?"

    rt.block_on(main())


def test_ciphertext_that_was_tampered_with(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()
        async with client, server:
            await client.get_ref().write_all(b"\x17\x03\x03\x00\x20" + bytes(32))
            with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac|record.layer.failure"):
                await server.read()
            # The peer is told.
            with pytest.raises(ssl.SSLError, match=r"(?i)alert.bad.record.mac"):
                await client.read()

    rt.block_on(main())


def test_a_peer_that_resets(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await connected(*await tcp_pair())
        async with client:
            reading = spawn(client.read_to_end())
            await settled()
            server.get_ref().set_linger(0)
            server.get_ref().close()
            with pytest.raises(JoinError) as caught:
                await reading
            assert isinstance(caught.value.__cause__, ConnectionResetError)
            with pytest.raises(BrokenPipeError):
                await client.write_all(b"anybody there?")

    rt.block_on(main())


def test_close_wakes_who_waits(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()
        async with server:
            waiting = spawn(client.read())
            await settled()
            client.close()
            with pytest.raises(JoinError) as caught:
                await waiting
            assert isinstance(caught.value.__cause__, OSError)
            for call in (client.read(), client.write(b"x"), client.flush(), client.shutdown()):
                with pytest.raises(OSError, match="closed"):
                    await call
            assert await server.read() == b""
            assert repr(client).startswith("<TlsStream closed")

    rt.block_on(main())


# When to read takes writing.


def std_server(stream: UnixStream, context: ssl.SSLContext) -> ssl.SSLSocket:
    sock = stream.into_std()
    sock.setblocking(True)
    sock.settimeout(30)
    return context.wrap_socket(sock, server_side=True)


def jammed_by_a_request_for_a_certificate(stream: UnixStream) -> tuple[Any, bytes]:
    """A server that asks for a certificate, then writes, and only then reads."""
    context = server_context(post_handshake_auth=True, verify_mode=ssl.CERT_REQUIRED)
    with std_server(stream, context) as server:
        assert server.recv(1) == b"!"
        server.verify_client_post_handshake()
        server.sendall(DATA)
        received = b""
        while data := server.recv(65536):
            received += data
        return server.getpeercert(), received


def certified() -> TlsConnector:
    context = client_context(post_handshake_auth=True)
    CLIENT_CERT.configure_cert(context)
    return TlsConnector(context)


async def read_while_nothing_can_be_sent(stream: UnixStream) -> bytes:
    async with await certified().connect("example.org", stream) as client:
        await client.write_all(b"!")
        sent = b""
        while (count := await poll(client.write(b"x" * 10_000))) is not PENDING:
            sent += b"x" * count
        assert await client.read_exact(len(DATA)) == DATA
        await client.shutdown()
        return sent


def test_a_read_that_has_to_write_does_not_wait_for_it(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        serving = spawn_blocking(jammed_by_a_request_for_a_certificate, other)
        sent = await read_while_nothing_can_be_sent(one)
        certificate, received = await serving
        assert received == sent
        assert certificate["subjectAltName"] == (("email", "client@example.org"),)

    rt.block_on(main())


def test_what_a_read_has_to_write_comes_behind_the_writer(rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        serving = spawn_blocking(jammed_by_a_request_for_a_certificate, other)
        client = await certified().connect("example.org", one)
        async with client:
            reader, writer = client.split()
            await writer.write_all(b"!")
            writing = spawn(writer.write_all(DATA))
            assert await spawn(reader.read_exact(len(DATA))) == DATA
            await writing
            await client.shutdown()
        certificate, received = await serving
        assert received == DATA
        assert certificate["subjectAltName"] == (("email", "client@example.org"),)

    rt.block_on(main())


def test_what_a_read_has_to_write_needs_no_writer(rt: Runtime) -> None:
    def serve(stream: UnixStream) -> None:
        context = server_context(post_handshake_auth=True, verify_mode=ssl.CERT_REQUIRED)
        with std_server(stream, context) as server:
            server.verify_client_post_handshake()
            server.sendall(b"who are you?")
            assert select.select([server], [], [], 30)[0]
            server.sendall(b"thank you")
            assert server.recv(1) == b""
            assert server.getpeercert()

    async def main() -> None:
        one, other = UnixStream.pair()
        serving = spawn_blocking(serve, other)
        async with await certified().connect("example.org", one) as client:
            assert await client.read() == b"who are you?"
            assert await client.read() == b"thank you"
            await client.shutdown()
            await serving

    rt.block_on(main())


# Tasks of others.


def test_in_tasks_of_asyncio(multi_rt: Runtime) -> None:
    async def main() -> None:
        one, other = UnixStream.pair()
        serving = asyncio.create_task(ACCEPTOR.accept(other))
        client = await CONNECTOR.connect("example.org", one)
        async with client, await serving as server:
            sending = asyncio.create_task(client.write_all(DATA))
            assert await server.read_exact(len(DATA)) == DATA
            await sending
        one, other = UnixStream.pair()
        jam = multi_rt.spawn_blocking(jammed_by_a_request_for_a_certificate, other)
        sent = await read_while_nothing_can_be_sent(one)
        assert (await jam)[1] == sent

    with multi_rt.enter():
        asyncio.run(main())


def test_in_tasks_of_trio(multi_rt: Runtime) -> None:
    trio = pytest.importorskip("trio")

    async def main() -> None:
        one, other = UnixStream.pair()
        jam = multi_rt.spawn_blocking(jammed_by_a_request_for_a_certificate, other)
        sent = await read_while_nothing_can_be_sent(one)
        assert (await jam)[1] == sent

        one, other = UnixStream.pair()
        jam = multi_rt.spawn_blocking(failing, other)
        client = await certified().connect("example.org", one)
        await client.write_all(b"!")
        while await poll(client.write(b"x" * 10_000)) is not PENDING:
            pass
        go_on.set()
        # One error, and not the group that a nursery makes of it.
        with pytest.raises(OSError, match=r"reset|close_notify"):
            await client.read()
        client.close()
        await jam

    go_on = threading.Event()

    def failing(stream: UnixStream) -> None:
        context = server_context(post_handshake_auth=True, verify_mode=ssl.CERT_REQUIRED)
        server = std_server(stream, context)
        server.recv(1)
        go_on.wait(30)
        server.verify_client_post_handshake()
        server.write(b"")
        server.shutdown(socket.SHUT_RDWR)
        server.close()

    with multi_rt.enter():
        trio.run(main)


# Others at the other end.


def test_a_client_of_asyncio(rt: Runtime) -> None:
    async def echo(stream: TcpStream) -> None:
        async with await ACCEPTOR.accept(stream) as server:
            reader, writer = server.split()
            while data := await reader.read():
                await writer.write_all(data)
            await writer.shutdown()

    async def main() -> None:
        async with await TcpListener.bind(("127.0.0.1", 0)) as listener:
            connecting = asyncio.create_task(
                asyncio.open_connection(
                    *listener.local_addr(), ssl=CLIENT, server_hostname="localhost"
                )
            )
            stream, _ = await listener.accept()
            echoing = spawn(echo(stream))
            reader, writer = await connecting

            async def send() -> None:
                writer.write(DATA)
                await writer.drain()

            sending = asyncio.create_task(send())
            assert await reader.readexactly(len(DATA)) == DATA
            await sending
            writer.close()
            await echoing
            await writer.wait_closed()

    rt.block_on(main())


def test_a_server_of_asyncio(rt: Runtime) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0, ssl=SERVER)
        stream = await TcpStream.connect(server.sockets[0].getsockname())
        client = await CONNECTOR.connect("localhost", stream)
        async with client:
            reader, writer = client.split()
            sending = spawn(writer.write_all(DATA))
            reading = spawn(reader.read_exact(len(DATA)))
            assert await reading == DATA
            await sending
            await client.shutdown()
            assert await client.read() == b""
        server.close()
        await server.wait_closed()

    rt.block_on(main())


@pytest.fixture
def pem(tmp_path: Any) -> list[str]:
    """The files of a server for openssl's command, which there has to be."""
    command = shutil.which("openssl")
    if command is None or not subprocess.check_output([command, "version"]).startswith(b"OpenSSL"):
        pytest.skip("there is no openssl command of OpenSSL")
    cert, key, ca = (tmp_path / name for name in ("cert", "key", "ca"))
    CERT.cert_chain_pems[0].write_to_path(str(cert))
    CERT.private_key_pem.write_to_path(str(key))
    CA.cert_pem.write_to_path(str(ca))
    return [str(cert), str(key), str(ca)]


@contextlib.contextmanager
def openssl(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["openssl", *command], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, bufsize=0
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def typed(process: subprocess.Popen[bytes], text: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(text)


def printed(process: subprocess.Popen[bytes], text: bytes) -> bytes:
    """What it prints until it has printed `text`."""
    assert process.stdout is not None
    output = b""
    while text not in output:
        data = process.stdout.read(1)
        assert data, output
        output += data
    return output


def test_a_client_of_openssl(rt: Runtime, pem: list[str]) -> None:
    async def main() -> None:
        async with await TcpListener.bind(("127.0.0.1", 0)) as listener:
            with openssl(
                *("s_client", "-connect", f"127.0.0.1:{listener.local_addr()[1]}"),
                *("-CAfile", pem[2], "-servername", "example.org", "-verify_return_error"),
            ) as process:
                stream, _ = await listener.accept()
                await serve(stream, process)

    async def serve(stream: TcpStream, process: subprocess.Popen[bytes]) -> None:
        async with await ACCEPTOR.accept(stream) as server:
            await spawn_blocking(typed, process, b"hello\n")
            assert await server.read_line() == "hello\n"
            # A new key of its own, and one of ours, which the read answers.
            for key in (b"k\n", b"K\n"):
                await spawn_blocking(typed, process, key)
                await spawn_blocking(printed, process, b"KEYUPDATE")
                await spawn_blocking(typed, process, b"after " + key)
                assert await server.read_line() == "after " + key.decode()
                await server.write_all(b"answer to " + key)
                await spawn_blocking(printed, process, b"answer to " + key)
            assert process.stdin is not None
            process.stdin.close()  # which ends it
            assert await server.read() == b""
        assert await spawn_blocking(process.wait) == 0

    rt.block_on(main())


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_server_of_openssl(rt: Runtime, pem: list[str], version: str) -> None:
    context = client_context(post_handshake_auth=True)
    CLIENT_CERT.configure_cert(context)

    async def main() -> None:
        with openssl(
            *("s_server", "-accept", "127.0.0.1:0", "-naccept", "1", version),
            *("-cert", pem[0], "-key", pem[1], "-CAfile", pem[2], "-verify", "1"),
        ) as process:
            await spawn_blocking(printed, process, b"ACCEPT 127.0.0.1:")
            port = int(await spawn_blocking(printed, process, b"\n"))
            stream = await TcpStream.connect(("127.0.0.1", port))
            async with await TlsConnector(context).connect("example.org", stream) as client:
                await talk(client, process)
                await client.shutdown()
                await spawn_blocking(process.wait)

    async def talk(client: TlsStream[TcpStream], process: subprocess.Popen[bytes]) -> None:
        reader, writer = client.split()
        await writer.write_all(b"hello\n")
        await spawn_blocking(printed, process, b"hello\n")
        # A renegotiation; or new keys, and a certificate.
        for key in [b"r\n"] if version == "-tls1_2" else [b"k\n", b"K\n", b"c\n"]:
            reading = spawn(reader.read_line())
            await spawn_blocking(typed, process, key)
            await writer.write_all(b"to " + key)
            await spawn_blocking(printed, process, b"to " + key)
            await spawn_blocking(typed, process, b"from " + key)
            assert await reading == "from " + key.decode()

    rt.block_on(main())


def test_a_half_that_is_dropped_ends_its_direction(rt: Runtime) -> None:
    async def main() -> None:
        client, server = await pair()

        async def serve() -> None:
            reader, writer = server.into_split()
            await writer.write_all(b"x")
            del writer
            assert await reader.read() == b"y"

        serving = spawn(serve())
        assert await client.read_to_end() == b"x"
        await client.write_all(b"y")
        await serving
        assert await client.read() == b""
        client.close()

    rt.block_on(main())
