"""What stands on the evidence pages where a card fills in the facts of a patient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_WORDS: Final[Mapping[str, str]] = {
    "finding": "what was found",
    "order": "the order",
    "ordered": "what is ordered",
    "status": "on record, or suspected",
    "disease": "the disease",
    "state": "not read",
    "until": "the test that is lacking",
    "closed": "what is ruled out",
    "age": "age",
    "risk": "the risk",
    "open": "the options that are left",
    "fact": "the entry in the chart",
    "value": "the result",
    "unit": "its unit",
    "date": "its date",
    "entries": "the entries",
    "groups": "the medicines they may be",
    "unread": "the result that was not understood",
    "record": "the other record",
}
_NOTHING: Final = frozenset({"elective", "older"})
_NAME: Final = re.compile(r"\{([a-z_]+)\}")


def filled(text: str) -> str:
    """A text of the content with words in brackets for what the chart will say."""
    return " ".join(_NAME.sub(_word, text).split())


def _word(found: re.Match[str]) -> str:
    name = found[1]
    if name in _NOTHING:
        return ""
    return f"[{_WORDS.get(name, name.replace('_', ' '))}]"
