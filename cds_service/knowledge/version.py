"""Versions of the content: a hash over the bytes of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

_DIGITS: Final = 8


def digest(files: Mapping[str, bytes]) -> bytes:
    """SHA-256 over names and bytes of the files, in order of name."""
    found = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            found.update(len(part).to_bytes(8, "big"))
            found.update(part)
    return found.digest()


def version(base: str, content: bytes, site: bytes | None) -> str:
    """`2026.11+1a2b3c4d`, and with a site overlay `2026.11+1a2b3c4d+site.5e6f7a8b`; from digests of
    the files."""
    text = f"{base}+{content.hex()[:_DIGITS]}"
    return text if site is None else f"{text}+site.{site.hex()[:_DIGITS]}"
