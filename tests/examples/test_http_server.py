"""examples/http_server.py"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from email.utils import formatdate
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest

from tests.examples.programs import (
    EXAMPLES,
    TIME_LIMIT,
    Address,
    CommandLine,
    ask,
    both_ways,
    by_itself,
    connect,
    program,
    read_to_the_end,
    reset,
    run,
    server,
)

pytest.importorskip("h11")

Serve = Callable[..., AbstractContextManager[Address]]

BIG = bytes(range(256)) * 8192  # 2 MiB: several pieces
DIGITS = b"0123456789"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    site = tmp_path / "site"
    files = {
        "index.html": b"<h1>Welcome</h1>",
        "digits.txt": DIGITS,
        "empty": b"",
        "big.bin": BIG,
        "folder/<b> & 100%?.txt": b"odd",
        "folder/sub/deep.json": b"{}",
        "archive.tar.gz": b"zip",
        "Zoë": b"name",
    }
    for name, content in files.items():
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (tmp_path / "site-secret").mkdir()
    (tmp_path / "site-secret" / "secret.txt").write_bytes(b"secret")
    (site / "out").symlink_to(tmp_path / "secret.txt")
    (site / "outside").symlink_to(tmp_path, target_is_directory=True)
    (site / "folder" / "in").symlink_to(site / "digits.txt")
    (site / "circle").symlink_to(site / "circle")
    (site / "stolen").mkdir()
    (site / "stolen" / "index.html").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(site / "pipe")
    return site


@pytest.fixture
def serve(environment: dict[str, str], site: Path) -> Serve:
    def serve(
        command_line: CommandLine = by_itself,
        stop: signal.Signals = signal.SIGINT,
        stopping: Callable[[], object] = lambda: None,
    ) -> AbstractContextManager[Address]:
        return server(environment, [*command_line("http_server"), str(site)], stop, stopping)

    return serve


class Client(HTTPConnection):
    """Keeps its connection, as a browser does."""

    def __init__(self, address: Address) -> None:
        super().__init__(*address, timeout=TIME_LIMIT)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
        self.request(method, path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        response = self.getresponse()
        return response, response.read()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@both_ways
def test_files_on_one_connection(
    serve: Serve, command_line: CommandLine, stop: signal.Signals
) -> None:
    with ExitStack() as stack:

        def say_goodbye() -> None:
            assert connection.recv(1) == b""
            client.close()

        with serve(command_line, stop, say_goodbye) as address:
            client = stack.enter_context(Client(address))
            client.connect()
            connection = client.sock
            for path, content, kind in (
                ("/", b"<h1>Welcome</h1>", "text/html; charset=utf-8"),
                ("/index.html?query", b"<h1>Welcome</h1>", "text/html; charset=utf-8"),
                ("/digits.txt", DIGITS, "text/plain; charset=utf-8"),
                ("//digits.txt", DIGITS, "text/plain; charset=utf-8"),
                ("/./folder/../digits.txt", DIGITS, "text/plain; charset=utf-8"),
                (f"http://{address[0]}/digits.txt", DIGITS, "text/plain; charset=utf-8"),
                ("/big.bin", BIG, "application/octet-stream"),
                ("/empty", b"", "application/octet-stream"),
                ("/archive.tar.gz", b"zip", "application/octet-stream"),
                ("/folder/in", DIGITS, "text/plain; charset=utf-8"),
                ("/folder/sub/deep.json", b"{}", "application/json"),
                ("/folder/%3Cb%3E%20&%20100%25%3f.txt", b"odd", "text/plain; charset=utf-8"),
                ("/Zo%C3%AB", b"name", "application/octet-stream"),
            ):
                response, body = client.ask(path)
                assert (response.status, body) == (200, content), path
                assert response.getheader("Content-Type") == kind
                response, body = client.ask(path, "HEAD")
                assert (response.status, body) == (200, b"")
                assert response.getheader("Content-Length") == str(len(content))
                assert client.sock is connection


def test_folders(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        response, _ = client.ask("/folder")
        assert (response.status, response.getheader("Location")) == (301, "/folder/")
        response, _ = client.ask("//folder//sub?q")
        assert (response.status, response.getheader("Location")) == (301, "/folder//sub/")
        response, body = client.ask("/folder/")
        assert response.status == 200
        assert response.getheader("Content-Type") == "text/html; charset=utf-8"
        assert b'<a href="./%3Cb%3E%20%26%20100%25%3F.txt">&lt;b&gt; &amp; 100%?.txt</a>' in body
        assert b'<a href="./sub/">sub/</a>' in body
        response, body = client.ask("/folder/", "HEAD")
        assert (response.status, body) == (200, b"")


def test_what_there_is_not(serve: Serve, site: Path) -> None:
    with serve() as address, Client(address) as client:
        for path in (
            "/nothing",
            "/digits.txt/",
            "/digits.txt/x",
            "/../secret.txt",
            "/folder/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/../site-secret/secret.txt",
            "/../site/../secret.txt",
            f"/{site}/../secret.txt",
            "/out",
            "/outside/",
            "/outside/secret.txt",
            "/stolen/",
            "/circle",
            "/pipe",
            "/" + "x" * 300,
            "/%FF%FE",
        ):
            response, body = client.ask(path)
            assert (response.status, body) == (404, b"404 Not Found\n"), path
            response, body = client.ask(path, "HEAD")
            assert (response.status, body) == (404, b"")
        assert client.ask("/digits.txt")[0].status == 200


def test_conditions(serve: Serve, site: Path) -> None:
    path = site / "digits.txt"
    os.utime(path, (1_000_000_000, 1_000_000_000.5))
    with serve() as address, Client(address) as client:
        response, _ = client.ask("/digits.txt")
        etag, modified = response.getheader("ETag"), response.getheader("Last-Modified")
        assert etag is not None
        assert modified == "Sun, 09 Sep 2001 01:46:40 GMT"
        later, earlier = formatdate(1_000_000_001, usegmt=True), formatdate(1, usegmt=True)
        for headers, status in (
            ({"If_None_Match": etag}, 304),
            ({"If_None_Match": f'"x", W/{etag}'}, 304),
            ({"If_None_Match": "*"}, 304),
            ({"If_None_Match": '"x"'}, 200),
            ({"If_None_Match": '"x"', "If_Modified_Since": modified}, 200),
            ({"If_Modified_Since": modified}, 304),
            ({"If_Modified_Since": later}, 304),
            ({"If_Modified_Since": earlier}, 200),
            ({"If_Modified_Since": "yesterday"}, 200),
            ({"If_Modified_Since": "Mon, 99 Foo 99999999999999999999 99:99:99 GMT"}, 200),
            ({"If_Modified_Since": ""}, 200),
        ):
            for method in ("GET", "HEAD"):
                response, body = client.ask("/digits.txt", method, **headers)
                assert response.status == status, headers
                assert body == (DIGITS if (method, status) == ("GET", 200) else b"")
                assert response.getheader("ETag") == etag
        path.write_bytes(b"changed")
        response, body = client.ask("/digits.txt", If_None_Match=etag, If_Modified_Since=later)
        assert (response.status, body) == (200, b"changed")


def test_ranges(serve: Serve) -> None:
    with serve() as address, Client(address) as client:
        etag = client.ask("/digits.txt")[0].getheader("ETag")
        assert etag is not None
        for wanted, content in (
            ("bytes=0-0", "0"),
            ("bytes=2-4", "234"),
            ("bytes=7-", "789"),
            ("bytes=7-99999999", "789"),
            ("bytes=-3", "789"),
            ("bytes=-99999999", "0123456789"),
        ):
            response, body = client.ask("/digits.txt", Range=wanted, If_Range=etag)
            assert (response.status, body.decode()) == (206, content)
            start = DIGITS.decode().index(content)
            where = f"bytes {start}-{start + len(content) - 1}/10"
            assert response.getheader("Content-Range") == where
        for wanted in ("bytes=10-", "bytes=99-100", "bytes=-0"):
            response, _ = client.ask("/digits.txt", Range=wanted)
            assert (response.status, response.getheader("Content-Range")) == (416, "bytes */10")
        assert client.ask("/empty", Range="bytes=0-")[0].status == 416
        for wanted in (
            *("bytes=", "bytes=-", "bytes=a-b", "bytes=4-2", "bytes=0-1,3-4", "lines=0-1"),
            *("bytes=0-" + "9" * 5000, "bytes=٣-٤".encode().decode("latin-1"), "0-1"),
        ):
            assert client.ask("/digits.txt", Range=wanted)[1] == DIGITS, wanted
        response, body = client.ask("/digits.txt", Range="bytes=0-1", If_Range='"old"')
        assert (response.status, body) == (200, DIGITS)
        response, body = client.ask("/digits.txt", "HEAD", Range="bytes=0-1")
        assert (response.status, body) == (200, b"")
        response, body = client.ask("/big.bin", Range="bytes=1000000-1500000")
        assert body == BIG[1_000_000:1_500_001]


def statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def test_pipelining(serve: Serve) -> None:
    request = b"GET /digits.txt HTTP/1.1\r\nHost: x\r\n\r\n"
    missing = b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
    with serve() as address:
        got = ask(address, (request + missing) * 50)
        assert statuses(got) == [200, 404] * 50
        assert got.count(DIGITS) == 50
        # Byte by byte.
        got = ask(address, *[bytes([byte]) for byte in request + missing + request])
        assert statuses(got) == [200, 404, 200]
        # Who says that it is the last one gets no more.
        last = b"GET /digits.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert statuses(ask(address, request + last + request)) == [200, 200]
        assert statuses(ask(address, b"GET /digits.txt HTTP/1.0\r\n\r\n" + request)) == [200]


def test_what_is_wrong(serve: Serve) -> None:
    get = b"GET /digits.txt HTTP/1.1\r\nHost: x\r\n"
    post = b"POST / HTTP/1.1\r\nHost: x\r\n"
    with serve() as address:
        for request, expected in (
            (b"", []),
            (b"\r\n", [400]),
            (b"nonsense\r\n\r\n", [400]),
            (b"GET /digits.txt HTTP/1.1\r\n\r\n", [400]),  # without a host
            (b"GET digits.txt HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
            (b"GET * HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
            (b"GET ftp://x/ HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
            (b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
            (b"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
            (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", [400]),
            (get + b"no colon\r\n\r\n", [400]),
            (get + b"Content-Length: -1\r\n\r\n", [400]),
            (get + b"Transfer-Encoding: gzip\r\n\r\n", [501]),
            (get + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n", [400]),
            (get, [400]),  # cut off
            (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", [400]),  # TLS
            (post + b"Content-Length: 0\r\n\r\n" + get + b"\r\n", [405, 200]),
            (post + b"Content-Length: 99\r\n\r\n" + get + b"\r\n", [405]),
            (b"DELETE /digits.txt HTTP/1.1\r\nHost: x\r\n\r\n", [405]),
            (b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 5000), [414]),
            (b"HEAD /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"x" * 5000), [414]),
            (b"GET /" + b"x" * 100_000, [414]),
            (get + b"X: " + b"x" * 100_000, [431]),
            (get + b"X: x\r\n" * 20_000 + b"\r\n", [431]),
            # What comes with a request is not read, and ends the connection.
            (get + b"Content-Length: 1000000\r\n\r\n" + b"x" * 1_000_000, [200]),
            (get + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n", [200]),
        ):
            assert statuses(ask(address, request)) == expected, request[:80]
        for request in (b"", get, get + b"\r\n"):
            rude = connect(address)
            rude.sendall(request)
            reset(rude)
        allowed = ask(address, b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"\r\nAllow: GET, HEAD\r\n" in allowed


def test_a_file_that_cannot_be_read(serve: Serve, site: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can read everything")
    (site / "digits.txt").chmod(0)
    with serve() as address, Client(address) as client:
        assert client.ask("/digits.txt")[0].status == 403


def read_until(client: socket.socket, end: bytes) -> None:
    got = b""
    while not got.endswith(end):
        data = client.recv(65536)
        assert data
        got += data


def test_requests_that_have_begun_are_answered(serve: Serve, stop: signal.Signals) -> None:
    first_line = b"GET /digits.txt HTTP/1.1\r\n"
    with ExitStack() as stack:

        def go_on() -> None:
            # When it says goodbye to the idle one it is about to stop.
            assert idle.recv(1) == b""
            idle.close()
            begun.sendall(b"Host: x\r\n\r\n")
            got = read_to_the_end(begun)
            assert b"\r\nConnection: close\r\n" in got
            assert got.endswith(DIGITS)
            begun.close()

        with serve(by_itself, stop, go_on) as address:
            begun, idle = (stack.enter_context(connect(address)) for _ in range(2))
            idle.sendall(first_line + b"Host: x\r\n\r\n")
            read_until(idle, DIGITS)
            begun.sendall(first_line + b"Host: x\r\n\r\n" + first_line)
            read_until(begun, DIGITS)


def test_curl(serve: Serve, site: Path, tmp_path: Path) -> None:
    with serve() as (host, port):

        def curl(*args: str) -> bytes:
            done = subprocess.run(
                [
                    *(program("curl"), "--silent", "--show-error", "--fail", "--noproxy", "*"),
                    *("--max-time", str(TIME_LIMIT), *args),
                ],
                capture_output=True,
                timeout=TIME_LIMIT,
            )
            assert (done.returncode, done.stderr) == (0, b"")
            return done.stdout

        url = f"http://{host}:{port}"
        assert curl(f"{url}/big.bin", f"{url}/digits.txt") == BIG + DIGITS
        assert curl("--range", "3-5", f"{url}/digits.txt") == b"345"
        assert curl("--location", f"{url}/folder").startswith(b"<!doctype html>")
        assert curl("--path-as-is", f"{url}/folder/../digits.txt") == DIGITS
        assert b"200 OK" in curl("--head", f"{url}/big.bin")
        half = tmp_path / "half"
        half.write_bytes(BIG[:1_000_000])
        curl("--continue-at", "-", "--output", str(half), f"{url}/big.bin")
        assert half.read_bytes() == BIG
        tag = tmp_path / "etag"
        curl("--etag-save", str(tag), "--etag-compare", str(tag), f"{url}/digits.txt")
        assert curl("--etag-compare", str(tag), f"{url}/digits.txt") == b""


def test_what_it_says_instead(environment: dict[str, str], tmp_path: Path) -> None:
    done = run(environment, *by_itself("http_server"), tmp_path / "missing")
    assert done.returncode == 2
    assert "is not a folder" in done.stderr
    without = "import sys; sys.modules['h11'] = None; sys.path.insert(0, sys.argv[1]); "
    done = run(environment, "-c", f"{without} import http_server", EXAMPLES)
    assert done.returncode == 1
    assert "pip install 'yamanote[examples]'" in done.stderr
