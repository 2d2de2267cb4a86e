"""RESP, the protocol of Redis: commands cut out of the bytes that come, and replies.

A command is an array of bulk strings, `*2\\r\\n$3\\r\\nGET\\r\\n$4\\r\\ncity\\r\\n`, or, typed by
hand, a line of words. https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

Command = list[bytes]

MOST_WORDS = 1 << 16  # in a command
LARGEST_COMMAND = 1 << 24  # bytes
LONGEST_LINE = 1 << 16  # bytes

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"
#: "There is nothing", in RESP2. RESP3 has a reply of its own for it, see `Connection`.
NULL = b"$-1\r\n"
NULL_3 = b"_\r\n"
EMPTY = b"*0\r\n"


class ProtocolError(Exception):
    """The client does not speak RESP. Where the next command would begin nobody knows."""


class CommandError(Exception):
    """A command cannot be done; the text is the reply, beginning with its kind in capitals."""


# Replies.


def bulk(value: bytes | None) -> bytes:
    return NULL if value is None else b"$%d\r\n%b\r\n" % (len(value), value)


def integer(value: int) -> bytes:
    return b":%d\r\n" % value


def array(replies: Iterable[bytes], kind: bytes = b"*") -> bytes:
    """Of replies; `kind` is `>` for what RESP3 pushes."""
    replies = list(replies)
    return b"%b%d\r\n%b" % (kind, len(replies), b"".join(replies))


def mapping(pairs: Iterable[tuple[bytes, bytes]], protocol: int) -> bytes:
    """Of replies; RESP2 has no mappings, and gets keys and values in turn."""
    pairs = list(pairs)
    size = b"%%%d\r\n" % len(pairs) if protocol == 3 else b"*%d\r\n" % (2 * len(pairs))
    return size + b"".join(key + value for key, value in pairs)


def error(text: str) -> bytes:
    # On one line, or the rest would be taken for other replies.
    return b"-%b\r\n" % " ".join(text.split()).encode(errors="replace")


# Commands.


class Parser:
    """Collects what comes, and gives out the commands that are complete.

    Each byte is looked at once, however small the pieces are in which it comes.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0  # where in `_data` the rest begins
        self._words: Command = []
        self._missing = 0  # words of the command that are still to come
        self._length = -1  # of the next word; -1: that is still to come
        self._size = 0  # of the words until now
        self._searched = 0  # how far there is no end of the line

    def feed(self, data: bytes) -> None:
        if self._at:
            del self._data[: self._at]
            self._searched = max(self._searched - self._at, 0)
            self._at = 0
        self._data += data

    def is_amid(self) -> bool:
        """Whether a command has begun and not ended."""
        return self._missing > 0 or self._at < len(self._data)

    def next(self) -> Command | None:
        """The next command; None if it is not all there.

        Raises:
            ProtocolError: there will be none any more.
        """
        data = self._data
        while True:
            if not self._missing:
                line = self._line()
                if line is None:
                    return None
                if not line.startswith(b"*"):
                    words = split(line)
                    if words:
                        return words
                    continue
                self._missing = number(line[1:], MOST_WORDS, "multibulk length")
                self._words, self._size = [], 0
                continue  # what has no words is passed over
            if self._length < 0:
                line = self._line()
                if line is None:
                    return None
                if not line.startswith(b"$"):
                    raise ProtocolError(f"expected '$', got {line[:1].decode('latin-1')!r}")
                self._length = number(line[1:], LARGEST_COMMAND - self._size, "bulk length")
            start, end = self._at, self._at + self._length
            if len(data) < end + 2:
                return None
            if data[end : end + 2] != b"\r\n":
                raise ProtocolError("expected the end of a bulk string")
            self._words.append(bytes(data[start:end]))
            self._size += self._length
            self._at = self._searched = end + 2
            self._length = -1
            self._missing -= 1
            if not self._missing:
                return self._words

    def _line(self) -> bytes | None:
        """The next line, without its end."""
        end = self._data.find(b"\n", self._searched)
        if (end if end >= 0 else len(self._data)) - self._at > LONGEST_LINE:
            raise ProtocolError("too big inline request")
        if end < 0:
            self._searched = len(self._data)
            return None
        line = bytes(self._data[self._at : end])
        self._at = self._searched = end + 1
        return line[:-1] if line.endswith(b"\r") else line


def number(text: bytes, most: int, what: str) -> int:
    """A count or a length."""
    if not text.isdigit() or len(text) > 18 or int(text) > most:
        raise ProtocolError(f"invalid {what}")
    return int(text)


def split(line: bytes) -> Command:
    """The words of a line that was typed by hand, maybe with quotes."""
    if b'"' not in line and b"'" not in line:
        return line.split()
    try:
        return [word.encode("latin-1") for word in shlex.split(line.decode("latin-1"))]
    except ValueError:
        raise ProtocolError("unbalanced quotes in request") from None
