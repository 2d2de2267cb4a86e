"""Those who wait for the same thing, and are all woken by it.

There is no lock. Who makes happen what is waited for publishes it and then calls `wake` or
`take`; who waits joins and then looks whether it has happened: each locks the dict (see park.py),
so one of the two sees the other. What is woken waits again if it was not what it waits for.
"""

from __future__ import annotations

from .park import Token, wake


class Crowd:
    """The tokens of those who wait."""

    __slots__ = ("tokens",)

    def __init__(self) -> None:
        # By the token's id: one of ten thousand leaves as fast as the only one.
        self.tokens: dict[int | None, Token] = {}

    def join(self, token: Token) -> None:
        """Wake the token's waiter at the next `wake`."""
        self.tokens[id(token)] = token

    def leave(self, token: Token) -> None:
        """Forget a token."""
        self.tokens.pop(id(token), None)

    def take(self, to: list[Token]) -> list[Token]:
        """Forget all, and append them to `to`, those first who came first; returns it."""
        tokens = self.tokens
        # Locks the dict. Who has joined before is seen from here on, and the others see what has
        # happened.
        tokens.pop(None, None)
        if tokens:
            try:
                # One is the rule, and so costs half of what a list of the values does.
                _, last = tokens.popitem()
            except KeyError:
                return to  # it has just left
            if tokens:
                # Not copy(): that of a dict which others have left waits 40 µs for its own lock,
                # on a free-threaded build.
                for token in list(tokens.values()):
                    tokens.pop(id(token), None)
                    to.append(token)
            to.append(last)
        return to

    def wake(self) -> None:
        """Wake all, those first who came first."""
        for token in self.take([]):
            wake(token)

    def __len__(self) -> int:
        return len(self.tokens)
