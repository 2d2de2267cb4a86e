"""uvicorn with FastAPI on a peer's loop: `python -m bench.web.fastapi_on_loop PEER PORT`."""

import sys

import uvicorn

from bench.peers import load

from .fastapi_hello import app

name, port = sys.argv[1:]
config = uvicorn.Config(app, port=int(port), loop="none", log_level="warning", access_log=False)
load(name).run(uvicorn.Server(config).serve)
