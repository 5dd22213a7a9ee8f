"""What a token shows by its scopes: SMART App Launch 2, which CDS Hooks 3.0 uses, can narrow a type
to some of its resources."""

from __future__ import annotations

import re
from typing import Final

SOME_ONLY: Final = "the token shows only some of it"
_SCOPE: Final = re.compile(
    r"(?:patient|user|system)/(\*|[A-Za-z]+)\.(read|write|\*|c?r?u?d?s?)(\?\S*)?"
)
_READS: Final = frozenset("rs")


def shows_some_only(scope: str | None, url: str) -> bool:
    """Whether the scopes let a search, named by its URL, see only a part of what there is.

    `patient/Condition.rs?category=problem-list-item` leaves out all others, and the answer does not
    say so (SMART App Launch 2.0, "Scopes for requesting FHIR Resources"). A scope without `?` for
    the type, also of version 1 (`.read`), shows all. What is in no known form says nothing: the
    server decides (FA-07).
    """
    kind = url.partition("?")[0].rstrip("/").split("/")
    types = {"*", *kind[-2:]}
    granted = [
        found
        for word in (scope or "").split()
        if (found := _SCOPE.fullmatch(word)) and found[1] in types and _reads(found[2])
    ]
    return bool(granted) and all(found[3] for found in granted)


def _reads(permissions: str) -> bool:
    return permissions in {"read", "*"} or not _READS.isdisjoint(permissions)
