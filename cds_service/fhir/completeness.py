"""What a source says in its own answer about what it did not tell, or does not know."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Final

from msgspec import Raw

from cds_service.clinical.chart import CodeSeen, InputState
from cds_service.fhir.decoding import GlancedMeta, Unreadable, decode
from cds_service.fhir.elements import (
    Doc,
    codings,
    items,
    member,
    objects,
    texts,
    word,
)
from cds_service.fhir.lists_said import SECTIONED, ListsSaid, inputs_of
from cds_service.fhir.outcomes import Outcomes
from cds_service.fhir.signal import (
    FAILED,
    NONE,
    STRENGTH,
    UNKNOWN,
    WITHHELD,
    Signal,
    said,
    stated,
    strongest,
)
from cds_service.fhir.wording import EntryWords, Wording
from cds_service.knowledge.code_systems import canonical, normal_system
from cds_service.knowledge.names import InputName, SignalName

if TYPE_CHECKING:
    from cds_service.knowledge.completeness_schema import SourceSignal
    from cds_service.knowledge.model import Knowledge


_MISTAKE = "entered-in-error"
_TAKEN_BACK = {"refuted", "unconfirmed", "provisional", "differential", "inactive", "resolved",
               _MISTAKE}  # fmt: skip
_STATUSES = ("verificationStatus", "clinicalStatus")
ABSENT: Final = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_ABSENT_SYSTEMS: Final = frozenset({
    "http://terminology.hl7.org/codesystem/data-absent-reason",
    "http://hl7.org/fhir/data-absent-reason",  # STU3
    "http://terminology.hl7.org/codesystem/v3-nullflavor",
    "http://hl7.org/fhir/v3/nullflavor",
    "urn:oid:2.16.840.1.113883.5.1008",
})  # fmt: skip
# Types whose entries may say so, and those that must say what they are.
_LISTED: Final = frozenset({
    "Condition", "Procedure", "AllergyIntolerance", "FamilyMemberHistory", "MedicationRequest",
    "MedicationOrder", "MedicationStatement", "MedicationUsage", "MedicationDispense",
    "MedicationAdministration",
})  # fmt: skip
_NAMED: Final = frozenset({"Condition", "Procedure", "AllergyIntolerance"})
# Types of which "not known" says nothing of the list, and "masked" does.
_MASKABLE: Final = frozenset({
    "Observation", "ServiceRequest", "ProcedureRequest", "ReferralRequest", "DiagnosticOrder",
})  # fmt: skip
_CODES: Final = (
    "code", "medicationCodeableConcept", "substance", "medicationReference", "medication",
)  # fmt: skip
_BESIDE_WORDS: Final = frozenset({"reaction", "note", "notes", "evidence", "dosage"})
_NAMED_BY: Final = (*_CODES, "reaction")
# Elements of an Observation or an order that say what it is; `_value...` of a primitive.
_TELLING: Final = ("code", "orderDetail", "value", "_value", "dataAbsentReason")
# What a resource may have beside the reason why it has no content.
_FRAME: Final = frozenset({
    "resourceType", "id", "meta", "implicitRules", "language", "text", "extension", "identifier",
    "status", "intent", "clinicalStatus", "verificationStatus", "category", "subject", "patient",
    "encounter",
})  # fmt: skip


class SignalTable:
    """The signals of the knowledge, ready to be looked up.

    `vendors` are those whose harmless warnings are noise; None for all of them.
    """

    def __init__(
        self,
        signals: Iterable[SourceSignal],
        vendors: Collection[str] | None = None,
        wording: Wording | None = None,
    ) -> None:
        self._rows = tuple(signals)
        self._by_id = {row.id: row for row in self._rows}
        self._reasons = self._coded("absent-reason")
        self._labels = self._coded("label")
        self._statements = {
            (canonical(system), code): row
            for row in self._rows
            if row.kind == "statement"
            for system in row.systems
            for code in row.codes
        }
        self._ips = {canonical(name) for name in self._by_id[SignalName.IPS_UNKNOWN].systems}
        self._wording = wording or Wording(self._rows)
        self._lists = ListsSaid(self._rows, self._wording)
        self._entry_words = EntryWords(self._rows)
        self._outcomes = Outcomes(self._rows, vendors, self._wording)
        masks = (c for c, row in self._reasons.items() if row.state == WITHHELD)
        self._masks = re.compile("|".join(map(re.escape, masks)).encode(), re.IGNORECASE)
        self.codes = frozenset(
            code
            for row in self._rows
            if row.kind in {"statement", "absent-reason"}
            for code in row.codes
        )

    def of_vendors(self, vendors: Collection[str]) -> SignalTable:
        """The same signals, with the harmless warnings of these vendors only."""
        return SignalTable(self._rows, vendors, self._wording)

    def seen(self, name: SignalName, why: str | None = None) -> Signal:
        """A signal that the answer itself shows, by its id."""
        row = self._by_id[name]
        return Signal(InputState(row.state or FAILED), why or row.label, name)

    def _coded(self, kind: str) -> dict[str, SourceSignal]:
        return {code.lower(): row for row in self._rows if row.kind == kind for code in row.codes}

    # --- outcomes ---

    def of_outcome(self, doc: Doc, *, alone: bool, whole: bool = True) -> Signal | None:
        """What an OperationOutcome says; None for noise. `alone`: it stands in place of data;
        `whole`: no further page is read after it."""
        return self._outcomes.read(doc, alone=alone, whole=whole)

    # --- labels ---

    def is_labelled(self, meta: GlancedMeta) -> bool:
        """Whether a label may say that something was taken out."""
        labels = (*(meta.security or ()), *(meta.tag or ()))
        return any(self._label(label.code, label.display) is not None for label in labels)

    def _label(self, code: str | None, display: str | None) -> SourceSignal | None:
        """By its code, and by its display where there is none."""
        return self._labels.get((code or display or "").strip().lower())

    def of_labels(self, meta: object, *, empty: bool = False) -> Signal | None:
        """Security labels and tags of a Bundle or a resource: something was taken out of it.
        `empty`: nothing was sent under them."""
        if not isinstance(meta, dict):
            return None
        for name in ("security", "tag"):
            for label in objects(meta.get(name)):
                code, display = word(label.get("code")), word(label.get("display"))
                row = self._label(code, display)
                if row is not None and (empty or not row.only_empty):
                    named = (code or display or "").strip().upper()
                    return said(row, f"labelled {named} by its source")
        return None

    # --- resources ---

    def of_resource(
        self, kind: str, doc: Doc, raw: bytes, name: InputName
    ) -> tuple[Signal | None, bool]:
        """What a resource says of its input, `name`, as a whole, and whether that is all it says.
        `raw` is its JSON."""
        if "extension" in doc and (reason := _absent_in(doc)) is not None:
            row = self._reasons.get(reason) or self._by_id[SignalName.ABSENT_UNKNOWN]
            state = InputState(row.state or UNKNOWN)
            if doc.keys() <= _FRAME:
                return Signal(state, "the source says so", SignalName.EMPTY_RESOURCE), True
            return self.seen(SignalName.UNCODED_ENTRY), False
        if kind in _LISTED and (entry := self.of_entry(doc, name)) is not None:
            if (
                entry[0] is not None
                and entry[0].state is NONE
                and (status := _taken_back(doc)) is not None
            ):
                why = "a statement that there is none was taken back"
                mistake = status == _MISTAKE  # no entry at all
                return (None if mistake else self.seen(SignalName.UNCODED_ENTRY, why)), True
            if "modifierExtension" in doc:  # "none", and who knows what it turns
                why = "an entry carries a modifier that is not known here"
                return self.seen(SignalName.MODIFIED_ENTRY, why), True
            return entry
        if kind in _MASKABLE and self._masks.search(raw) and (masked := self._masked(doc)):
            return masked, "component" not in doc
        if kind in _NAMED and is_nameless(doc):
            return self.seen(SignalName.NAMELESS_ENTRY, "an entry does not say what it is"), False
        return self.of_labels(doc.get("meta")), False

    def _masked(self, doc: Doc) -> Signal | None:
        """An Observation or an order whose code or value is masked."""
        for part in (doc, *objects(doc.get("component"))):
            for name, element in part.items():
                if name.startswith(_TELLING) and isinstance(element, dict | list):
                    reason = self._reasons.get((_reason_of(element) or "").lower())
                    if reason is not None and reason.state == WITHHELD:
                        return stated(reason)
        return None

    def of_absent(self, reason: str) -> Signal:
        """An entry of a Bundle that has a reason in place of a resource."""
        row = self._reasons.get(reason) or self._by_id[SignalName.ABSENT_UNKNOWN]
        return Signal(
            InputState(row.state or UNKNOWN), "the source says so", SignalName.EMPTY_RESOURCE
        )

    def of_extension(self, raw: Raw) -> list[Signal]:
        """An extension of an entry may say why something is missing."""
        try:
            reason = absent_entry({"extension": decode(raw)})
        except Unreadable:
            return []
        return [self.of_absent(reason)] if reason is not None else []

    def of_entry(self, doc: Doc, name: InputName) -> tuple[Signal | None, bool] | None:
        """An entry that says that there is none, or that nobody knows, and whether it is no fact
        beside that: one with a code, or with words that may name it, is read as well."""
        elements = [doc[element] for element in _CODES if element in doc]
        reasons: list[SourceSignal] = []
        has_code = False
        found = [coding for element in elements for coding in codings(element)]
        if (statement := self._stated(found, name)) is not None:
            return statement
        for coding in found:
            code = coding.code or ""
            if normal_system(coding.system or "") in _ABSENT_SYSTEMS:
                reasons.append(self._reason(code))
            else:
                has_code = has_code or bool(code)
        if has_code:  # nearly always
            return None
        for element in elements:
            if (reason := _absent_reason(element)) is not None:
                reasons.append(self._reason(reason))
        if not reasons:
            return self._worded(doc, elements)
        states = [row for row in reasons if row.state is not None]
        named = any(text.strip() for element in elements for text in texts(element))
        if named and not states:
            return None  # in words only, and the words are there
        told = min(
            (stated(row) for row in states or [self._reason("unknown")]),
            key=lambda signal: STRENGTH.index(signal.state),
        )
        if named and told.state is not WITHHELD:  # "Masked" is no name
            return self.seen(SignalName.UNCODED_ENTRY, "the code of an entry is not known"), False
        return told, True

    def _stated(self, found: list[CodeSeen], name: InputName) -> tuple[Signal | None, bool] | None:
        """What a code states: of another list than this one it says nothing of this."""
        rows = [
            (row, coding.code)
            for coding in found
            if (row := self._statement(canonical(coding.system or ""), coding.code or ""))
        ]
        of = InputName.MEDICATIONS if name is InputName.STATEMENTS else name
        own = (row for row, code in rows if not row.of or (of.value, code) in _lists_of(row))
        return (strongest(map(stated, own)), True) if rows else None

    def _worded(self, doc: Doc, elements: list[object]) -> tuple[Signal | None, bool] | None:
        """What the words of an entry without a code say, where they say nothing else; what stands
        beside them is read as well."""
        told = [self._entry_words.of(text) for element in elements for text in texts(element)]
        rows = [row for row in told if row is not None]
        if not rows or len(rows) < len(told):
            return None
        if _taken_back(doc) == _MISTAKE:
            return None, True
        told_of = strongest(stated(row) for row in rows if row.state is not None)
        return told_of, _BESIDE_WORDS.isdisjoint(doc)

    def tells_nothing(self, text: str) -> bool:
        """Whether the text of an entry without a code may say that it is not shown or known."""
        return self._entry_words.of(text) is not None

    def _statement(self, system: str, code: str) -> SourceSignal | None:
        row = self._statements.get((system, code))
        if row is not None or system not in self._ips:
            return row
        return self._by_id[
            SignalName.IPS_NONE if code.startswith("no-known-") else SignalName.IPS_UNKNOWN
        ]

    def _reason(self, code: str) -> SourceSignal:
        return self._reasons.get(code.lower()) or self._by_id[SignalName.ABSENT_UNKNOWN]

    # --- lists ---

    def of_lists(self, doc: Doc, asked: InputName | None) -> Iterator[tuple[InputName, Signal]]:
        """What a List, or the sections of a document, say of being empty or not whole, by input."""
        yield from self._lists.read(doc, asked)
        if (label := self.of_labels(doc.get("meta"))) is not None:
            for name in self._lists.named(doc, asked):
                yield name, label

    def is_about(self, doc: Doc, asked: InputName | None) -> bool:
        """Whether a document has a section of the input that was asked for; True for one that no
        document has, or where nothing was asked for."""
        return asked not in SECTIONED or asked in inputs_of(doc)

    def listed(self, doc: Doc, asked: InputName | None) -> Iterator[InputName]:
        """The inputs of which a List, or a document, names entries by reference."""
        yield from self._lists.with_entries(doc, asked)


def signals_of(knowledge: Knowledge) -> SignalTable:
    """The signals of the knowledge, for `Knowledge.once`."""
    return SignalTable(knowledge.signals.values())


def signals_for(knowledge: Knowledge, vendor: str | None) -> SignalTable:
    """The signals as an EHR of this vendor is heard; without one the harmless warnings of all
    vendors are noise."""
    everybody = knowledge.once(signals_of)
    return everybody if vendor is None else knowledge.once(_by_vendor).get(vendor, everybody)


def _by_vendor(knowledge: Knowledge) -> dict[str, SignalTable]:
    vendors = {profile.vendor for profile in knowledge.profiles.values() if profile.vendor}
    return {vendor: knowledge.once(signals_of).of_vendors({vendor}) for vendor in vendors}


def _lists_of(row: SourceSignal) -> set[tuple[str, str]]:
    """The list that each code of a statement is about."""
    return {(name, code) for name, codes in row.of.items() for code in codes}


def is_nameless(doc: Doc) -> bool:
    """Whether an entry says neither in a code nor in words what it is."""
    told = [doc[name] for name in _NAMED_BY if name in doc]
    return not any(any(texts(element)) or codings(element) or _points(element) for element in told)


def absent_entry(entry: object) -> str | None:
    """The reason that an entry of a Bundle gives in place of its resource, or beside it."""
    return _absent_in(entry)


def _points(element: object) -> bool:
    return any(isinstance(item, dict) and item.get("reference") for item in items(element))


def _absent_in(holder: object) -> str | None:
    if not isinstance(holder, dict) or "extension" not in holder:
        return None
    for extension in objects(holder["extension"]):
        if word(extension.get("url")) == ABSENT:
            return (word(extension.get("valueCode")) or "unknown").lower()
    return None


def _taken_back(doc: Doc) -> str | None:
    """The status by which an entry no longer says what it said; None where it stands."""
    found = [c.code for name in _STATUSES for c in codings(doc.get(name)) if c.code in _TAKEN_BACK]
    return _MISTAKE if _MISTAKE in found else next(iter(found), None)


def _absent_reason(element: object) -> str | None:
    inner = member(element, "concept")  # R5
    parts = [*objects(member(element, "coding")), *objects(member(inner, "coding"))]
    beside = (member(element, "_text"), member(element, "_reference"), member(element, "_value"))
    holders = (element, inner, *parts, *(part.get("_code") for part in parts), *beside)
    return next((reason for one in holders if (reason := _absent_in(one)) is not None), None)


def _reason_of(element: object) -> str | None:
    """Why an element has no value: by its code, or by its extension."""
    coded = (c.code for c in codings(element) if normal_system(c.system or "") in _ABSENT_SYSTEMS)
    return next(coded, None) or _absent_reason(element)
