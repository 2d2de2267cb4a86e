"""What goes wrong with channels and locks. A value that could not be delivered comes back
with the error."""

from __future__ import annotations

from typing import Any


class SendError(Exception):
    """Nobody can receive the value any more; `value` is what was to be sent.

    Tokio: `sync::mpsc::error::SendError`, and those of the other channels.
    """

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message, value)
        self.value = value

    def __str__(self) -> str:
        return str(self.args[0])


class TrySendError(Exception):
    """The value could not be sent at once; `value` is what was to be sent.

    Tokio: `sync::mpsc::error::TrySendError`.
    """

    def __init__(self, message: str, value: Any, full: bool) -> None:
        super().__init__(message, value, full)
        self.value = value
        self._full = full

    def is_full(self) -> bool:
        """Whether the channel has no room at the moment."""
        return self._full

    def is_closed(self) -> bool:
        """Whether nobody can receive the value any more."""
        return not self._full

    def __str__(self) -> str:
        return str(self.args[0])


class SendTimeoutError(TimeoutError):
    """The channel had no room in time; `value` is what was to be sent.

    Tokio: `sync::mpsc::error::SendTimeoutError::Timeout`.
    """

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message, value)
        self.value = value

    def __str__(self) -> str:
        return str(self.args[0])


class RecvError(Exception):
    """The channel is closed, and all that was sent has been received.

    Tokio: `sync::oneshot::error::RecvError`, `sync::broadcast::error::RecvError::Closed`,
    and the `None` that `sync::mpsc::Receiver::recv` returns.
    """


class TryRecvError(Exception):
    """There is nothing to receive at once.

    Tokio: `sync::mpsc::error::TryRecvError`, and those of the other channels.
    """

    def __init__(self, message: str, empty: bool) -> None:
        super().__init__(message, empty)
        self._empty = empty

    def is_empty(self) -> bool:
        """Whether something may still come."""
        return self._empty

    def is_disconnected(self) -> bool:
        """Whether the channel is closed, and all that was sent has been received."""
        return not self._empty

    def __str__(self) -> str:
        return str(self.args[0])


class Lagged(Exception):
    """The receiver was too slow: `missed` values are gone. The next call receives the
    oldest that the channel still has.

    Tokio: `sync::broadcast::error::RecvError::Lagged`.
    """

    def __init__(self, missed: int) -> None:
        super().__init__(missed)
        self.missed = missed

    def __str__(self) -> str:
        return f"the receiver lagged behind and missed {self.missed} values"


class AcquireError(Exception):
    """The semaphore is closed.

    Tokio: `sync::AcquireError`.
    """


class TryAcquireError(Exception):
    """The permits could not be had at once.

    Tokio: `sync::TryAcquireError`.
    """

    def __init__(self, message: str, closed: bool) -> None:
        super().__init__(message, closed)
        self._closed = closed

    def is_closed(self) -> bool:
        """Whether the semaphore is closed."""
        return self._closed

    def is_no_permits(self) -> bool:
        """Whether too few permits are free at the moment."""
        return not self._closed

    def __str__(self) -> str:
        return str(self.args[0])


class TryLockError(Exception):
    """The lock is held by another.

    Tokio: `sync::TryLockError`.
    """


class SetError(Exception):
    """The OnceCell has a value, or is about to have one; `value` is what was to be set.

    Tokio: `sync::SetError`.
    """

    def __init__(self, message: str, value: Any, initializing: bool) -> None:
        super().__init__(message, value, initializing)
        self.value = value
        self._initializing = initializing

    def is_already_init_err(self) -> bool:
        """Whether there is a value."""
        return not self._initializing

    def is_initializing_err(self) -> bool:
        """Whether somebody was about to make the value."""
        return self._initializing

    def __str__(self) -> str:
        return str(self.args[0])


class SetOnceError(Exception):
    """The SetOnce has a value; `value` is what was to be set.

    Tokio: `sync::SetOnceError`.
    """

    def __init__(self, message: str, value: Any) -> None:
        super().__init__(message, value)
        self.value = value

    def __str__(self) -> str:
        return str(self.args[0])
