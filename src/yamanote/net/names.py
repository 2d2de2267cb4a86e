"""What `yamanote.net` has."""

from .address import Address, SocketAddress, lookup_host
from .async_fd import AsyncFd, AsyncFdReadyGuard
from .buffered import BufReader, BufWriter
from .copying import copy, copy_bidirectional
from .interest import Interest, Ready
from .split import OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf
from .stream import AsyncRead, AsyncWrite, Lines
from .tcp_listener import TcpListener
from .tcp_socket import TcpSocket
from .tcp_stream import TcpStream
from .tls import TlsAcceptor, TlsConnector
from .tls_stream import TlsStream
from .udp import UdpSocket
from .unix_datagram import UnixDatagram
from .unix_listener import UnixListener
from .unix_socket import UnixSocket
from .unix_stream import UCred, UnixStream

__all__ = [
    "Address",
    "AsyncFd",
    "AsyncFdReadyGuard",
    "AsyncRead",
    "AsyncWrite",
    "BufReader",
    "BufWriter",
    "Interest",
    "Lines",
    "OwnedReadHalf",
    "OwnedWriteHalf",
    "ReadHalf",
    "Ready",
    "ReuniteError",
    "SocketAddress",
    "TcpListener",
    "TcpSocket",
    "TcpStream",
    "TlsAcceptor",
    "TlsConnector",
    "TlsStream",
    "UCred",
    "UdpSocket",
    "UnixDatagram",
    "UnixListener",
    "UnixSocket",
    "UnixStream",
    "WriteHalf",
    "copy",
    "copy_bidirectional",
    "lookup_host",
]
