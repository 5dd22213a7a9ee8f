"""What an order says in codes and words, for the question whether it is known to be harmless."""

from __future__ import annotations

from collections.abc import Sequence

from cds_service.clinical.chart import CodeSeen, OrderSaid, Stated
from cds_service.fhir.elements import (
    Doc,
    all_texts,
    codings,
    kind_of,
    member,
    notes_of,
    objects,
    status,
    texts,
)

_DOSES = ("dosageInstruction", "dosage")
_GIVEN = frozenset({*_DOSES, "route", "renderedDosageInstruction", "patientInstruction"})
_BESIDE = ("description", "title", "text", "bodySite")
_TOLD = ("text", "additionalInstruction", "additionalInstructions", "patientInstruction", "method",
         "site")  # fmt: skip
_FORMS = ("form", "doseForm")
_NOTES = frozenset({"note", "notes"})
_LONGEST = 2_000
_MOST = 40


def what_is_said(
    doc: Doc,
    elements: Sequence[object],
    coded: Sequence[Sequence[CodeSeen]],
    medicine: Sequence[Doc],
) -> OrderSaid:
    """The order's own codings and words. `elements` say what is ordered, `coded` are the codings
    of each; `medicine` are the Medication resources behind it."""
    names = all_texts(*elements)
    for name in _BESIDE:
        if name in doc:
            names += texts(doc[name])
    if "specimen" in doc:
        names += _of_specimens(doc)
    routes, instructions = ((), ()) if _GIVEN.isdisjoint(doc) else _given(doc)
    return OrderSaid(
        elements=tuple(map(tuple, coded)),
        names=_short(names),
        routes=routes,
        forms=tuple([_stated(d[n]) for d in (doc, *medicine) for n in _FORMS if n in d]),
        instructions=instructions,
        notes=() if _NOTES.isdisjoint(doc) else _short(notes_of(doc)),
        members=frozenset(doc),
        priority=status(doc["priority"]) if "priority" in doc else None,
    )


def _of_specimens(doc: Doc) -> list[str]:
    """The words for the material of a test, which may tell how it is taken."""
    held = [one for one in objects(doc.get("contained")) if kind_of(one) == "Specimen"]
    taken = [member(one, "collection", "method") for one in held]
    return all_texts(doc["specimen"], *[one.get("type") for one in held], *taken)


def _given(doc: Doc) -> tuple[tuple[Stated, ...], tuple[str, ...]]:
    """The routes, and the words of the dosage."""
    doses = [dose for name in _DOSES for dose in objects(doc.get(name))]
    routes = [holder["route"] for holder in (doc, *doses) if holder.get("route")]
    told = [t for d in doses for t in all_texts(d, *[d[n] for n in _TOLD if n in d])]
    told += all_texts(doc.get("renderedDosageInstruction"), doc.get("patientInstruction"))
    return tuple(map(_stated, routes)), _short(told)


def _stated(element: object) -> Stated:
    return Stated(tuple(codings(element)), _short(list(texts(element))))


def _short(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([value[:_LONGEST] for value in values[:_MOST] if value]))
