"""Reads conditions, procedures, allergies, family history and the patient.

One careful reader per resource type, for every FHIR release from DSTU2 to R5 at once: the releases
never use one element name for two different things that matter here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cds_service.clinical.chart import (
    AllergyFact,
    ConditionFact,
    FamilyFact,
    FhirDate,
    InputName,
    Mention,
    PatientFacts,
    ProcedureFact,
    SetAside,
    Source,
    Unidentified,
)
from cds_service.fhir.codings import (
    BROOKER,
    CODED_AS,
    Recognised,
    all_texts,
    brooker_class,
    coded_class,
    mentions_brooker,
    side_of,
    source_of,
    with_hip_site,
)
from cds_service.fhir.context import Item, Reading
from cds_service.fhir.dates import at_age, read_date, read_moment
from cds_service.fhir.elements import (
    Doc,
    codings,
    first_text,
    flag,
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
from cds_service.fhir.unidentified import (
    ALLERGIES,
    is_allergy_in_words,
    is_no_medicine,
    may_rule_out,
    name_in,
    readable,
    says_none,
)

_CLINICAL = frozenset({"active", "recurrence", "relapse", "inactive", "remission", "resolved"})
_SUSPECTED = frozenset({"unconfirmed", "provisional", "differential"})
_ERROR = "entered-in-error"
_DOUBTED = frozenset({"refuted", _ERROR})
_BIRTHSEX = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-birthsex"


# --- Condition ---


def read_condition(doc: Doc, look: Reading) -> Iterator[Item]:
    """A Condition as a fact, set aside when refuted or entered in error, else perhaps a mention.

    Absent clinicalStatus counts as active, unless an abatement says that it is over.
    """
    code = doc.get("code")
    known = look.know(code)
    onset, recorded = _onset(doc, look), _recorded(doc)
    recorder = doc.get("recorder") or doc.get("asserter")
    source = source_of(doc, code, known, onset or recorded, recorder)
    said = _verifications(doc)
    doubt = next((w for w in said if w in _DOUBTED), None)
    meaning = known.meaning
    if doubt:
        if meaning:
            yield SetAside(meaning, source, doubt)
        return
    yield from _mentions(doc, look, source, meaning)
    if meaning:
        suspected = next((w for w in said if w in _SUSPECTED), "confirmed")
        yield _condition(doc, look, (known, source, suspected), (onset, recorded))
    elif is_allergy_in_words(code):
        yield Unidentified(InputName.ALLERGIES, replace(source, label=name_in(code)))


def _condition(
    doc: Doc,
    look: Reading,
    facts: tuple[Recognised, Source, str],
    dates: tuple[FhirDate | None, FhirDate | None],
) -> ConditionFact:
    known, source, verification = facts
    site = look.sites(doc)
    return ConditionFact(
        concepts=known.meaning,
        source=_at(source, site),
        clinical=_clinical(doc),
        verification=verification,
        onset=dates[0],
        recorded=dates[1],
        side=side_of(known, site),
        sites=known.sites | site.sites,
        grade=_condition_grade(doc, look, known),
    )


def _at(source: Source, site: Recognised) -> Source:
    """The source, with a body site that nobody recognises."""
    if site.unread is None:
        return source
    return replace(source, status=f"site {site.unread} not recognised")


def doubt_of(doc: Doc) -> str | None:
    """Why a Condition does not count: refuted or entered in error."""
    return next((w for w in _verifications(doc) if w in _DOUBTED), None)


def _verifications(doc: Doc) -> list[str]:
    # DSTU2 has one status for both questions in AllergyIntolerance.
    return [*words(doc.get("verificationStatus")), *words(doc.get("status"))]


def _clinical(doc: Doc) -> str:
    said = [*words(doc.get("clinicalStatus")), *words(doc.get("status"))]
    stated = next((w for w in said if w in _CLINICAL), None)
    return stated or ("resolved" if _abated(doc) else "active")


def _abated(doc: Doc) -> bool:
    return any(
        name.startswith("abatement") and value not in (None, False, "", "false")
        for name, value in doc.items()
    )


def _onset(doc: Doc, look: Reading) -> FhirDate | None:
    onset = read_moment(doc.get("onsetDateTime"), doc.get("onsetPeriod"), doc.get("onsetString"))
    return onset or _age(doc.get("onsetAge") or doc.get("onsetQuantity"), look)


def _recorded(doc: Doc) -> FhirDate | None:
    return read_moment(*(doc.get(n) for n in ("recordedDate", "assertedDate", "dateRecorded")))


def _age(value: object, look: Reading) -> FhirDate | None:
    """An Age in years as a date, where the birth date is known."""
    unit = word(member(value, "code")) or word(member(value, "unit"))
    if unit not in {None, "a", "year", "years", "yr"}:
        return None
    return at_age(look.birth, number(member(value, "value")))


def _condition_grade(doc: Doc, look: Reading, known: Recognised) -> str | None:
    """Brooker class from stage or severity, or from the condition's own code. Notes and other
    free text are not searched: they may deny it, or speak of somebody else's.

    Brooker AF et al., J Bone Joint Surg Am 1973;55:1629-1632 (classes I to IV).
    """
    if BROOKER in known.concepts and (grade := coded_class(look.index, codings(doc.get("code")))):
        return grade
    if "stage" not in doc and "severity" not in doc:  # nearly always
        return None
    answers = [(stage.get("type"), stage.get("summary")) for stage in objects(doc.get("stage"))]
    for question, answer in (*answers, (None, doc.get("severity"))):
        if grade := _answered_class(question, answer, look):
            return grade
    return None


def _answered_class(question: object, answer: object, look: Reading) -> str | None:
    """The Brooker class of a coded or written answer, as far as it is one."""
    if grade := coded_class(look.index, codings(answer)):
        return grade
    asked = BROOKER in look.know(question).concepts or mentions_brooker(texts(question))
    return brooker_class([*texts(answer), *words(answer)], asked=asked)


def _notes(doc: Doc) -> list[str]:
    """Texts of note (Annotation), of DSTU2's `notes`, and of a note that is a bare string."""
    return all_texts(doc.get("note"), doc.get("notes"))


def _mentions(
    doc: Doc, look: Reading, source: Source, coded: frozenset[str] = frozenset()
) -> Iterator[Mention]:
    """What the texts name beyond what the code says itself."""
    for disease, label in look.mentions.find(all_texts(doc.get("code"), _notes(doc))):
        if coded.isdisjoint(CODED_AS[disease]):
            yield Mention(
                disease, Source(source.reference, None, label, source.date, source.recorder)
            )


# --- Procedure ---


def read_procedure(doc: Doc, look: Reading) -> Iterator[Item]:
    """A Procedure that was done or has begun; others are set aside with the reason."""
    code = doc.get("code")
    known = look.know(code)
    performed = read_moment(
        *(doc.get(n) for n in ("performedDateTime", "performedPeriod", "performedString",
                               "occurrenceDateTime", "occurrencePeriod", "occurrenceString",
                               "occurrenceTiming", "performed"))
    ) or _age(doc.get("performedAge") or doc.get("occurrenceAge"), look)  # fmt: skip
    source = source_of(doc, code, known, performed, doc.get("recorder"))
    state = status(doc.get("status")) or "completed"
    why = _not_done(doc, state)
    if why != _ERROR:
        yield from _mentions(doc, look, source, known.meaning)
    if not known.meaning:
        return
    site = look.sites(doc)
    sites = known.sites | site.sites
    concepts = with_hip_site(known.meaning, sites)
    if why:
        yield SetAside(concepts, source, why)
        return
    side = side_of(known, site)
    found = look.reasons(doc)[0]
    yield ProcedureFact(concepts, _at(source, site), state, performed, side, sites, found)


def _not_done(doc: Doc, state: str) -> str | None:
    if state == _ERROR:
        return _ERROR
    if state == "not-done" or flag(doc.get("notDone")) or flag(doc.get("notPerformed")):
        return "not done"
    return "planned, not done yet" if state == "preparation" else None


# --- AllergyIntolerance ---


def read_allergy(doc: Doc, look: Reading) -> Iterator[Item]:
    """An allergy or intolerance; refuted, erroneous and past ones are set aside.

    "No known allergy" codes are in no value set, so they are never a fact.
    """
    reactions = [r.get("substance") for r in objects(doc.get("reaction"))]
    code = doc.get("code") or doc.get("substance")
    known = look.know(doc.get("code"), doc.get("substance"), *reactions)
    if not known.meaning:
        yield from _unidentified(doc, (doc.get("code"), doc.get("substance"), *reactions))
        return
    when = _onset(doc, look) or _recorded(doc)
    labelled = code if first_text(code) else next(iter(reactions), None)
    source = source_of(doc, labelled, known, when, doc.get("recorder"))
    said = _verifications(doc)
    why = next((w for w in said if w in _DOUBTED), None) or _past(doc)
    if why:
        yield SetAside(known.meaning, source, why)
        return
    kind = status(doc.get("type"))
    yield AllergyFact(
        concepts=known.meaning,
        source=source,
        clinical=_clinical(doc),
        verification=next((w for w in said if w in _SUSPECTED), "confirmed"),
        kind=kind if kind in {"allergy", "intolerance"} else None,
    )


def _unidentified(doc: Doc, elements: tuple[object, ...]) -> Iterator[Unidentified]:
    """The allergy as one that nobody here can name, if it counts and may be one to a medicine."""
    if is_no_medicine(doc):
        return
    coded = readable((c for e in elements for c in codings(e)), ALLERGIES)
    if coded and not any(may_rule_out(element) for element in elements):
        return
    if any(says_none(element) for element in elements) or _past(doc):
        return
    if _DOUBTED.isdisjoint(_verifications(doc)):
        named = next((e for e in elements if first_text(e)), doc.get("code"))
        source = Source(type_and_id(doc), None, name_in(named), _recorded(doc))
        yield Unidentified(InputName.ALLERGIES, source)


def _past(doc: Doc) -> str | None:
    stated = _clinical(doc)
    return stated if stated in {"inactive", "resolved"} else None


# --- FamilyMemberHistory ---


def read_family(doc: Doc, look: Reading) -> Iterator[Item]:
    """Each coded condition of a relative, and each disease that only a text names."""
    relation = first_text(doc.get("relationship")) or status(doc.get("relationship"))
    when, in_error = read_date(doc.get("date")), status(doc.get("status")) == _ERROR
    for entry in (*objects(doc.get("condition")), doc):
        code = entry.get("code")
        known = look.know(code)
        source = source_of(doc, code, known, when)
        if known.meaning and in_error:
            yield SetAside(known.meaning, source, _ERROR)
        elif known.meaning:
            yield FamilyFact(known.meaning, source, relation)
        if in_error:
            continue
        for named in _mentions(entry, look, source, known.meaning):
            yield FamilyFact(frozenset(), named.source, relation, named.disease)


# --- Patient ---


def read_patient(doc: Doc, patient_id: str) -> PatientFacts:
    """Birth date, administrative sex and whether the patient has died. Sex is never guessed: the
    US Core birth sex counts only where Patient.gender is missing."""
    gender = status(doc.get("gender"))
    if gender is None:
        gender = {"M": "male", "F": "female"}.get(_birthsex(doc) or "")
    return PatientFacts(
        id=patient_id,
        birth=read_date(doc.get("birthDate")),
        sex=gender if gender in {"male", "female"} else "unknown",
        deceased=flag(doc.get("deceasedBoolean")) or bool(text(doc.get("deceasedDateTime"))),
    )


def _birthsex(doc: Doc) -> str | None:
    for extension in objects(doc.get("extension")):
        if word(extension.get("url")) == _BIRTHSEX:
            return word(extension.get("valueCode"))
    return None
