"""That this process is about to end: it is not ready any more, and closes each connection with the
answer to its next call, but goes on to answer."""

from __future__ import annotations

_begun = False
_waits = True


def begin() -> None:
    """From here on."""
    global _begun
    _begun = True


def has_begun() -> bool:
    """Whether no further call should be sent here."""
    return _begun


def at_once() -> None:
    """Nobody is to be waited for."""
    global _waits
    _waits = False


def waits() -> bool:
    """Whether those who send calls here get time to notice."""
    return _waits
