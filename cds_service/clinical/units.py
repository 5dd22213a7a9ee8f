"""Units of laboratory results: which spellings count, what they are worth, how they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in which a result counts. `factor` leads to the unit of the rules; `ucum` is the
    spelling to send; `shown` is what people read."""

    factor: float
    ucum: str
    shown: str


# Each unit with the spellings seen for it, as `normal_unit` gives them. One factor stands for one
# meaning: a spelling is listed only where it cannot mean anything else for this quantity.
_SPELLINGS: dict[str, tuple[tuple[Unit, str], ...]] = {
    "egfr": (
        # "sq.m", "sqm": US reports; "qm": German ones; the bare 1.73 leaves out the square metre.
        (
            Unit(1.0, "mL/min/{1.73_m2}", "mL/min/1.73 m²"),
            "ml/min/1.73m2 ml/min/1.73 ml/min/1.73sq.m ml/min/1.73sq.m. ml/min/1.73sqm "
            "ml/min/1.73qm ml/min/1.73sq.meters ml/min/1.73sqmeters ml/min1.73m2",
        ),
        (Unit(1.0, "mL/min", "mL/min"), "ml/min"),
        # SI laboratories; a minute has 60 seconds.
        (Unit(60.0, "mL/s/{1.73_m2}", "mL/s/1.73 m²"), "ml/s/1.73m2"),
    ),
    # 88.4 µmol/L = 1 mg/dL creatinine (as printed in doi:10.1186/s12877-021-02428-y, table 1).
    "creatinine": (
        (Unit(1.0, "mg/dL", "mg/dL"), "mg/dl mg/100ml mg%"),
        (Unit(1 / 88.4, "umol/L", "µmol/L"), "umol/l umoles/l umole/l"),
        (Unit(1000 / 88.4, "mmol/L", "mmol/L"), "mmol/l mmoles/l mmole/l"),
        (Unit(0.1, "mg/L", "mg/L"), "mg/l"),
    ),
    # Potassium has one charge, so a milliequivalent (German: mval) is a millimole.
    "potassium": (
        (Unit(1.0, "mmol/L", "mmol/L"), "mmol/l mmoles/l mmole/l mmol/dm3 mm"),
        (Unit(1.0, "meq/L", "mEq/L"), "meq/l mequiv/l mval/l"),
    ),
    # 10⁹ in a litre, 10³ in a microlitre (= mm³) and 1 in a nanolitre are the same number.
    # "109/l" and "103/ul" are what is left when the exponent loses its place.
    "platelets": (
        (
            Unit(1.0, "10*9/L", "× 10⁹/L"),
            "10*9/l 109/l 109cells/l g/l giga/l gpt/l bil/l billion/l",
        ),
        (
            Unit(1.0, "10*3/uL", "× 10³/µL"),
            "10*3/ul 10*3/mm3 103/ul 103/mm3 k/ul k/mm3 thousand/ul thousand/mm3 thousands/ul "
            "thousands/mm3 thous/ul thous/mm3 th/ul th/mm3 tsd/ul tsd./ul tsd/mm3",
        ),
        (Unit(1.0, "/nL", "/nL"), "/nl 1/nl"),
        (Unit(1.0, "10*6/mL", "× 10⁶/mL"), "10*6/ml"),
        (Unit(0.001, "/uL", "/µL"), "/ul /mm3 1/ul 1/mm3 #/ul #/mm3"),
        # 1 lakh = 100 000, as laboratories in India count.
        (Unit(100.0, "10*5/uL", "lakh/µL"), "lakh/ul lakhs/ul lakh/mm3 lakhs/mm3 10*5/ul 10*5/mm3"),
    ),
    # The international avoirdupois pound is 0.45359237 kg; an ounce a sixteenth, a stone 14 of it.
    "weight": (
        (Unit(1.0, "kg", "kg"), "kg kgs kilogram kilograms kilogramm kilogramme"),
        (Unit(0.001, "g", "g"), "g gm grams gramm"),
        (Unit(0.45359237, "[lb_av]", "lb"), "lbav lb lbs pound pounds"),
        (Unit(0.45359237 / 16, "[oz_av]", "oz"), "ozav oz"),
        (Unit(0.45359237 * 14, "[stone_av]", "st"), "stoneav st stone"),
    ),
}

_UNITS: dict[str, dict[str, Unit]] = {
    quantity: {spelling: unit for unit, listed in units for spelling in listed.split()}
    for quantity, units in _SPELLINGS.items()
}

CREATININE_IN_MOLES = frozenset({"14682-9", "77140-2"})
"""Codes of the value set `lab-creatinine` whose name says [Moles/volume]."""

# As written, and as it is looked up; from top to bottom.
_REWRITTEN = (
    ("10⁹", "10*9"), ("10³", "10*3"), ("10⁶", "10*6"),
    ("µ", "u"), ("μ", "u"), ("mcl", "ul"), ("microl", "ul"),
    ("micromol", "umol"), ("mcmol", "umol"), ("millimol", "mmol"), ("milliequiv", "mequiv"),
    ("{", ""), ("}", ""), ("[", ""), ("]", ""), ("_", ""), ("²", "2"), ("³", "3"),
    ("m(2)", "m2"), ("10(", "10*("), ("(", ""), (")", ""),
    ("^", "*"), ("×", "x"), ("x10", "10"), ("10e", "10*"), ("10x", "10*"),
    ("10**", "10*"), ("m*2", "m2"),
    ("1,73", "1.73"), ("min*1.73", "min/1.73"), ("min.1.73", "min/1.73"), ("per", "/"),
    ("cells/", "/"), ("plt/", "/"), ("thou/", "10*3/"),
    ("cu.mm", "mm3"), ("cumm", "mm3"), ("cmm", "mm3"),
)  # fmt: skip


def normal_unit(unit: str | None) -> str:
    """A unit as written by people, brought to one spelling (case, braces and blanks dropped)."""
    text = (unit or "").strip().lower().replace(" ", "")
    for old, new in _REWRITTEN:
        if old in text:
            text = text.replace(old, new)
    return text


def unit_of(quantity: str, sent: str | None) -> Unit | None:
    """The unit that was sent; None where it is not known or says nothing."""
    return _UNITS[quantity].get(normal_unit(sent))


def unit_by_code(quantity: str, loinc: str | None) -> Unit | None:
    """The unit of a result that came without one, where its LOINC code leaves only one.

    The names are those of the value sets `lab-*`. Every eGFR code is a [Volume Rate/Area] per
    1.73 m², which is reported in mL/min. A code in [Moles/volume] leaves one unit in which the
    number can be a patient's: potassium in mmol/L, creatinine in µmol/L (in mmol/L it would be a
    thousandth). [Mass/volume] creatinine may be mg/dL or mg/L, and a count of platelets anything,
    so these are not guessed at.
    """
    if quantity == "creatinine" and loinc not in CREATININE_IN_MOLES:
        return None
    only = {"egfr": "ml/min/1.73m2", "potassium": "mmol/l", "creatinine": "umol/l"}.get(quantity)
    return _UNITS[quantity][only] if only else None


def has_units(quantity: str) -> bool:
    """Whether a quantity is a number with a unit; the others are answers."""
    return quantity in _UNITS


def ucum_of(quantities: Iterable[str]) -> tuple[str, ...]:
    """The units of these quantities as they should be sent."""
    return tuple(unit.ucum for name in quantities for unit, _ in _SPELLINGS.get(name, ()))
