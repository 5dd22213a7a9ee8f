"""Finds likely mistakes in one Coding: its system, the form of its code, its display."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cds_service.cdshooks.conformance.statements import Path
from cds_service.fhir.elements import word
from cds_service.knowledge.code_systems import (
    ICD10CM,
    LOINC,
    SNOMED,
    SYSTEMS,
    by_name,
    canonical,
    good_check_digit,
    has_form,
    name_of,
    spelling,
)
from cds_service.knowledge.terminology import CodeMatch
from cds_service.tools.validate import icd
from cds_service.tools.validate.displays import contradiction, unlike
from cds_service.tools.validate.findings import DocumentFinding, added, replaced
from cds_service.tools.validate.lexicon import Lexicon

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.+")
_DIGIT_KINDS = {SNOMED: "snomed-check-digit", LOINC: "loinc-check-digit"}


@dataclass(frozen=True, slots=True)
class Checked:
    """One Coding, looked at. `key` names it in lists, `match` is what the value sets say."""

    key: str
    match: CodeMatch | None
    findings: tuple[DocumentFinding, ...]
    wants_list: bool = False  # an ICD-10-CM code that only the list could check


def check(coding: Mapping[str, Any], path: Path, lexicon: Lexicon) -> Checked | None:
    """Look at a Coding; None where it has no code."""
    system, code = word(coding.get("system")), word(coding.get("code"))
    if code is None:
        return None
    match = lexicon.index.match(system, code)
    look = _Look(coding, path, lexicon, system, code)
    found = tuple(look.without_system() if system is None else look.with_system(match))
    wants = system is not None and canonical(system) == ICD10CM and not icd.installed()
    return Checked(f"{system or '(no system)'}|{code}", match, found, wants)


@dataclass(frozen=True, slots=True)
class _Look:
    """The surroundings in which one Coding is looked at."""

    coding: Mapping[str, Any]
    path: Path
    lexicon: Lexicon
    system: str | None
    code: str

    @property
    def display(self) -> str | None:
        said = self.coding.get("display")
        return said if isinstance(said, str) and said.strip() else None

    def without_system(self) -> Iterator[DocumentFinding]:
        places = self.lexicon.elsewhere("", self.code)
        at = (*self.path, "system")
        mend, patch = "add the system of the code", ()
        if len(places) == 1:
            uri, name = places[0]
            mend = f"if it is {name_of(uri)} ({name}), add system {uri}"
            if self.lexicon.agrees(self.display, uri, self.code):
                yield self._finding("system-missing", at, "no system", mend, added(at, uri))
                return
        yield self._finding("system-missing", at, "no system", mend, patch)

    def with_system(self, match: CodeMatch | None) -> Iterator[DocumentFinding]:
        system, at = self.system or "", (*self.path, "system")
        uri = canonical(system)
        if uri not in SYSTEMS:
            yield from self._strange(system, at)
            return
        if wrong := spelling(system):
            right, why = wrong
            kind = "system-oid" if why == "an OID" else "system-uri"
            patch = replaced(at, self.coding.get("system"), right)
            said = f"{why} for {name_of(right)}: {system}"
            yield self._finding(kind, at, said, f"send {right}", patch)
        yield from self._code(uri, match)

    def _strange(self, system: str, at: Path) -> Iterator[DocumentFinding]:
        """A system that the service does not know."""
        meant = by_name(system)
        if meant and meant != canonical(system):
            patch = replaced(at, self.coding.get("system"), meant)
            kind = "system-uri" if _URI.fullmatch(system) else "system-not-uri"
            said = f"{system} is not the URI of {name_of(meant)}"
            yield self._finding(kind, at, said, f"send {meant}", patch)
        elif not _URI.fullmatch(system):
            mend = "send the URI of the code system"
            yield self._finding("system-not-uri", at, f"{system} is no URI", mend)

    def _code(self, uri: str, match: CodeMatch | None) -> Iterator[DocumentFinding]:
        expression = uri == SNOMED and any(sign in self.code for sign in ":+|{")
        if expression:
            return
        if not has_form(uri, self.code):
            yield from self._bad_form(uri)
        elif not good_check_digit(uri, self.code):
            yield from self._bad_digit(uri)
        elif uri == ICD10CM and not self.lexicon.listed(uri, self.code) and self._is_new(uri):
            yield from self._no_such_code(uri)
        elif match is None:
            yield from self._other_system(uri)
        else:
            yield from self._display(uri, match)

    def _is_new(self, uri: str) -> bool:
        return icd.exists(self.code) is False

    def _bad_form(self, uri: str) -> Iterator[DocumentFinding]:
        yield from self._elsewhere(uri) or [
            self._finding(
                "code-format",
                (*self.path, "code"),
                f"{self.code} has not the form of a {name_of(uri)} code",
                "correct the code or its system",
            )
        ]

    def _bad_digit(self, uri: str) -> Iterator[DocumentFinding]:
        yield from self._elsewhere(uri) or [
            self._finding(
                _DIGIT_KINDS[uri],
                (*self.path, "code"),
                f"the check digit of {self.code} is wrong",
                "look the code up again; long ids are cut where they pass through a spreadsheet",
            )
        ]

    def _no_such_code(self, uri: str) -> Iterator[DocumentFinding]:
        yield from self._elsewhere(uri, sure=True) or [
            self._finding(
                "icd-unknown",
                (*self.path, "code"),
                f"{self.code} is not in the ICD-10-CM list (codes of past years may be deleted)",
                "look the code up again; WHO or national ICD-10 codes have another system",
            )
        ]

    def _other_system(self, uri: str) -> Iterator[DocumentFinding]:
        """A code of good form that no value set has in its system: a mistake only where the
        display says so, too."""
        yield from self._elsewhere(uri, sure=True)

    def _elsewhere(self, uri: str, *, sure: bool = False) -> list[DocumentFinding]:
        """The code is one of another system. `sure`: only where the display is its name there."""
        at = (*self.path, "system")
        for other, name in self.lexicon.elsewhere(uri, self.code):
            agrees = self.lexicon.agrees(self.display, other, self.code)
            if sure and not agrees:
                continue
            said = f"{self.code} is {name_of(other)} ({name}), not {name_of(uri)}"
            patch = replaced(at, self.coding.get("system"), other) if agrees else ()
            return [self._finding("wrong-system", at, said, f"send system {other}", patch)]
        return []

    def _display(self, uri: str, match: CodeMatch) -> Iterator[DocumentFinding]:
        display, at = self.display, (*self.path, "display")
        if display is None:
            return
        names = self.lexicon.names(uri, self.code)
        other = self.lexicon.named_like(uri, display, match)
        known = names[0] if names else match.display
        mend = f"the code is {known}; correct the code or the display"
        if why := contradiction(display, names):
            yield self._finding("display-contradicts", at, f"{why}: {display}", mend)
        elif other and self.lexicon.official(uri):
            said = f"{display} is the name of {other}, not of {self.code}"
            yield self._finding("display-contradicts", at, said, mend)
        elif names and self.lexicon.official(uri) and self._is_unlike(display, names, match):
            said = f"{display} shares no word with {known}"
            yield self._finding("display-unlike", at, said, mend)

    def _is_unlike(self, display: str, names: tuple[str, ...], match: CodeMatch) -> bool:
        return unlike(display, (*names, *self.lexicon.titles(match)))

    def _finding(
        self,
        kind: str,
        path: Path,
        message: str,
        mend: str | None = None,
        patch: tuple[Mapping[str, Any], ...] = (),
    ) -> DocumentFinding:
        return DocumentFinding(kind, path, message, mend, patch)
