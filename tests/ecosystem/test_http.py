"""HTTP inside native tasks, over real sockets: aiohttp, httpx, and FastAPI and Starlette
served by uvicorn."""

# Without `from __future__ import annotations`: FastAPI looks up what local names stand for.

import asyncio
import contextvars
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from socket import create_server
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, Counter, Oneshot
from tests.ecosystem.conftest import Native
from tests.gates import Gate, forever
from yamanote import JoinError, block_in_place, spawn, spawn_blocking, yield_now

SOON = 0.05  # seconds; what is given so long never ends by itself
BIG = bytes(range(256)) * 4096

# Each module by itself, for there are no wheels of all of them for every Python.


@pytest.fixture(scope="module")
def aiohttp() -> Any:
    pytest.importorskip("aiohttp.web", exc_type=ImportError)
    return pytest.importorskip("aiohttp")


@pytest.fixture(scope="module")
def httpx() -> Any:
    return pytest.importorskip("httpx", exc_type=ImportError)


@pytest.fixture(scope="module")
def uvicorn() -> Any:
    return pytest.importorskip("uvicorn", exc_type=ImportError)


@pytest.fixture(scope="module")
def websockets() -> Any:
    return pytest.importorskip("websockets.asyncio.client", exc_type=ImportError)


# aiohttp's server.


class Waiting:
    """A handler that never ends by itself, and whether it was cancelled."""

    def __init__(self) -> None:
        self.began = Gate()
        self.cancelled = Gate()

    async def handle(self, request: Any) -> Any:
        self.began.open()
        try:
            await forever()
        except asyncio.CancelledError:
            self.cancelled.open()
            raise


def aiohttp_app(aiohttp: Any, waiting: Waiting | None) -> Any:
    web = aiohttp.web

    async def hello(request: Any) -> Any:
        return web.json_response({"hello": request.match_info["name"]})

    async def native_parts(request: Any) -> Any:
        n = int(request.query["n"])
        await yield_now()
        doubled = await spawn(asyncio.sleep(0, 2 * n))
        return web.Response(text=str(await spawn_blocking(lambda: doubled + 1)))

    async def echo(request: Any) -> Any:
        return web.Response(body=await request.read())

    async def stream(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        for n in range(100):
            await response.write(b"%d\n" % n)
            await yield_now()
        await response.write_eof()
        return response

    async def fail(request: Any) -> Any:
        raise web.HTTPConflict(text="no")

    async def websocket(request: Any) -> Any:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(await spawn(asyncio.sleep(0, message.data.upper())))
        return socket

    app = web.Application()
    app.router.add_get("/hello/{name}", hello)
    app.router.add_get("/native", native_parts)
    app.router.add_post("/echo", echo)
    app.router.add_get("/stream", stream)
    app.router.add_get("/fail", fail)
    app.router.add_get("/websocket", websocket)
    if waiting is not None:
        app.router.add_get("/waiting", waiting.handle)
    return app


@asynccontextmanager
async def serving_aiohttp(aiohttp: Any, waiting: Waiting | None = None) -> AsyncIterator[str]:
    """The address of a server in this task's loop."""
    # A client that leaves cancels its handler: then there is something to see.
    runner = aiohttp.web.AppRunner(
        aiohttp_app(aiohttp, waiting), access_log=None, handler_cancellation=True
    )
    await runner.setup()
    try:
        await aiohttp.web.TCPSite(runner, "127.0.0.1", 0).start()
        yield "http://127.0.0.1:{1}".format(*runner.addresses[0])
    finally:
        await runner.cleanup()


def test_aiohttp(native: Native, aiohttp: Any) -> None:
    async def main() -> None:
        async with serving_aiohttp(aiohttp) as url, aiohttp.ClientSession(url) as session:
            async with session.get("/hello/東京") as response:
                assert response.status == 200
                assert await response.json() == {"hello": "東京"}
            async with session.get("/native", params={"n": 20}) as response:
                assert await response.text() == "41"
            async with session.post("/echo", data=BIG) as response:
                assert await response.read() == BIG
            async with session.get("/fail") as response:
                assert (response.status, await response.text()) == (409, "no")
            async with session.get("/nowhere", raise_for_status=False) as response:
                assert response.status == 404

    native(main())


def test_aiohttp_streams(native: Native, aiohttp: Any) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for n in range(100):
            await yield_now()
            yield b"%d\n" % n

    async def main() -> None:
        expected = b"".join([chunk async for chunk in chunks()])
        async with serving_aiohttp(aiohttp) as url, aiohttp.ClientSession(url) as session:
            async with session.get("/stream") as response:
                lines = [line async for line in response.content]
            assert b"".join(lines) == expected
            async with session.post("/echo", data=chunks()) as response:
                assert await response.read() == expected

    native(main())


def test_aiohttp_websocket(native: Native, aiohttp: Any) -> None:
    async def main() -> None:
        async with (
            serving_aiohttp(aiohttp) as url,
            aiohttp.ClientSession(url) as session,
            session.ws_connect("/websocket") as socket,
        ):
            for n in range(50):
                await socket.send_str(f"message {n}")
                assert await socket.receive_str() == f"MESSAGE {n}"

    native(main())


def test_aiohttp_limits(native: Native, aiohttp: Any) -> None:
    async def main() -> None:
        waiting = Waiting()
        async with serving_aiohttp(aiohttp, waiting) as url, aiohttp.ClientSession(url) as session:
            with pytest.raises(TimeoutError):
                await session.get("/waiting", timeout=aiohttp.ClientTimeout(total=SOON))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON):
                    await session.get("/waiting")
            async with session.get("/hello/again") as response:
                assert response.status == 200

    native(main())


def test_abort_of_an_aiohttp_request(workers: int, aiohttp: Any) -> None:
    """The server's handler is cancelled with it."""

    async def main() -> None:
        waiting = Waiting()
        async with serving_aiohttp(aiohttp, waiting) as url:

            async def client() -> None:
                async with aiohttp.ClientSession(url) as session:
                    await session.get("/waiting")

            handle = spawn(client())
            await waiting.began.wait()
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await handle
            assert caught.value.is_cancelled()
            await waiting.cancelled.wait()

    yamanote.run(main(), worker_threads=workers)


def test_aiohttp_between_spawned_tasks(workers: int, aiohttp: Any) -> None:
    """A server in one task, clients on whichever worker takes them."""

    async def main() -> None:
        address, over = Oneshot[str](), Oneshot[None]()

        async def server() -> None:
            async with serving_aiohttp(aiohttp) as url:
                address.send(url)
                await over.recv()

        async def client(n: int) -> str:
            async with aiohttp.ClientSession(url) as session:
                async with session.post("/echo", data=BIG) as response:
                    assert await response.read() == BIG
                async with session.get("/native", params={"n": n}) as response:
                    text: str = await response.text()
                    return text

        serves = spawn(server())
        url = await address.recv()
        handles = [spawn(client(n)) for n in range(20)]
        assert [await handle for handle in handles] == [str(2 * n + 1) for n in range(20)]
        over.send(None)
        await serves

    yamanote.run(main(), worker_threads=workers)


# httpx, with a server of aiohttp's kind made by hand: httpx has a test of its own even
# where aiohttp has no wheel.


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the request's body, or its path where it has none."""
    try:
        while request := await reader.readuntil(b"\r\n\r\n"):
            length = 0
            for line in request.split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            path = request.split(b" ")[1]
            body = await reader.readexactly(length) or path
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
            await writer.drain()
    except asyncio.IncompleteReadError:
        pass  # the client has closed the connection
    finally:
        writer.close()
        await writer.wait_closed()


@asynccontextmanager
async def serving_by_hand(
    handler: Callable[..., Any] = answer,
) -> AsyncIterator[str]:
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    try:
        yield "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())
    finally:
        # Not `async with server`: from 3.12 on it waits for clients that have gone wrong.
        server.close()


def test_httpx(native: Native, httpx: Any) -> None:
    async def main() -> None:
        async with serving_by_hand() as url, httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/hello")).text == "/hello"
            assert (await client.post("/echo", content=BIG)).content == BIG
            async with client.stream("POST", "/stream", content=BIG) as response:
                assert b"".join([chunk async for chunk in response.aiter_bytes(1000)]) == BIG
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(client.get(f"/{n}")) for n in range(50)]
            assert [task.result().text for task in tasks] == [f"/{n}" for n in range(50)]

    native(main())


def test_httpx_limits(native: Native, httpx: Any) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.read()
        finally:
            writer.close()

    async def main() -> None:
        async with serving_by_hand(silent) as url, httpx.AsyncClient(base_url=url) as client:
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/", timeout=httpx.Timeout(LIMIT, read=SOON))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(SOON):
                    await client.get("/", timeout=None)

    native(main())


def test_abort_of_an_httpx_request(workers: int, httpx: Any) -> None:
    """The connection is closed, and the client goes on."""

    async def main() -> None:
        began, ended = Oneshot[None](), Oneshot[bytes]()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            began.send(None)
            ended.send(await reader.read())
            writer.close()

        async with serving_by_hand(silent) as url:

            async def visit() -> None:
                async with httpx.AsyncClient(timeout=None) as client:
                    await client.get(url)

            handle = spawn(visit())
            await began.recv()
            handle.abort()
            with pytest.raises(JoinError) as caught:
                await handle
            assert caught.value.is_cancelled()
            assert await ended.recv() == b""

    yamanote.run(main(), worker_threads=workers)


# uvicorn, with one application made in two ways.


@asynccontextmanager
async def serving_uvicorn(uvicorn: Any, app: Any) -> AsyncIterator[str]:
    """The address of a server that runs in a task of asyncio's, on this loop."""
    async with uvicorn_server(uvicorn, app) as (server, sock):
        url = "http://127.0.0.1:{1}".format(*sock.getsockname())
        task = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            yield url
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def uvicorn_server(uvicorn: Any, app: Any) -> AsyncIterator[Any]:
    # It listens at once: who connects before the server has started waits for it.
    with create_server(("127.0.0.1", 0)) as sock:
        # Else uvicorn would change this process's logging.
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="on")
        yield uvicorn.Server(config), sock


class Life:
    """What an application has seen of its life."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.in_background: list[str] = []
        self.background = Counter()
        self.cancelled = Gate()
        self.began = Gate()

    @asynccontextmanager
    async def __call__(self, app: Any) -> AsyncIterator[None]:
        self.events.append("startup")
        await asyncio.sleep(0)
        await yield_now()
        yield
        self.events.append("shutdown")

    async def forever(self) -> None:
        self.began.open()
        try:
            await forever()
        except asyncio.CancelledError:
            self.cancelled.open()
            raise


request_number = contextvars.ContextVar("request_number", default=-1)


def starlette_app(life: Life) -> Any:
    pytest.importorskip("starlette", exc_type=ImportError)
    from starlette.applications import Starlette
    from starlette.background import BackgroundTasks
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import Request
    from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute
    from starlette.websockets import WebSocket

    async def in_async(request: Request) -> Any:
        await asyncio.sleep(0)
        return JSONResponse({"n": int(request.path_params["n"]), "in": "async"})

    def in_sync(request: Request) -> Any:
        return JSONResponse(
            {"n": int(request.path_params["n"]), "in": threading.current_thread().name}
        )

    async def native_parts(request: Request) -> Any:
        n = int(request.path_params["n"])
        await yield_now()
        n = await spawn(asyncio.sleep(0, 2 * n))
        n = await spawn_blocking(lambda: n + 1)
        return JSONResponse({"n": block_in_place(lambda: n + 1)})

    async def echo(request: Request) -> Any:
        return PlainTextResponse(await request.body())

    async def stream(request: Request) -> Any:
        async def lines() -> AsyncIterator[str]:
            for n in range(100):
                await yield_now()
                yield f"{n}\n"

        return StreamingResponse(lines())

    async def endless(request: Request) -> Any:
        async def lines() -> AsyncIterator[str]:
            yield "first\n"
            await life.forever()

        return StreamingResponse(lines())

    async def background(request: Request) -> Any:
        tasks = BackgroundTasks()
        tasks.add_task(life.in_background.append, "sync")
        tasks.add_task(later)
        return PlainTextResponse("soon", background=tasks)

    async def later() -> None:
        await spawn(asyncio.sleep(0))
        life.in_background.append("async")
        life.background.add()

    async def fail(request: Request) -> Any:
        raise HTTPException(409, "no")

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(await spawn(asyncio.sleep(0, text.upper())))

    async def middleware(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-seen"] = "yes"
        return response

    return Starlette(
        routes=[
            Route("/async/{n}", in_async),
            Route("/sync/{n}", in_sync),
            Route("/native/{n}", native_parts),
            Route("/echo", echo, methods=["POST"]),
            Route("/stream", stream),
            Route("/endless", endless),
            Route("/background", background),
            Route("/fail", fail),
            WebSocketRoute("/websocket", websocket),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=middleware)],
        lifespan=life,
    )


def fastapi_app(life: Life) -> Any:
    pytest.importorskip("fastapi", exc_type=ImportError)
    from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
    from fastapi.responses import PlainTextResponse, StreamingResponse

    app = FastAPI(lifespan=life)

    async def doubled(n: int) -> AsyncIterator[int]:
        yield await spawn(asyncio.sleep(0, 2 * n))

    def plus_one(n: int) -> Any:
        # A generator that blocks: FastAPI runs both halves on threads of anyio's.
        yield n + 1

    @app.get("/async/{n}")
    async def in_async(n: int) -> Any:
        await asyncio.sleep(0)
        return {"n": n, "in": "async"}

    @app.get("/sync/{n}")
    def in_sync(n: int) -> Any:
        return {"n": n, "in": threading.current_thread().name}

    @app.get("/native/{n}")
    async def native_parts(twice: int = Depends(doubled), more: int = Depends(plus_one)) -> Any:
        n = await spawn_blocking(lambda: twice + more)
        return {"n": block_in_place(lambda: n - more + 2)}

    @app.post("/echo")
    async def echo(request: Request) -> Any:
        return PlainTextResponse(await request.body())

    @app.get("/stream")
    async def stream() -> Any:
        def lines() -> Any:  # iterated on threads of anyio's
            for n in range(100):
                yield f"{n}\n"

        return StreamingResponse(lines())

    @app.get("/endless")
    async def endless() -> Any:
        async def lines() -> AsyncIterator[str]:
            yield "first\n"
            await life.forever()

        return StreamingResponse(lines())

    @app.get("/background")
    async def background(tasks: BackgroundTasks) -> Any:
        tasks.add_task(life.in_background.append, "sync")
        tasks.add_task(later)
        return PlainTextResponse("soon")

    async def later() -> None:
        await spawn(asyncio.sleep(0))
        life.in_background.append("async")
        life.background.add()

    @app.get("/fail")
    async def fail() -> Any:
        raise HTTPException(409, "no")

    @app.websocket("/websocket")
    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        async for text in socket.iter_text():
            await socket.send_text(await spawn(asyncio.sleep(0, text.upper())))

    @app.middleware("http")
    async def middleware(request: Request, call_next: Any) -> Any:
        response = await call_next(request)
        response.headers["x-seen"] = "yes"
        return response

    return app


@pytest.mark.parametrize("make_app", [starlette_app, fastapi_app])
class TestUvicorn:
    def test_endpoints(
        self, spawned: Native, uvicorn: Any, httpx: Any, make_app: Callable[[Life], Any]
    ) -> None:
        life = Life()

        async def main() -> None:
            async with (
                serving_uvicorn(uvicorn, make_app(life)) as url,
                httpx.AsyncClient(base_url=url, timeout=LIMIT) as client,
            ):
                response = await client.get("/async/1")
                assert (response.status_code, response.headers["x-seen"]) == (200, "yes")
                assert response.json() == {"n": 1, "in": "async"}
                response = await client.get("/sync/2")
                assert response.json() == {"n": 2, "in": "AnyIO worker thread"}
                assert (await client.get("/native/20")).json() == {"n": 42}
                text = "a" * 1_000_000
                assert (await client.post("/echo", content=text)).text == text
                assert (await client.get("/fail")).status_code == 409
                assert (await client.get("/nowhere")).status_code == 404
            assert life.events == ["startup", "shutdown"]

        spawned(main())

    def test_stream(
        self, spawned: Native, uvicorn: Any, httpx: Any, make_app: Callable[[Life], Any]
    ) -> None:
        async def main() -> None:
            async with (
                serving_uvicorn(uvicorn, make_app(Life())) as url,
                httpx.AsyncClient(base_url=url, timeout=LIMIT) as client,
                client.stream("GET", "/stream") as response,
            ):
                assert [line async for line in response.aiter_lines()] == [*map(str, range(100))]

        spawned(main())

    def test_stream_that_the_client_leaves(
        self, spawned: Native, uvicorn: Any, httpx: Any, make_app: Callable[[Life], Any]
    ) -> None:
        async def main() -> None:
            life = Life()
            async with (
                serving_uvicorn(uvicorn, make_app(life)) as url,
                httpx.AsyncClient(base_url=url, timeout=LIMIT) as client,
            ):
                async with client.stream("GET", "/endless") as response:
                    assert await anext(response.aiter_lines()) == "first"
                    await life.began.wait()
                await life.cancelled.wait()

        spawned(main())

    def test_background(
        self, spawned: Native, uvicorn: Any, httpx: Any, make_app: Callable[[Life], Any]
    ) -> None:
        async def main() -> None:
            life = Life()
            async with (
                serving_uvicorn(uvicorn, make_app(life)) as url,
                httpx.AsyncClient(base_url=url, timeout=LIMIT) as client,
            ):
                for _ in range(10):
                    assert (await client.get("/background")).text == "soon"
            # uvicorn has waited for them.
            assert life.background.value == 10
            assert sorted(life.in_background) == ["async"] * 10 + ["sync"] * 10

        spawned(main())

    def test_websocket(
        self, spawned: Native, uvicorn: Any, websockets: Any, make_app: Callable[[Life], Any]
    ) -> None:
        async def main() -> None:
            async with serving_uvicorn(uvicorn, make_app(Life())) as url:
                address = url.replace("http", "ws") + "/websocket"

                async def visit(n: int) -> None:
                    async with websockets.connect(address) as socket:
                        for i in range(10):
                            await socket.send(f"message {n} {i}")
                            assert await socket.recv() == f"MESSAGE {n} {i}"

                await asyncio.gather(*[visit(n) for n in range(10)])

        spawned(main())

    def test_many_requests(
        self, spawned: Native, uvicorn: Any, httpx: Any, make_app: Callable[[Life], Any]
    ) -> None:
        async def main() -> None:
            async with (
                serving_uvicorn(uvicorn, make_app(Life())) as url,
                httpx.AsyncClient(base_url=url, timeout=LIMIT) as client,
            ):
                paths = [f"/{kind}/{n}" for n in range(20) for kind in ("async", "sync")]
                responses = await asyncio.gather(*[client.get(path) for path in paths])
                assert [response.json()["n"] for response in responses] == [
                    n for n in range(20) for _ in range(2)
                ]

        spawned(main())

    def test_between_spawned_tasks(
        self, workers: int, uvicorn: Any, httpx: Any, make_app: Callable[[Life], Any]
    ) -> None:
        """The server in a task, clients on whichever worker takes them."""
        life = Life()

        async def main() -> None:
            async with uvicorn_server(uvicorn, make_app(life)) as (server, sock):
                url = "http://127.0.0.1:{1}".format(*sock.getsockname())

                async def visit(n: int) -> list[int]:
                    async with httpx.AsyncClient(base_url=url, timeout=LIMIT) as client:
                        paths = [f"/{kind}/{n}" for kind in ("async", "sync", "native")]
                        return [(await client.get(path)).json()["n"] for path in paths]

                serves = spawn(server.serve(sockets=[sock]))
                handles = [spawn(visit(n)) for n in range(20)]
                assert [await handle for handle in handles] == [
                    [n, n, 2 * n + 2] for n in range(20)
                ]
                server.should_exit = True
                await serves

        yamanote.run(main(), worker_threads=workers)
        assert life.events == ["startup", "shutdown"]

    def test_abort_of_a_server(
        self, workers: int, uvicorn: Any, httpx: Any, make_app: Callable[[Life], Any]
    ) -> None:
        async def main() -> None:
            async with uvicorn_server(uvicorn, make_app(Life())) as (server, sock):
                url = "http://127.0.0.1:{1}".format(*sock.getsockname())
                serves = spawn(server.serve(sockets=[sock]))
                async with httpx.AsyncClient(base_url=url, timeout=LIMIT) as client:
                    assert (await client.get("/async/1")).status_code == 200
                serves.abort()
                with pytest.raises(JoinError) as caught:
                    await serves
                assert caught.value.is_cancelled()

        yamanote.run(main(), worker_threads=workers)


def test_fastapi_refuses(spawned: Native, uvicorn: Any, httpx: Any) -> None:
    """Validation answers by itself."""

    async def main() -> None:
        async with (
            serving_uvicorn(uvicorn, fastapi_app(Life())) as url,
            httpx.AsyncClient(base_url=url, timeout=LIMIT) as client,
        ):
            response = await client.get("/async/two")
            assert response.status_code == 422
            assert json.loads(response.text)["detail"][0]["loc"] == ["path", "n"]

    spawned(main())


def test_context_of_a_request(spawned: Native, uvicorn: Any, httpx: Any) -> None:
    """What a request sets, the tasks and threads that it starts see, and no other request."""
    fastapi = pytest.importorskip("fastapi", exc_type=ImportError)
    app = fastapi.FastAPI()

    async def remember(n: int) -> None:
        assert request_number.get() == -1
        request_number.set(n)

    async def read() -> int:
        await yield_now()
        return request_number.get()

    @app.get("/{n}", dependencies=[fastapi.Depends(remember)])
    async def endpoint() -> Any:
        return [
            request_number.get(),
            await spawn(read()),
            await asyncio.create_task(read()),
            await spawn_blocking(request_number.get),
            await asyncio.to_thread(request_number.get),
        ]

    async def main() -> None:
        async with (
            serving_uvicorn(uvicorn, app) as url,
            httpx.AsyncClient(base_url=url, timeout=LIMIT) as client,
        ):
            responses = await asyncio.gather(*[client.get(f"/{n}") for n in range(30)])
            assert [response.json() for response in responses] == [[n] * 5 for n in range(30)]

    spawned(main())
