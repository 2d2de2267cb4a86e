"""A stream that is encrypted, over any other one.

`ssl.SSLObject` encrypts from and to memory; a task or a thread at a time may call it, which
`_lock` sees to, held for one such call and never across an await. So a reader and a writer
wait for each other no longer than that. Two mutexes, held across awaits, keep the order of
what comes and goes:

    _reading   transport.read() → _incoming      who holds it feeds ciphertext to all
    _writing   _outgoing → _unsent → transport.write()

Nothing is lost by a cancellation: what the transport gave is fed without another await, and
what was taken out of `_outgoing` stays in `_unsent` until the transport has taken it.

Whoever needs more ciphertext, to read or (in a renegotiation) to write, says with `_fed` how
much had been fed when it looked, so that it does not wait for what has come in between. A
read may leave something to send: an answer to a key update, a certificate. It is sent by the
reader, at once or while it waits for more; for the peer might not read before it has written.
"""

from __future__ import annotations

import errno
import ssl
import threading
from collections.abc import Awaitable, Coroutine, Sequence
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar, final

from ..runtime.readiness import closed_error
from ..runtime.trio import running_trio
from ..sync.budget import out_of_budget
from ..sync.errors import TryLockError
from ..sync.mutex import Mutex
from ..task import select, yield_now
from .base import would_block
from .interest import Interest, Ready
from .socket_stream import SocketStream
from .split import OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf, into_split
from .stream import CHUNK, AsyncRead, AsyncWrite, BytesLike


class Transport(Protocol):
    """What TLS can be spoken over: a stream, whose `read` and `write` are cancel-safe.

    If it has `try_read`, `try_write` and `close` as `TcpStream` has them, they are used.
    """

    def read(self, max_bytes: int = CHUNK, /) -> Awaitable[bytes]: ...

    def write(self, data: BytesLike, /) -> Awaitable[int]: ...

    def flush(self) -> Awaitable[None]: ...

    def shutdown(self) -> Awaitable[None]: ...


S = TypeVar("S", bound=Transport)

# A record of TLS has no more bytes, and SSLObject.read gives no more than one.
_RECORD = 16384


@final
class TlsStream(AsyncRead, AsyncWrite, Generic[S]):
    """A connection that is encrypted by TLS; see `TlsConnector` and `TlsAcceptor`.

    One task may read while another one writes, each on any worker. Of two that read, or
    write, at the same time each gets, or writes, some; nobody says which.

    Thread-safe. Tokio: tokio-rustls' and tokio-native-tls' `TlsStream`.
    """

    __slots__ = (
        "__weakref__",
        "_ahead",
        "_closed",
        "_eof",
        "_fed",
        "_final",
        "_flushes",
        "_incoming",
        "_inside",
        "_lock",
        "_object",
        "_outgoing",
        "_parted",
        "_plain",
        "_reading",
        "_suppress",
        "_transport",
        "_unsent",
        "_writing",
    )

    def __init__(
        self,
        transport: S,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | bytes | None = None,
        suppress_ragged_eofs: bool = False,
    ) -> None:
        self._transport = transport
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self._suppress = suppress_ragged_eofs
        # Re-entrant, as the garbage collector may close a half in between; `_inside` tells.
        self._lock = threading.RLock()
        self._inside = False
        self._reading = Mutex()
        self._writing = Mutex()
        #: How often there was something from the transport, its end included.
        self._fed = 0
        self._eof = False
        #: Whether SSLObject.read has come to an end, good or bad.
        self._final = False
        # A socket has nothing to flush.
        self._flushes = not isinstance(transport, SocketStream)
        #: What comes before anything that is still encrypted.
        self._plain = b""
        self._unsent: BytesLike = b""
        #: Whether close_notify has been sent.
        self._parted = False
        self._closed = False
        self._ahead = None

    # Reading.

    def read(self, max_bytes: int = CHUNK) -> Coroutine[Any, Any, bytes]:
        """Wait until there are some bytes, and take them.

        Args:
            max_bytes: how many at the most; a record of TLS has 16 KiB.

        Returns:
            Between 1 and `max_bytes` bytes; none (`b""`) when the peer has said that there
            will be no more.

        Raises:
            ssl.SSLEOFError: the connection ended without the peer saying so: something may
                be missing. See `suppress_ragged_eofs` of TlsConnector and TlsAcceptor.
            ssl.SSLError: what came is not what the peer has sent.
            OSError: the transport has failed.

        Cancel-safe. Tokio: `AsyncReadExt::read`.
        """
        return super().read(max_bytes) if self._ahead else self._receive(max_bytes)

    async def _receive(self, max_bytes: int) -> bytes:
        if out_of_budget():
            await yield_now()
        while True:
            data, left, fed = self._decrypt(max_bytes)
            if data is not None:
                if left:
                    self._send_now()
                return data
            if not left or self._send_now():
                await self._fill(fed)
            else:
                await self._fill_and_send(fed)

    async def peek(self, max_bytes: int = CHUNK) -> bytes:
        """Wait for bytes and look at them: the next read gets them again.

        Raises as `read`. Cancel-safe. Tokio: `TcpStream::peek`.
        """
        return (await self._look_ahead(CHUNK))[:max_bytes]

    async def readable(self) -> None:
        """Wait until there are bytes, or the end; `try_read` may find nothing all the same,
        if others read too.

        Raises as `read`. Cancel-safe. Tokio: `TcpStream::readable`.
        """
        if not self._ahead:
            self._keep(await self._receive(CHUNK))

    def try_read(self, max_bytes: int = CHUNK) -> bytes:
        """Take what there is; none (`b""`) at the end of the stream.

        Raises:
            BlockingIOError: there is nothing yet; wait for `readable()`.

        Else as `read`. Tokio: `TcpStream::try_read`.
        """
        if self._ahead:
            ahead = self._ahead.take(max_bytes)
            if ahead or not max_bytes:
                return ahead
        while True:
            data, left, _ = self._decrypt(max_bytes)
            if left:
                self._send_now()
            if data is not None:
                return data
            self._fill_now()

    # Writing.

    async def write(self, data: BytesLike) -> int:
        """Encrypt some of `data`, once there is room, and send as much of it as goes.

        The rest is sent by whatever is called next, to read or to write; to be sure that it
        is on its way, `flush`, or take `write_all`.

        Returns:
            How many bytes were taken, from the start; 65536 at the most.

        Raises:
            BrokenPipeError: there was a `shutdown`, or the peer is gone.
            OSError: the transport has failed.

        Cancel-safe. Tokio: `AsyncWriteExt::write`.
        """
        with memoryview(data).cast("B") as view:
            while True:
                async with self._writing:
                    self._check_writable()
                    await self._drain()
                    count, fed = self._encrypt(view[:CHUNK])
                    if fed is None:
                        self._push()
                        return count
                await self._more(fed)

    async def write_all(self, data: BytesLike) -> None:
        """Write all of `data`, and flush.

        Raises as `write`. Not cancel-safe: how much has been written nobody knows then. But
        what was begun will go on: the stream stays intact. Tokio: `AsyncWriteExt::write_all`.
        """
        if len(data) > CHUNK or isinstance(data, memoryview):
            await self.write_all_vectored((data,))
            return
        while True:
            async with self._writing:
                self._check_writable()
                _, fed = self._encrypt(data)
                await self._drain()
                if self._flushes:
                    await self._transport.flush()
            if fed is None:
                return
            await self._more(fed)

    async def write_all_vectored(self, buffers: Sequence[BytesLike]) -> None:
        """As `write_all`, of several buffers in turn. Not cancel-safe."""
        left = [view for data in buffers if len(view := memoryview(data).cast("B"))]
        left.reverse()
        while True:
            async with self._writing:
                self._check_writable()
                fed = await self._encrypt_all(left)
                await self._drain()
                if self._flushes:
                    await self._transport.flush()
            if fed is None:
                return
            await self._more(fed)

    async def flush(self) -> None:
        """Wait until what was written has been passed on.

        Cancel-safe. Tokio: `AsyncWriteExt::flush`.
        """
        self._check_open()
        async with self._writing:
            await self._drain()
            await self._transport.flush()

    async def writable(self) -> None:
        """Wait until there is room; `try_write` may find none all the same.

        Cancel-safe. Tokio: `TcpStream::writable`.
        """
        await self.flush()

    def try_write(self, data: BytesLike) -> int:
        """Encrypt what there is room for, and send as much of it as goes; the rest is sent
        as that of `write`.

        Returns:
            How many bytes were taken.

        Raises:
            BlockingIOError: there is no room; wait for `writable()`.

        Else as `write`. Tokio: `TcpStream::try_write`.
        """
        try:
            guard = self._writing.try_lock()
        except TryLockError:
            raise would_block() from None
        with guard, memoryview(data).cast("B") as view:
            self._check_writable()
            if not self._push():
                raise would_block()
            count, fed = self._encrypt(view[:CHUNK])
            self._push()
            if fed is not None:
                raise would_block()
            return count

    def try_write_vectored(self, buffers: Sequence[BytesLike]) -> int:
        """As `try_write`, of the first buffer that has bytes."""
        return self.try_write(next(filter(len, buffers), b""))

    async def shutdown(self) -> None:
        """Write the rest, say that there will be no more (close_notify), and shut the
        transport down for writing: the peer reads the end of the stream.

        One can still read; but many peers, and all that speak TLS 1.2, then end the other
        direction too.

        Raises:
            OSError: the transport has failed, or the stream is closed.

        Cancel-safe: another call goes on with it. Tokio: `AsyncWriteExt::shutdown`.
        """
        self._check_open()
        async with self._writing:
            self._part()
            await self._drain()
        await self._transport.flush()
        await self._transport.shutdown()

    # The whole.

    def close(self) -> None:
        """Close the stream and its transport. Whoever waits on it is woken by an OSError.

        The peer is told (close_notify), if that goes without waiting and nothing is left to
        be sent; else it finds the end unclean. `shutdown` first to be sure. Any thread may
        call it, more than once.
        """
        if self._closed:
            return
        try:
            self._part_now()
        finally:
            self._closed = True
            close = getattr(self._transport, "close", None)
            if close is not None:
                close()

    def is_closed(self) -> bool:
        """Whether `close` has been called."""
        return self._closed

    async def __aenter__(self) -> TlsStream[S]:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def split(self) -> tuple[ReadHalf, WriteHalf]:
        """A half to read from and one to write to, of a stream that stays here.

        Tokio: `io::split`.
        """
        return ReadHalf(self), WriteHalf(self)

    def into_split(self) -> tuple[OwnedReadHalf, OwnedWriteHalf]:
        """A half to read from and one to write to, which own the stream: the end of the
        one that writes ends that direction as `close` does, without waiting; the end of
        both closes the stream.

        Use the stream itself no more. Tokio: `io::split`.
        """
        return into_split(self)

    def get_ref(self) -> S:
        """The transport. What is read from it, or written to it, is missing here.

        Tokio: `TlsStream::get_ref`.
        """
        return self._transport

    async def ready(self, interest: Interest) -> Ready:
        """Wait until `try_read` or `try_write`, as `interest` says, may succeed; with both,
        until either may. Returns what has come true.

        Raises as `read` and `write`. Cancel-safe. Tokio: `TcpStream::ready`.
        """
        if interest == Interest.READABLE:
            await self.readable()
            return Ready.READABLE
        if interest == Interest.WRITABLE:
            await self.writable()
            return Ready.WRITABLE
        if not interest:
            raise ValueError("ready() needs an interest: Interest.READABLE, WRITABLE or both")
        first = await select(self.readable(), self.writable(), biased=True)
        return Ready.WRITABLE if first.branch else Ready.READABLE

    # What was agreed upon.

    def alpn_protocol(self) -> str | None:
        """The protocol that both ends have agreed upon (ALPN), such as "h2", if any.

        Tokio: rustls' `CommonState::alpn_protocol`.
        """
        with self._lock:
            return self._object.selected_alpn_protocol()

    def peer_certificate(self, binary_form: bool = False) -> Any:
        """The peer's certificate.

        Args:
            binary_form: as bytes (DER), instead of a dict as `SSLSocket.getpeercert` gives.

        Returns:
            None if the peer has none; an empty dict if it has not been verified.

        Tokio: rustls' `CommonState::peer_certificates`.
        """
        with self._lock:
            return self._object.getpeercert(binary_form)

    def cipher(self) -> tuple[str, str, int] | None:
        """The cipher: its name, the version of TLS that defines it, and the bits of its key.

        Tokio: rustls' `CommonState::negotiated_cipher_suite`.
        """
        with self._lock:
            return self._object.cipher()

    def version(self) -> str | None:
        """The version of TLS, such as "TLSv1.3". Tokio: rustls'
        `CommonState::protocol_version`."""
        with self._lock:
            return self._object.version()

    @property
    def server_hostname(self) -> str | None:
        """The name of the server that a client has asked for; None on the server's side,
        where `SSLContext.sni_callback` is told."""
        with self._lock:
            return self._object.server_hostname

    def local_addr(self) -> Any:
        """The transport's address of this end."""
        return self._transport.local_addr()  # type: ignore[attr-defined]

    def peer_addr(self) -> Any:
        """The transport's address of the other end."""
        return self._transport.peer_addr()  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        state = "closed" if self._closed else self.version() or "not connected"
        return f"<TlsStream {state} over {self._transport!r}>"

    # The calls of the SSLObject.

    def _check_open(self) -> None:
        if self._closed:
            raise closed_error()

    def _check_writable(self) -> None:
        self._check_open()
        if self._parted:
            raise BrokenPipeError(
                errno.EPIPE, "there was a shutdown(): nothing more can be written"
            )

    async def _handshake(self) -> None:
        server_side = self._object.server_side
        while True:
            fed = self._fed
            try:
                self._object.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
                if self._eof:
                    raise ragged_end() from None
            try:
                async with self._writing:
                    await self._drain()
                    await self._transport.flush()
            except ConnectionError:
                # A client that needs no answer may be gone already; it can still be read.
                if not (done and server_side):
                    raise
            if done:
                return
            await self._fill(fed)

    def _decrypt(self, max_bytes: int) -> tuple[bytes | None, bool, int]:
        """What there is, None if more ciphertext is needed; whether there is something to
        send that nobody else will; and how much had been fed."""
        self._check_open()
        outgoing = self._outgoing
        data: bytes | None
        try:
            with self._lock:
                self._inside = True
                before = outgoing.pending
                try:
                    if self._plain:
                        data = self._plain[:max_bytes]
                        self._plain = self._plain[max_bytes:]
                    elif self._incoming.pending or self._final or self._object.pending():
                        data = self._object.read(min(max_bytes, _RECORD))
                        if not data and max_bytes:
                            self._final = True
                    else:  # to be told so by an exception takes as long as to decrypt 10 KB
                        data = None
                except ssl.SSLWantReadError:
                    data = None
                except ssl.SSLZeroReturnError:  # after our own close_notify; before it, b""
                    self._final = True
                    data = b""
                except ssl.SSLError:
                    self._final = True
                    raise
                finally:
                    self._inside = False
                pending, fed, eof = outgoing.pending, self._fed, self._eof
        except ssl.SSLError:
            self._send_now()  # the alert
            raise
        if data is None and eof:
            if not self._suppress:
                raise ragged_end()
            data = b""
        left = pending != before or ((pending or self._unsent) and not self._writing.locked())
        return data, bool(left), fed

    def _encrypt(self, data: BytesLike) -> tuple[int, int | None]:
        """Encrypt `data`; returns how many bytes. If ciphertext is needed first, returns how
        much had been fed. With `_writing` held."""
        if not len(data):
            return 0, None
        with self._lock:
            self._inside = True
            try:
                return self._object.write(data), None
            except ssl.SSLWantReadError:
                if self._eof:
                    raise ragged_end() from None
                return 0, self._fed
            finally:
                self._inside = False

    async def _encrypt_all(self, left: list[memoryview]) -> int | None:
        """Encrypt `left`, the last one first, and take it off; returns as `_encrypt`."""
        pending = 0
        while left:
            view = left[-1]
            count, fed = self._encrypt(view[:CHUNK])
            if fed is not None:
                return fed
            if count < len(view):
                left[-1] = view[count:]
            else:
                left.pop()
            pending += count
            if pending >= CHUNK:
                await self._drain()
                pending = 0
        return None

    def _part(self) -> None:
        """Have close_notify to send. With `_writing` held."""
        with self._lock:
            if self._parted or self._inside:
                return
            self._parted = True
            # unwrap() would look for the peer's own, and choke on data that comes first: it
            # must not find any.
            while pending := self._object.pending():
                self._plain += self._object.read(pending)
            held = self._incoming.read()
            try:
                self._object.unwrap()
            except ssl.SSLError:
                pass  # the peer has not parted yet; or nobody understands us any more
            self._incoming.write(held)

    def _part_now(self) -> None:
        """Send close_notify, if that goes without waiting."""
        try:
            guard = self._writing.try_lock()
        except TryLockError:
            return  # somebody is writing: what comes now is no end
        with guard:
            try:
                self._part()
                self._push()
            except OSError:
                pass  # the connection is no more

    def _shut_down(self) -> None:
        """As `shutdown`, without waiting."""
        self._part_now()
        shut_down = getattr(self._transport, "_shut_down", None)
        if shut_down is not None:
            shut_down()

    # From and to the transport.

    async def _more(self, fed: int) -> None:
        """Wait until there is more ciphertext than `fed`, and send what there is to send.
        Cancel-safe."""
        if self._send_now():
            await self._fill(fed)
        else:
            await self._fill_and_send(fed)

    async def _fill_and_send(self, fed: int) -> None:
        """As `_fill`; what cannot be sent without waiting is sent meanwhile. Cancel-safe."""
        trio = running_trio()
        if trio is None:
            first = await select(fill=self._fill(fed), sent=self._send_rest(), biased=True)
            if first.value is False:
                await self._fill(fed)
            return
        failure: OSError | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_rest)
            try:
                await self._fill(fed)
            except OSError as error:
                failure = error
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure

    async def _fill(self, fed: int) -> None:
        """Wait for ciphertext, unless more than `fed` has come already. Cancel-safe."""
        async with self._reading:
            if self._fed == fed:
                self._feed(await self._transport.read(CHUNK))

    def _fill_now(self) -> None:
        """As `_fill`, of what there is; else raise BlockingIOError."""
        try_read = getattr(self._transport, "try_read", None)
        try:
            guard = self._reading.try_lock()
        except TryLockError:
            raise would_block() from None
        with guard:
            if try_read is None:
                raise would_block()
            self._feed(try_read(CHUNK))

    def _feed(self, data: bytes) -> None:
        with self._lock:
            if data:
                self._incoming.write(data)
            else:
                self._eof = True
            self._fed += 1

    async def _drain(self) -> None:
        """Send all there is. With `_writing` held. Cancel-safe: what was not sent stays."""
        while unsent := self._unsent or self._take_outgoing():
            self._sent(await self._transport.write(unsent))

    def _push(self) -> bool:
        """As `_drain`, without waiting; whether all has been sent."""
        try_write = getattr(self._transport, "try_write", None)
        while unsent := self._unsent or self._take_outgoing():
            if try_write is None:
                return False
            try:
                count = try_write(unsent)
            except BlockingIOError:
                return False
            self._sent(count)
        return True

    def _take_outgoing(self) -> bytes:
        # Without the lock: who is about to add something will look whether it was seen.
        if not self._outgoing.pending:
            return b""
        with self._lock:
            data = self._unsent = self._outgoing.read()
        return data

    def _sent(self, count: int) -> None:
        if not count:
            raise OSError("the transport's write() has taken nothing")
        unsent = self._unsent
        self._unsent = memoryview(unsent)[count:] if count < len(unsent) else b""

    def _send_now(self) -> bool:
        """Send what is left as far as that goes without waiting; whether there is nothing to
        wait for."""
        try:
            guard = self._writing.try_lock()
        except TryLockError:
            return False
        with guard:
            try:
                return self._push()
            except OSError:
                return True  # who writes is told

    async def _send_rest(self) -> bool:
        """Send what is left; False if that fails."""
        try:
            async with self._writing:
                await self._drain()
                await self._transport.flush()
        except OSError:
            return False  # who writes is told
        return True


def ragged_end() -> ssl.SSLEOFError:
    error = ssl.SSLEOFError(
        ssl.SSL_ERROR_EOF, "the connection ended without close_notify: something may be missing"
    )
    error.library = "SSL"
    error.reason = "UNEXPECTED_EOF_WHILE_READING"
    return error
