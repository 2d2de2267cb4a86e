"""Streams against a simple model: whatever the order of writes, reads and cancelled reads,
nothing is lost, doubled or reordered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("hypothesis")
from hypothesis import given
from hypothesis import strategies as st

from tests.pairs import pair
from yamanote import JoinError, Runtime, spawn, yield_now
from yamanote.net import AsyncRead, BufReader, TcpStream

LIMIT = 300  # of what read_until looks at

SIZES = st.one_of(st.integers(1, 40), st.sampled_from([LIMIT, 5000, 70_000]))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), SIZES),
        st.tuples(st.sampled_from(["read", "read_exact", "read_into", "peek"]), SIZES),
        st.tuples(st.sampled_from(["read_until", "read_line"]), st.just(0)),
        st.tuples(st.sampled_from(["cancel read", "cancel read_exact", "cancel until"]), SIZES),
    ),
    min_size=5,
    max_size=30,
)


def text(start: int, size: int) -> bytes:
    """What stands at that place of the stream: lines of many lengths."""
    return b"".join(
        b"\n" if n % 7 == 0 or n % 11 == 0 else b"%x" % (n % 16) for n in range(start, start + size)
    )


@pytest.fixture(scope="module")
def one_runtime() -> Iterator[Runtime]:
    with Runtime(worker_threads=2) as rt:
        yield rt


class Model:
    def __init__(self, writer: TcpStream, reader: Any) -> None:
        self.writer = writer
        self.reader = reader
        self.written = 0
        self.left = b""

    async def write(self, size: int) -> None:
        data = text(self.written, size)
        self.written += size
        self.left += data
        await self.writer.write_all(data)

    def take(self, data: bytes) -> None:
        assert self.left.startswith(data)
        self.left = self.left[len(data) :]

    async def read(self, size: int) -> None:
        if self.left:
            data = await self.reader.read(size)
            assert 1 <= len(data) <= size
            self.take(data)

    async def read_into(self, size: int) -> None:
        if self.left:
            buffer = bytearray(size)
            count = await self.reader.read_into(buffer)
            assert 1 <= count <= size
            assert buffer[count:] == bytes(size - count)
            self.take(bytes(buffer[:count]))

    async def read_exact(self, size: int) -> None:
        if size <= len(self.left):
            data = await self.reader.read_exact(size)
            assert len(data) == size
            self.take(data)

    async def peek(self, size: int) -> None:
        if self.left and hasattr(self.reader, "peek"):
            data = await self.reader.peek(size)
            assert 1 <= len(data) <= size
            assert self.left.startswith(data)

    async def read_until(self, _: int) -> None:
        end = self.left.find(b"\n")
        if end > LIMIT:
            with pytest.raises(asyncio.LimitOverrunError):
                await self.reader.read_until(limit=LIMIT)
        elif end >= 0:
            data = await self.reader.read_until(limit=LIMIT)
            assert data == self.left[: end + 1]
            self.take(data)

    async def read_line(self, _: int) -> None:
        if b"\n" in self.left:
            line = await self.reader.read_line()
            assert line.endswith("\n")
            assert line.count("\n") == 1
            self.take(line.encode())

    async def cancel(self, what: str, size: int) -> None:
        """Begin to read, and give up at some point."""
        if what == "read":
            reading = spawn(self.reader.read(size))
        elif what == "read_exact":
            reading = spawn(self.reader.read_exact(len(self.left) + size))
        else:
            reading = spawn(self.reader.read_until(b"never"))
        for _ in range(size % 4):
            await yield_now()
        reading.abort()
        try:
            self.take(await reading)
        except JoinError as error:
            if not error.is_cancelled() and what != "until":
                raise


@pytest.mark.parametrize("buffered", [False, True])
@given(steps=STEPS)
def test_stream(one_runtime: Runtime, buffered: bool, steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        async with pair() as (writer, stream):
            reader: AsyncRead = BufReader(stream, 100) if buffered else stream
            model = Model(writer, reader)
            for step, size in steps:
                if step.startswith("cancel "):
                    await model.cancel(step.removeprefix("cancel "), size)
                else:
                    await getattr(model, step)(size)
            await writer.shutdown()
            assert await reader.read_to_end() == model.left

    one_runtime.block_on(main())
