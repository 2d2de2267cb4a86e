"""What the commands do: a function for each, from its arguments to the bytes of its reply.

None of them waits for anything: what has been read is executed at once, and answered in one go.
Those that change the connection itself are in connection.py.
"""

from __future__ import annotations

import fnmatch
import itertools
import math
from collections.abc import Callable, Iterable

from .pubsub import PubSub
from .resp import EMPTY, NULL, OK, PONG, CommandError, array, bulk, integer, mapping
from .store import Store, integer_of

Function = Callable[["Client", list[bytes]], bytes]

MOST_SECONDS = 10**11  # of a time limit

#: By its name: how many arguments it takes at least and at most, and the function.
COMMANDS: dict[bytes, tuple[int, float, Function]] = {}

_numbers = itertools.count(1)


class Client:
    """What commands know of the connection that they came by."""

    def __init__(self, store: Store, pubsub: PubSub) -> None:
        self.store = store
        self.pubsub = pubsub
        self.number = next(_numbers)
        self.name = b""
        #: The version of RESP that it speaks.
        self.protocol = 2


def command(name: str, least: int, most: float | None = None) -> Callable[[Function], Function]:
    """Enter a command into the table; as many arguments as `least` unless told otherwise."""

    def enter(function: Function) -> Function:
        COMMANDS[name.encode()] = (least, least if most is None else most, function)
        return function

    return enter


def find(words: list[bytes]) -> Function:
    """The function of a command, which has the right number of arguments."""
    name = words[0]
    entry = COMMANDS.get(name) or COMMANDS.get(name.upper())
    if entry is None:
        raise CommandError(f"ERR unknown command '{shown(name)}'")
    least, most, function = entry
    if not least <= len(words) - 1 <= most:
        raise wrong_number(name)
    return function


def shown(word: bytes) -> str:
    return word[:128].decode(errors="replace")


def wrong_number(name: bytes) -> CommandError:
    return CommandError(f"ERR wrong number of arguments for '{shown(name).lower()}' command")


def syntax_error() -> CommandError:
    return CommandError("ERR syntax error")


def no_such_subcommand(name: bytes) -> CommandError:
    return CommandError(f"ERR unknown subcommand '{shown(name)}'")


# The connection, and the server.


@command("PING", 0, 1)
def ping(client: Client, args: list[bytes]) -> bytes:
    return bulk(args[0]) if args else PONG


@command("ECHO", 1)
def echo(client: Client, args: list[bytes]) -> bytes:
    return bulk(args[0])


@command("SELECT", 1)
def select(client: Client, args: list[bytes]) -> bytes:
    if integer_of(args[0]) != 0:
        raise CommandError("ERR DB index is out of range")
    return OK


@command("HELLO", 0, math.inf)
def hello(client: Client, args: list[bytes]) -> bytes:
    if args:
        if args[0] not in (b"2", b"3"):
            raise CommandError("NOPROTO unsupported protocol version")
        options = iter(args[1:])
        for option in options:
            if option.upper() == b"SETNAME" and (name := next(options, None)) is not None:
                client.name = name
            elif option.upper() == b"AUTH":
                raise CommandError("ERR AUTH called without any password configured")
            else:
                raise syntax_error()
        client.protocol = int(args[0])
    return mapping(
        [
            (bulk(b"server"), bulk(b"redis")),
            (bulk(b"version"), bulk(b"7.0.0")),
            (bulk(b"proto"), integer(client.protocol)),
            (bulk(b"id"), integer(client.number)),
            (bulk(b"mode"), bulk(b"standalone")),
            (bulk(b"role"), bulk(b"master")),
            (bulk(b"modules"), EMPTY),
        ],
        client.protocol,
    )


@command("CLIENT", 1, math.inf)
def client_(client: Client, args: list[bytes]) -> bytes:
    subcommand = args[0].upper()
    if subcommand == b"ID":
        return integer(client.number)
    if subcommand == b"GETNAME":
        return bulk(client.name or None)
    if subcommand == b"SETNAME" and len(args) == 2:
        client.name = args[1]
        return OK
    if subcommand == b"SETINFO" and len(args) == 3:
        return OK
    raise no_such_subcommand(args[0])


@command("COMMAND", 0, math.inf)
def command_(client: Client, args: list[bytes]) -> bytes:
    # redis-cli asks for DOCS, and does without.
    if args and args[0].upper() == b"COUNT":
        return integer(len(COMMANDS))
    return EMPTY


@command("CONFIG", 1, math.inf)
def config(client: Client, args: list[bytes]) -> bytes:
    if args[0].upper() != b"GET":
        raise no_such_subcommand(args[0])
    # redis-benchmark asks for these two: nothing is kept on disk.
    known = {b"save": b"", b"appendonly": b"no"}
    patterns = [pattern.lower() for pattern in args[1:]]
    return mapping(
        (
            (bulk(name), bulk(value))
            for name, value in known.items()
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
        ),
        client.protocol,
    )


@command("DBSIZE", 0)
def dbsize(client: Client, args: list[bytes]) -> bytes:
    return integer(len(client.store))


@command("FLUSHDB", 0, 1)
@command("FLUSHALL", 0, 1)
def flushdb(client: Client, args: list[bytes]) -> bytes:
    if args and args[0].upper() not in (b"SYNC", b"ASYNC"):
        raise syntax_error()
    client.store.clear()
    return OK


@command("PUBLISH", 2)
def publish(client: Client, args: list[bytes]) -> bytes:
    return integer(client.pubsub.publish(*args))


# Any value.


@command("DEL", 1, math.inf)
def del_(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.delete(*args))


@command("EXISTS", 1, math.inf)
def exists(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.exists(*args))


@command("TYPE", 1)
def type_(client: Client, args: list[bytes]) -> bytes:
    return b"+%b\r\n" % client.store.kind(args[0]).encode()


def seconds_of(number: bytes, unit: float, name: str, least: int) -> float:
    """A time limit; `unit` is how many of the given ones make a second."""
    value = integer_of(number)
    if not least <= value <= MOST_SECONDS * unit:
        raise CommandError(f"ERR invalid expire time in '{name}' command")
    return value / unit


@command("EXPIRE", 2)
def expire(client: Client, args: list[bytes]) -> bytes:
    seconds = seconds_of(args[1], 1, "expire", -MOST_SECONDS)
    return integer(client.store.expire(args[0], seconds))


@command("PEXPIRE", 2)
def pexpire(client: Client, args: list[bytes]) -> bytes:
    seconds = seconds_of(args[1], 1000, "pexpire", -MOST_SECONDS)
    return integer(client.store.expire(args[0], seconds))


@command("PERSIST", 1)
def persist(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.persist(args[0]))


def left(client: Client, key: bytes, unit: int) -> bytes:
    seconds = client.store.ttl(key)
    if seconds is None:
        return integer(-2)
    return integer(-1 if seconds == math.inf else round(seconds * unit))


@command("TTL", 1)
def ttl(client: Client, args: list[bytes]) -> bytes:
    return left(client, args[0], 1)


@command("PTTL", 1)
def pttl(client: Client, args: list[bytes]) -> bytes:
    return left(client, args[0], 1000)


# Strings.


@command("GET", 1)
def get(client: Client, args: list[bytes]) -> bytes:
    return bulk(client.store.get(args[0]))


@command("SET", 2, 6)
def set_(client: Client, args: list[bytes]) -> bytes:
    if len(args) == 2:
        client.store.set(args[0], args[1])
        return OK
    seconds: float | None = None
    keep_limit, if_exists = False, None
    options = iter(args[2:])
    for option in options:
        match option.upper():
            case b"NX" | b"XX" as condition if if_exists is None:
                if_exists = condition == b"XX"
            case b"KEEPTTL" if seconds is None and not keep_limit:
                keep_limit = True
            case b"EX" | b"PX" as unit if seconds is None and not keep_limit:
                number = next(options, b"")
                seconds = seconds_of(number, 1 if unit == b"EX" else 1000, "set", 1)
            case _:
                raise syntax_error()
    done = client.store.set(
        args[0], args[1], seconds=seconds, keep_limit=keep_limit, if_exists=if_exists
    )
    return OK if done else NULL


@command("INCR", 1)
def incr(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.add(args[0], 1))


@command("DECR", 1)
def decr(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.add(args[0], -1))


@command("INCRBY", 2)
def incrby(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.add(args[0], integer_of(args[1])))


# Lists.


@command("LPUSH", 2, math.inf)
def lpush(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.push(args[0], args[1:], left=True))


@command("RPUSH", 2, math.inf)
def rpush(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.push(args[0], args[1:], left=False))


def pop(client: Client, args: list[bytes], *, left: bool) -> bytes:
    count = integer_of(args[1]) if len(args) > 1 else 1
    if count < 0:
        raise CommandError("ERR value is out of range, must be positive")
    popped = client.store.pop(args[0], count, left=left)
    if popped is None:
        return NULL
    return bulk(popped[0]) if len(args) == 1 else strings(popped)


@command("LPOP", 1, 2)
def lpop(client: Client, args: list[bytes]) -> bytes:
    return pop(client, args, left=True)


@command("RPOP", 1, 2)
def rpop(client: Client, args: list[bytes]) -> bytes:
    return pop(client, args, left=False)


@command("LLEN", 1)
def llen(client: Client, args: list[bytes]) -> bytes:
    return integer(client.store.length(args[0]))


@command("LRANGE", 3)
def lrange(client: Client, args: list[bytes]) -> bytes:
    return strings(client.store.range(args[0], integer_of(args[1]), integer_of(args[2])))


def strings(values: Iterable[bytes]) -> bytes:
    return array(map(bulk, values))
