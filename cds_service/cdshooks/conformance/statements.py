"""Statements of the CDS Hooks conformance checklist that are checked here, in our own words.

The table (statements.csv) has for each its level, the first version that has it, the clause of the
specification as the anchor of its section (blank: no text binds a service), and the mend.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any, Final

Path = tuple[str | int, ...]
"""Way to a JSON value: member names and positions in arrays, from the root."""


class Level(StrEnum):
    """How binding a statement is. ADVICE has no text of the specification behind it."""

    SHALL = "SHALL"
    SHOULD = "SHOULD"
    ADVICE = "ADVICE"


class Version(StrEnum):
    """Versions of CDS Hooks that differ for a service; 2.0 includes 2.0.1, 3.0 is the ballot."""

    V1 = "1.0"
    V2 = "2.0"
    V3 = "3.0"


_TEXTS: Final = {
    Version.V1: "https://cds-hooks.hl7.org/1.0/",
    Version.V2: "https://cds-hooks.hl7.org/2.0/",
    Version.V3: "https://build.fhir.org/ig/HL7/cds-hooks/index.html",
}
# Sections that 1.0 has under another heading.
_IN_1: Final = {"use-of-json": "overview", "reasons-for-rejecting-a-card": "card-attributes"}


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement: `since` is the first version that has it, `clause` the anchor of the section
    that says so, `mend` what a service does to keep it."""

    id: str
    level: Level
    text: str
    since: Version = Version.V1
    clause: str = ""
    mend: str = ""

    def clause_in(self, version: Version) -> str | None:
        """The address of the clause in the text of a version; None where no text says so."""
        if not self.clause:
            return None
        anchor = _IN_1.get(self.clause, self.clause) if version is Version.V1 else self.clause
        return f"{_TEXTS[version]}#{anchor}"


@dataclass(frozen=True, slots=True)
class Violation:
    """A statement that a message breaks: where, what, and the offending piece."""

    statement: str
    path: Path
    message: str
    piece: Any = None


def _read() -> dict[str, Statement]:
    text = (files(__package__) / "statements.csv").read_text(encoding="utf-8")
    return {
        row["id"]: Statement(
            row["id"],
            Level(row["level"]),
            row["text"],
            Version(row["since"]),
            row["clause"],
            row["mend"],
        )
        for row in csv.DictReader(text.splitlines())
    }


STATEMENTS: Final[Mapping[str, Statement]] = _read()
