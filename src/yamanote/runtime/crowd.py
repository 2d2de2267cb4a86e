"""Those who wait for the same thing, and are all woken by it.

There is no lock. Who makes happen what is waited for publishes it and then calls `wake`,
which copies the dict; who waits joins and then looks whether it has happened: each locks
the dict (see park.py), so one of the two sees the other. What is woken waits again if it
was not what it waits for.
"""

from __future__ import annotations

from .park import Token, wake


class Crowd:
    """The tokens of those who wait."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        # By the token's id: one of ten thousand leaves as fast as the only one.
        self._tokens: dict[int, Token] = {}

    def join(self, token: Token) -> None:
        """Wake the token's waiter at the next `wake`."""
        self._tokens[id(token)] = token

    def leave(self, token: Token) -> None:
        """Forget a token."""
        self._tokens.pop(id(token), None)

    def wake(self) -> None:
        """Wake all, those first who came first."""
        tokens = self._tokens
        for key, token in tokens.copy().items():
            tokens.pop(key, None)
            wake(token)

    def __len__(self) -> int:
        return len(self._tokens)
