"""What is known of the database: which work failed last, and whether it was proved since."""

from __future__ import annotations

import time

from cds_service.errors import StoreError
from cds_service.ops import log

ISSUED = "issued cards"
"""The one work that is tried again until it succeeds: only that clears it."""

_TOLD_SECONDS = 30.0  # for which a failure is told whatever is proved meanwhile
_MEANINGS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another program holds its lock",
    "SQLITE_LOCKED": "another program holds its lock",
    "SQLITE_READONLY": "it is read-only",
    "SQLITE_NOTADB": "the file is damaged",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_IOERR": "the disk fails",
    "DiskFullError": "the disk is full",
    "LockNotAvailableError": "another program holds its lock",
    "ReadOnlySQLTransactionError": "it is read-only, perhaps a standby",
    "InsufficientPrivilegeError": "its user may not do this",
    "UndefinedTableError": "a table is gone",
    "UndefinedColumnError": "a column is gone",
    "ConnectionRefusedError": "no server answers",
    "CannotConnectNowError": "the server starts or stops",
    "InvalidPasswordError": "the password is wrong",
    "TooManyConnectionsError": "the server has no connection left",
    "TimeoutError": "it does not answer in time",
}


class Condition:
    """The failures that have not been made up for, by the work that failed."""

    def __init__(self) -> None:
        self._failed: dict[str, tuple[str, float]] = {}

    @property
    def problem(self) -> str | None:
        """Why the database failed; None when nothing is wrong with it."""
        return next((why for why, _ in self._failed.values()), None)

    def failed(self, work: str, error: BaseException) -> None:
        """Some work failed. Logged when the same work went well before; never what was written."""
        why = why_failed(error)
        if work not in self._failed:
            log.warn("database fails", work=work, error=type(error).__name__, why=why)
        self._failed[work] = why, time.monotonic()

    def worked(self, work: str) -> None:
        """The same work went well."""
        if self._failed.pop(work, None) is not None:
            log.warn("database works again", work=work)

    def proved(self) -> None:
        """Everything was tried and went well; what failed only just now is told nevertheless."""
        now = time.monotonic()
        for work, (_, at) in tuple(self._failed.items()):
            if work != ISSUED and now - at > _TOLD_SECONDS:
                self.worked(work)


def why_failed(error: BaseException) -> str:
    """In words, without anything that was written: drivers repeat values in their messages."""
    if isinstance(error, StoreError):
        return str(error)
    cause = getattr(error, "orig", None)  # the driver's, which may stand for another one
    cause = (cause.__cause__ or cause) if cause is not None else error
    name = getattr(cause, "sqlite_errorname", None) or type(cause).__name__
    known = (one for one in (name, "_".join(name.split("_")[:2])) if one in _MEANINGS)
    meaning = next((_MEANINGS[one] for one in known), None)
    return f"it failed with {name}" + (f": {meaning}" if meaning else "")
