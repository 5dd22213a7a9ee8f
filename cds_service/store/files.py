"""Watches the files of an SQLite database: what goes into a file that nobody will find is lost.

An open file takes writes also when it was deleted. Only names are looked at: to open and close one
of these files would drop the locks that SQLite holds on it in this process
(https://sqlite.org/howtocorrupt.html section 2.2).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from cds_service.errors import StoreError

_LEAST_BYTES = 512  # of a file that holds a database: one page
_BESIDE = ("-wal", "-shm")
_KEYS = 500  # in one query

Identity = tuple[int, int] | None
"""Device and inode; None where there is no file."""


class Files:
    """The file of a database, and the two that SQLite keeps beside it. `file` is None where the
    database is no file; then nothing is ever wrong with it."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._identity: Identity = None

    def remember(self) -> None:
        """From now on it has to be this file."""
        self._identity = _identity(self._file)

    def beside(self) -> tuple[Identity, ...]:
        """Which files stand beside it now; a connection uses those that it found."""
        if self._file is None:
            return ()
        return tuple(_identity(Path(f"{self._file}{end}")) for end in _BESIDE)

    def check(self, beside: tuple[Identity, ...] | None = None) -> None:
        """Raise StoreError where the file is not the one that was opened, or holds no database, or
        where other files than these are `beside` it."""
        if self._file is None:
            return
        found = _identity(self._file)
        if found != self._identity:
            what = "deleted" if found is None else "replaced"
            raise StoreError(f"the database file was {what} in use; restart the service")
        if self._file.stat().st_size < _LEAST_BYTES:
            raise StoreError("the database file was emptied in use; put a backup in its place")
        if beside is not None and beside != self.beside():
            raise StoreError(
                "a -wal or -shm file beside the database was deleted in use; restart the service"
            )


def _identity(file: Path | None) -> Identity:
    if file is None:
        return None
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def find_again(file: Path, keys: Sequence[str]) -> None:
    """Read feedback by its keys as a program would that opens the file now: a connection that is
    open writes by the schema that it remembers, whatever became of it in the file.

    Raises StoreError, or what sqlite3 raises.
    """
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as new:
        for start in range(0, len(keys), _KEYS):
            wanted = keys[start : start + _KEYS]
            marks = ",".join("?" * len(wanted))
            query = f"SELECT count(*) FROM feedback WHERE key IN ({marks})"  # noqa: S608  # "?"s
            [found] = new.execute(query, wanted).fetchone()
            if found != len(set(wanted)):
                raise StoreError("what was written is not found again in the database file")
