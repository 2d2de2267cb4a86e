"""A web application whose workers share a cache and a job queue in memory, without Redis.

    pip install 'yamanote[serve]' starlette
    yamanote serve --workers 4 examples/shared_cache.py:app

Open http://127.0.0.1:8000 and send jobs. Each request may come to another worker, and each job
is done by whichever worker has time, but all see the same jobs and the same cache: they are
plain objects of one process.

- The cache computes each value once, however many requests ask for it at the same time.
- The queue is an mpsc channel: when it is full, a request waits for room.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from yamanote import JoinHandle, spawn, spawn_blocking
from yamanote.sync import OnceCell, RecvError, mpsc

ROUNDS = 100_000
WAITING = 100  # jobs


class Cache:
    """Values by their keys, each computed once, for all workers."""

    def __init__(self) -> None:
        self._cells: dict[str, OnceCell[str]] = {}
        self.computed = itertools.count()

    async def digest(self, text: str) -> str:
        # setdefault is atomic: two workers that come at once get the same cell, and one of
        # them computes while the other waits for it.
        cell = self._cells.setdefault(text, OnceCell())
        return await cell.get_or_init(lambda: self._compute(text))

    async def _compute(self, text: str) -> str:
        next(self.computed)
        key = await spawn_blocking(
            hashlib.pbkdf2_hmac, "sha256", text.encode(), b"yamanote", ROUNDS
        )
        return key.hex()

    def __len__(self) -> int:
        return len(self._cells)


@dataclass
class Job:
    id: int
    text: str
    state: str = "queued"
    result: str = ""
    asked_on: str = ""
    done_on: str = ""


class Jobs:
    """A queue of jobs, and a task that takes them from it."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._all: dict[int, Job] = {}
        self._ids = itertools.count(1)
        self._tx: mpsc.Sender[Job] | None = None
        self._consumer: JoinHandle[None] | None = None
        self._users = 0

    def open(self) -> None:
        """For the lifespan of each worker, which begin one after another: the first starts
        the consumer."""
        self._users += 1
        if self._users == 1:
            self._tx, rx = mpsc.channel(WAITING)
            self._consumer = spawn(self._consume(rx))

    async def close(self) -> None:
        """The last lifespan to end sees the jobs that wait done."""
        self._users -= 1
        if self._users == 0 and self._tx is not None and self._consumer is not None:
            self._tx.close()
            await self._consumer

    async def send(self, text: str) -> Job:
        assert self._tx is not None
        job = Job(next(self._ids), text, asked_on=threading.current_thread().name)
        self._all[job.id] = job
        await self._tx.send(job)
        return job

    def snapshot(self) -> list[Job]:
        return list(self._all.values())

    async def _consume(self, rx: mpsc.Receiver[Job]) -> None:
        running: list[JoinHandle[None]] = []
        try:
            while True:
                job = await rx.recv()
                running = [task for task in running if not task.is_finished()]
                running.append(spawn(self._run(job)))  # on any worker
        except RecvError:  # closed, and nothing left
            for task in running:
                await task

    async def _run(self, job: Job) -> None:
        job.state = "running"
        job.result = await self._cache.digest(job.text)
        job.done_on = threading.current_thread().name
        job.state = "done"


# One for the process. The lifespan runs on each worker, this module's body once.
cache = Cache()
jobs = Jobs(cache)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    jobs.open()
    yield
    await jobs.close()


async def page(request: Request) -> HTMLResponse:
    return HTMLResponse(PAGE)


async def post_job(request: Request) -> JSONResponse:
    text = (await request.json())["text"]
    return JSONResponse(asdict(await jobs.send(text)), 202)


async def get_jobs(request: Request) -> JSONResponse:
    return JSONResponse({"jobs": [asdict(job) for job in jobs.snapshot()], "cached": len(cache)})


async def get_digest(request: Request) -> JSONResponse:
    text = request.path_params["text"]
    return JSONResponse({"text": text, "digest": await cache.digest(text)})


PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Jobs</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: left; padding: .25rem .75rem; border-bottom: 1px solid #ddd; }
  td.result { font-family: monospace; }
  tr[data-state=done] .state { color: #070; }
</style>
<h1>Jobs</h1>
<form>
  <label>Text <input name="text" required value="yamanote"></label>
  <button>Send</button> <span id="cached">0</span> in the cache
</form>
<table>
  <thead>
    <tr><th>#<th>text<th>state<th>asked on<th>done on<th>result
  <tbody>
</table>
<script>
const form = document.querySelector("form"), body = document.querySelector("tbody");

async function show() {
  const answer = await (await fetch("jobs")).json();
  document.querySelector("#cached").textContent = answer.cached;
  body.replaceChildren(...answer.jobs.map(job => {
    const row = document.createElement("tr");
    row.dataset.state = job.state;
    for (const name of ["id", "text", "state", "asked_on", "done_on", "result"]) {
      const cell = row.insertCell();
      cell.className = name;
      cell.textContent = name === "result" ? job.result.slice(0, 16) : job[name];
    }
    return row;
  }));
  return answer.jobs.every(job => job.state === "done");
}

async function watch() {
  while (!await show()) await new Promise(wake => setTimeout(wake, 200));
}

form.addEventListener("submit", async event => {
  event.preventDefault();
  const text = new FormData(form).get("text");
  await fetch("jobs", {method: "POST", body: JSON.stringify({text})});
  await watch();
});
watch();
</script>
</html>
"""

app = Starlette(
    routes=[
        Route("/", page),
        Route("/jobs", get_jobs),
        Route("/jobs", post_job, methods=["POST"]),
        Route("/digest/{text}", get_digest),
    ],
    lifespan=lifespan,
)
