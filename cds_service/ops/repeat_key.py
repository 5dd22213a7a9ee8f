"""The key by which an answer to a warning is found again: a file that is rotated, never kept."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

from cds_service.ops import log
from cds_service.ops.settings import Settings

LEAST: Final = 32
"""Characters of a key; `rotate` writes 64 hex digits, 256 random bits."""

_MOST = 4096  # bytes of the file


class RepeatKey:
    """The key as one process sees it: read again when the file has changed. Without a file, or with
    one that cannot be read, there is none."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._key: bytes | None = None

    @property
    def current(self) -> bytes | None:
        """The key in force now; one look at the file."""
        if self._path is None:
            return None
        try:
            found = os.stat(self._path)
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
            if seen != self._seen:
                self._key, self._seen = read(self._path), seen
        except (OSError, ValueError) as error:
            if self._key is not None:
                log.warn("repeat key NOT read: warnings are shown", error=type(error).__name__)
            self._key = self._seen = None
        return self._key


def read(path: Path) -> bytes:
    """The key in a file. Raises OSError, or ValueError where it is too short for one."""
    with path.open("rb") as file:
        key = file.read(_MOST).strip()
    if len(key) < LEAST:
        raise ValueError(f"must be at least {LEAST} random characters")
    return key


def rotate(path: Path) -> None:
    """Put a new key in place of the old one, which is nowhere after that: whole or not at all, for
    its owner alone. The owner stays who it was. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    owner = os.stat(path if path.exists() else path.parent)
    with NamedTemporaryFile("w", dir=path.parent, prefix=path.name, delete=False) as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    if os.geteuid() == 0:
        os.chown(file.name, owner.st_uid, owner.st_gid)
    os.replace(file.name, path)


def lacking(settings: Settings) -> str:
    """What has to be set before a client can have `repeat_days`; empty where nothing has."""
    if settings.store_url is None:
        return "let CDS_DATABASE_URL name a database: answers are looked up there"
    if settings.repeat_key_file is None:
        return "name a file in CDS_REPEAT_KEY_FILE; `cds-service repeats rotate` makes the key"
    return ""


def problem(settings: Settings) -> str | None:
    """Why there is no key in the file that is named. It stops no service, which would stop the
    warnings, too."""
    try:
        if settings.repeat_key_file is not None:
            read(settings.repeat_key_file)
    except (OSError, ValueError):
        return "no key in CDS_REPEAT_KEY_FILE: answered warnings come again; `repeats rotate`"
    return None
