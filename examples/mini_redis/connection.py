"""One client: read, execute, and answer all that came at once in one write.

A client that has subscribed is written to by a task of its own, out of its channel: then replies
go that way too, and stay in order with the messages.
"""

from __future__ import annotations

import contextlib

from yamanote import CancellationToken, JoinSet
from yamanote.net import TcpStream
from yamanote.sync import SendError, mpsc
from yamanote.time import timeout

from . import commands
from .commands import Client
from .pubsub import UNREAD, PubSub, Subscriber
from .resp import (
    NULL,
    NULL_3,
    OK,
    Command,
    CommandError,
    Parser,
    ProtocolError,
    array,
    bulk,
    error,
)
from .store import Store

SLOW = 20.0  # seconds for a command that has begun to go on, and for replies to be taken
DRAINING = 5.0  # seconds for a subscriber to take its last messages
LINGERING = 1.0  # seconds for a client to read why it is turned away
LARGEST_REPLY = 1 << 20  # bytes; more of them are written before the next command is executed
BATCH = 64  # messages in one write


class Connection:
    """A client from its first command to its last.

    Args:
        stopping: cancelled when the server stops; what was read by then is still answered.
    """

    def __init__(
        self, stream: TcpStream, store: Store, pubsub: PubSub, stopping: CancellationToken
    ) -> None:
        self._stream = stream
        self._client = Client(store, pubsub)
        self._pubsub = pubsub
        self._parser = Parser()
        self._replies: list[bytes] = []
        # Cancelled for a subscriber that does not read, too.
        self._out = stopping.child_token()
        self._tasks: JoinSet[None] = JoinSet()
        # Of one that has subscribed.
        self._subscriber: Subscriber | None = None
        self._outbox: mpsc.Sender[bytes] | None = None

    async def serve(self) -> None:
        """Execute commands until the client has had enough, or the server stops."""
        async with self._stream, self._tasks:
            # An error or a time limit: the client is gone, or should be.
            with contextlib.suppress(OSError, SendError):
                self._stream.set_nodelay(True)
                try:
                    while await self._serve_some():
                        pass
                finally:
                    if self._subscriber is not None:
                        self._pubsub.leave(self._subscriber)
                if self._outbox is not None:
                    self._outbox.close()
                    await timeout(DRAINING, self._tasks.join_all())
                await self._hang_up()

    async def _serve_some(self) -> bool:
        """Read once, execute and answer what is complete; whether there is more to come."""
        reading = self._out.run_until_cancelled(self._stream.read())
        # For the next command there is time. Who has begun one may not keep us waiting.
        data = await (timeout(SLOW, reading) if self._parser.is_amid() else reading)
        if not data:
            return False
        self._parser.feed(data)
        more = True
        try:
            while more and (command := self._parser.next()) is not None:
                more = await self._execute(command)
        except ProtocolError as problem:
            self._replies.append(error(f"ERR Protocol error: {problem}"))
            more = False
        await self._flush()
        return more

    async def _execute(self, command: Command) -> bool:
        """Execute a command; whether there can be another one after it."""
        try:
            name = command[0].upper()
            if name == b"QUIT":
                reply = OK
            elif name == b"SUBSCRIBE" or name == b"UNSUBSCRIBE":
                await self._subscribe(name, command[1:])
                return True
            elif self._subscriber is not None and self._needs_peace():
                reply = self._while_subscribed(name, command)
            else:
                reply = commands.find(command)(self._client, command[1:])
        except CommandError as problem:
            reply = error(str(problem))
        if reply is NULL and self._client.protocol == 3:
            reply = NULL_3
        self._replies.append(reply)
        if len(reply) > LARGEST_REPLY or len(self._replies) > LARGEST_REPLY // 1024:
            await self._flush()
        return name != b"QUIT"

    # Writing.

    async def _flush(self) -> None:
        """Write the replies that there are."""
        if self._replies:
            data = b"".join(self._replies)
            self._replies.clear()
            if self._outbox is None:
                await self._write(data)
            else:
                await self._outbox.send(data)

    async def _write(self, data: bytes) -> None:
        # Mostly there is room, and no need for a time limit.
        try:
            count = self._stream.try_write(data)
        except BlockingIOError:
            count = 0
        if count < len(data):
            await timeout(SLOW, self._stream.write_all(data[count:]))

    async def _hang_up(self) -> None:
        """End the connection so that the last reply arrives: to close it with something unread
        would reset it."""
        await self._stream.shutdown()
        async with timeout(LINGERING):
            while await self._stream.read():
                pass

    # Subscriptions.

    async def _subscribe(self, name: bytes, channels: list[bytes]) -> None:
        if name == b"SUBSCRIBE" and not channels:
            raise commands.wrong_number(name)
        await self._flush()  # what comes before the messages
        if self._subscriber is None:
            self._outbox, messages = mpsc.channel[bytes](UNREAD)
            self._subscriber = Subscriber(self._outbox, self._out, self._client.protocol)
            self._tasks.spawn(self._write_messages(messages))
        if name == b"SUBSCRIBE":
            for channel in channels:
                self._pubsub.subscribe(self._subscriber, channel)
        else:
            known: list[bytes | None] = [*(channels or self._subscriber.channels)]
            for channel_or_none in known or [None]:
                self._pubsub.unsubscribe(self._subscriber, channel_or_none)

    async def _write_messages(self, messages: mpsc.Receiver[bytes]) -> None:
        with contextlib.suppress(OSError):
            while batch := await messages.recv_many(BATCH):
                await self._write(b"".join(batch))
        self._out.cancel()

    def _needs_peace(self) -> bool:
        """Whether a reply would be taken for a message."""
        assert self._subscriber is not None
        return self._client.protocol == 2 and bool(self._subscriber.channels)

    def _while_subscribed(self, name: bytes, command: Command) -> bytes:
        if name == b"PING" and len(command) <= 2:
            return array([bulk(b"pong"), bulk(b"".join(command[1:]))])
        raise CommandError(
            f"ERR Can't execute '{commands.shown(command[0]).lower()}': only (UN)SUBSCRIBE, "
            "PING and QUIT are allowed in this context"
        )
