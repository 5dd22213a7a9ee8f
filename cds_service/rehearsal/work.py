"""The working folder of a run: what it holds is only for its user, and gone at the end.

Each step of a run is a file that appears under its name when it is whole. So a run that was killed
goes on where it was, and gives the same bytes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import msgspec

from cds_service.errors import SettingsError
from cds_service.rehearsal.files import ExportFile
from cds_service.rehearsal.lines import storage_of

FOLDER: Final = ".rehearsal-work"
_MARK: Final = "run.json"
_LOCK: Final = "lock"
_SHARDS: Final = "shards"
_HEAD: Final = 64 << 10  # bytes of each file from which the key of a run is made
T = TypeVar("T")


class WorkFolder:
    """The steps of one run. `fingerprint` is of all that the result depends on."""

    def __init__(self, out: Path) -> None:
        self.path = out / FOLDER
        self._lock: IO[bytes] | None = None

    def open(self, fingerprint: str, *, restart: bool) -> bool:
        """Make it ready, and tell whether an earlier run is continued. What an earlier run left is
        removed, unless it is continued. Raises SettingsError where another run is under way here,
        or where the earlier run was another one."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self._take_lock()
        before = self.read(_MARK, str)
        if restart and before is not None and before != fingerprint:
            self.close()
            raise SettingsError(
                f"{self.path.parent}: the run that was begun here had other files, options or "
                "content; run without --restart to begin anew"
            )
        if not restart or before is None:
            self._empty()
            self.write(_MARK, fingerprint)
            return False
        return True

    def _take_lock(self) -> None:
        self._lock = os.fdopen(self._descriptor(_LOCK), "wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            why = "another rehearsal is under way here"
            raise SettingsError(f"{self.path.parent}: {why}") from None

    def _empty(self) -> None:
        for path in self.path.iterdir():
            if path.name != _LOCK:
                path.unlink()

    def remove(self) -> None:
        """Remove it with all that is in it."""
        shutil.rmtree(self.path)
        if self._lock is not None:
            self._lock.close()

    def close(self) -> None:
        """Let another run begin, or this one go on later."""
        if self._lock is not None:
            self._lock.close()

    # --- files ---

    def _descriptor(self, name: str) -> int:
        return os.open(self.path / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def create(self, name: str) -> int:
        """A new file for writing, only for this user; the caller closes the descriptor."""
        return self._descriptor(name)

    def write(self, name: str, value: object) -> None:
        """Write a step: it is there as a whole or not at all."""
        data = value if isinstance(value, bytes) else msgspec.json.encode(value)
        part = f"{name}.{os.getpid()}.part"
        with os.fdopen(self._descriptor(part), "wb") as file:
            file.write(data)
        os.replace(self.path / part, self.path / name)

    def read(self, name: str, kind: type[T]) -> T | None:
        """A step that was written; None where it was not."""
        data = self.read_bytes(name)
        return msgspec.json.decode(data, type=kind) if data is not None else None

    def read_bytes(self, name: str) -> bytes | None:
        """The bytes of a step; None where it was not written."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def divide(self, shards: int) -> None:
        """Lines are kept in so many shards: what was kept in another number of them is removed."""
        if self.read(_SHARDS, int) == shards:
            return
        for name in ("tally-*", "keep-*"):
            for path in self.path.glob(name):
                path.unlink()
        self.write(_SHARDS, shards)

    def has(self, name: str) -> bool:
        return (self.path / name).exists()


def fingerprint_of(files: Iterable[ExportFile], about: Mapping[str, Any]) -> str:
    """What tells whether two runs give the same: files with size and time, options, content."""
    seen = []
    for file in files:
        when = os.stat(file.path).st_mtime_ns if os.path.exists(file.path) else 0
        seen.append((file.path, file.size, when))
    told = msgspec.json.encode([seen, dict(about)], order="sorted")
    return hashlib.sha256(told).hexdigest()


def key_of(files: Iterable[ExportFile]) -> bytes:
    """The key of a run, under which surgeons are counted. It is never written: it follows from
    the export, so a run that goes on has the same, and who has no export cannot make it."""
    key = hashlib.blake2b(digest_size=32)
    for file in files:
        store, name = storage_of(file.path)
        if file.form == "delta":
            key.update(file.path.encode())
            continue
        with store.open(name) as opened:
            key.update(opened.read(_HEAD))
    return key.digest()
