"""A web server for the files of a folder: HTTP/1.1 on `h11`, which knows the protocol and leaves
the sockets to us.

It keeps connections open, answers pipelined requests in turn, and knows HEAD, single ranges,
`If-Modified-Since` and `If-None-Match`. Files are read in pieces on the blocking pool, so a slow
disk holds up one client only. A client has a time limit for everything, and what it sends a size
limit. Nothing outside of the folder is served, neither by `..` nor by a symbolic link.

    pip install 'yamanote[examples]'
    yamanote run --workers 4 examples/http_server.py:main --port 8000 FOLDER
    curl -i http://127.0.0.1:8000/

Ctrl-C or SIGTERM lets nobody else in; requests that have begun are still answered.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import html
import mimetypes
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from io import FileIO
from pathlib import Path
from signal import SIGINT, SIGTERM
from urllib.parse import quote, unquote_to_bytes, urlsplit

try:
    import h11
except ImportError:
    sys.exit("this example needs h11: pip install 'yamanote[examples]', or pip install h11")

import yamanote
from yamanote import CancellationToken, TaskTracker, select, signal, spawn_blocking
from yamanote.net import TcpListener, TcpStream
from yamanote.time import timeout

IDLE = 15.0  # seconds that a connection may wait for the next request
HEAD = 10.0  # seconds for the head of a request to arrive, once it has begun
SLOW = 20.0  # seconds for a client to take one piece of the answer
LINGERING = 1.0  # seconds for a client to read why it is turned away
LARGEST_HEAD = 16384  # bytes
LONGEST_TARGET = 4096  # bytes
PIECE = 1 << 18  # bytes of a file that are in memory for a client

Headers = list[tuple[str, str]]


class Refused(Exception):
    """The request gets another answer than was hoped for."""

    def __init__(self, status: int, *headers: tuple[str, str]) -> None:
        super().__init__(status)
        self.answer = refusal(status, *headers)


@dataclass
class Answer:
    """What a request gets: a text, or some of a file's bytes."""

    status: int
    headers: Headers = field(default_factory=list)
    text: bytes = b""
    file: FileIO | None = None
    start: int = 0
    stop: int = 0


def refusal(status: int, *headers: tuple[str, str]) -> Answer:
    text = f"{status} {HTTPStatus(status).phrase}\n".encode()
    return Answer(status, [*headers, ("Content-Type", "text/plain; charset=utf-8")], text)


# Files. This blocks, and so runs on the blocking pool.


def look(root: Path, request: h11.Request) -> Answer:
    """What a request gets. `root` is absolute and has no symbolic links in it."""
    try:
        wanted = path_of(request.target)
        path = locate(root, wanted)
        if not path.is_dir():
            if wanted.endswith(b"/"):
                raise Refused(404)
            return answer_with(path, request)
        if not wanted.endswith(b"/"):
            # One slash at the start: two would be the name of another server.
            raise Refused(301, ("Location", quote(b"/" + wanted.strip(b"/") + b"/")))
        if (path / "index.html").is_file():
            return answer_with(locate(root, wanted + b"index.html"), request)
        return Answer(200, [("Content-Type", "text/html; charset=utf-8")], listing(path))
    except Refused as refused:
        return refused.answer
    except PermissionError:
        return refusal(403)
    except OSError as error:  # gone meanwhile; or we have no descriptor left
        return refusal(503 if error.errno in (errno.EMFILE, errno.ENFILE) else 404)


def path_of(target: bytes) -> bytes:
    """The path in a request's target, which is one, or a whole URL."""
    if not target.startswith(b"/"):
        try:
            url = urlsplit(target)
        except ValueError:
            raise Refused(400) from None
        if url.scheme not in (b"http", b"https"):
            raise Refused(400)
        target = url.path or b"/"
    path = unquote_to_bytes(target.partition(b"?")[0])
    if b"\0" in path:
        raise Refused(400)
    return path


def locate(root: Path, wanted: bytes) -> Path:
    """Follow symbolic links and "..", and see that it ends below the root."""
    try:
        path = (root / os.fsdecode(wanted.lstrip(b"/"))).resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle, before Python 3.13
        raise Refused(404) from None
    if not path.is_relative_to(root):
        raise Refused(404)
    return path


def listing(folder: Path) -> bytes:
    """The page for a folder."""

    def links() -> Iterator[str]:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                name = entry.name + ("/" if entry.is_dir() else "")
                shown = html.escape(os.fsencode(name).decode(errors="replace"))
                # With the "./" no name looks like "javascript:".
                yield f'<li><a href="./{quote(os.fsencode(name))}">{shown}</a></li>\n'

    title = html.escape(os.fsencode(folder.name).decode(errors="replace"))
    return (
        f"<!doctype html>\n<title>{title}</title>\n<h1>{title}</h1>\n"
        f'<ul>\n<li><a href="../">../</a></li>\n{"".join(links())}</ul>\n'
    ).encode()


def answer_with(path: Path, request: h11.Request) -> Answer:
    """All of a file, a range of it, or the news that the client has it already."""
    # What is not a regular file might make us wait, for somebody to write to it, say.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW
    with contextlib.ExitStack() as unless_sent:
        file = FileIO(os.open(path, flags))
        unless_sent.callback(file.close)
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise Refused(404)
        given = {key.decode(): value.decode("latin-1") for key, value in request.headers}
        etag = f'"{about.st_mtime_ns:x}-{about.st_size:x}"'
        modified = formatdate(about.st_mtime, usegmt=True)
        headers = [("ETag", etag), ("Last-Modified", modified), ("Accept-Ranges", "bytes")]
        if is_known(given, etag, about.st_mtime):
            return Answer(304, headers)
        kind, encoding = mimetypes.guess_type(path.name)
        if kind is None or encoding is not None:  # compressed: a file, and no text
            kind = "application/octet-stream"
        headers.append(("Content-Type", f"{kind}; charset=utf-8" if kind[:5] == "text/" else kind))
        start, stop, status = 0, about.st_size, 200
        # A range of what has changed since would not fit to what the client has.
        if request.method == b"GET" and given.get("if-range", etag) in (etag, modified):
            found = span(given.get("range", ""), about.st_size)
            if found is not None:
                start, stop = found
                headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{about.st_size}"))
                status = 206
        file.seek(start)
        unless_sent.pop_all()
        return Answer(status, headers, file=file, start=start, stop=stop)


def is_known(given: dict[str, str], etag: str, modified: float) -> bool:
    """Whether the client has the file as it is."""
    if "if-none-match" in given:
        known = re.findall(r'"[^"]*"|\*', given["if-none-match"])
        return etag in known or "*" in known
    since = seconds_of(given.get("if-modified-since"))
    return since is not None and int(modified) <= since


def span(wanted: str, size: int) -> tuple[int, int] | None:
    """Where a range starts and stops: `FIRST-LAST`, `FIRST-`, or `-COUNT` from the end.

    None for what is none, or several: then the whole file is an answer, too.
    """
    found = re.fullmatch(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", wanted, re.ASCII)
    if found is None or found.group(1, 2) == ("", ""):
        return None
    if found[1]:
        start, last = int(found[1]), int(found[2] or size)
        if last < start:
            return None
        stop = min(last + 1, size)
    else:
        start, stop = max(size - int(found[2]), 0), size
    if start >= stop:
        raise Refused(416, ("Content-Range", f"bytes */{size}"))
    return start, stop


def seconds_of(date: str | None) -> float | None:
    """A date of HTTP in seconds since the epoch; None for what is none."""
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (ArithmeticError, LookupError, TypeError, ValueError):  # what it makes of nonsense
        return None


# Connections.


class Connection:
    """One client, and its requests one after the other."""

    def __init__(self, stream: TcpStream, root: Path, stopping: CancellationToken) -> None:
        self._stream = stream
        self._root = root
        self._stopping = stopping
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LARGEST_HEAD)
        self._method = b""

    async def serve(self) -> None:
        """Answer requests until the client has had enough, or has done something wrong."""
        async with self._stream:
            # An error or a time limit: the client is gone, or should be.
            with contextlib.suppress(OSError):
                self._stream.set_nodelay(True)
                while await self._serve_one():
                    self._http.start_next_cycle()
                await self._hang_up()

    async def _serve_one(self) -> bool:
        """Read a request and answer it; whether there can be another one."""
        self._method = b""
        try:
            request = await self._read_request()
            if request is None:
                return False
            answer = await spawn_blocking(look, self._root, request)
        except h11.RemoteProtocolError as error:
            answer = refusal(self._explain(error))
        except Refused as refused:
            answer = refused.answer
        with contextlib.ExitStack() as stack:
            if answer.file is not None:
                stack.enter_context(answer.file)
            await self._send(answer)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _read_request(self) -> h11.Request | None:
        """The next request; None if there is none, or none that has begun in time."""
        if not self._http.trailing_data[0]:
            try:
                async with timeout(IDLE):
                    data = await self._stopping.run_until_cancelled(self._stream.read())
            except TimeoutError:
                return None
            if not data:
                return None
            self._http.receive_data(data)
        try:
            async with timeout(HEAD):
                while (event := self._http.next_event()) is h11.NEED_DATA:
                    self._http.receive_data(await self._stream.read())
        except TimeoutError:
            raise Refused(408) from None
        if not isinstance(event, h11.Request):  # the stream has ended
            return None
        self._method = event.method
        # We have no use for a body. A request that has one is the last of its connection.
        self._http.next_event()
        if len(event.target) > LONGEST_TARGET:
            raise Refused(414)
        if event.method not in (b"GET", b"HEAD"):
            raise Refused(405, ("Allow", "GET, HEAD"))
        return event

    def _explain(self, error: h11.RemoteProtocolError) -> int:
        if error.error_status_hint == 431 and b"\n" not in self._http.trailing_data[0]:
            return 414  # not even the first line has come to its end
        return error.error_status_hint

    async def _send(self, answer: Answer) -> None:
        headers = [("Date", formatdate(usegmt=True)), ("Server", "yamanote"), *answer.headers]
        if answer.status != 304:
            length = len(answer.text) if answer.file is None else answer.stop - answer.start
            headers.append(("Content-Length", str(length)))
        if self._stopping.is_cancelled() or self._http.their_state is not h11.DONE:
            headers.append(("Connection", "close"))
        reason = HTTPStatus(answer.status).phrase
        response = h11.Response(status_code=answer.status, headers=headers, reason=reason)
        data = self._http.send(response) or b""
        if answer.status == 304 or self._method == b"HEAD":
            pass
        elif answer.file is None:
            data += self._http.send(h11.Data(data=answer.text)) or b""
        else:
            left = answer.stop - answer.start
            while left:
                piece = await spawn_blocking(answer.file.read, min(PIECE, left))
                if not piece:
                    raise OSError("the file has become shorter than was promised")
                left -= len(piece)
                await self._write(data + (self._http.send(h11.Data(data=piece)) or b""))
                data = b""
        await self._write(data + (self._http.send(h11.EndOfMessage()) or b""))

    async def _write(self, data: bytes) -> None:
        if data:
            await timeout(SLOW, self._stream.write_all(data))

    async def _hang_up(self) -> None:
        """End the connection so that the last answer arrives: to close it with something unread
        would reset it."""
        await self._stream.shutdown()
        async with timeout(LINGERING):
            while await self._stream.read():
                pass


def folder(text: str) -> Path:
    path = Path(text)
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not a folder")
    return path.resolve()


async def main() -> None:
    parser = argparse.ArgumentParser(description="A web server for the files of a folder.")
    parser.add_argument("folder", nargs="?", type=folder, default=".", metavar="FOLDER")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0: any free port (default 8000)")
    options = parser.parse_args()
    stopping, connections = CancellationToken(), TaskTracker()

    async def accept(listener: TcpListener) -> None:
        async for stream, _ in listener:
            connections.spawn(Connection(stream, options.folder, stopping).serve())

    try:
        listener = await TcpListener.bind((options.host, options.port))
    except (OSError, ValueError) as error:
        sys.exit(f"cannot listen: {error}")
    async with listener:
        with signal.unix(SIGINT) as interrupt, signal.unix(SIGTERM) as terminate:
            host, port = listener.local_addr()[:2]
            print(f"listening on {host}:{port}", flush=True)
            await select(accept(listener), interrupt.recv(), terminate.recv())
    # From here on another Ctrl-C has its usual meaning: it ends the program at once.
    stopping.cancel()
    connections.close()
    await connections.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        yamanote.run(main())
