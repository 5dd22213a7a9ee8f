"""Reads observations: numbers with their units, coded answers, and the Brooker class."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import (
    FhirDate,
    MeasurementFact,
    Provenance,
    SetAside,
    Unidentified,
)
from cds_service.fhir.brooker import BROOKER_NONE, brooker_class, coded_class, mentions_brooker
from cds_service.fhir.codings import Recognised, source_of
from cds_service.fhir.context import Item, ReadContext
from cds_service.fhir.elements import (
    Doc,
    all_texts,
    codings,
    first_text,
    member,
    number,
    objects,
    status,
    text,
    texts,
    type_and_id,
    word,
    words,
)
from cds_service.fhir.genomics import finds_variant, read_variant
from cds_service.fhir.metaboliser import read_metaboliser
from cds_service.fhir.named import ANSWERS, named_as_result
from cds_service.fhir.unidentified import name_in
from cds_service.knowledge.names import BROOKER, GENOMIC, InputName

_ERROR = "entered-in-error"
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})
_VALID_RESULT = frozenset({"final", "amended", "corrected"})
# A result that was taken back, or that nobody could get, is not told as one to look at.
_NO_RESULT = frozenset({_ERROR, "cancelled", "cannot-be-obtained"})
_PENDING = {"preliminary": "preliminary", "registered": "only registered"}
_UCUM = "http://unitsofmeasure.org"
_PLAIN_RESULT = re.compile(r"\s*(<=|>=|<|>|≤|≥)?\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*")
# A unit begins with a letter, a slash, or the sign of a power; whether it is one is seen later.
_WRITTEN_RESULT = re.compile(
    _PLAIN_RESULT.pattern + r"((?:[A-Za-zµμ/×{]|(?<=\s)10[*^⁹³])[^\n]*)?\s*"
)
_BLANK: tuple[object, ...] = (None, "", [], {})
_WORDED = frozenset(
    {"valueCodeableConcept", "valueString", "interpretation", "note", "notes", "component"}
)
"""Members in which a result says something beside its figure."""
_SIGNS = {"≤": "<=", "≥": ">="}


def read_observation(doc: Doc, look: ReadContext) -> Iterator[Item]:
    """An Observation and its components as results; those that are not final are set aside.

    One that is set aside and may still become final is also a pending result, so that its value
    is told.
    """
    when = look.moment(
        *(doc.get(n) for n in ("effectiveDateTime", "effectivePeriod", "effectiveInstant",
                               "effectiveTiming", "issued"))
    )  # fmt: skip
    state = status(doc.get("status"))
    performer = next(iter(objects(doc.get("performer"))), None)
    genomic = False
    for part in (doc, *objects(doc.get("component"))):
        code = part.get("code")
        known = look.know(code)
        if known.concepts & GENOMIC:
            genomic = True
        grade = _observation_grade(part, look, known)
        if not known.meaning and grade is None:
            yield from _unidentified(doc, part, look, when)
            continue
        source = source_of(doc, code, known, when, performer)
        if state is not None and state not in _VALID_RESULT:
            yield SetAside(known.meaning, source, _result_state(state))
            if state not in _NO_RESULT and known.meaning:
                yield from _pending(_measurement(part, look, known, source, None), state)
        else:
            yield _measurement(part, look, known, source, grade)
    figure = "valueQuantity" in doc and _WORDED.isdisjoint(doc)  # most results are one
    if genomic or (not figure and look.mentions and finds_variant(doc)):
        yield from read_variant(doc, look)
    elif state not in _NO_RESULT and not ANSWERS.isdisjoint(doc):
        yield from named_as_result(doc, look, Provenance(type_and_id(doc), None, "", when))
    if not figure:
        yield from read_metaboliser(doc, look)


def _unidentified(
    doc: Doc, part: Doc, look: ReadContext, when: FhirDate | None
) -> Iterator[Unidentified]:
    """A result in a code that says nothing here, whose words, code or unit name one that is asked
    for."""
    code, results, value = part.get("code"), look.mentions.results, part.get("valueQuantity")
    named = results.named(all_texts(code)) | results.coded(c.code for c in codings(code))
    named |= results.measured(f"{text(member(value, 'unit'))} {text(member(value, 'code'))}")
    there = status(doc.get("status")) not in _NO_RESULT and any(
        name.startswith("value") and value not in _BLANK for name, value in part.items()
    )
    if named and there:
        source = Provenance(type_and_id(doc), None, name_in(code), when)
        yield Unidentified(InputName.OBSERVATIONS, source, named=tuple(sorted(named)))


def _result_state(state: str) -> str:
    known = {"preliminary", "registered", "cancelled", _ERROR}
    return f"result is {state}" if state in known else "result of unknown status"


def _pending(fact: MeasurementFact, state: str) -> Iterator[MeasurementFact]:
    """A result that is not final, where it says anything."""
    if fact.value is not None or fact.answers or fact.sent:
        yield replace(fact, pending=_PENDING.get(state, "of unknown status"))


def _measurement(
    part: Doc, look: ReadContext, known: Recognised, source: Provenance, grade: str | None
) -> MeasurementFact:
    value, unit, comparator = _value(part)
    answers = look.know(part.get("valueCodeableConcept"), part.get("interpretation"))
    sent = _sent(part) if value is None else None
    return MeasurementFact(
        known.meaning, source, value, unit, comparator, source.date, answers.concepts, grade, sent
    )


def _value(part: Doc) -> tuple[float | None, str | None, str | None]:
    """Number, unit and comparator. Text counts only when it is a number, with or without a
    comparator and a unit; "1,200" is not guessed at."""
    for quantity in objects(part.get("valueQuantity")):
        return _quantity(quantity)
    whole = number(part.get("valueInteger"))
    if whole is not None:
        return whole, None, None
    written = part.get("valueString")
    found = _WRITTEN_RESULT.fullmatch(written[:80]) if isinstance(written, str) else None
    return (float(found[2]), text(found[3]), _sign(found[1])) if found else (None, None, None)


def _sign(written: str | None) -> str | None:
    return _SIGNS.get(written, written) if written else None


def _sent(part: Doc) -> str | None:
    """A value that is no number, as it was sent; None where there is none."""
    for quantity in objects(part.get("valueQuantity")):
        if quantity.get("value") is None:
            return None
        told = [_plain(quantity.get(name)) for name in ("comparator", "value", "unit")]
        return " ".join(t for t in told if t) or "sent as Quantity"
    coded = part.get("valueCodeableConcept")
    if said := first_text(coded) or text(part.get("valueString")) or next(words(coded), None):
        return said
    kind = next((n for n, v in part.items() if n.startswith("value") and v not in _BLANK), None)
    return f"sent as {text(kind[5:]) or 'a value of no type'}" if kind else None


def _plain(value: object) -> str | None:
    """A string, or a number in digits."""
    found = None if isinstance(value, str) else number(value)
    return text(value) if found is None else f"{found:g}"


def _quantity(quantity: Doc) -> tuple[float | None, str | None, str | None]:
    value, comparator = number(quantity.get("value")), word(quantity.get("comparator"))
    written = quantity.get("value")
    if value is None and isinstance(written, str) and comparator is None:
        found = _PLAIN_RESULT.fullmatch(written[:40])  # the comparator inside the value
        value, comparator = (float(found[2]), _sign(found[1])) if found else (None, None)
    if comparator is not None and comparator not in _COMPARATORS:
        value, comparator = None, None
    code = word(quantity.get("code"))
    if code is None or word(quantity.get("system")) != _UCUM:
        code = text(quantity.get("unit")) or code
    return value, code, comparator


def _observation_grade(part: Doc, look: ReadContext, known: Recognised) -> str | None:
    """Brooker class: the answer to a question for it, or a code that stands for one.

    A report in words is no answer, whatever it names.
    """
    question, coded = part.get("code"), part.get("valueCodeableConcept")
    asked = BROOKER in known.concepts
    if asked and (grade := coded_class(look.index, codings(question))):
        return grade if _affirmed(part, look) else None
    if coded is not None and (grade := coded_class(look.index, codings(coded))):
        return grade
    if not asked and not mentions_brooker(texts(question)):
        return None
    answers = [*all_texts(coded, part.get("valueString")), *words(coded)]
    value, _, comparator = _value(part)
    if value is not None and comparator is None and part.get("valueString") is None:
        answers.append(f"{value:g}")
    grade = brooker_class(answers, asked=True)
    return None if grade == BROOKER_NONE else grade


def _affirmed(part: Doc, look: ReadContext) -> bool:
    """Whether a finding holds that is itself the question: no value, or one that says yes."""
    if part.get("valueBoolean") is True:
        return True
    if part.get("valueCodeableConcept") is not None:
        return "answer-positive" in look.know(part["valueCodeableConcept"]).concepts
    return not any(n.startswith(("value", "dataAbsentReason")) for n in part)
