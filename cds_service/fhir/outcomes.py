"""What an OperationOutcome among the answers of a search says of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Final

from cds_service.fhir.elements import Doc, codings, objects, texts, word
from cds_service.fhir.signal import Signal, said, strongest
from cds_service.fhir.wording import Wording, narrative
from cds_service.knowledge.names import SignalName

if TYPE_CHECKING:
    from cds_service.knowledge.completeness_schema import SourceSignal

_GONE: Final = frozenset({"not-found", "deleted"})
_NOTES: Final = frozenset({"information", "success"})
_ERROR: Final = "the EHR answered with an error"
IN_WORDS: Final = "the EHR says so in words"


class Outcomes:
    """The signals of issues. What decides is first the code of an issue and its severity, then its
    words: what is not an error, and in no language known to be harmless, is a warning not known.

    `vendors` are those whose harmless warnings are noise; None for all of them.
    """

    def __init__(
        self,
        signals: Iterable[SourceSignal],
        vendors: Collection[str] | None,
        wording: Wording,
    ) -> None:
        rows = tuple(signals)
        self._by_id = {row.id: row for row in rows}
        self._wording = wording
        self._issues = {c.lower(): row for row in rows if row.kind == "issue" for c in row.codes}
        self._vendors = [
            (row, row.systems, frozenset(row.codes))
            for row in rows
            if row.kind == "vendor" and (row.state or vendors is None or row.vendor in vendors)
        ]

    def read(self, doc: Doc, *, alone: bool, whole: bool = True) -> Signal | None:
        """The strongest of its issues; None for noise. `alone`: it stands in place of data, so
        there was no answer. `whole`: no further page is read after it."""
        issues = objects(doc.get("issue"))
        known = [self._by_vendor(issue) for issue in issues]
        pairs = zip(issues, known, strict=True)
        found = [told for issue, row in pairs if (told := self._of(issue, row, whole)) is not None]
        if not found and not any(known) and (text := narrative(doc.get("text"))) is not None:
            rows, _ = self._wording.told((text,), is_note=True)
            found += [said(row, IN_WORDS) for row in rows]
        told = strongest(found)
        if told is None:
            return self._seen(SignalName.ERROR, _ERROR) if alone or not issues else None
        if alone and told.id == SignalName.UNKNOWN_WARNING:
            why = "the EHR answered with a warning in place of data"
            return self._seen(SignalName.ERROR, why)
        return told

    def _by_vendor(self, issue: Doc) -> SourceSignal | None:
        """The row of a vendor's code, where an issue has one that is known."""
        return next(
            (
                row
                for coding in codings(issue.get("details"))
                for row, systems, numbers in self._vendors
                if coding.code in numbers and (coding.system or "").startswith(systems)
            ),
            None,
        )

    def _of(self, issue: Doc, vendor: SourceSignal | None, whole: bool) -> Signal | None:
        code = (word(issue.get("code")) or "").lower()
        severity = (word(issue.get("severity")) or "").lower()
        is_error = severity not in _NOTES and severity != "warning"
        if vendor is not None and vendor.state is not None:
            numbers = (coding.code for coding in codings(issue.get("details")))
            number = next((n for n in numbers if n in vendor.codes), "")
            return said(vendor, f"the EHR says so (issue {number})")
        if vendor is not None and not is_error:
            return None
        known = self._issues.get(code)
        if known is not None and known.state is not None:
            return said(known, f"the EHR says so (issue {code})")
        if is_error or code in _GONE:
            return self._seen(SignalName.ERROR, _ERROR)
        return self._in_words(issue, severity, is_note_code=known is not None, whole=whole)

    def _in_words(
        self, issue: Doc, severity: str, *, is_note_code: bool, whole: bool
    ) -> Signal | None:
        """A warning or a note whose code says nothing of the results."""
        diagnostics = issue.get("diagnostics")
        words = [*texts(issue.get("details"))]
        words += [diagnostics] if isinstance(diagnostics, str) else []
        words = [text for text in words if text.strip()]
        is_note = is_note_code and severity in _NOTES
        rows, understood = self._wording.told(words, is_note=is_note, whole=whole)
        if rows:
            return strongest(said(row, IN_WORDS) for row in rows)
        if understood and (words or is_note_code or severity in _NOTES):
            return None
        why = "the EHR sent a warning that is not known here"
        if severity in _NOTES:
            why = "the EHR sent a note that is not understood here"
        return self._seen(SignalName.UNKNOWN_WARNING, why)

    def _seen(self, name: SignalName, why: str) -> Signal:
        return said(self._by_id[name], why)


def is_gone(doc: Doc) -> bool:
    """Whether an OperationOutcome says that there is no such record (any more)."""
    codes = {(word(issue.get("code")) or "").lower() for issue in objects(doc.get("issue"))}
    return not codes.isdisjoint(_GONE)
