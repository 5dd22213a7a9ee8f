"""Layer two: whether the service understands each resource, and which mistakes are likely."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from msgspec import Raw

from cds_service.cdshooks.conformance.statements import Path
from cds_service.clinical.chart import Chart, Fact, Problem
from cds_service.clinical.not_understood import unread_system
from cds_service.clinical.possible_orders import WHY, Doubt, Possible, possible
from cds_service.fhir.completeness import signals_of
from cds_service.fhir.draft_orders import OrdersRead, read_orders
from cds_service.fhir.elements import Doc, first_text, kind_of, reference, type_and_id
from cds_service.fhir.inputs import INPUT_OF
from cds_service.fhir.mentions import mentions_of
from cds_service.fhir.order import NOT_ORDERS
from cds_service.fhir.subject import bare_id
from cds_service.fhir_map import ChartReader
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.system_names import tells
from cds_service.tools.validate import coding_checks, element_checks
from cds_service.tools.validate.documents import Located
from cds_service.tools.validate.findings import DocumentFinding, Report, Understood
from cds_service.tools.validate.icd import MISSING
from cds_service.tools.validate.lexicon import Lexicon
from cds_service.tools.validate.systems import is_public

MOST_LISTED = 2_000
"""Resources and codings listed for one document; more are not kept."""

_REST = frozenset({"meta", "text", "extension", "modifierExtension", "identifier", "maritalStatus",
                   "communication", "name", "telecom", "address"})  # fmt: skip
_NOT_UNDERSTOOD = "not understood: no code is in a system that the service can read"
_NOT_KNOWN = "not known: its code stands in no list, so a card asks about it"
_STRANGER = "its patient is not the patient of the call; the service drops it"
# The element that says what a resource is about.
_PLACE: Mapping[Doubt, Path] = {
    Doubt.ROW: ("code",), Doubt.WORDS: ("code",), Doubt.SITE: ("bodySite",),
    Doubt.MODIFIER: ("modifierExtension",),
}  # fmt: skip
_MAIN = ("code", "medicationCodeableConcept", "medication", "vaccineCode", "substance")


@dataclass(frozen=True, slots=True)
class Reader:
    """What the resources of one document are read with."""

    knowledge: Knowledge
    lexicon: Lexicon
    today: date
    release: str
    patient: Located | None
    patient_id: str | None
    medicines: tuple[Located, ...]

    def look(self, located: Located, report: Report) -> None:
        """Write down what becomes of one resource and what is wrong with it."""
        if located.role == "bundle" or kind_of(located.doc) in {None, "OperationOutcome"}:
            return
        understood, found = self._understand(located)
        if len(report.resources) < MOST_LISTED:
            report.resources.append(understood)
        found += element_checks.check(located.doc, located.path, self.knowledge.index, self.release)
        if kind_of(located.doc) in INPUT_OF or located.role == "draft" or _coded_type(located):
            found += self._codings(located, report)
        report.findings += found

    # --- what the service makes of it ---

    def _understand(self, located: Located) -> tuple[Understood, list[DocumentFinding]]:
        doc, kind = located.doc, kind_of(located.doc) or ""
        name = type_and_id(doc)
        if located.role == "draft" and kind not in NOT_ORDERS:
            return self._order(located, name)
        if kind == "Patient":
            own = self.patient_id in (None, bare_id(str(doc.get("id") or "")))
            return _used(located, name) if own else self._stranger(located, name), []
        if kind not in INPUT_OF:
            return Understood(located.path, name, "not-read"), []
        chart = self._chart(located)
        found = [_unreadable(located, problem) for problem in chart.problems]
        if chart.foreign and self.patient_id:
            return self._stranger(located, name), [*found, _foreign(located)]
        if found:
            return Understood(located.path, name, "unreadable", why=chart.problems[0].why), found
        return _of_chart(located, name, chart), []

    def _chart(self, located: Located) -> Chart:
        """The chart of this resource alone, with the Patient and what it may refer to."""
        patient = self.patient_id or _subject(located.doc)
        reader = self._reader(patient)
        around = [located] if self.patient is None else [located, self.patient]
        if located.doc.get("medicationReference") or located.doc.get("medication"):
            around += self.medicines
        reader.read_prefetch({"x": _raw(around)})
        return reader.chart()

    def _reader(self, patient: str) -> ChartReader:
        knowledge = self.knowledge
        named, signals = knowledge.once(mentions_of), knowledge.once(signals_of)
        return ChartReader(knowledge.index, patient, self.today, named, signals=signals)

    def _order(self, located: Located, name: str) -> tuple[Understood, list[DocumentFinding]]:
        orders = self._read_order(located)
        found = [_unreadable(located, problem) for problem in orders.problems]
        if orders.foreign and self.patient_id:
            return self._stranger(located, name), [*found, _foreign(located)]
        order = next(iter(orders.orders), None)
        if order is None:
            return Understood(located.path, name, "unreadable", why="no order"), found
        if not order.live:
            return Understood(located.path, name, "set-aside", why="the order is not live"), found
        if (open_ := possible(order, self.knowledge)) is not None:
            found.append(_possible(located, open_))
        if unread_system(order, self.knowledge) is not None:
            return Understood(located.path, name, "nothing", why=_NOT_UNDERSTOOD), found
        state = "used" if order.kinds else "nothing"
        return Understood(located.path, name, state, tuple(sorted(order.kinds))), found

    def _read_order(self, located: Located) -> OrdersRead:
        patient = self.patient_id or _subject(located.doc)
        index = self.knowledge.index
        reader = self._reader(patient)
        reader.read_prefetch({"x": _raw(self.medicines)})
        return read_orders(_raw([located]), index, patient, self.today, reader)

    def _stranger(self, located: Located, name: str) -> Understood:
        return Understood(located.path, name, "other-patient", why=_STRANGER)

    # --- its codings ---

    def _codings(self, located: Located, report: Report) -> list[DocumentFinding]:
        found: list[DocumentFinding] = []
        for path, coding in _codings_in(located.doc, located.path):
            checked = coding_checks.check(coding, path, self.lexicon)
            if checked is None:
                continue
            found += checked.findings
            if checked.wants_list:
                report.notices.add(MISSING)
            if checked.match is not None:
                for concept in checked.match.concepts:
                    report.known[concept] = report.known.get(concept, 0) + 1
            elif len(report.unknown) < MOST_LISTED or checked.key in report.unknown:
                report.unknown[checked.key] = report.unknown.get(checked.key, 0) + 1
        return found + list(self._main_code(located))

    def _main_code(self, located: Located) -> Iterator[DocumentFinding]:
        """A resource that is named by local codes only, or by text only."""
        doc = located.doc
        name = next((name for name in _MAIN if doc.get(name)), None)
        if name is None or kind_of(doc) == "Patient":
            return
        at = (*located.path, name)
        coded = [c for _, c in _codings_in({name: doc[name]}, located.path)]
        written = [c for c in coded if c.get("code") not in (None, "")]
        if not written:
            if not reference(doc[name]) and first_text(doc[name]):
                mend = "add a coding; see docs/integrators.md"
                yield DocumentFinding("uncoded", at, f"{kind_of(doc)} has no code, only text", mend)
            return
        systems = [c["system"] for c in written if isinstance(c.get("system"), str)]
        if systems and not any(tells(system) for system in systems):
            index = self.knowledge.index
            if not any(index.match(str(c.get("system")), str(c.get("code"))) for c in written):
                mend = "add a standard coding, or map the code in a site overlay"
                public = [system for system in systems if is_public(system)]
                kind = "unread-system" if public else "local-code"
                said = "no code of a system that is read" if public else "only local codes"
                shown = (public or systems)[0][:120]
                yield DocumentFinding(kind, at, f"{said}: {shown}", mend)


def reader_for(
    found: Iterable[Located],
    knowledge: Knowledge,
    lexicon: Lexicon,
    today: date,
    release: str,
    patient_id: str | None,
) -> Reader:
    """The reader for the resources of one document. `patient_id` is that of the call; a record
    has that of its one Patient."""
    listed = list(found)
    patients = [one for one in listed if kind_of(one.doc) == "Patient"]
    medicines = tuple(one for one in listed if kind_of(one.doc) == "Medication")
    ids = {str(one.doc.get("id")) for one in patients if one.doc.get("id")}
    if patient_id is None and len(ids) == 1:
        patient_id = next(iter(ids))
    mine = (p for p in patients if str(p.doc.get("id") or patient_id) == patient_id)
    own = next(mine, None) if patient_id is not None else None
    return Reader(knowledge, lexicon, today, release, own, patient_id, medicines[:200])


def _foreign(located: Located) -> DocumentFinding:
    return DocumentFinding("other-patient", located.path, _STRANGER, "leave it out")


def _used(located: Located, name: str) -> Understood:
    return Understood(located.path, name, "used", ("patient",))


def _of_chart(located: Located, name: str, chart: Chart) -> Understood:
    facts: list[Fact] = [*chart.conditions, *chart.procedures, *chart.medications]
    facts += [*chart.allergies, *chart.measurements, *chart.family]
    concepts = {c for fact in facts for c in fact.concepts}
    concepts |= {kind for order in chart.planned for kind in order.kinds}
    concepts |= {f"text:{mention.disease}" for mention in chart.mentions}
    concepts |= {f"text:{fact.named}" for fact in chart.family if fact.named}
    if concepts:
        return Understood(located.path, name, "used", tuple(sorted(concepts)))
    if chart.set_aside:
        aside = chart.set_aside[0]
        listed = tuple(sorted(aside.concepts))
        return Understood(located.path, name, "set-aside", listed, aside.why)
    why = _NOT_UNDERSTOOD if chart.not_understood else _NOT_KNOWN if chart.unidentified else None
    return Understood(located.path, name, "nothing", why=why)


def _possible(located: Located, open_: Possible) -> DocumentFinding:
    """An order that the service asks about."""
    said = f"it may be {open_.trigger.label}: {WHY[open_.doubt]}"
    mend = "send a code that is understood (docs/integrators.md), or map it in a site overlay"
    return DocumentFinding("possible-order", (*located.path, *_PLACE[open_.doubt]), said, mend)


def _unreadable(located: Located, problem: Problem) -> DocumentFinding:
    """A problem of the reader, with its place in the whole document."""
    rest = problem.place.rpartition("]")[2].removeprefix(".resource").strip(".")
    path: Path = (*located.path, *(step for step in rest.split(".") if step and "[" not in step))
    return DocumentFinding("unreadable", path, problem.why)


def _subject(doc: Doc) -> str:
    """The patient whom a resource names itself."""
    return bare_id(reference(doc.get("subject") or doc.get("patient")) or "") or "unknown"


def _raw(around: Iterable[Located]) -> Raw:
    entries = [
        {"resource": one.doc} | ({"fullUrl": one.full_url} if one.full_url else {})
        for one in around
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return Raw(json.dumps(bundle).encode())


def _coded_type(located: Located) -> bool:
    return kind_of(located.doc) in {"Medication", "Immunization", "DeviceRequest"}


def _codings_in(value: Any, path: Path, name: str = "") -> Iterator[tuple[Path, Doc]]:
    """Every Coding of a resource with its place; contained resources too."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _codings_in(item, (*path, number), name)
    elif isinstance(value, dict):
        if name == "coding" or (name == "valueCoding" and "code" in value):
            yield path, value
            return
        for member, inner in value.items():
            if isinstance(inner, dict | list) and member not in _REST:
                yield from _codings_in(inner, (*path, member), member)
