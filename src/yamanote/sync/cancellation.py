"""A signal to stop, for any number of tasks.

Tokens make a tree: a child refers to its parent, a parent only weakly to its children.
So a token that nobody uses any more leaves nothing behind, but stays as the link between
its parent and its children as long as there are any.

There is no lock, because a guard or a token may be collected, and cancel others thereby,
in the midst of anything. Publishing and checking lock on both sides (see park.py): who
cancels sets `_cancelled` and then lists `_waiting` and `_children`; who waits, and who
makes a child, enters it there and then looks at `_cancelled`.
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Generator
from typing import Any, TypeVar, final

from ..runtime.branches import Alarm, group
from ..runtime.core import close_coroutine
from ..runtime.park import Park, Token, wake
from ..runtime.task import Spawnable, as_coroutine
from .budget import spend_budget

T = TypeVar("T")


@final
class CancellationToken:
    """A signal that work shall stop. It is given once, to all who hold the token, and is
    never taken back.

        token = CancellationToken()
        spawn(serve(token.child_token()))
        ...
        token.cancel()

    It acts on nobody by itself: work has to wait for it, ask for it, or be run by
    `run_until_cancelled`. Pass the token itself on to share it, a child token for what
    may also be cancelled alone.

    Thread-safe. Tokio: tokio-util's `sync::CancellationToken`.
    """

    __slots__ = ("__weakref__", "_cancelled", "_children", "_parent", "_waiting")

    def __init__(self) -> None:
        self._cancelled = False
        self._parent: CancellationToken | None = None
        self._children: set[weakref.ref[CancellationToken]] = set()
        # By the token's id: one of ten thousand that wait leaves as fast as the only one.
        self._waiting: dict[int, Token] = {}

    def child_token(self) -> CancellationToken:
        """A token that is cancelled with this one, but not the other way round.

        Of a cancelled token, it is cancelled from the start. Tokio:
        `CancellationToken::child_token`.
        """
        child = CancellationToken()
        child._parent = self
        self._children.add(weakref.ref(child, self._children.discard))
        if self._cancelled:
            child.cancel()
        return child

    def cancel(self) -> None:
        """Cancel this token and all below it. Any thread may call it, and more than once.

        Tokio: `CancellationToken::cancel`.
        """
        tokens = [self]
        while tokens:
            token = tokens.pop()
            token._cancelled = True
            token._parent = None
            for waiting in list(token._waiting.values()):  # locks; not copy(), see crowd.py
                wake(waiting)
            token._waiting.clear()
            for reference in token._children.copy():
                child = reference()
                if child is not None:
                    tokens.append(child)
            token._children.clear()

    def is_cancelled(self) -> bool:
        """Whether this token, or one above it, has been cancelled."""
        return self._cancelled

    def cancelled(self) -> Awaitable[None]:
        """Wait until the token is cancelled: an awaitable, for any number of awaits.

        Cancel-safe. Tokio: `CancellationToken::cancelled`.
        """
        return _Cancelled(self)

    async def run_until_cancelled(self, coro: Spawnable[T]) -> T | None:
        """Await `coro`, but not beyond the moment in which the token is cancelled.

        `coro` runs inside the calling task, as a branch of `select` does. When the token
        is cancelled it gets a CancelledError, and is waited for; if the token is
        cancelled already, it does not start.

        Returns:
            The result of `coro`; None when the token was cancelled first.

        Raises:
            Exception: what `coro` raised before the token was cancelled. What it raises
                while it is cancelled is logged.
            TypeError, RuntimeError: `coro` cannot be awaited, as for `spawn`.

        Cancelling the caller cancels `coro` and sees it end. Tokio:
        `CancellationToken::run_until_cancelled`.
        """
        coro = as_coroutine(coro)
        if self._cancelled:
            close_coroutine(coro)
            return None
        branches = group([coro], 1, biased=True)
        alarm = Alarm(branches)
        token: Token = [alarm]
        self._waiting[id(token)] = token
        winner = None
        try:
            if self._cancelled:
                wake(token)
            await branches
            winner = branches.ended[0]
            branches.log_failures(but=winner)
            return None if winner is alarm else winner.result()
        finally:
            self._waiting.pop(id(token), None)
            branches.ended.clear()  # the alarm refers to them
            del branches, alarm, token, winner  # an error's traceback refers to this frame

    def drop_guard(self) -> DropGuard:
        """A context manager that cancels the token at its exit.

        Tokio: `CancellationToken::drop_guard`.
        """
        return DropGuard(self)

    def __repr__(self) -> str:
        return f"<CancellationToken{' cancelled' if self._cancelled else ''} at {id(self):#x}>"


@final
class _Cancelled(Park):
    """The wait for a token."""

    __slots__ = ("_of",)

    def __init__(self, of: CancellationToken) -> None:
        self._of = of

    def __await__(self) -> Generator[Any, None, None]:
        if self._of._cancelled:
            yield from spend_budget()
        while not self._of._cancelled:
            yield from self._wait()

    def _register(self, token: Token) -> bool:
        of = self._of
        of._waiting[id(token)] = token
        return not of._cancelled

    def _unregister(self, token: Token) -> None:
        self._of._waiting.pop(id(token), None)


@final
class DropGuard:
    """Cancels a token at the end of `with`, or when it is dropped, unless it is disarmed.

        with token.drop_guard():
            ...

    Prefer `with`: on a free-threaded build, a guard whose last reference goes on another
    thread than the one that made it is collected when that one runs.

    Tokio: tokio-util's `sync::DropGuard`.
    """

    __slots__ = ("_token",)

    def __init__(self, token: CancellationToken) -> None:
        self._token: CancellationToken | None = token

    @property
    def token(self) -> CancellationToken:
        """The token.

        Raises:
            RuntimeError: the guard has been disarmed, or has done its work.
        """
        if self._token is None:
            raise RuntimeError("this DropGuard has been disarmed, or has cancelled its token")
        return self._token

    def disarm(self) -> CancellationToken:
        """Leave the token alone from now on, and return it. Other guards still act.

        Raises:
            RuntimeError: as `token`.
        """
        token = self.token
        self._token = None
        return token

    def _cancel(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            token.cancel()

    def __enter__(self) -> DropGuard:
        return self

    def __exit__(self, *_: object) -> None:
        self._cancel()

    def __del__(self) -> None:
        self._cancel()

    def __repr__(self) -> str:
        return f"<DropGuard of {self._token!r}>"
