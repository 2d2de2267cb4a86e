"""`yamanote serve` with real applications and real clients."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.ecosystem.browser import opened
from tests.ecosystem.serving import LIMIT, Process, serving

pytest.importorskip("uvicorn", exc_type=ImportError)

EXAMPLES = Path(__file__).parents[2] / "examples"

# A plain ASGI application, for what does not depend on a framework. Each lifespan has a number
# and a loop of its own, which its requests must see again.
PLAIN = """
    import asyncio, itertools, json, os, sys, threading
    import yamanote
    from yamanote import Handle, spawn, spawn_blocking
    from yamanote.sync import mpsc

    numbers = itertools.count(1)
    jobs = mpsc.unbounded_channel()
    shared = None

    def nothing_made():
        pass

    def say(text):
        sys.stdout.write(text + "\\n")  # at once, beside other threads

    async def lifespan(scope, receive, send):
        global shared
        loop = asyncio.get_running_loop()
        await receive()
        number = next(numbers)
        scope["state"].update(number=number, loop=id(loop))
        if shared is None:
            shared = loop.create_future()
        say(f"lifespan {number} begins")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        assert asyncio.get_running_loop() is loop
        say(f"lifespan {number} ends")
        await send({"type": "lifespan.shutdown.complete"})

    async def answer(send, value, status=200):
        body = json.dumps(value).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            return await lifespan(scope, receive, send)
        path = scope["path"]
        state = scope.get("state", {})
        if path == "/who":
            await answer(send, {
                "loop": id(asyncio.get_running_loop()),
                "state": {name: state.get(name) for name in ("number", "loop")},
                "workers": Handle.current().metrics().num_workers,
                "client": scope["client"], "scheme": scope["scheme"],
                "root_path": scope["root_path"],
            })
        elif path == "/native":
            async def add(a, b):
                await yamanote.yield_now()
                return a + b
            three = await spawn(add(1, 2))
            name = await spawn_blocking(lambda: threading.current_thread().name)
            await answer(send, [three, name])
        elif path == "/send":
            jobs[0].send(id(asyncio.get_running_loop()))
            await answer(send, None)
        elif path == "/receive":
            await answer(send, await jobs[1].recv())
        elif path == "/shared":
            await shared
        elif path == "/fail":
            raise ValueError("on purpose")
        elif path == "/echo":
            body, more = b"", True
            while more:
                message = await receive()
                body, more = body + message["body"], message["more_body"]
            await answer(send, len(body))
        elif path == "/big":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for number in range(200):
                await send({"type": "http.response.body", "body": b"%06d\\n" % number * 1000,
                            "more_body": True})
            await send({"type": "http.response.body"})
        elif path == "/fifo":
            say("waits")
            text = await spawn_blocking(lambda: open(scope["query_string"]).read())
            await answer(send, text)
        elif path == "/forever":
            say("waits")
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError as error:
                say(f"cancelled: {error}")
                raise
        elif path == "/stuck":
            say("waits")
            while True:
                try:
                    await asyncio.get_running_loop().create_future()
                except asyncio.CancelledError:
                    say("will not")
        else:
            await answer(send, "not found", 404)
"""


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    write(tmp_path, "plain.py", PLAIN)
    return tmp_path


def write(folder: Path, name: str, source: str) -> Path:
    path = folder / name
    path.write_text(dedent(source), encoding="utf-8")
    return path


def connect(url: str) -> HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname
    return HTTPConnection(parts.hostname, parts.port, timeout=LIMIT)


def ask(connection: HTTPConnection, path: str, body: bytes | None = None) -> Any:
    connection.request("GET" if body is None else "POST", path, body)
    response = connection.getresponse()
    text = response.read()
    assert response.status == 200, (response.status, text)
    return json.loads(text)


def get(url: str, path: str) -> Any:
    connection = connect(url)
    try:
        return ask(connection, path)
    finally:
        connection.close()


@contextmanager
def connections(url: str, count: int) -> Iterator[list[HTTPConnection]]:
    """So many connections at once."""
    made = [connect(url) for _ in range(count)]
    try:
        yield made
    finally:
        for each in made:
            each.close()


@contextmanager
def one_for_each_worker(url: str, workers: int) -> Iterator[list[HTTPConnection]]:
    """A connection to each worker: they are spread evenly."""
    with connections(url, workers) as made:
        assert len({ask(each, "/who")["loop"] for each in made}) == workers
        yield made


# The workers and their connections.


def test_every_worker_serves(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers)) as server:
        with connections(server.url(), 8 * workers) as many:
            loops = [ask(each, "/who")["loop"] for each in many]
            assert sorted(Counter(loops).values()) == [8] * workers
            # A connection stays where it is.
            assert [ask(each, "/who")["loop"] for each in many] == loops
        # One after another they take turns.
        assert len({get(server.url(), "/who")["loop"] for _ in range(40)}) == workers
        assert get(server.url(), "/who")["workers"] == workers


def test_a_worker_that_has_lost_its_connections_gets_the_next(plain: Path) -> None:
    with (
        serving(plain, "plain:app", "--workers", "2") as server,
        connections(server.url(), 6) as made,
    ):
        by_loop: dict[int, list[HTTPConnection]] = {}
        for each in made:
            by_loop.setdefault(ask(each, "/who")["loop"], []).append(each)
        emptied = next(iter(by_loop))
        for each in by_loop[emptied]:
            each.close()
        # Once the server has seen them go, three in a row come to that worker.
        with ExitStack() as stack:
            more: list[int] = []
            while more[-3:] != [emptied] * 3:
                if len(more) == 3:
                    stack.close()
                    more.clear()
                (another,) = stack.enter_context(connections(server.url(), 1))
                more.append(ask(another, "/who")["loop"])


def test_many_at_once(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers), "--no-access-log") as server:
        url = server.url()

        def client(number: int) -> int:
            with connections(url, 1) as (connection,):
                return sum(
                    ask(connection, "/echo", b"x" * (number * 1000 + turn)) for turn in range(20)
                )

        with ThreadPoolExecutor(20) as pool:
            sizes = list(pool.map(client, range(40)))
        assert sizes == [20 * 1000 * number + sum(range(20)) for number in range(40)]


def test_the_state_of_each_worker(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers)) as server:
        with connections(server.url(), 2 * workers) as made:
            answers = [ask(each, "/who") for each in made]
        assert {answer["state"]["number"] for answer in answers} == set(range(1, workers + 1))
        for answer in answers:
            assert answer["state"]["loop"] == answer["loop"]
        assert server.stop() == 0
        ends = re.findall(r"lifespan (\d) ends", server.output)
        assert ends == [str(number) for number in range(workers, 0, -1)]


def test_lifespan_once(plain: Path, workers: int) -> None:
    args = ("plain:app", "--workers", str(workers), "--lifespan", "once")
    with serving(plain, *args) as server:
        with one_for_each_worker(server.url(), workers) as made:
            states = [ask(each, "/who")["state"] for each in made]
        assert states == [states[0]] * workers
        assert states[0]["number"] == 1
        assert server.stop() == 0
        assert re.findall(r"lifespan \d \w+", server.output) == [
            "lifespan 1 begins",
            "lifespan 1 ends",
        ]


def test_lifespan_off(plain: Path) -> None:
    with serving(plain, "plain:app", "--workers", "2", "--lifespan", "off") as server:
        assert get(server.url(), "/who")["state"] == {"number": None, "loop": None}
        assert server.stop() == 0
        assert "lifespan" not in server.output


def test_a_resource_of_another_loop_is_a_clear_error(plain: Path) -> None:
    args = ("plain:app", "--workers", "2", "--lifespan", "once")
    with serving(plain, *args, failures=True) as server:
        with one_for_each_worker(server.url(), 2) as made:
            first = ask(made[0], "/who")
            other = made[first["loop"] == first["state"]["loop"]]
            other.request("GET", "/shared")
            response = other.getresponse()
            assert (response.status, response.read()) == (500, b"Internal Server Error")
            server.says("RuntimeError: .* attached to a different loop")
        get(server.url(), "/who")


def test_an_httpx_client_of_another_loop_is_a_clear_error(tmp_path: Path) -> None:
    pytest.importorskip("httpx", exc_type=ImportError)
    write(
        tmp_path,
        "shared.py",
        """
        import httpx, threading

        client = httpx.AsyncClient(trust_env=False)  # wrong: one for all workers

        async def app(scope, receive, send):
            assert scope["type"] == "http"
            host, port = scope["server"]
            body = b"hello"
            if scope["path"] == "/ask":
                try:
                    body = (await client.get(f"http://{host}:{port}/")).content
                except RuntimeError as error:
                    body = str(error).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})
        """,
    )
    args = ("shared:app", "--workers", "2", "--no-access-log")
    with serving(tmp_path, *args) as server, connections(server.url(), 2) as made:
        for each in made:  # before the client has one
            each.request("GET", "/")
            each.getresponse().read()
        bodies = []
        for each in made:
            each.request("GET", "/ask")
            bodies.append(each.getresponse().read())
        # The second worker is refused the connection that the first one's loop has open.
        assert bodies[0] == b"hello"
        assert b"this event loop runs on another thread" in bodies[1]


def test_factory(tmp_path: Path, workers: int) -> None:
    write(
        tmp_path,
        "made.py",
        """
        import asyncio, itertools, threading
        numbers = itertools.count(1)

        def make():
            number, loop = next(numbers), asyncio.get_running_loop()
            async def app(scope, receive, send):
                assert scope["type"] == "http"
                assert asyncio.get_running_loop() is loop
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b"%d" % number})
            return app
        """,
    )
    args = ("made:make", "--factory", "--workers", str(workers))
    with serving(tmp_path, *args) as server, connections(server.url(), workers) as made:
        assert {ask(each, "/") for each in made} == set(range(1, workers + 1))


def test_the_runtime_inside_of_requests(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers)) as server:
        three, thread = get(server.url(), "/native")
        assert three == 3
        assert thread != "MainThread"
        with one_for_each_worker(server.url(), workers) as made:
            # A value from each worker, received on each other one.
            senders = [ask(each, "/who")["loop"] for each in made]
            for sender, loop in zip(made, senders, strict=True):
                for receiver in made:
                    if receiver is not sender or workers == 1:
                        ask(sender, "/send")
                        assert ask(receiver, "/receive") == loop
            if workers > 1:
                # One waits, and another wakes it.
                made[0].request("GET", "/receive")
                ask(made[1], "/send")
                assert json.loads(made[0].getresponse().read()) == senders[1]


# Protocols.


def test_a_large_answer_and_a_slow_reader(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers)) as server:
        with connections(server.url(), 3) as made:
            for each in made:
                each.request("GET", "/big")
            expected = b"".join(b"%06d\n" % number * 1000 for number in range(200))
            for each in made:
                assert each.getresponse().read() == expected
        # A client that leaves in the midst of it harms nobody.
        with connections(server.url(), 1) as (rude,):
            rude.request("GET", "/big")
        with connections(server.url(), 1) as (connection,):
            assert ask(connection, "/echo", b"abc") == 3


def test_pipelining_and_rubbish(plain: Path) -> None:
    with serving(plain, "plain:app") as server:
        parts = urlsplit(server.url())
        address = (parts.hostname, parts.port)
        with socket.create_connection(address, LIMIT) as raw:
            raw.sendall(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" * 5)
            raw.shutdown(socket.SHUT_WR)
            assert read_all(raw).count(b"HTTP/1.1 404 Not Found") >= 1
        with socket.create_connection(address, LIMIT) as raw:
            raw.sendall(b"rubbish\r\n\r\n")
            assert read_all(raw).startswith(b"HTTP/1.1 400 Bad Request")
        with socket.create_connection(address, LIMIT) as raw:
            raw.sendall(b"GET /who HTTP/1.0\r\n\r\n")  # no keep-alive
            head, _, body = read_all(raw).partition(b"\r\n\r\n")
            assert b"200 OK" in head
            assert json.loads(body)["scheme"] == "http"


def read_all(raw: socket.socket) -> bytes:
    return b"".join(iter(lambda: raw.recv(65536), b""))


def test_an_idle_connection_is_closed(plain: Path) -> None:
    with (
        serving(plain, "plain:app", "--timeout-keep-alive", "1") as server,
        connections(server.url(), 1) as (connection,),
    ):
        ask(connection, "/who")
        assert connection.sock is not None
        assert connection.sock.recv(1) == b""


def test_unix_socket(plain: Path, workers: int) -> None:
    path = plain / "socket"
    with serving(plain, "plain:app", "--uds", str(path), "--workers", str(workers)) as server:
        assert server.url() == f"unix:{path}"
        loops = set()
        for _ in range(workers):
            with socket.socket(socket.AF_UNIX) as raw:
                raw.settimeout(LIMIT)
                raw.connect(str(path))
                raw.sendall(b"GET /who HTTP/1.0\r\n\r\n")
                loops.add(json.loads(read_all(raw).partition(b"\r\n\r\n")[2])["loop"])
        assert len(loops) == workers
        # It is taken.
        other = Process(plain, "plain:app", "--uds", str(path))
        assert (other.wait(), other.output) == (
            1,
            f"yamanote serve: cannot listen on {path}: another process does\n",
        )
        server.popen.kill()  # and leaves its socket behind
        server.popen.wait()
    with serving(plain, "plain:app", "--uds", str(path)) as server:
        server.url()
    assert not path.exists()


def test_inherited_socket(plain: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fd = listening.fileno()
        port = listening.getsockname()[1]
        with serving(plain, "plain:app", "--fd", str(fd), pass_fds=[fd]) as server:
            assert server.url() == f"http://127.0.0.1:{port}"
            get(server.url(), "/who")


def test_tls(plain: Path, workers: int) -> None:
    trustme = pytest.importorskip("trustme", exc_type=ImportError)
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(plain / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(plain / "cert.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    args = ("--ssl-keyfile", "key.pem", "--ssl-certfile", "cert.pem", "--workers", str(workers))
    with serving(plain, "plain:app", *args) as server:
        port = urlsplit(server.url()).port
        assert server.url().startswith("https://")
        loops = set()
        for _ in range(workers):
            with (
                socket.create_connection(("127.0.0.1", port), LIMIT) as raw,
                context.wrap_socket(raw, server_hostname="localhost") as secure,
            ):
                secure.sendall(b"GET /who HTTP/1.0\r\n\r\n")
                answer = json.loads(read_all(secure).partition(b"\r\n\r\n")[2])
                assert answer["scheme"] == "https"
                loops.add(answer["loop"])
        assert len(loops) == workers
        # A client without TLS is sent away.
        with socket.create_connection(("127.0.0.1", port), LIMIT) as raw:
            raw.sendall(b"GET /who HTTP/1.0\r\n\r\n")
            assert b"HTTP" not in read_all(raw)


def test_options_of_uvicorn(plain: Path) -> None:
    args = ("--root-path", "/api", "--header", "X-Line: Yamanote", "--no-server-header")
    more = ("--no-access-log", "--log-level", "info", "--no-date-header")
    with serving(plain, "plain:app", *args, *more) as server:
        connection = connect(server.url())
        connection.request("GET", "/who", headers={"X-Forwarded-For": "1.2.3.4"})
        response = connection.getresponse()
        names = {name.lower() for name, _ in response.getheaders()}
        assert response.getheader("x-line") == "Yamanote"
        assert not names & {"server", "date"}
        response.read()
        connection.request("GET", "/who", headers={"X-Forwarded-Proto": "https"})
        connection.getresponse().read()
        assert "GET /who" not in server.output
        connection.close()


def test_logging_of_ones_own(plain: Path) -> None:
    config = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"own": {"format": "own %(levelname)s %(message)s"}},
        "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}},
        "root": {"level": "INFO", "handlers": ["own"]},
    }
    (plain / "logging.json").write_text(json.dumps(config))
    with serving(plain, "plain:app", "--log-config", "logging.json") as server:
        get(server.url(), "/who")
        server.says('own INFO .* - "GET /who HTTP/1.1" 200')
    assert not re.search("^INFO", server.output, re.MULTILINE)


def test_limit_max_requests(plain: Path) -> None:
    with serving(plain, "plain:app", "--workers", "2", "--limit-max-requests", "3") as server:
        for _ in range(3):
            get(server.url(), "/native")
        assert server.wait() == 0


# The frameworks.

HELLO = {
    "starlette": """
        from starlette.applications import Starlette
        from starlette.background import BackgroundTask
        from starlette.responses import PlainTextResponse, StreamingResponse
        from starlette.routing import Route, WebSocketRoute
        from yamanote import Handle, spawn

        async def hello(request):
            return PlainTextResponse("hello")

        async def double(n):
            return 2 * n

        def sync(request):  # on a thread
            return PlainTextResponse(str(Handle.current().spawn(double(21)).join(10)))

        async def stream(request):
            async def lines():
                for number in range(100):
                    yield f"{number}\\n"
            return StreamingResponse(lines())

        async def background(request):
            return PlainTextResponse("soon", background=BackgroundTask(print, "in the background"))

        async def echo(websocket):
            await websocket.accept()
            async for text in websocket.iter_text():
                await websocket.send_text(await spawn(upper(text)))

        async def upper(text):
            return text.upper()

        app = Starlette(routes=[
            Route("/", hello), Route("/sync", sync), Route("/stream", stream),
            Route("/background", background), WebSocketRoute("/echo", echo),
        ])
    """,
    "fastapi": """
        import asyncio, time
        from contextlib import asynccontextmanager
        from fastapi import BackgroundTasks, Depends, FastAPI, Request, WebSocket
        from fastapi.responses import PlainTextResponse, StreamingResponse
        from yamanote import Handle, spawn

        @asynccontextmanager
        async def lifespan(app):
            yield {"loop": asyncio.get_running_loop()}

        app = FastAPI(lifespan=lifespan)

        def dependency():
            return Handle.current()

        @app.get("/", response_class=PlainTextResponse)
        async def hello(request: Request):
            assert request.state.loop is asyncio.get_running_loop()
            return "hello"

        async def double(n):
            return 2 * n

        @app.get("/sync")
        def sync(handle=Depends(dependency)) -> int:
            return spawn(double(21)).join(10)

        @app.get("/stream")
        def stream():
            return StreamingResponse(f"{number}\\n" for number in range(100))

        @app.get("/background")
        async def background(tasks: BackgroundTasks):
            tasks.add_task(print, "in the background")
            return "soon"

        @app.websocket("/echo")
        async def echo(websocket: WebSocket):
            await websocket.accept()
            async for text in websocket.iter_text():
                await websocket.send_text(text.upper())
    """,
    "quart": """
        import asyncio
        from quart import Quart, websocket
        from yamanote import Handle, spawn

        app = Quart(__name__)

        @app.before_serving
        async def begin():
            print("begins")

        @app.after_serving
        async def end():
            print("ends")

        @app.get("/")
        async def hello():
            return "hello"

        async def double(n):
            return 2 * n

        @app.get("/sync")
        def sync():
            return str(spawn(double(21)).join(10))

        @app.get("/stream")
        async def stream():
            async def lines():
                for number in range(100):
                    yield f"{number}\\n"
            return lines(), 200

        @app.get("/background")
        async def background():
            app.add_background_task(print, "in the background")
            return "soon"

        @app.websocket("/echo")
        async def echo():
            while True:
                await websocket.send((await websocket.receive()).upper())
    """,
    "django": """
        import os
        from django.conf import settings
        settings.configure(ROOT_URLCONF=__name__, SECRET_KEY="x", ALLOWED_HOSTS=["*"],
                           DEBUG=False, MIDDLEWARE=[])
        from django.core.asgi import get_asgi_application
        from django.http import HttpResponse, StreamingHttpResponse
        from django.urls import path
        from yamanote import spawn

        async def hello(request):
            return HttpResponse("hello")

        async def double(n):
            return 2 * n

        def sync(request):
            return HttpResponse(str(spawn(double(21)).join(10)))

        async def stream(request):
            async def lines():
                for number in range(100):
                    yield f"{number}\\n"
            return StreamingHttpResponse(lines())

        urlpatterns = [path("", hello), path("sync", sync), path("stream", stream)]
        app = get_asgi_application()
    """,
}


@pytest.mark.parametrize("name", HELLO)
def test_framework(tmp_path: Path, name: str, workers: int) -> None:
    pytest.importorskip(name, exc_type=ImportError)
    httpx = pytest.importorskip("httpx", exc_type=ImportError)
    write(tmp_path, "web.py", HELLO[name])
    with serving(tmp_path, "web:app", "--workers", str(workers)) as server:
        url = server.url()

        def client(_: int) -> None:
            with httpx.Client(base_url=url, timeout=LIMIT, trust_env=False) as http:
                for _ in range(5):
                    assert http.get("/").text == "hello"
                    assert http.get("/sync").text == "42"
                    lines = http.get("/stream").text.splitlines()
                    assert lines == [str(number) for number in range(100)]
                assert http.get("/nowhere").status_code == 404

        with ThreadPoolExecutor(2 * workers) as pool:
            list(pool.map(client, range(2 * workers)))
        if name != "django":
            assert "soon" in httpx.get(f"{url}/background", trust_env=False).text
            server.says("in the background")
            websockets = pytest.importorskip("websockets.sync.client", exc_type=ImportError)
            with ExitStack() as stack:
                sockets = [
                    stack.enter_context(
                        websockets.connect(f"{url.replace('http', 'ws')}/echo", proxy=None)
                    )
                    for _ in range(2 * workers)
                ]
                for number in range(10):
                    for each in sockets:
                        each.send(f"message {number}")
                    for each in sockets:
                        assert each.recv(LIMIT) == f"MESSAGE {number}"


# The end.


def refuses(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), LIMIT).close()
    except ConnectionRefusedError:
        return True
    return False


def test_graceful_shutdown(plain: Path, workers: int) -> None:
    fifos = [plain / f"fifo-{number}" for number in range(workers)]
    with serving(plain, "plain:app", "--workers", str(workers)) as server:
        url = server.url()
        with connections(url, workers + 1) as (idle, *busy):
            ask(idle, "/who")
            for fifo, each in zip(fifos, busy, strict=True):
                os.mkfifo(fifo)
                each.request("GET", f"/fifo?{fifo}")
            server.says("^waits", workers)
            server.send(signal.SIGINT)
            # Who waits for nothing is shown out, and nobody is let in.
            assert idle.sock is not None
            assert idle.sock.recv(1) == b""
            server.says("Waiting for running")
            assert refuses(url)
            assert "ends" not in server.output
            for fifo, each in zip(fifos, busy, strict=True):
                fifo.write_text("at last")
                response = each.getresponse()
                assert json.loads(response.read()) == "at last"
                assert each.sock is None or each.sock.recv(1) == b""  # the last answer on it
        assert server.wait() == 0
        assert server.output.count("ends") == workers


def test_sigterm_ends_the_process_as_it_does_others(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers)) as server:
        get(server.url(), "/who")
        assert server.stop(signal.SIGTERM) == -signal.SIGTERM
        assert server.output.count("ends") == workers


def test_the_deadline(plain: Path, workers: int) -> None:
    args = ("--workers", str(workers), "--timeout-graceful-shutdown", "0.1")
    with serving(plain, "plain:app", *args, failures=True) as server:
        with connections(server.url(), workers) as made:
            for each in made:
                each.request("GET", "/forever")
            server.says("^waits", workers)
            assert server.stop() == 0
            for each in made:
                assert each.getresponse().status == 500
        assert server.output.count("cancelled: Task cancelled, timeout graceful") == workers
        assert server.output.count("ends") == workers


def test_a_request_that_ignores_the_deadline(plain: Path, workers: int) -> None:
    args = ("--workers", str(workers), "--timeout-graceful-shutdown", "0")
    with (
        serving(plain, "plain:app", *args, failures=True) as server,
        connections(server.url(), 1) as (connection,),
    ):
        connection.request("GET", "/stuck")
        server.says("^waits")
        # It is cancelled by the server, and at the end by the runtime: neither waits for ever.
        assert server.stop() == 0
        server.says("^will not")


def test_another_ctrl_c_does_not_wait(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers), failures=True) as server:
        with connections(server.url(), workers) as made:
            for each in made:
                each.request("GET", "/forever")
            server.says("^waits", workers)
            server.send(signal.SIGINT)
            server.says("Waiting for running")
            server.send(signal.SIGINT)
            assert server.wait() == 0
        assert server.output.count("cancelled: ") == workers
        assert "ends" not in server.output  # the lifespans were cut short too


def test_shutdown_waits_for_background_tasks(tmp_path: Path) -> None:
    pytest.importorskip("starlette", exc_type=ImportError)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    write(
        tmp_path,
        "web.py",
        """
        import sys
        from starlette.applications import Starlette
        from starlette.background import BackgroundTask
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        def work():  # on a thread
            print("works", flush=True)
            print(open("fifo").read(), flush=True)

        async def start(request):
            return PlainTextResponse("started", background=BackgroundTask(work))

        app = Starlette(routes=[Route("/", start)])
        """,
    )
    with serving(tmp_path, "web:app") as server:
        with connections(server.url(), 1) as (connection,):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"started"
            server.says("^works")
        server.send(signal.SIGINT)
        server.says("Waiting for running")
        fifo.write_text("done in time")
        assert server.wait() == 0
        server.says("^done in time")


# Failures.


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nowhere:app",), "no module named 'nowhere'"),
        (("plain:nothing",), "'plain' has no attribute 'nothing'"),
        (("plain",), "'plain' is neither module:app nor path/script.py[:app]"),
        (("nowhere.py:app",), "cannot open 'nowhere.py': No such file or directory"),
        (("plain:app", "--host", "192.0.2.1"), "cannot listen on 192.0.2.1:0: Cannot assign"),
        (("plain:app", "--host", "no.such.host.invalid"), "cannot listen on no.such.host.invalid"),
        (("plain:app", "--uds", "/nowhere/socket"), "cannot listen on /nowhere/socket: No such"),
        (("plain:app", "--uds", "plain.py"), "a file that is no socket is there"),
        (("plain:app", "--fd", "99"), "file descriptor 99 is no socket: Bad file descriptor"),
        (
            ("plain:app", "--ssl-certfile", "no.pem"),
            "cannot read the TLS files: there is no 'no.pem'",
        ),
        (("plain:app", "--ssl-certfile", "plain.py", "--ssl-keyfile", "k"), "there is no 'k'"),
        (("plain:app", "--ssl-certfile", "plain.py"), "cannot use these TLS files: "),
        (("plain:app", "--ssl-keyfile", "no.pem"), "ssl_keyfile needs ssl_certfile"),
        (("plain:app", "--header", "nonsense"), "--header takes NAME:VALUE, not 'nonsense'"),
        (("plain:app", "--http", "nonsense"), "uvicorn lacks what this configuration needs"),
        (("plain:app", "--log-config", "no.ini"), "logging configuration: there is no 'no.ini'"),
        (("plain:app", "--app-dir", "nowhere"), "--app-dir 'nowhere' is not a folder"),
        (("plain:shared",), "None is no application: it cannot be called"),
        (("--factory", "plain:shared"), "None is no factory of applications"),
        (("--factory", "plain:nothing_made"), "None is no application, which the factory has to"),
    ],
)
def test_it_cannot_start(plain: Path, args: tuple[str, ...], message: str) -> None:
    port = () if {"--uds", "--fd"} & set(args) else ("--port", "0")
    process = Process(plain, *args, *port)
    assert process.wait() == 1
    last = process.lines[-1]
    assert last.startswith("yamanote serve: ")
    assert message in last
    assert "Traceback" not in process.output


def test_a_port_in_use(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app") as server:
        port = str(urlsplit(server.url()).port)
        other = Process(plain, "plain:app", "--port", port, "--workers", str(workers))
        assert other.wait() == 1
        message = f"yamanote serve: cannot listen on 127.0.0.1:{port}: Address already in use\n"
        assert other.output == message  # and no lifespan has begun
        get(server.url(), "/who")


@pytest.mark.parametrize("option", ["--port", "--workers", "--lifespan", "--log-level"])
def test_a_wrong_option(plain: Path, option: str) -> None:
    process = Process(plain, "plain:app", option, "nonsense")
    assert process.wait() == 2
    assert option in process.lines[-1]


def test_a_module_that_fails(tmp_path: Path) -> None:
    write(tmp_path, "broken.py", "def broken():\n    1 / 0\nbroken()\n")
    process = Process(tmp_path, "broken:app", "--port", "0")
    assert process.wait() == 1
    assert process.lines[0] == "yamanote serve: importing broken:app has failed:\n"
    files = re.findall(r'File "([^"]*)"', process.output)
    assert set(files) == {str(tmp_path / "broken.py")}  # nothing of ours
    assert process.lines[-1] == "ZeroDivisionError: division by zero\n"


STARTS = """
    from contextlib import asynccontextmanager
    from starlette.applications import Starlette

    count = 0

    @asynccontextmanager
    async def lifespan(app):
        global count
        count += 1
        if count == {fails}:
            raise RuntimeError("no database")
        print("begins", count, flush=True)
        yield
        print("ends", flush=True)

    app = Starlette(lifespan=lifespan)
"""


@pytest.mark.parametrize("fails", [1, 3])
def test_a_lifespan_that_fails(tmp_path: Path, fails: int) -> None:
    pytest.importorskip("starlette", exc_type=ImportError)
    write(tmp_path, "web.py", STARTS.format(fails=fails))
    process = Process(tmp_path, "web:app", "--port", "0", "--workers", "4")
    assert process.wait() == 1
    assert "RuntimeError: no database" in process.output
    # Those that have begun end.
    assert process.output.count("ends") == process.output.count("begins") == fails - 1
    assert process.lines[-1] == (
        "yamanote serve: the application's lifespan has failed at the start, see above\n"
    )


def test_a_factory_that_fails(tmp_path: Path) -> None:
    write(tmp_path, "made.py", "def make():\n    raise KeyError('no settings')\n")
    process = Process(tmp_path, "made:make", "--factory", "--port", "0", "--workers", "2")
    assert process.wait() == 1
    assert "yamanote serve: the application does not start:\n" in process.lines
    assert process.lines[-1] == "KeyError: 'no settings'\n"


def test_ctrl_c_while_it_starts(tmp_path: Path, workers: int) -> None:
    write(
        tmp_path,
        "slow.py",
        """
        import asyncio

        async def app(scope, receive, send):
            await receive()
            print("begins", flush=True)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                print("was cancelled", flush=True)
        """,
    )
    process = Process(tmp_path, "slow:app", "--port", "0", "--workers", str(workers))
    try:
        process.says("^begins")
        assert process.stop() == 0
        process.says("^was cancelled")
        assert "Traceback" not in process.output
    finally:
        process.kill()


def test_without_uvicorn(plain: Path) -> None:
    write(plain, "uvicorn.py", "raise ImportError('none')")
    process = Process(plain, "plain:app", environment={"PYTHONSAFEPATH": ""})
    assert process.wait() == 1
    assert process.output.startswith("yamanote serve: uvicorn is needed")
    assert "pip install 'yamanote[serve]'" in process.output
    assert len(process.lines) == 1


def test_a_request_that_fails(plain: Path, workers: int) -> None:
    with serving(plain, "plain:app", "--workers", str(workers), failures=True) as server:
        connection = connect(server.url())
        connection.request("GET", "/fail")
        response = connection.getresponse()
        assert (response.status, response.read()) == (500, b"Internal Server Error")
        connection.close()
        server.says("ValueError: on purpose")
        get(server.url(), "/who")


# --reload


def test_reload(tmp_path: Path) -> None:
    pytest.importorskip("watchfiles", exc_type=ImportError)
    source = """
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"%d"})
    """
    write(tmp_path, "web.py", source % 1)
    with serving(tmp_path, "web:app", "--reload", "--workers", "2") as server:
        url = server.url()
        server.says("Yamanote serves on .* with 2 workers")
        assert get(url, "/") == 1
        write(tmp_path, "notes.txt", "of no interest")
        write(tmp_path, "web.py", source % 2)
        server.says("Yamanote serves on .* with 2 workers", 2)
        assert get(url, "/") == 2
        write(tmp_path, "web.py", "1 / 0")
        server.says("ZeroDivisionError")
        write(tmp_path, "web.py", source % 3)
        # A request that comes before the server is there again waits for it.
        assert get(url, "/") == 3
        assert "notes.txt" not in server.output
        server.lines[:] = [line for line in server.lines if "Traceback" not in line]


# In a program of one's own.


def run(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    path = write(folder, "program.py", program)
    source = str(Path(__file__).parents[2] / "src")
    return subprocess.run(
        [sys.executable, "-W", "error", str(path)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )


@pytest.mark.parametrize("serving_workers", [None, 1, 2])
def test_serve_in_a_program(plain: Path, workers: int, serving_workers: int | None) -> None:
    if serving_workers is not None and serving_workers > workers:
        pytest.skip("more than there are")
    done = run(
        plain,
        f"""
        import http.client, json, yamanote
        from urllib.parse import urlsplit
        from plain import app
        from yamanote import select, spawn, spawn_blocking
        from yamanote.serve import ServeError, serve
        from yamanote.sync import CancellationToken, oneshot

        def ask(url):
            loops = set()
            for _ in range(8):
                connection = http.client.HTTPConnection(urlsplit(url).netloc)
                connection.request("GET", "/who")
                loops.add(json.load(connection.getresponse())["loop"])
                connection.close()
            return len(loops)

        async def main():
            for _ in range(2):
                stop = CancellationToken()
                tx, rx = oneshot.channel()
                options = dict(port=0, workers={serving_workers}, log_level="error")
                server = spawn(serve(app, shutdown=stop, on_listening=tx.send, **options))
                (url,) = await rx
                print(await spawn_blocking(ask, url))
                try:
                    await serve(app, port=urlsplit(url).port, log_level="error")
                except ServeError as error:
                    print(error)
                stop.cancel()
                await server
            # An abort is a graceful end too.
            tx, rx = oneshot.channel()
            server = spawn(serve(app, on_listening=tx.send, **options))
            await rx
            server.abort()
            try:
                await server
            except yamanote.JoinError as error:
                print(error.is_cancelled())
            try:
                await serve(app, workers=99)
            except ServeError as error:
                print(error)
            try:
                await serve(app, nonsense=1)
            except TypeError as error:
                print("nonsense" in str(error))

        yamanote.run(main(), worker_threads={workers})
        """,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if not line.startswith("INFO")]
    count = serving_workers or workers
    lifespans = [line for line in lines if line.startswith("lifespan")]
    said = [line for line in lines if not line.startswith("lifespan")]
    assert len(lifespans) == 2 * 3 * count
    assert re.sub(r":\d+:", ":PORT:", "\n".join(said)).splitlines() == [
        *[str(count), "cannot listen on 127.0.0.1:PORT: Address already in use"] * 2,
        "True",
        f"workers must be 1 to {workers}, not 99",
        "True",
    ]


# The example.


def test_shared_cache(workers: int) -> None:
    pytest.importorskip("starlette", exc_type=ImportError)
    target = f"{EXAMPLES / 'shared_cache.py'}:app"
    with serving(EXAMPLES, target, "--workers", str(workers)) as server:
        url = server.url()

        def digest(_: int) -> str:
            text: str = get(url, "/digest/tokyo")["digest"]
            return text

        with ThreadPoolExecutor(8) as pool:
            assert len(set(pool.map(digest, range(16)))) == 1
        assert get(url, "/jobs") == {"jobs": [], "cached": 1}

        with connections(url, 4) as made:
            for number in range(20):
                connection = made[number % 4]
                connection.request("POST", "/jobs", json.dumps({"text": f"job {number % 5}"}))
                response = connection.getresponse()
                assert response.status == 202
                assert json.load(response)["id"] == number + 1
            while True:
                answer = ask(made[0], "/jobs")
                if all(job["state"] == "done" for job in answer["jobs"]):
                    break
        assert answer["cached"] == 6
        assert len({job["result"] for job in answer["jobs"]}) == 5
        assert len({job["asked_on"] for job in answer["jobs"]}) == min(workers, 4)


def test_the_page_of_shared_cache(workers: int) -> None:
    pytest.importorskip("starlette", exc_type=ImportError)
    target = f"{EXAMPLES / 'shared_cache.py'}:app"
    args = ("--workers", str(workers), "--timeout-graceful-shutdown", "1")
    with serving(EXAMPLES, target, *args) as server, opened(server.url()) as page:
        assert page.run("document.title") == "Jobs"
        send = """
            (async () => {
                document.querySelector("[name=text]").value = %s;
                document.querySelector("button").click();
                const row = () => document.querySelector("tbody tr:last-child");
                while (!(row()?.dataset.state === "done" && row().cells[1].textContent === %s))
                    await new Promise(requestAnimationFrame);
                return [...row().cells].map(cell => cell.textContent);
            })()
        """
        rows = [page.run(send % (f"'{text}'", f"'{text}'")) for text in ("Ueno", "<b>Shibuya")]
        assert [row[:3] for row in rows] == [["1", "Ueno", "done"], ["2", "<b>Shibuya", "done"]]
        expected = get(server.url(), "/digest/Ueno")["digest"]
        assert expected.startswith(rows[0][5])
        assert page.run("document.querySelector('#cached').textContent") == "2"
