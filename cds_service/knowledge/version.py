"""Versions of the content: a hash over the bytes of its files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping


def content_hash(files: Mapping[str, bytes]) -> str:
    """Eight hexadecimal digits of SHA-256 over names and bytes of the files, in order of name."""
    digest = hashlib.sha256()
    for name in sorted(files):
        for part in (name.encode(), files[name]):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return digest.hexdigest()[:8]


def version(base: str, files: Mapping[str, bytes], site: Mapping[str, bytes] | None) -> str:
    """`2026.11+1a2b3c4d`, and with a site overlay `2026.11+1a2b3c4d+site.5e6f7a8b`."""
    text = f"{base}+{content_hash(files)}"
    return text if site is None else f"{text}+site.{content_hash(site)}"
