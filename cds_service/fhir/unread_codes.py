"""Counts, for each input, the entries of which no code is in a system that can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from cds_service.clinical.chart import CodeSeen, NotUnderstood
from cds_service.fhir.decoding import GlancedCoding
from cds_service.knowledge.names import InputName
from cds_service.knowledge.system_names import NO_CODE, NO_SYSTEM, tells

_MOST = 200  # systems of one chart; a record with more is not counted to the end
_LONGEST = 300  # signs of a system


def unread_system(found: Iterable[CodeSeen | GlancedCoding]) -> str | None:
    """The first system of these codings, which stand in no value set, where none of them can be
    read; NO_SYSTEM where no code has one, NO_CODE where there is no code; else None."""
    unread = NO_CODE
    for coding in found:
        if not coding.code:
            continue
        if not coding.system:
            unread = NO_SYSTEM if unread == NO_CODE else unread
        elif tells(coding.system):
            return None
        elif unread in (NO_CODE, NO_SYSTEM):
            unread = coding.system[:_LONGEST]
    return unread


class UnreadCount(Counter[tuple[InputName, str]]):
    """How many entries of an input have codes of a system only that cannot be read."""

    def note(self, name: InputName, system: str) -> None:
        """One entry more."""
        if (name, system) in self or len(self) < _MOST:
            self[name, system] += 1

    def listed(self) -> tuple[NotUnderstood, ...]:
        """The most frequent first; the order of the record never matters."""
        rows = sorted(self.items(), key=lambda item: (item[0][0].value, -item[1], item[0][1]))
        return tuple(NotUnderstood(name.value, system, n) for (name, system), n in rows)
