"""examples/mini_redis"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import threading
from contextlib import ExitStack
from typing import Any

import pytest

from tests.ecosystem.servers import program
from tests.examples.programs import (
    EXAMPLES,
    TIME_LIMIT,
    Address,
    ask,
    connect,
    read_to_the_end,
    reset,
    run,
    server,
)

AS_MODULE = ["-m", "examples.mini_redis"]
AS_FOLDER = [str(EXAMPLES / "mini_redis")]
BY_COMMAND = ["-m", "yamanote", "run", "examples.mini_redis.server:main"]


class Client:
    """Speaks RESP. Replies are ints, bytes, None, lists, dicts, `ReplyError`s; a push of RESP3 is
    a tuple."""

    def __init__(self, address: Address) -> None:
        self.socket = connect(address)
        self._file = self.socket.makefile("rb")

    def send(self, *words: bytes | str | int) -> None:
        self.socket.sendall(command(*words))

    def ask(self, *words: bytes | str | int) -> Any:
        self.send(*words)
        return self.read()

    def read(self) -> Any:
        line = self._file.readline()
        assert line.endswith(b"\r\n"), line
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"_" or rest == b"-1":
            return None
        if kind == b"$":
            data = self._file.read(int(rest) + 2)
            assert data.endswith(b"\r\n")
            return data[:-2]
        if kind == b"%":
            return {self.read(): self.read() for _ in range(int(rest))}
        items = [self.read() for _ in range(int(rest))]
        assert kind in (b"*", b">"), line
        return tuple(items) if kind == b">" else items

    def at_the_end(self) -> bool:
        return not self._file.read(1)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()


class ReplyError(str):
    """An error that was replied."""


def command(*words: bytes | str | int) -> bytes:
    encoded = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(words) + b"".join(
        b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded
    )


@pytest.mark.parametrize("command_line", [AS_MODULE, AS_FOLDER, BY_COMMAND])
def test_start_and_stop(
    environment: dict[str, str], command_line: list[str], stop: signal.Signals
) -> None:
    with ExitStack() as stack:

        def say_goodbye() -> None:
            for client in (idle, subscribed):
                assert client.at_the_end()
                client.__exit__()

        with server(environment, command_line, stop, say_goodbye) as address:
            idle, subscribed = (stack.enter_context(Client(address)) for _ in range(2))
            assert idle.ask("PING") == "PONG"
            assert subscribed.ask("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]


def test_strings(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as address, Client(address) as client:
        ask = client.ask
        assert ask("PING") == "PONG"
        assert ask("ping", "hello") == ask("Echo", "hello") == b"hello"
        assert ask("GET", "city") is None
        assert ask("SET", "city", "東京") == "OK"
        assert ask("GET", "city") == "東京".encode()
        assert ask("SET", "city", "Kyoto", "NX") is None
        assert ask("SET", "town", "Ueno", "XX") is None
        assert ask("SET", "town", "Ueno", "nx") == "OK"
        assert ask("SET", "city", "Kyoto", "XX", "EX", 100) == "OK"
        assert ask("EXISTS", "city", "town", "nothing", "city") == 3
        assert ask("TYPE", "city") == "string"
        assert ask("DBSIZE") == 2
        assert ask("DEL", "city", "town", "nothing") == 2
        assert ask("SET", "", b"\r\n$-1\0\xff") == "OK"
        assert ask("GET", "") == b"\r\n$-1\0\xff"
        big = b"x" * (8 << 20)
        assert ask("SET", "big", big) == "OK"
        assert ask("GET", "big") == big
        assert ask("FLUSHDB") == "OK"
        assert ask("DBSIZE") == 0


def test_numbers(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as address, Client(address) as client:
        ask = client.ask
        assert [ask("INCR", "n") for _ in range(3)] == [1, 2, 3]
        assert ask("DECR", "n") == 2
        assert ask("INCRBY", "n", -10) == -8
        assert ask("GET", "n") == b"-8"
        for value in ("x", "", "1.5", " 1", "01", "+1", "1_0", "９", "-0", 2**63, "9" * 5000):
            ask("SET", "n", value)
            assert ask("INCR", "n") == "ERR value is not an integer or out of range"
        ask("SET", "n", 2**63 - 1)
        assert "overflow" in ask("INCR", "n")
        assert ask("GET", "n") == b"%d" % (2**63 - 1)


def test_lists(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as address, Client(address) as client:
        ask = client.ask
        assert ask("RPUSH", "l", "c", "d") == 2
        assert ask("LPUSH", "l", "b", "a") == 4
        letters = [b"a", b"b", b"c", b"d"]
        for start, stop in ((0, -1), (1, 2), (-2, -1), (0, 99), (-99, 0), (3, 1), (4, 9), (0, -9)):
            low = max(start + 4, 0) if start < 0 else start
            high = stop + 4 if stop < 0 else stop
            expected = [letters[at] for at in range(low, min(high, 3) + 1)]
            assert ask("LRANGE", "l", start, stop) == expected
        assert ask("LLEN", "l") == 4
        assert ask("TYPE", "l") == "list"
        assert ask("LPOP", "l") == b"a"
        assert ask("RPOP", "l") == b"d"
        assert ask("LPOP", "l", 0) == []
        assert ask("LPOP", "l", 99) == [b"b", b"c"]
        assert ask("EXISTS", "l") == 0
        assert ask("TYPE", "l") == "none"
        assert ask("LPOP", "l") is ask("LPOP", "l", 2) is None
        assert ask("LRANGE", "l", 0, -1) == []
        ask("RPUSH", "l", "x")
        ask("SET", "s", "x")
        for words in (("GET", "l"), ("INCR", "l"), ("LPUSH", "s", 1), ("LPOP", "s"), ("LLEN", "s")):
            assert ask(*words).startswith("WRONGTYPE ")
        assert ask("SET", "l", "string") == "OK"


def test_expiry(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as address, Client(address) as client:
        ask = client.ask
        ask("SET", "forever", "x")
        assert ask("TTL", "forever") == ask("PTTL", "forever") == -1
        assert ask("TTL", "nothing") == -2
        assert ask("SET", "k", "x", "EX", 1000) == "OK"
        assert 0 < ask("TTL", "k") <= 1000
        assert 999_000 - 1000 * TIME_LIMIT < ask("PTTL", "k") <= 1_000_000
        assert ask("SET", "k", "y", "KEEPTTL") == "OK"
        assert ask("TTL", "k") > 0
        assert ask("SET", "k", "y") == "OK"
        assert ask("TTL", "k") == -1
        assert ask("EXPIRE", "k", 500) == 1
        assert 0 < ask("TTL", "k") <= 500
        assert [ask("PERSIST", "k"), ask("PERSIST", "k"), ask("TTL", "k")] == [1, 0, -1]
        assert ask("EXPIRE", "nothing", 1) == 0
        assert ask("EXPIRE", "k", -1) == 1
        assert ask("GET", "k") is None
        # Ten thousand of them, whose time comes; one that has got more; one that is set anew.
        client.socket.sendall(
            b"".join(command("SET", f"k{n}", "x", "PX", 1 + n % 20) for n in range(10_000))
        )
        assert {client.read() for _ in range(10_000)} == {"OK"}
        ask("SET", "longer", "x", "PX", 1)
        extended = ask("EXPIRE", "longer", 1000)
        while ask("DBSIZE") > 1 + extended:
            pass  # by the task in the background: nobody asks for them
        assert ask("EXISTS", "longer") == extended
        assert ask("GET", "forever") == b"x"


def test_errors(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as address, Client(address) as client:
        for words, start in (
            (("NONSENSE",), "ERR unknown command 'NONSENSE'"),
            (("x\r\n+OK",), "ERR unknown command 'x +OK'"),
            ((b"\xff" * 1000,), "ERR unknown command"),
            (("",), "ERR unknown command ''"),
            (("GET",), "ERR wrong number of arguments for 'get' command"),
            (("GET", "a", "b"), "ERR wrong number of arguments"),
            (("SET", "a"), "ERR wrong number of arguments"),
            (("SUBSCRIBE",), "ERR wrong number of arguments"),
            (("SET", "a", "b", "c"), "ERR syntax error"),
            (("SET", "a", "b", "NX", "XX"), "ERR syntax error"),
            (("SET", "a", "b", "EX", "1", "PX", "1"), "ERR syntax error"),
            (("SET", "a", "b", "EX", "1", "KEEPTTL"), "ERR syntax error"),
            (("SET", "a", "b", "EX"), "ERR value is not an integer"),
            (("SET", "a", "b", "EX", "x"), "ERR value is not an integer"),
            (("SET", "a", "b", "EX", 0), "ERR invalid expire time"),
            (("SET", "a", "b", "PX", -1), "ERR invalid expire time"),
            (("EXPIRE", "a", 10**18), "ERR invalid expire time"),
            (("LPOP", "a", -1), "ERR value is out of range"),
            (("LRANGE", "a", 0, "x"), "ERR value is not an integer"),
            (("SELECT", 1), "ERR DB index"),
            (("HELLO", 4), "NOPROTO"),
            (("HELLO", 3, "AUTH", "a", "b"), "ERR AUTH"),
            (("HELLO", 3, "SETNAME"), "ERR syntax error"),
            (("CLIENT", "KILL"), "ERR unknown subcommand"),
            (("CONFIG", "SET", "save", ""), "ERR unknown subcommand"),
        ):
            error = client.ask(*words)
            assert isinstance(error, ReplyError)
            assert error.startswith(start), (words, error)
        assert client.ask("DBSIZE") == 0


def test_two_protocols(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as address, Client(address) as client:
        two = client.ask("HELLO")
        assert two[two.index(b"proto") + 1] == 2
        assert client.ask("CONFIG", "GET", "s*") == [b"save", b""]
        assert client.ask("HELLO", 3, "SETNAME", "me")[b"proto"] == 3
        assert client.ask("CLIENT", "GETNAME") == b"me"
        assert client.ask("CONFIG", "GET", "*") == {b"save": b"", b"appendonly": b"no"}
        client.send("GET", "nothing")
        assert client.socket.recv(100) == b"_\r\n"
        assert client.ask("HELLO", 2)[1] == b"redis"
        client.send("GET", "nothing")
        assert client.socket.recv(100) == b"$-1\r\n"


def test_pipelining(environment: dict[str, str]) -> None:
    requests = [
        *(command("SET", "a", "1"), b"INCR a\r\n", command("GET", "a"), b"\r\n", b"*0\r\n"),
        *(b"\n", b"nonsense\r\n", b"SET \"a b\" 'c d'\r\n", command("GET", "a b"), b"PING\n"),
    ]
    replies = (
        b"+OK\r\n:2\r\n$1\r\n2\r\n-ERR unknown command 'nonsense'\r\n+OK\r\n$3\r\nc d\r\n+PONG\r\n"
    )
    with server(environment, AS_MODULE) as address:
        assert ask(address, b"".join(requests) * 100) == replies * 100
        # Byte by byte.
        assert ask(address, *[bytes([byte]) for byte in b"".join(requests)]) == replies
        # After QUIT nothing is executed.
        assert ask(address, command("QUIT") + command("SET", "a", "no")) == b"+OK\r\n"
        assert ask(address, command("GET", "a")) == b"$1\r\n2\r\n"
        # Far more replies than there is room for on the way.
        ask(address, command("SET", "big", "x" * 100_000))
        with connect(address) as client:
            asking = threading.Thread(target=client.sendall, args=(command("GET", "big") * 500,))
            asking.start()
            reply = b"$100000\r\n" + b"x" * 100_000 + b"\r\n"
            left = 500 * len(reply)
            while left:
                left -= len(client.recv(min(left, 1 << 20)))
            asking.join(TIME_LIMIT)


def test_what_is_no_resp(environment: dict[str, str]) -> None:
    problem = b"-ERR Protocol error: "
    with server(environment, AS_MODULE) as address:
        for request, expected in (
            (b"*x\r\n", b"invalid multibulk length"),
            (b"*-1\r\n", b"invalid multibulk length"),
            (b"*100000000\r\n", b"invalid multibulk length"),
            (b"*" + b"9" * 5000 + b"\r\n", b"invalid multibulk length"),
            (b"*1\r\n:1\r\n", b"expected '$', got ':'"),
            (b"*1\r\n\r\n", b"expected '$', got ''"),
            (b"*1\r\n$-1\r\n", b"invalid bulk length"),
            (b"*1\r\n$x\r\n", b"invalid bulk length"),
            (b"*1\r\n$100000000\r\n", b"invalid bulk length"),
            (
                b"*2\r\n$16000000\r\n" + b"x" * 16_000_000 + b"\r\n$1000000\r\n",
                b"invalid bulk length",
            ),
            (b"*1\r\n$1\r\nxx\r\n", b"expected the end of a bulk string"),
            (b"x" * 70_000, b"too big inline request"),
            (b"x" * 70_000 + b"\r\n", b"too big inline request"),
            (b'PING "x\r\n', b"unbalanced quotes in request"),
        ):
            assert ask(address, request) == problem + expected + b"\r\n", request[:80]
            # What came before it is answered; what comes after it isn't.
            got = ask(address, command("PING") + request + command("PING"))
            assert got == b"+PONG\r\n" + problem + expected + b"\r\n"
        for cut_off in (b"", b"*", b"*2\r\n", b"*1\r\n$4\r\nPI", b"*1\r\n$4\r\nPING", b"PING"):
            assert ask(address, cut_off) == b""
            rude = connect(address)
            rude.sendall(cut_off)
            reset(rude)
        assert ask(address, b"PING\r\n") == b"+PONG\r\n"


def test_publish_and_subscribe(environment: dict[str, str]) -> None:
    with (
        server(environment, AS_MODULE) as address,
        Client(address) as one,
        Client(address) as two,
        Client(address) as publisher,
    ):
        publish = lambda channel, text: publisher.ask("PUBLISH", channel, text)  # noqa: E731
        assert publish("news", "nobody") == 0
        assert one.ask("UNSUBSCRIBE") == [b"unsubscribe", None, 0]
        one.send("SUBSCRIBE", "news", "weather")
        assert one.read() == [b"subscribe", b"news", 1]
        assert one.read() == [b"subscribe", b"weather", 2]
        # Replies and messages stay in order.
        two.socket.sendall(command("PING") + command("SUBSCRIBE", "news") + command("PING", "x"))
        assert two.read() == "PONG"
        assert two.read() == [b"subscribe", b"news", 1]
        assert two.read() == [b"pong", b"x"]
        assert two.ask("GET", "x").startswith("ERR Can't execute 'get'")
        for number in range(1000):
            assert publish("news", number) == 2
            assert publish("weather", number) == 1
        for number in range(1000):
            text = str(number).encode()
            assert two.read() == one.read() == [b"message", b"news", text]
            assert one.read() == [b"message", b"weather", text]
        assert one.ask("UNSUBSCRIBE", "news") == [b"unsubscribe", b"news", 1]
        assert publish("news", "x") == 1
        assert two.read() == [b"message", b"news", b"x"]
        assert two.ask("UNSUBSCRIBE") == [b"unsubscribe", b"news", 0]
        assert two.ask("GET", "x") is None
        assert one.ask("QUIT") == "OK"
        assert one.at_the_end()
        assert publish("weather", "x") == 0


def test_subscriptions_in_resp3(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as address, Client(address) as client:
        client.ask("HELLO", 3)
        assert client.ask("SUBSCRIBE", "news") == (b"subscribe", b"news", 1)
        client.send("PUBLISH", "news", "to myself")
        assert client.read() == (b"message", b"news", b"to myself")
        assert client.read() == 1
        assert client.ask("GET", "x") is None
        assert client.ask("UNSUBSCRIBE", "news") == (b"unsubscribe", b"news", 0)
        assert client.ask("UNSUBSCRIBE") == (b"unsubscribe", None, 0)


def test_subscribers_that_do_not_read_are_shown_out(environment: dict[str, str]) -> None:
    text = "x" * 100_000
    with (
        server(environment, AS_MODULE) as address,
        Client(address) as slow,
        Client(address) as quick,
        Client(address) as publisher,
    ):
        assert slow.ask("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
        assert quick.ask("SUBSCRIBE", "news") == [b"subscribe", b"news", 1]
        published = 0
        while publisher.ask("PUBLISH", "news", text) == 2:
            assert quick.read()[1] == b"news"
            published += 1
        assert quick.read()[1] == b"news"
        assert published > 100


def test_limit_of_connections(environment: dict[str, str]) -> None:
    command_line = [*AS_MODULE, "--connections", "2"]
    with (
        server(environment, command_line) as address,
        Client(address) as one,
        Client(address) as two,
    ):
        assert one.ask("PING") == two.ask("PING") == "PONG"
        with Client(address) as three:
            three.send("SET", "three", "in")
            assert one.ask("GET", "three") is None
            assert two.ask("QUIT") == "OK"
            assert two.at_the_end()
            two.__exit__()
            assert three.read() == "OK"
            assert one.ask("GET", "three") == b"in"
    done = run(environment, *AS_FOLDER, "--connections", "0")
    assert done.returncode == 2
    assert "1 or more" in done.stderr


def test_what_was_read_is_answered_when_it_stops(
    environment: dict[str, str], stop: signal.Signals
) -> None:
    count = 300
    big = 100_000
    with ExitStack() as stack:

        def read() -> None:
            # It has begun to answer, and so has executed all that was in one piece.
            got = read_to_the_end(client)
            assert got == (b"$%d\r\n%b\r\n" % (big, b"x" * big)) * count

        with server(environment, AS_MODULE, stop, read) as address:
            client = stack.enter_context(connect(address))
            ask(address, command("SET", "big", "x" * big))
            client.sendall(command("GET", "big") * count)
            client.recv(1, socket.MSG_PEEK)


def test_clients_at_the_same_time(environment: dict[str, str]) -> None:
    """Nothing is lost, and nothing is seen twice."""
    clients, rounds = 8, 300
    with server(environment, AS_MODULE) as address:
        popped: list[list[bytes]] = [[] for _ in range(clients)]

        def work(number: int) -> None:
            with Client(address) as client:
                for turn in range(rounds):
                    client.socket.sendall(
                        command("INCR", "n")
                        + command("RPUSH", "l", f"{number}-{turn}")
                        + command("SET", f"k{turn % 7}", "x", "PX", 1 + turn % 3)
                        + command("LPOP", "l")
                    )
                    assert isinstance(client.read(), int)
                    assert isinstance(client.read(), int)
                    assert client.read() == "OK"
                    popped[number].append(client.read())

        threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIME_LIMIT)
        with Client(address) as client:
            assert client.ask("GET", "n") == b"%d" % (clients * rounds)
            assert client.ask("LLEN", "l") == 0
        everything = {f"{n}-{turn}".encode() for n in range(clients) for turn in range(rounds)}
        assert {value for values in popped for value in values} == everything
        assert sum(map(len, popped)) == len(everything)


def test_redis_cli(environment: dict[str, str]) -> None:
    with server(environment, AS_MODULE) as (host, port):

        def cli(*args: str) -> str:
            done = subprocess.run(
                [program("redis-cli", "redis-tools"), "-h", host, "-p", str(port), *args],
                capture_output=True,
                text=True,
                timeout=TIME_LIMIT,
            )
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout.strip()

        assert cli("SET", "city", "Tokyo", "EX", "60") == "OK"
        assert cli("GET", "city") == "Tokyo"
        assert cli("-3", "GET", "nothing") == ""
        assert cli("RPUSH", "l", "a", "b") == "2"
        assert cli("-3", "LRANGE", "l", "0", "-1") == "a\nb"
        assert cli("-r", "10", "INCR", "n").split() == [str(n) for n in range(1, 11)]
        assert cli("NONSENSE").startswith("ERR unknown command")


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_redis_benchmark(environment: dict[str, str], pipeline: str) -> None:
    with server(environment, AS_MODULE) as (host, port):
        done = subprocess.run(
            [
                *(program("redis-benchmark", "redis-tools"), "-h", host, "-p", str(port)),
                *("-t", "ping,set,get,incr,lpush,rpush,lpop", "-n", "2000"),
                *("-P", pipeline, "--csv"),
            ],
            capture_output=True,
            text=True,
            timeout=TIME_LIMIT,
        )
        assert done.returncode == 0, done.stderr
        tests = re.findall(r'^"(\w+)[^"]*","\d+\.\d+"', done.stdout, re.MULTILINE)
        assert {"PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "LPOP"} <= set(tests)
        assert "WARNING" not in done.stderr
