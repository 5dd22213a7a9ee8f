"""Files that pages load, kept in memory, under an address that changes when one of them does."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
MOUNT = "/static"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class Asset:
    """One file with its media type; `packed` is the same in gzip."""

    content: bytes
    media_type: str

    @cached_property
    def packed(self) -> bytes:
        return gzip.compress(self.content, 9, mtime=0)


class Assets:
    """All files of the static folder by their path below it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        found = sorted(path for path in folder.rglob("*") if path.suffix in _TYPES)
        self._files = {
            path.relative_to(folder).as_posix(): Asset(path.read_bytes(), _TYPES[path.suffix])
            for path in found
        }
        seen = hashlib.sha256()
        for name, asset in self._files.items():
            seen.update(name.encode() + b"\0" + asset.content)
        self.version = seen.hexdigest()[:12]

    def find(self, version: str, path: str) -> Asset | None:
        """The file, None when there is none; a page of another version may ask for another one."""
        return self._files.get(path) if version == self.version else None

    def url(self, path: str) -> str:
        """Where a page finds a file. Raises KeyError for one that does not exist."""
        self._files[path]
        return f"{MOUNT}/{self.version}/{path}"
