"""Remembers, over the calls of a process, the codes that say nothing: the same come in every chart.

What a code says follows from its bytes and the content alone. Kept are digests under a secret of
the process, and no text; what was not found to say nothing is judged anew in each call.
"""

from __future__ import annotations

import secrets
from hashlib import blake2b
from typing import Final

MOST: Final = 20_000
"""Codes that are remembered, some 2 MB; beyond it all are forgotten."""


class DullCodes:
    """The codes that say nothing by one content; keep it with `Knowledge.once`."""

    def __init__(self, _knowledge: object = None) -> None:
        self._start = blake2b(key=secrets.token_bytes(16), digest_size=16)
        self.known: set[bytes] = set()

    def __reduce__(self) -> tuple[type[DullCodes], tuple[()]]:
        """A copy knows nothing: its content may be changed."""
        return DullCodes, ()

    def digest(self, group: bytes, code: bytes) -> bytes:
        """Under which a code is known as what a resource of this group may be."""
        made = self._start.copy()
        made.update(group + code)
        return made.digest()

    def add(self, digest: bytes) -> None:
        """Remember a code that says nothing."""
        if len(self.known) >= MOST:
            self.known.clear()
        self.known.add(digest)
