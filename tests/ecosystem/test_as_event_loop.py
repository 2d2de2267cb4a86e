"""Programs of others on `yamanote.EventLoop`, by the options that they have for a loop."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

import yamanote
from tests.channels import LIMIT, on_thread


def loop_and_task() -> tuple[str, str]:
    return type(asyncio.get_running_loop()).__name__, type(asyncio.current_task()).__name__


def test_anyio() -> None:
    anyio = pytest.importorskip("anyio", exc_type=ImportError)

    async def main() -> tuple[Any, int]:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 0)
        return loop_and_task(), await anyio.to_thread.run_sync(abs, -3)

    options = {"loop_factory": yamanote.new_event_loop}
    assert anyio.run(main, backend_options=options) == (("EventLoop", "Task"), 3)


def test_uvicorn() -> None:
    uvicorn = pytest.importorskip("uvicorn", exc_type=ImportError)
    httpx = pytest.importorskip("httpx", exc_type=ImportError)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        body = " ".join(loop_and_task()).encode()
        await send({"type": "http.response.body", "body": body})

    class Server(uvicorn.Server):  # type: ignore[misc, name-defined]
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            self.client = on_thread(self.ask, port)

        def ask(self, port: int) -> str:
            try:
                return str(httpx.get(f"http://127.0.0.1:{port}/", timeout=LIMIT).text)
            finally:
                self.should_exit = True

    config = uvicorn.Config(
        app, port=0, loop="yamanote:new_event_loop", lifespan="off", log_level="error"
    )
    server = Server(config)
    server.run()
    assert server.client.result(LIMIT) == "EventLoop Task"


@pytest.mark.skipif(importlib.util.find_spec("pytest_asyncio") is None, reason="not installed")
def test_pytest_asyncio(tmp_path: Path) -> None:
    conftest = """
        import yamanote

        def pytest_asyncio_loop_factories():
            return {"yamanote": yamanote.new_event_loop}
        """
    tests = """
        import asyncio

        import pytest
        import pytest_asyncio

        import yamanote

        pytestmark = pytest.mark.asyncio(loop_scope="module")

        @pytest_asyncio.fixture(loop_scope="module")
        async def task():
            task = asyncio.create_task(asyncio.sleep(0, 3))
            yield task
            assert task.done()

        async def test_loop(task):
            assert type(asyncio.get_running_loop()) is yamanote.EventLoop
            assert await task == await yamanote.spawn(asyncio.sleep(0, 3))

        @pytest.mark.asyncio(loop_scope="function")
        async def test_another_loop():
            assert type(asyncio.get_running_loop()) is yamanote.EventLoop
            assert await yamanote.spawn_blocking(abs, -3) == 3
        """
    (tmp_path / "conftest.py").write_text(dedent(conftest))
    (tmp_path / "test_it.py").write_text(dedent(tests))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
    )
    environment = {key: value for key, value in os.environ.items() if "PYTEST" not in key}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
