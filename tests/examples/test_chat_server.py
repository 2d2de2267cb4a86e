"""examples/chat_server.py"""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack

from tests.examples.programs import (
    TIME_LIMIT,
    Address,
    CommandLine,
    ask,
    both_ways,
    by_itself,
    connect,
    reset,
    server,
)


class Chatter:
    """Someone in the chat room."""

    def __init__(self, address: Address, name: str) -> None:
        self.socket = connect(address)
        self.lines = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.say(name)

    def say(self, line: str) -> None:
        self.socket.sendall(f"{line}\n".encode())

    def hears(self) -> str:
        return self.lines.readline().rstrip("\n")

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


def enter(address: Address, name: str) -> Chatter:
    """Someone who is in the room: who comes next comes later, whatever worker serves them."""
    chatter = Chatter(address, name)
    assert chatter.hears().startswith(f"* welcome, {name}; ")
    return chatter


@both_ways
def test_conversation(
    environment: dict[str, str], command_line: CommandLine, stop: signal.Signals
) -> None:
    with ExitStack() as stack:
        with server(environment, command_line("chat_server"), stop) as address:

            def come(name: str) -> Chatter:
                chatter = Chatter(address, name)
                stack.callback(chatter.close)
                return chatter

            anna = come("Anna")
            assert anna.hears() == "* welcome, Anna; here: Anna"
            zoë = come("Zoë")
            assert zoë.hears() == "* welcome, Zoë; here: Anna, Zoë"
            assert anna.hears() == "* Zoë is here"

            anna.say("Bonjour, ça va ?")
            assert zoë.hears() == "Anna: Bonjour, ça va ?"
            zoë.say("oui")
            assert anna.hears() == "Zoë: oui"

            impostor = come("Anna")
            assert impostor.hears() == "* this name is taken"
            assert impostor.hears() == ""

            nobody = stack.enter_context(connect(address))
            ben = come("Ben")  # after nobody, who therefore is in
            assert ben.hears() == "* welcome, Ben; here: Anna, Ben, Zoë"
            assert anna.hears() == zoë.hears() == "* Ben is here"
            ben.close()
            assert anna.hears() == zoë.hears() == "* Ben has left"
            zoë.say("bye")
            assert anna.hears() == "Zoë: bye"
        for chatter in (anna, zoë):
            assert chatter.hears() == "* the server is closing"
            assert chatter.hears() == ""
        with nobody.makefile("rb") as lines:  # who has not said who that is
            assert lines.read() == b"* the server is closing\n"


def test_what_is_refused(environment: dict[str, str]) -> None:
    with server(environment, by_itself("chat_server")) as address:
        no_name = b"* a name has 1 to 32 characters\n"
        too_long = b"* a line has at most 1000 bytes\n"
        assert ask(address) == no_name
        assert ask(address, b"\n") == no_name
        assert ask(address, b" \t\r\n") == no_name
        assert ask(address, b"x" * 33 + b"\n") == no_name
        assert ask(address, b"x" * 1001 + b"\n") == too_long
        assert ask(address, b"x" * 1001) == too_long
        welcome = b"* welcome, Ben; here: Ben\n"
        assert ask(address, b"Ben\n" + b"x" * 2000) in (welcome + too_long, too_long)
        reset(connect(address))


def test_terminals_are_safe(environment: dict[str, str]) -> None:
    with server(environment, by_itself("chat_server")) as address:
        anna, ben = enter(address, "Anna"), Chatter(address, "Ben\x1b[2J")
        with anna.socket, ben.socket:
            assert anna.hears() == "* Ben\ufffd[2J is here"
            assert ben.hears() == "* welcome, Ben\ufffd[2J; here: Anna, Ben\ufffd[2J"
            ben.socket.sendall(b"\xff\x1b]0;title\x07\r\n")
            assert anna.hears() == "Ben\ufffd[2J: \ufffd\ufffd]0;title\ufffd"
            anna.close()
            ben.close()


def test_slow_readers_miss_lines_and_hold_up_nobody(environment: dict[str, str]) -> None:
    lines = 30_000
    line = "x" * 900
    # Or the slow one is shown out, on a slow machine.
    patient = [*by_itself("chat_server"), "--patience", str(TIME_LIMIT)]
    with server(environment, patient) as address:
        slow, quick, talker = (enter(address, name) for name in ("slow", "quick", "talker"))
        with slow.socket, quick.socket, talker.socket:
            for chatter in (slow, quick):
                while chatter.hears() != "* talker is here":
                    pass

            def talk() -> None:
                for _ in range(lines):
                    talker.say(line)
                talker.say("end")

            talking = threading.Thread(target=talk)
            talking.start()
            heard = missed = 0
            while (said := quick.hears()) != "talker: end":
                if said.startswith("* you have missed"):
                    missed += int(said.split()[-2])
                else:
                    assert said == f"talker: {line}"
                    heard += 1
            assert heard + missed == lines
            talking.join()
            # 27 MB have not found room on the way to the slow one, who hears of it.
            while not (said := slow.hears()).startswith("* you have missed"):
                assert said == f"talker: {line}"
            for chatter in (slow, quick, talker):
                chatter.close()
