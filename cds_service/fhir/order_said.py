"""What an order says in codes and words, for the question whether it is known to be harmless."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cds_service.clinical.chart import OrderSaid, Stated
from cds_service.fhir.elements import (
    Doc,
    all_texts,
    codings,
    notes_of,
    objects,
    status,
    texts,
    words,
)

_DOSES = ("dosageInstruction", "dosage")
_SPOKEN = ("description", "title", "text")
_TOLD = ("text", "additionalInstruction", "additionalInstructions", "patientInstruction", "method",
         "site", "asNeededCodeableConcept")  # fmt: skip
_FORMS = ("form", "doseForm")
_LONGEST = 2_000
_MOST = 40


def what_is_said(doc: Doc, elements: Iterable[object], medicine: Iterable[Doc]) -> OrderSaid:
    """The order's own codings and words. `elements` say what is ordered; `medicine` are the
    Medication resources behind it."""
    told = [element for element in elements if element is not None]
    doses = [dose for name in _DOSES for dose in objects(doc.get(name))]
    products = list(medicine)
    names = [*all_texts(*told), *(t for n in _SPOKEN for t in texts(doc.get(n)))]
    names += all_texts(doc.get("reportFormat"), *[doc.get(n) for n in ("bodySite", "orderDetail")])
    sent = [t for dose in doses for t in all_texts(dose, *[dose.get(n) for n in _TOLD])]
    sent += list(texts(doc.get("renderedDosageInstruction"))) + all_texts(
        doc.get("patientInstruction")
    )
    return OrderSaid(
        elements=tuple(found for element in told if (found := tuple(codings(element)))),
        names=_short(names),
        routes=tuple(
            _stated(holder.get("route")) for holder in (doc, *doses) if holder.get("route")
        ),
        forms=tuple(_stated(f) for d in (doc, *products) for n in _FORMS if (f := d.get(n))),
        instructions=_short(sent),
        notes=_short(notes_of(doc)),
        members=frozenset(doc),
        priority=status(doc.get("priority")) or next(words(doc.get("priority")), None),
    )


def _stated(element: object) -> Stated:
    return Stated(tuple(codings(element)), _short(texts(element)))


def _short(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value[:_LONGEST] for value in _some(values) if value.strip()))


def _some(values: Iterable[str]) -> Iterator[str]:
    for number, value in enumerate(values):
        if number >= _MOST:
            return
        yield value
