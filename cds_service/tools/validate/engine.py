"""Validates one document: the library call behind the command `validate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path as File

from cds_service.cards.suggested_orders import load_checked
from cds_service.cdshooks.conformance import answers, calls, discovery
from cds_service.cdshooks.conformance.statements import STATEMENTS, Level, Violation
from cds_service.fhir.elements import member
from cds_service.knowledge.model import Knowledge
from cds_service.tools.validate import service_answer, structure
from cds_service.tools.validate.documents import (
    ANSWER,
    CALL,
    DISCOVERY,
    JsonDocument,
    Located,
    Unusable,
    read,
    release_of,
    resources,
)
from cds_service.tools.validate.findings import (
    KINDS,
    MOST_FINDINGS,
    DocumentFinding,
    Layer,
    Report,
    Severity,
)
from cds_service.tools.validate.lexicon import Lexicon
from cds_service.tools.validate.positions import Positions
from cds_service.tools.validate.understanding import reader_for

_SPECIFIC = frozenset(k for k, kind in KINDS.items() if kind.layer is not Layer.STRUCTURE)
_OF_PRODUCTION = frozenset({"RQ-05"})  # a file cannot say whether its data are real
_RANK = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Options:
    """How to validate. `release` R4, R4B, R5, STU3 or DSTU2 instead of telling it from the
    content; `today` the day to decide on; with `then` records are taken back to it; `order` a
    draft for records that have none (`hip`, a code, or `system|code`); `overlay` the directory of
    a site's knowledge."""

    release: str | None = None
    today: date = field(default_factory=date.today)
    then: bool = False
    order: str | None = None
    overlay: File | None = None


class Validator:
    """Validates documents, one after the other, with one load of the clinical content.

    Raises KnowledgeError when the overlay is broken.
    """

    def __init__(self, options: Options | None = None, knowledge: Knowledge | None = None) -> None:
        self.options = options or Options()
        self.knowledge = knowledge or load_checked(self.options.overlay)
        self._lexicon = Lexicon(self.knowledge)

    def check(self, data: bytes, name: str = "-", line: int = 1) -> Report:
        """Validate one JSON document. `line` is where it begins in its file. Never raises for
        anything that a document holds."""
        report = Report(name, line)
        try:
            document = read(data)
        except Unusable as error:
            kind = "not-recognised" if str(error).startswith("neither") else "not-json"
            report.unusable = True
            report.findings = [DocumentFinding(kind, (), str(error), line=error.line + line - 1)]
            return report
        self._look(document, report)
        _settle(document, report)
        return report

    def _look(self, document: JsonDocument, report: Report) -> None:
        found = list(resources(document))
        release = self.options.release or structure.best_release(found, release_of(found))
        report.what, report.release = _what(document), release if found else None
        positions = Positions(document.text) if document.twice else None
        for path in positions.twice() if positions else ():
            report.findings.append(
                DocumentFinding("duplicate-member", path, f"{path[-1]} stands twice")
            )
        report.findings += _messages(document)
        report.findings += self._structure(found, release)
        self._content(document, found, release, report)
        options = self.options
        report.answer, more = service_answer.answer(
            document, self.knowledge, options.today, options.order, then=options.then
        )
        report.findings += more

    def _structure(self, found: Iterable[Located], release: str) -> Iterator[DocumentFinding]:
        if release == "DSTU2":
            yield DocumentFinding(
                "release-unchecked", (), "DSTU2: only what the service reads is checked"
            )
            return
        for located in found:
            yield from structure.check(located, release)

    def _content(
        self, document: JsonDocument, found: list[Located], release: str, report: Report
    ) -> None:
        context = member(document.value, "context", "patientId")
        patient = context if document.what == CALL and isinstance(context, str) else None
        if patient:
            patient = patient.rstrip("/").rpartition("/")[2]
        options = self.options
        reader = reader_for(found, self.knowledge, self._lexicon, options.today, release, patient)
        for located in found if document.what != ANSWER else ():
            reader.look(located, report)


def _what(document: JsonDocument) -> str:
    if document.what == CALL:
        return f"call of {str(document.value.get('hook'))[:60]}"
    if document.what == "resource":
        return str(document.value["resourceType"])[:60]
    return document.what


def _messages(document: JsonDocument) -> Iterator[DocumentFinding]:
    """Layer one for CDS Hooks: the statements that the message breaks."""
    found: Iterable[Violation] = ()
    if document.what == CALL:
        found = calls.check(document.value)
    elif document.what == ANSWER:
        found = answers.check(document.value)
    elif document.what == DISCOVERY:
        found = discovery.check(document.value)
    for violation in found:
        binding = STATEMENTS[violation.statement].level is Level.SHALL
        binding = binding and violation.statement not in _OF_PRODUCTION
        kind = "cds-hooks" if binding else "cds-hooks-unusual"
        yield DocumentFinding(
            kind, violation.path, violation.message, statement=violation.statement
        )


def _settle(document: JsonDocument, report: Report) -> None:
    """Each thing once, by line, within the limit."""
    once: dict[object, DocumentFinding] = {}
    specific = {f.path for f in report.findings if f.kind in _SPECIFIC}
    for finding in report.findings:
        if finding.kind == "fhir-structure" and finding.path in specific:
            continue  # said in better words already
        once.setdefault((finding.kind, finding.path, finding.statement), finding)
    kept = sorted(once.values(), key=lambda f: _RANK[f.severity])[:MOST_FINDINGS]
    report.dropped = len(once) - len(kept)
    lines = Positions(document.text).lines(f.path for f in kept) if kept else {}
    placed = [replace(f, line=lines[f.path] + report.line - 1) for f in kept]
    report.findings = sorted(placed, key=lambda f: (f.line, _RANK[f.severity]))


__all__ = ["Options", "Validator"]
