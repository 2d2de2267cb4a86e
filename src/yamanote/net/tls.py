"""TLS for clients and for servers, by the standard library's `ssl`."""

from __future__ import annotations

import ssl
from typing import final

from .tls_stream import S, TlsStream


@final
class TlsConnector:
    """The client's side of TLS.

        stream = await TcpStream.connect("example.org:443")
        async with await TlsConnector().connect("example.org", stream) as tls:
            await tls.write_all(b"HEAD / HTTP/1.0\\r\\n\\r\\n")
            print(await tls.read_line())

    Args:
        context: whom to trust, protocols (`set_alpn_protocols`), a certificate of one's own
            (`load_cert_chain`) and the like; by default `ssl.create_default_context()`.
        suppress_ragged_eofs: take the end of the connection for the end of what the peer has
            to say, even if it has not said so (close_notify). Somebody on the way may have
            cut it short then.

    Thread-safe. Tokio: tokio-rustls' and tokio-native-tls' `TlsConnector`.
    """

    __slots__ = ("_context", "_suppress")

    def __init__(
        self, context: ssl.SSLContext | None = None, *, suppress_ragged_eofs: bool = False
    ) -> None:
        if context is None:
            context = ssl.create_default_context()
        check_context(context, "TlsConnector", "create_default_context()")
        if context.protocol == ssl.PROTOCOL_TLS_SERVER:
            raise ValueError("a TlsConnector needs a context for clients, not for servers")
        self._context = context
        self._suppress = suppress_ragged_eofs

    async def connect(self, server_hostname: str | bytes | None, stream: S) -> TlsStream[S]:
        """Speak TLS over `stream` from now on, with the server of that name.

        Args:
            server_hostname: whom to talk to: the server is told (SNI), and its certificate
                has to be for it, unless the context's `check_hostname` is False. None for no
                name, if it is.
            stream: what to speak it over, such as a TcpStream or another TlsStream. It
                belongs to the TlsStream from now on, and is closed if there is none.

        Raises:
            ssl.SSLCertVerificationError: the server's certificate is not valid, not to be
                trusted, or not for this name.
            ssl.SSLError: the two do not agree, or the other end does not speak TLS; an
                SSLEOFError if it has ended the connection.
            OSError: the stream has failed.
            ValueError: `server_hostname` is none.
            TypeError: `stream` is no stream.

        Cancel-safe, but the stream is closed then; put a limit on how long it may take by
        `yamanote.time.timeout`. Tokio: `TlsConnector::connect`.
        """
        return await _connected(
            stream,
            self._context,
            server_side=False,
            server_hostname=server_hostname,
            suppress_ragged_eofs=self._suppress,
        )


@final
class TlsAcceptor:
    """The server's side of TLS.

        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain("cert.pem", "key.pem")
        acceptor = TlsAcceptor(context)
        stream, _ = await listener.accept()
        tls = await acceptor.accept(stream)

    Accept in the task that serves the connection, not in the one that waits for the next:
    a client may take its time.

    Args:
        context: the certificate to show, protocols (`set_alpn_protocols`), whether clients
            need a certificate (`verify_mode`), other certificates for other names
            (`sni_callback`) and the like.
        suppress_ragged_eofs: as of `TlsConnector`.

    Thread-safe. Tokio: tokio-rustls' and tokio-native-tls' `TlsAcceptor`.
    """

    __slots__ = ("_context", "_suppress")

    def __init__(self, context: ssl.SSLContext, *, suppress_ragged_eofs: bool = False) -> None:
        check_context(context, "TlsAcceptor", "create_default_context(ssl.Purpose.CLIENT_AUTH)")
        if context.protocol == ssl.PROTOCOL_TLS_CLIENT:
            raise ValueError(
                "a TlsAcceptor needs a context for servers, not for clients: "
                "see ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)"
            )
        self._context = context
        self._suppress = suppress_ragged_eofs

    async def accept(self, stream: S) -> TlsStream[S]:
        """Speak TLS over `stream` from now on, with the client that is there.

        Args:
            stream: what to speak it over, such as a TcpStream. It belongs to the TlsStream
                from now on, and is closed if there is none.

        Raises:
            ssl.SSLCertVerificationError: the client's certificate is not valid or not to be
                trusted.
            ssl.SSLError: the two do not agree, or the other end does not speak TLS; an
                SSLEOFError if it has ended the connection.
            OSError: the stream has failed.
            TypeError: `stream` is no stream.

        Cancel-safe, but the stream is closed then; put a limit on how long it may take by
        `yamanote.time.timeout`. Tokio: `TlsAcceptor::accept`.
        """
        return await _connected(
            stream, self._context, server_side=True, suppress_ragged_eofs=self._suppress
        )


async def _connected(
    stream: S,
    context: ssl.SSLContext,
    *,
    server_side: bool,
    server_hostname: str | bytes | None = None,
    suppress_ragged_eofs: bool,
) -> TlsStream[S]:
    for method in ("read", "write", "flush", "shutdown"):
        if not hasattr(stream, method):
            raise TypeError(
                f"TLS needs a stream, such as a TcpStream: {stream!r} has no {method}()"
            )
    try:
        if context.check_hostname and not server_side and not server_hostname:
            raise ValueError(
                "connect() needs the server's hostname, to find it in the certificate; without "
                "one, the context's check_hostname has to be False"
            )
        tls = TlsStream(
            stream,
            context,
            server_side=server_side,
            server_hostname=server_hostname,
            suppress_ragged_eofs=suppress_ragged_eofs,
        )
    except BaseException:
        close = getattr(stream, "close", None)
        if close is not None:
            close()
        raise
    try:
        await tls._handshake()
    except BaseException:
        tls.close()  # which sends the alert that says why
        raise
    return tls


def check_context(context: object, who: str, instead: str) -> None:
    if not isinstance(context, ssl.SSLContext):
        raise TypeError(f"{who} takes an ssl.SSLContext, such as ssl.{instead}, not {context!r}")
