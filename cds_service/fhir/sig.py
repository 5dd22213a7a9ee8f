"""Reads how often, how much and how long from the words of a dosage, where nothing codes it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST = 500
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "ten": 10,
    "once": 1, "twice": 2, "thrice": 3, "ein": 1, "zwei": 2, "drei": 3, "vier": 4,
    "einmal": 1, "zweimal": 2, "dreimal": 3, "viermal": 4, "un": 1, "une": 1, "deux": 2,
    "trois": 3, "dos": 2, "tres": 3, "due": 2, "tre": 3,
}  # fmt: skip
_N = r"(?:[0-9]{1,3}(?:[.,][0-9]+)?|" + "|".join(_NUMBERS) + ")"
_EACH_DAY = (
    r"(?:daily|a day|per day|each day|every day|/ ?d(?:ay)?\b"
    r"|am tag|pro tag|täglich|tgl\b|par jour|al día|al giorno)"
)
_TIMES = re.compile(
    rf"\b(?P<n>{_N})\s*(?:x|×|times?|mal|fois|veces|volte)?\s*{_EACH_DAY}", re.IGNORECASE
)
_LATIN = re.compile(
    r"\b(?P<code>bid|b\.i\.d\.?|tid|t\.i\.d\.?|qid|q\.i\.d\.?|qd|q\.d\.?|daily)(?!\w)", re.I
)
_HOURS = re.compile(
    r"\b(?:every|q|alle)\s*(?P<n>[0-9]{1,2})\s*(?:h|hrs?|hours?|std|stunden)\b", re.I
)
_SCHEME = re.compile(r"(?<![\d-])(?P<a>[0-2])-(?P<b>[0-2])-(?P<c>[0-2])(?:-(?P<d>[0-2]))?(?![\d-])")
_LENGTH = re.compile(
    rf"(?:\b(?:for|during|over|für|fur|über|pendant|durante|per)\s+(?:the\s+next\s+)?|x\s*|×\s*)"
    rf"(?P<n>{_N})\s*-?\s*(?P<unit>d(?:ays?)?|tagen?|tage|jours|días|dias|giorni"
    r"|w(?:ee)?ks?|wochen?|semaines|semanas|settimane)\b",
    re.IGNORECASE,
)
_MG = re.compile(r"(?<![\d.,])(?P<n>[0-9]{1,4}(?:[.,][0-9]+)?)\s*mg\b(?!\s*/)", re.IGNORECASE)
_PRN = re.compile(
    r"\b(?:prn|p\.r\.n\.?|as needed|if needed|when needed|as required|bei bedarf|si besoin"
    r"|al bisogno|si precisa)(?!\w)",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"(?<=[0-9])\s*\([a-z]+(?:-[a-z]+)?\)", re.IGNORECASE)  # "2 (two) times"
_PIECES = re.compile(
    rf"(?<![\d/.,-])\b(?P<n>{_N})\s*(?:caps?|capsules?|tabs?|tablets?|kapseln?|kps|tabletten?|tbl"
    r"|g[ée]lules?|comprim[ée]s?|c[aá]psulas?|comprimidos?)\b",
    re.IGNORECASE,
)
# What is dispensed: "# 20 cap", "Dispense #20", "Qty: 20"; not "30 days supply".
_SUPPLY = re.compile(
    r"(?:#|\b(?:dispense|disp|qty|quantity|menge)\b[.:]?)\s*#?\s*(?P<n>[0-9]{1,3})\b"
    r"(?!\s*(?:d\b|days?|weeks?|months?|mg|refills?|[.,/]?[0-9]))",
    re.IGNORECASE,
)
_SURGERY = (
    r"(?:surgery|operation|procedure|arthroplasty|replacement|op\b|eingriff|operación|cirug[ií]a"
    r"|opération|intervention|intervento|intervención)"
)
_TO = (
    r"(?:before|prior\s+to|until|till?|up\s+to|vor|bis|avant|jusqu['’ ]?(?:à|a)|antes\s+de|hasta"
    r"|prima\s+(?:di|dell['’])|fino\s+(?:a|all['’]))"
)
_FEW = r"\s*(?:[\w'’]+\s+|l['’]){0,4}"  # "until the day of your hip surgery"
_BEFORE = re.compile(rf"\b{_TO}\b{_FEW}{_SURGERY}|\bpre-?op", re.IGNORECASE)
_STOPS = re.compile(
    rf"\b(?:stop|hold|discontinue|pause|last\s+dose|absetzen|pausieren|arr[êe]ter|suspender)\b"
    rf"[^.;]{{0,40}}?\b(?:before|prior|pre-?op|{_SURGERY})|^\W*(?:hold|stop)\b|\bpre-?op[^.;]{{0,20}}"
    rf"\b(?:stop|hold)|\b{_TO}\b{_FEW}{_SURGERY}[^.;]{{0,20}}\b(?:stop|hold|absetzen|pausieren)",
    re.IGNORECASE,
)
_AFTER = re.compile(
    rf"\b(?:after|following|nach|après|despu[ée]s\s+de|dopo)\b\s*(?:[\w'’]+\s+|l['’]){{0,2}}"
    rf"{_SURGERY}|\bpost-?op",
    re.IGNORECASE,
)
_CODES = {"bid": 2.0, "tid": 3.0, "qid": 4.0, "qd": 1.0, "daily": 1.0}


@dataclass(frozen=True, slots=True)
class Sig:
    """What the words say: doses a day, milligrams of a dose, days, and whether as needed."""

    per_day: float | None = None
    milligrams: float | None = None
    pieces: float | None = None  # tablets or capsules of a dose
    supply: float | None = None  # pieces that are dispensed
    days: float | None = None
    prn: bool = False
    before_surgery: bool = False  # it is stopped or held for the operation, and not gone on with


def read_sig(texts: Iterable[str]) -> Sig:
    """Read the instruction as Epic ("Take 1 capsule by mouth 2 times a day for 14 days"), Oracle
    Health ("200 mg = 1 cap, Oral, BID, x 10 day(s)") and others write it. Two lengths or two
    amounts in one text are read as none: it may be a taper."""
    told = _IN_BRACKETS.sub("", "; ".join(texts)[:_LONGEST].replace("(s)", ""))
    lengths = {_days(m) for m in _LENGTH.finditer(told)}
    amounts = {_number(m["n"]) for m in _MG.finditer(told)}
    supplies = {_number(m["n"]) for m in _SUPPLY.finditer(told)}
    pieces = {_number(m["n"]) for m in _PIECES.finditer(_SUPPLY.sub("", told))}
    return Sig(
        per_day=_per_day(told),
        milligrams=amounts.pop() if len(amounts) == 1 else None,
        pieces=pieces.pop() if len(pieces) == 1 else None,
        supply=supplies.pop() if len(supplies) == 1 else None,
        days=lengths.pop() if len(lengths) == 1 else None,
        prn=_PRN.search(told) is not None,
        before_surgery=_ends(told),
    )


def _ends(told: str) -> bool:
    """Whether it ends with the operation. Going on after it counts; where it is stopped for it,
    "restart after surgery" counts only with a course of its own, as nobody knows when."""
    stops, goes_on = _STOPS.search(told), _AFTER.search(told)
    if not goes_on:
        return bool(stops or _BEFORE.search(told))
    if not stops:
        return False
    first = stops.start() < goes_on.start()
    own = told[stops.end() :] if first else told[: stops.start()]
    return not (_LENGTH.search(own) and _per_day(own))


def _number(word: str) -> float:
    return float(_NUMBERS.get(word.lower()) or word.replace(",", "."))


def _days(found: re.Match[str]) -> float:
    weeks = found["unit"].lower()[0] in "ws"
    return _number(found["n"]) * (7 if weeks else 1)


def _per_day(told: str) -> float | None:
    if found := _TIMES.search(told):
        return _number(found["n"])
    if found := _SCHEME.search(told):
        return float(sum(int(part or 0) for part in found.groups())) or None
    if (found := _HOURS.search(told)) and int(found["n"]):
        return 24 / int(found["n"])
    if found := _LATIN.search(told):
        return _CODES[found["code"].lower().replace(".", "")]
    return None
