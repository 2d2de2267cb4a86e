"""Web applications (ASGI) on every worker of one process: `yamanote serve package.module:app`.

The HTTP and WebSocket protocols are uvicorn's: `pip install 'yamanote[serve]'`.
"""

from .errors import ServeError
from .server import serve

__all__ = ["ServeError", "serve"]
