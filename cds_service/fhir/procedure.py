"""Reads a Procedure of any FHIR release."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clinical.chart import FhirDate, ProcedureFact, SetAside
from cds_service.fhir.body_site import side_of, with_hip_site, with_unread_site
from cds_service.fhir.codings import source_of
from cds_service.fhir.condition_words import conditions_in_words
from cds_service.fhir.context import Item, ReadContext
from cds_service.fhir.dates import read_age
from cds_service.fhir.elements import Doc, flag, status
from cds_service.fhir.named import named_as_reason, named_in
from cds_service.fhir.record_status import IN_ERROR

_LATELY = 90  # days; a convention


def read_procedure(doc: Doc, look: ReadContext) -> Iterator[Item]:
    """A Procedure that was done or has begun; others are set aside with the reason."""
    code = doc.get("code")
    known = look.know(code)
    performed = look.moment(
        *(doc.get(n) for n in ("performedDateTime", "performedPeriod", "performedString",
                               "occurrenceDateTime", "occurrencePeriod", "occurrenceString",
                               "occurrenceTiming", "performed"))
    ) or read_age(doc.get("performedAge") or doc.get("occurrenceAge"), look.birth)  # fmt: skip
    source = source_of(doc, code, known, performed, doc.get("recorder"))
    state = status(doc.get("status")) or "completed"
    why = _not_done(doc, state)
    if why != IN_ERROR:
        yield from named_in(doc, look, source, known.meaning)
        yield from named_as_reason(doc, look, source)
    if not known.meaning:
        if why is None:
            yield from conditions_in_words(code, look, source, over=_is_long_ago(performed, look))
        return
    site = look.sites(doc)
    sites = known.sites | site.sites
    concepts = with_hip_site(known.meaning, sites)
    if why:
        yield SetAside(concepts, source, why)
        return
    side = side_of(known, site)
    found = look.reasons(doc)[0]
    yield ProcedureFact(
        concepts, with_unread_site(source, site), state, performed, side, sites, found
    )


def _is_long_ago(performed: FhirDate | None, look: ReadContext) -> bool:
    """Whether what was treated may well be over: a pregnancy, a failing kidney."""
    return performed is not None and look.days.ago(performed, recent=True)[0] > _LATELY


def _not_done(doc: Doc, state: str) -> str | None:
    if state == IN_ERROR:
        return IN_ERROR
    if state == "not-done" or flag(doc.get("notDone")) or flag(doc.get("notPerformed")):
        return "not done"
    return "planned, not done yet" if state == "preparation" else None
