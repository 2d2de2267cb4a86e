"""aiohttp on a peer's loop: `python -m bench.web.aiohttp_on_loop PEER PORT`."""

import asyncio
import sys

from aiohttp import web

from bench.peers import load
from bench.work import HOST


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def main(port: int) -> None:
    application = web.Application()
    application.router.add_get("/", hello)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    await asyncio.Event().wait()


name, port = sys.argv[1:]
load(name).run(main, int(port))
