"""What somebody may have meant by a word that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: object, among: Iterable[str]) -> str | None:
    """`did you mean ...` with the most similar word, None when none is similar."""
    close = difflib.get_close_matches(str(word), list(among), n=1, cutoff=0.5)
    return f"did you mean '{close[0]}'?" if close else None
