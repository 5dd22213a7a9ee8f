"""The codes of conditions and orders that nobody here can read, as far as they may be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from cds_service.clinical.chart import CodeSeen
from cds_service.fhir.elements import Doc, codings, kind_of
from cds_service.fhir.unread_codes import unread_system
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.system_names import NO_SYSTEM, shown, tells
from cds_service.rehearsal.events import PastEvent

# A code of a catalogue: a few letters, then digits. A name or a text is never shown.
_FORM: Final = re.compile(r"[A-Za-z]{0,5}[-._]?[0-9][0-9A-Za-z._-]{0,14}")
_LONG: Final = re.compile(r"[0-9]{8}")  # so many digits may be the number of a person
_ORDERS: Final = "orders"
_CONDITIONS: Final = "conditions"


def unread_codes(
    docs: Iterable[Doc], event: PastEvent, knowledge: Knowledge
) -> tuple[tuple[str, str, str], ...]:
    """Input, system and code of each, once: of the conditions, and of an order of the event that
    may be a hip operation."""
    found: set[tuple[str, str, str]] = set()
    for doc in docs:
        if kind_of(doc) == "Condition":
            found.update(_codes(_CONDITIONS, doc, knowledge))
    for doc in event.docs if event.doubt else ():
        found.update(_codes(_ORDERS, doc, knowledge))
    return tuple(sorted(found))


def _codes(name: str, doc: Doc, knowledge: Knowledge) -> Iterator[tuple[str, str, str]]:
    seen: list[CodeSeen] = codings(doc.get("code"))
    if any(knowledge.index.match(one.system, one.code) for one in seen):
        return
    if name == _CONDITIONS and unread_system(seen) is None:
        return
    for one in seen:
        code = one.code or ""
        if one.system and tells(one.system):
            continue
        if _FORM.fullmatch(code) and not _LONG.search(code):
            yield name, shown(one.system) if one.system else NO_SYSTEM, code
