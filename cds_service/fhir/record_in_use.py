"""Whether the record that was read is this patient's, in use, and shown: empty lists of another say
nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from cds_service.clinical.chart import InputReport, InputState
from cds_service.fhir.completeness import SignalTable
from cds_service.fhir.elements import Doc, flag, member, objects, word, words
from cds_service.fhir.signal import UNKNOWN, WITHHELD, Signal
from cds_service.fhir.subject import Subjects, Whose
from cds_service.knowledge.names import InputName, SignalName

_PATIENT: Final = re.compile(r"(?:.*/)?(Patient/[A-Za-z0-9.\-]{1,64})(?:/_history/.*)?", re.DOTALL)
_OLDER: Final = frozenset({"replaced-by", "replace"})  # DSTU2: replace
_WHY: Final = {
    SignalName.RECORD_REPLACED: "this record was replaced by another",
    SignalName.RECORD_REFERS: "the main record of this patient is another",
}
_HIDDEN: Final = frozenset({WITHHELD, UNKNOWN})
_COUNTS_WITH_ENTRIES: Final = frozenset({SignalName.RECORD_WITHHELD, SignalName.RECORD_UNREAD})


class RecordInUse:
    """What is the matter with the patient's record, as far as it was read."""

    def __init__(self, subjects: Subjects, signals: SignalTable) -> None:
        self._subjects = subjects
        self._signals = signals
        self._said: Signal | None = None
        self._others = False
        self._refused = False

    def gone(self) -> None:
        """The server has no such record (any more)."""
        self._said = self._signals.seen(SignalName.RECORD_GONE, "the patient record was not found")

    def refused(self) -> None:
        """The read was answered with an error that is no passing one: many servers have no code of
        their own for a record that is not there (HAPI: `processing`, "is not known")."""
        self._refused = True

    def read(self, doc: Doc) -> None:
        """The Patient of this id: merged into another, not the main record, or inactive."""
        if self._said is not None:
            return
        links = [
            (set(words(link.get("type"))), word(member(link.get("other"), "reference")) or "")
            for link in objects(doc.get("link"))
        ]
        older = next((other for types, other in links if types & _OLDER), None)
        refers = next((other for types, other in links if "refer" in types), None)
        if older is not None:
            self._is_elsewhere(SignalName.RECORD_REPLACED, older)
        elif refers is not None:
            self._is_elsewhere(SignalName.RECORD_REFERS, refers)
        elif "active" in doc and not flag(doc.get("active")):
            self._said = self._signals.seen(SignalName.RECORD_INACTIVE, "this record is not active")

    def read_other(self, doc: Doc) -> None:
        """A Patient of another id: the one that this record was merged into, or a stranger."""
        self._others = True
        for link in objects(doc.get("link")):
            older = word(member(link.get("other"), "reference"))
            is_older = self._subjects.whose(older) is Whose.OWN
            if is_older and "replaces" in words(link.get("type")):
                self._is_elsewhere(SignalName.RECORD_REPLACED, f"Patient/{doc.get('id')}")

    def _is_elsewhere(self, name: SignalName, other: str) -> None:
        """`other` is a reference, of which type and id alone are kept."""
        found = _PATIENT.fullmatch(other)
        told = self._signals.seen(name, _WHY[name])
        self._said = replace(told, replaced_by=found[1] if found else None)

    def signal(self, patient: InputReport, said: Signal | None) -> Signal | None:
        """What there is to say; `said` is what the source says of the input `patient`."""
        if self._said is not None:
            return self._said
        if self._others and not patient.seen:
            return self._signals.seen(
                SignalName.RECORD_OTHER, "the record of another patient came for this one"
            )
        if said is not None and said.state in _HIDDEN:
            why = "the record of the patient is not shown"
            return self._signals.seen(SignalName.RECORD_WITHHELD, why)
        if not patient.seen and (self._refused or patient.state is InputState.EMPTY):
            return self._signals.seen(SignalName.RECORD_UNREAD, "no record of the patient came")
        return None


def list_of(record: Signal | None, report: InputReport) -> InputReport:
    """What a list of such a record is worth: of one that is not this patient's none is known; of
    one that is not shown an empty one is withheld, and of one that did not come it is unknown."""
    if record is None or not report.known or report.name is InputName.PATIENT:
        return report
    if record.id not in _COUNTS_WITH_ENTRIES:
        state = InputState.PARTIAL if report.seen else InputState.UNKNOWN
    elif report.state is InputState.EMPTY:
        state = record.state
    else:
        return report
    return replace(report, state=state, why=record.why, signal=record.id)
