"""A Flask application with a Runtime as its engine.

Flask's own threads are plain ones: they hand work to the runtime and go on. `GET /squares/N`
starts N tasks and waits for all of them; `POST /jobs` starts one and answers at once, and
`GET /jobs/ID` tells how it is.

    pip install flask
    python examples/flask_engine.py [--port PORT]

Threads do not survive a fork. Under a server that forks (gunicorn, uWSGI), make the runtime
in the worker processes: call `create_app` there, not in the parent.
"""

from __future__ import annotations

import argparse
import logging
from typing import Any

from flask import Flask, abort, request
from werkzeug.serving import make_server

from yamanote import JoinError, JoinHandle, Runtime
from yamanote.time import sleep

LIMIT = 10.0  # seconds that a request waits


async def square(n: int) -> int:
    await sleep(0.01)  # a query of a database, say
    return n * n


async def work(text: str) -> str:
    await sleep(0.05)
    if not text:
        raise ValueError("nothing to do")
    return text[::-1]


def create_app(rt: Runtime) -> Flask:
    app = Flask(__name__)
    # By the task's number. A real application would drop them at some time.
    jobs: dict[int, JoinHandle[str]] = {}

    @app.get("/squares/<int:count>")
    def squares(count: int) -> dict[str, Any]:
        handles = [rt.spawn(square(n)) for n in range(count)]
        return {"squares": [handle.join(LIMIT) for handle in handles]}

    @app.post("/jobs")
    def start() -> tuple[dict[str, Any], int]:
        handle = rt.spawn(work(request.get_data(as_text=True)))
        jobs[int(handle.id)] = handle
        return {"job": int(handle.id)}, 202

    @app.get("/jobs/<int:number>")
    def look(number: int) -> dict[str, Any]:
        handle = jobs.get(number)
        if handle is None:
            abort(404)
        try:
            # ?wait=SECONDS waits for the end, but no longer than that.
            return {"done": True, "result": handle.join(request.args.get("wait", 0.0, float))}
        except TimeoutError:
            return {"done": False}
        except JoinError as error:
            return {"done": True, "error": str(error.__cause__)}

    @app.delete("/jobs/<int:number>")
    def cancel(number: int) -> tuple[str, int]:
        handle = jobs.pop(number, None)
        if handle is None:
            abort(404)
        handle.abort()
        return "", 204

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve a Flask application.")
    parser.add_argument("--port", type=int, default=5000)
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    with Runtime() as rt:
        server = make_server("127.0.0.1", options.port, create_app(rt), threaded=True)
        print(f"listening on 127.0.0.1:{server.port}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            pass  # the way to stop it
        finally:
            server.server_close()


if __name__ == "__main__":
    main()
