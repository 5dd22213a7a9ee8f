"""Reads how often, how much, how long: dosage and supply of a medicine in any FHIR release."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import tzinfo

from cds_service.clinical.chart import FhirDate
from cds_service.fhir.dates import days_between, read_date
from cds_service.fhir.elements import (
    Doc,
    codings,
    first_text,
    flag,
    items,
    member,
    number,
    objects,
    text,
    word,
    words,
)
from cds_service.fhir.sig import Sig, read_sig

_DAYS = {"s": 1 / 86_400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4375,
         "a": 365.25}  # fmt: skip
# Units of time as people write them, brought to UCUM.
_UNIT = {"second": "s", "sec": "s", "minute": "min", "hour": "h", "hr": "h", "day": "d",
         "week": "wk", "w": "wk", "month": "mo", "year": "a", "yr": "a", "y": "a"}  # fmt: skip
# Timing.code: HL7 v3 GTSAbbreviation (http://hl7.org/fhir/R4/valueset-timing-abbreviation.html),
# and DAILY and ONCE as clients write them. Hourly codes are read by their number.
_PER_DAY = {"BID": 2.0, "TID": 3.0, "QID": 4.0, "AM": 1.0, "PM": 1.0, "QD": 1.0, "QOD": 0.5,
            "BED": 1.0, "WK": 1 / 7, "MO": 1 / 30.4375, "DAILY": 1.0}  # fmt: skip
_HOURLY = re.compile(r"Q([0-9]{1,2})H")
_SAID = ("text", "patientInstruction")
_ORDERED = "ordered"
_MILLIGRAMS = {"mg": 1.0, "milligram": 1.0, "milligramm": 1.0, "g": 1000.0, "gram": 1000.0,
               "gramm": 1000.0, "ug": 0.001, "mcg": 0.001, "microgram": 0.001}  # fmt: skip
_STRENGTH = re.compile(r"\b([0-9]+(?:\.[0-9]+)?) ?MG\b", re.IGNORECASE)
_SOLID = re.compile(r"\b(?:capsule|tablet)\b", re.IGNORECASE)
_LIQUID = re.compile(r"\bMG ?/ ?[0-9.]* ?(?:ML|MG|HR|ACTUAT)\b", re.IGNORECASE)
_PIECE = re.compile(r"1|\{?(?:cap|caps|capsules?|tab|tabs|tablets?|kapseln?|tabletten?)\}?|"
                    r"(?:oral )?(?:capsule|tablet)\(?s?\)?", re.IGNORECASE)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a medicine is taken: `per_day` doses a day for `days`, each of `dose` `dose_unit`.

    `start` and `end` are stated bounds, never derived from a supply; `bounded` says that `days`
    comes from the dosage itself and not from a supply that may be refilled.
    """

    prn: bool = False
    single_dose: bool = False
    per_day: float | None = None
    dose: float | None = None
    dose_unit: str | None = None
    days: float | None = None
    bounded: bool = False
    start: FhirDate | None = None
    end: FhirDate | None = None
    misses_surgery: bool = False  # words say that it ends there (`sig.Sig`)
    routes: tuple[object, ...] = ()  # as they stand


def read_schedule(doc: Doc, zone: tzinfo | None = None, names: Iterable[str] = ()) -> Schedule:
    """Read all dosages of a medication resource together with what is dispensed.

    A medicine is PRN when every dosage is. Dosages with different `sequence` follow each other,
    all others go side by side. Lengths come from bounds, else count, else supply, else quantity.
    `zone` is the hospital's (`read_date`); `names` are what the medicine is called, for a dose that
    stands there and nowhere else.
    """
    dosages = [*objects(doc.get("dosageInstruction")), *objects(doc.get("dosage"))]
    regular = [d for d in dosages if not _as_needed(d)]
    counted = regular or dosages
    steps = _steps(counted, zone)
    per_day = _sum(_per_day(d) for d in steps[0]) if steps else None
    dose, unit = _dose(steps[0][0]) if steps else (None, None)
    sig = _in_words(doc, counted, names)
    per_day = per_day if per_day is not None else sig.per_day
    if dose is None and sig.milligrams is not None:
        dose, unit = sig.milligrams, "mg"
    elif dose is None and sig.pieces is not None:
        dose, unit = sig.pieces, "capsule"
    start, end = _period(counted, zone)
    course = _course(steps, zone) or sig.days
    return Schedule(
        prn=(bool(dosages) and not regular) or sig.prn,
        single_dose=_single(doc, counted, dose, unit),
        per_day=per_day,
        dose=dose,
        dose_unit=unit,
        days=course or _supply(doc, sig, per_day, dose, unit),
        bounded=course is not None,
        misses_surgery=sig.misses_surgery,
        start=start,
        end=end,
        routes=tuple(d["route"] for d in dosages if d.get("route") is not None),
    )


def _in_words(doc: Doc, dosages: list[Doc], names: Iterable[str]) -> Sig:
    """What the instruction says in words, of one dosage: several may be a plan in steps.

    A name counts where there is no instruction: with dose and times a day, as milligrams alone are
    a strength; and as far as it says "as needed".
    """
    if len(dosages) > 1:
        return Sig()
    parts = [dosage.get(name) for dosage in dosages for name in _SAID]
    if said := [t for p in (*parts, doc.get("renderedDosageInstruction")) if (t := text(p))]:
        return read_sig(said)
    found = [read_sig((name,)) for name in names if not dosages]
    whole = (sig for sig in found if sig.per_day and sig.milligrams)
    return next(whole, Sig(prn=any(sig.prn for sig in found)))


def _sum(values: Iterable[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def _steps(dosages: list[Doc], zone: tzinfo | None) -> list[list[Doc]]:
    """Dosages that go side by side, in the order in which they follow each other."""
    steps: dict[float, list[Doc]] = {}
    for dosage in dosages:
        steps.setdefault(number(dosage.get("sequence")) or 0.0, []).append(dosage)
    if all(_per_day(d) is not None and _bounds(d, zone) is None for d in dosages):
        # Numbered, but without lengths of their own: lines of one plan (morning, evening).
        return [dosages] if dosages else []
    return [steps[key] for key in sorted(steps)]


# --- as needed, single ---


def _as_needed(dosage: Doc) -> bool:
    """asNeededBoolean, asNeededCodeableConcept (DSTU2 to R4), asNeeded and asNeededFor (R5)."""
    if flag(dosage.get("asNeededBoolean")) or flag(dosage.get("asNeeded")):
        return True
    reasons = (dosage.get("asNeededCodeableConcept"), dosage.get("asNeededFor"))
    if any(codings(r) or first_text(r) for r in reasons):
        return True
    return "PRN" in _codes(dosage)


def _single(doc: Doc, dosages: list[Doc], dose: float | None, unit: str | None) -> bool:
    """One dose in all: counted once, one point in time, ONCE, or a supply of one dose."""
    if dosages and all(_is_given_once(d) for d in dosages) and len(dosages) == 1:
        return True
    amount, of = _amount(member(doc, "dispenseRequest", "quantity"))
    repeats = number(member(doc, "dispenseRequest", "numberOfRepeatsAllowed")) or 0
    return amount is not None and amount == dose and of == unit and repeats == 0


def _is_given_once(dosage: Doc) -> bool:
    repeat = member(dosage, "timing", "repeat")
    count, most = number(member(repeat, "count")), number(member(repeat, "countMax"))
    if count is not None:
        return count == 1 and (most is None or most <= 1)
    if "ONCE" in _codes(dosage):
        return True
    events = items(member(dosage, "timing", "event"))
    return len(events) == 1 and repeat is None and not _codes(dosage)


# --- how often ---


def _codes(dosage: Doc) -> list[str]:
    """Timing.code: its codes, or its text where that is an abbreviation."""
    concept = member(dosage, "timing", "code")
    found = [c.code for c in codings(concept) if c.code]
    alone = text(member(concept, "text"))
    return [c.upper().strip() for c in (*found, *([alone] if alone else []))]


def _per_day(dosage: Doc) -> float | None:
    repeat = member(dosage, "timing", "repeat")
    times = _times(repeat)
    if times is not None:
        return times
    for code in _codes(dosage):
        hours = _HOURLY.fullmatch(code)
        if hours and int(hours[1]):
            return 24 / int(hours[1])
        if code in _PER_DAY:
            return _PER_DAY[code]
    return None


def _times(repeat: object) -> float | None:
    """Doses a day by Timing.repeat; `when` and `timeOfDay` name the doses of one day."""
    period, days = number(member(repeat, "period")), None
    unit = word(member(repeat, "periodUnit")) or word(member(repeat, "periodUnits"))
    if unit is not None and (period is None or period > 0):
        days = _in_days(period or 1.0, unit)
    frequency = number(member(repeat, "frequency"))
    named = len(items(_inside(repeat, "when"))) or len(items(_inside(repeat, "timeOfDay")))
    if frequency is None:
        frequency = float(named) if named else (1.0 if days else None)
        days = days or 1.0
    if frequency is None or not days or frequency <= 0:
        return None
    weekdays = len(items(_inside(repeat, "dayOfWeek")))
    share = weekdays / 7 if weekdays and days <= 1 else 1.0
    return frequency / days * share


def _inside(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _in_days(amount: float, unit: str | None) -> float | None:
    """A length of time in days; without a unit it is days already."""
    if unit is None:
        return amount
    plain = unit.strip("{}").lower()
    plain = plain if plain in _DAYS else plain.removesuffix("s")
    factor = _DAYS.get(_UNIT.get(plain, plain))
    return amount * factor if factor else None


# --- how much ---


def _dose(dosage: Doc) -> tuple[float | None, str | None]:
    """Amount of one dose: doseAndRate (R4; an object in many bodies), doseQuantity (DSTU2, STU3),
    dose (administrations). Of several the ordered one counts (Epic sends three)."""
    rates = objects(dosage.get("doseAndRate"))
    rates.sort(key=lambda rate: _ORDERED not in set(words(rate.get("type"))))
    for part in (*rates, dosage):
        for name in ("doseQuantity", "dose", "quantityQuantity", "quantity", "doseSimpleQuantity"):
            amount = _amount(part.get(name))
            if amount[0] is not None:
                return amount
        low = _amount(member(part.get("doseRange") or part.get("quantityRange"), "low"))
        if low[0] is not None:
            return low
    return None, None


def _amount(quantity: object) -> tuple[float | None, str | None]:
    value = number(member(quantity, "value"))
    if value is None or value <= 0:
        return None, None
    code, unit = text(member(quantity, "code")), text(member(quantity, "unit"))
    for said in (code, unit):  # the code is UCUM; what stands beside it is for people
        factor = _MILLIGRAMS.get((said or "").lower().removesuffix("s"))
        if factor is not None:
            return round(value * factor, 6), "mg"
    return value, unit or code


def in_milligrams(
    dose: float | None, unit: str | None, names: Iterable[str | None]
) -> tuple[float | None, str | None]:
    """A dose in pieces (1 capsule) in milligrams, where the first of the product's names that has a
    strength tells that of one drug, in a solid form."""
    for name in names:
        if strengths := _STRENGTH.findall(name or ""):
            break
    else:
        return dose, unit
    if dose is None or len(strengths) != 1 or not _PIECE.fullmatch(unit or "1"):
        return dose, unit
    counted = unit not in {None, "1"} and not _LIQUID.search(name or "")
    solid = counted or _SOLID.search(name or "")
    return (dose * float(strengths[0]), "mg") if solid else (dose, unit)


# --- how long ---


def _bounds(dosage: Doc, zone: tzinfo | None) -> float | None:
    """Length of one dosage in days: boundsDuration (boundsQuantity in DSTU2), boundsRange (its
    low end), boundsPeriod, or count divided by doses a day."""
    repeat = member(dosage, "timing", "repeat")
    length = _duration(member(repeat, "boundsDuration") or member(repeat, "boundsQuantity"))
    length = length or _duration(member(repeat, "boundsRange", "low"))
    length = length or days_between(*_bounds_period(dosage, zone))
    if length is not None:
        return length
    count, per_day = number(member(repeat, "count")), _per_day(dosage)
    return count / per_day if count and count > 0 and per_day else None


def _duration(value: object) -> float | None:
    amount = number(member(value, "value"))
    if amount is None or amount <= 0:
        return None
    return _in_days(amount, word(member(value, "code")) or word(member(value, "unit")))


def _bounds_period(dosage: Doc, zone: tzinfo | None) -> tuple[FhirDate | None, FhirDate | None]:
    period = member(dosage, "timing", "repeat", "boundsPeriod")
    return read_date(member(period, "start"), zone), read_date(member(period, "end"), zone)


def _course(steps: list[list[Doc]], zone: tzinfo | None) -> float | None:
    """Steps after one another add up; of dosages side by side the longest counts."""
    lengths = [max((b for d in step if (b := _bounds(d, zone)) is not None), default=None)
               for step in steps]  # fmt: skip
    return _sum(lengths)


def _period(dosages: list[Doc], zone: tzinfo | None) -> tuple[FhirDate | None, FhirDate | None]:
    """Earliest start and latest end of all dosages; an end only where each of them has one."""
    periods = [_bounds_period(d, zone) for d in dosages]
    starts = [s for s, _ in periods if s is not None]
    ends = [e for _, e in periods if e is not None]
    start = min(starts, key=lambda d: d.order, default=None)
    end = max(ends, key=lambda d: d.order, default=None)
    return start, end if len(ends) == len(periods) else None


def _supply(
    doc: Doc, sig: Sig, per_day: float | None, dose: float | None, unit: str | None
) -> float | None:
    """Days of one supply, without refills: expectedSupplyDuration, daysSupply, or the quantity
    ("Dispense #20") divided by what is taken a day.

    Where dose and quantity speak different units (200 mg, 20 capsules) one dose is taken to be
    one piece, where the words do not say how many.
    """
    request = member(doc, "dispenseRequest")
    stated = _duration(member(request, "expectedSupplyDuration"))
    stated = stated or _duration(doc.get("daysSupply"))
    if stated is not None:
        return stated
    amount, of = _amount(member(request, "quantity") or doc.get("quantity"))
    if amount is None:
        amount, of = sig.supply, None
    if amount is None or not per_day:
        return None
    each = dose if dose and of and _same(of, unit) else sig.pieces or 1.0
    return amount / (per_day * each)


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").lower().rstrip("s") == (other or "").lower().rstrip("s")
