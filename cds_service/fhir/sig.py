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
    r"(?:daily|a day|per day|each day|every day|/ ?d(?:ay|ie)?\b|am tag|pro tag|täglich|tgl\b"
    r"|par jour|al día|al giorno|al dì|dagligt?\b|dagligen|om dagen|per dag|dd\b)"
)
_RANGE = rf"(?:(?P<low>{_N})\s*(?:-|–|to|or|bis|oder|à|ou)\s*)?"  # "1-2 times", "once or twice"
_TIMES = re.compile(
    rf"\b{_RANGE}(?P<n>{_N})[\s-]*(?:x|×|times?|mal|fois|veces|volte|gange?|ganger|gånger|keer)?"
    rf"\s*{_EACH_DAY}",
    re.IGNORECASE,
)
_LATIN = re.compile(
    r"\b(?P<code>bid|b\.i\.d\.?|bd|tid|t\.i\.d\.?|tds|qid|q\.i\.d\.?|qds|qd|q\.d\.?|daily)(?!\w)",
    re.IGNORECASE,
)
_HOURS = re.compile(
    r"\b(?:every|q|alle|cada|toutes\s+les|ogni)\s*(?P<n>[0-9]{1,2})\s*"
    r"(?:h|hrs?|hours?|std|stunden|horas|heures|ore)\b",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?<![\d-])(?P<a>[0-2])-(?P<b>[0-2])-(?P<c>[0-2])(?:-(?P<d>[0-2]))?(?![\d-])")
# "in the morning and evening", with nothing but small words between: no amounts of their own.
_AND = (
    r"\s*(?:,|&|\+|and|und|et|y|e|en|og|och)?\s*(?:(?:in|the|am|le|la|à|de|por|alla|'s|at)\s+){0,3}"
)
_PARTS_OF_DAY = re.compile(
    r"\b(?:morning|morgens|früh|matin|mañana|mattina|ochtends|morgon|morgen)\b"
    rf"{_AND}(?P<noon>(?:noon|mittags|midi|mediodía|mezzogiorno)\b{_AND})?"
    r"\b(?:evening|night|bedtime|abends|soir|noche|tarde|sera|avonds|kväll|aften|kveld)\b",
    re.IGNORECASE,
)
_UNIT = (
    r"(?P<unit>d(?:ays?)?|tagen?|tage|jours|días|dias|giorni|dage|dagar|dager|dagen"
    r"|w(?:ee)?ks?|wochen?|semaines|semanas|settimane|weken|veckor|uger|uker)\b"
)
_NO_LENGTH = (
    r"(?!\s*(?:before|prior|after|post|pre|vor|nach|avant|après|antes|después|later|supply"
    r"|(?:a|per) week))"
)
_LENGTH = re.compile(
    r"(?:\b(?:for|during|over|duration:?|für|fur|über|pendant|durante|per|i|gedurende)\s+"
    rf"(?:the\s+next\s+)?|x\s*|×\s*)(?P<n>{_N})\s*-?\s*{_UNIT}",
    re.IGNORECASE,
)
# Without a word before it only right after how often, or how much: "BID 10 days", "2x/day, 10d".
_BARE_LENGTH = re.compile(
    rf"(?:\b(?:bid|bd|tid|tds|qid|qds|qd)|{_EACH_DAY}|[0-9]\s?h(?:rs?|ours?)?|[0-2]-[0-2]-[0-2]"
    rf"|\b(?:caps?|capsules?|tabs?|tablets?|kapseln?|tabletten?))[\s,.;:]*"
    rf"(?P<n>{_N})\s*-?\s*{_UNIT}{_NO_LENGTH}",
    re.IGNORECASE,
)
_SHORT_LENGTH = re.compile(r"(?:\bfor|x|×)\s*(?P<n>[0-9]{1,2})/(?P<of>7|52)\b", re.I)  # British
_DOSES = re.compile(rf"\bfor\s+(?P<n>{_N})\s+doses\b", re.IGNORECASE)
_MG = re.compile(r"(?<![\d.,])(?P<n>[0-9]{1,4}(?:[.,][0-9]+)?)\s*mg\b(?!\s*/)", re.IGNORECASE)
_PRN = re.compile(
    r"\b(?:prn|p\.r\.n\.?|as needed|if needed|when needed|as required"
    r"|bei bedarf|si besoin|al bisogno|si precisa"
    r"|(?:if|when(?:ever)?|only for)\s+(?:[\w']+\s+){0,3}pain|(?:bei|wenn)\s+(?:\w+\s+)?schmerz\w*"
    r"|en cas de douleurs?|si dou?leurs?|si dolor|si hay dolor|se dolore|in caso di dolore)(?!\w)",
    re.IGNORECASE,
)
# Said before it in the same sentence: then it is no condition of taking it.
_NO_PRN = re.compile(
    r"\b(?:not|never|stop|call|contact|seek|tell|report|inform|see)\b[^.;]*$", re.IGNORECASE
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
# Held without a day, or begun long after the operation: nobody protects the days after it.
_HELD = re.compile(
    rf"\bhold\s+(?:until|till|pending)\b(?![^.;]{{0,30}}{_SURGERY})|\bon hold\b"
    r"|\b(?:do not|don't)\s+(?:start|begin|take)[^.;]{0,20}\b(?:before|until|till)\b"
    r"(?=[^.;]{0,40}(?:\d|clear|told|instruct|direct|approv))",
    re.IGNORECASE,
)
_BEGINS_LATER = re.compile(
    rf"\b(?:start|begin|commence|beginn|first\s+dose|débuter|empezar|iniciar)\w*\b[^.;]{{0,20}}?"
    rf"\b(?P<n>{_N})\s*{_UNIT}\s*(?:after|post|following|later|nach|après|después|dopo)",
    re.IGNORECASE,
)
_LATE_DAYS = 5
"""Prophylaxis begins within five days of the operation (Iorio and Healy, PMID 12470043)."""
_CODES = {"bid": 2.0, "bd": 2.0, "tid": 3.0, "tds": 3.0, "qid": 4.0, "qds": 4.0, "qd": 1.0,
          "daily": 1.0}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sig:
    """What the words say: doses a day, milligrams of a dose, days, and whether as needed."""

    per_day: float | None = None
    milligrams: float | None = None
    pieces: float | None = None  # tablets or capsules of a dose
    supply: float | None = None  # pieces that are dispensed
    days: float | None = None
    prn: bool = False
    misses_surgery: bool = False  # it ends with the operation, is held, or begins long after it


def read_sig(texts: Iterable[str]) -> Sig:
    """Read the instruction as Epic ("Take 1 capsule by mouth 2 times a day for 14 days"), Oracle
    Health ("200 mg = 1 cap, Oral, BID, x 10 day(s)") and others write it. Two lengths, two
    amounts or two frequencies in one text are read as none: a taper, a range, or a choice."""
    told = _IN_BRACKETS.sub("", "; ".join(texts)[:_LONGEST].replace("(s)", ""))
    per_day = _per_day(told)
    amounts = {_number(m["n"]) for m in _MG.finditer(told)}
    supplies = {_number(m["n"]) for m in _SUPPLY.finditer(told)}
    pieces = {_number(m["n"]) for m in _PIECES.finditer(_SUPPLY.sub("", told))}
    return Sig(
        per_day=per_day,
        milligrams=amounts.pop() if len(amounts) == 1 else None,
        pieces=pieces.pop() if len(pieces) == 1 else None,
        supply=supplies.pop() if len(supplies) == 1 else None,
        days=_length(told, per_day),
        prn=any(not _NO_PRN.search(told[: m.start()][-80:]) for m in _PRN.finditer(told)),
        misses_surgery=_ends(told) or _HELD.search(told) is not None or _begins_late(told),
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
    weeks = found["unit"].lower()[0] in "wsvu"
    return _number(found["n"]) * (7 if weeks else 1)


def _begins_late(told: str) -> bool:
    return any(_days(found) > _LATE_DAYS for found in _BEGINS_LATER.finditer(told))


def _length(told: str, per_day: float | None) -> float | None:
    lengths = {_days(m) for m in _LENGTH.finditer(told)}
    lengths |= {
        _number(m["n"]) * (1 if m["of"] == "7" else 7) for m in _SHORT_LENGTH.finditer(told)
    }
    lengths = lengths or {_days(m) for m in _BARE_LENGTH.finditer(told)}
    if not lengths and per_day:
        lengths = {_number(m["n"]) / per_day for m in _DOSES.finditer(told)}
    return lengths.pop() if len(lengths) == 1 else None


def _per_day(told: str) -> float | None:
    """Doses a day, where all that is said of it agrees."""
    found: set[float] = set()
    for times in _TIMES.finditer(told):
        if times["low"]:
            return None
        found.add(_number(times["n"]))
    rest = _TIMES.sub(" ", told)
    for parts in _SCHEME.finditer(rest):
        found.add(float(sum(int(part or 0) for part in parts.groups())))
    found |= {24 / int(hours["n"]) for hours in _HOURS.finditer(rest) if int(hours["n"])}
    found |= {3.0 if parts["noon"] else 2.0 for parts in _PARTS_OF_DAY.finditer(rest)}
    found |= {_CODES[code["code"].lower().replace(".", "")] for code in _LATIN.finditer(rest)}
    return (found.pop() or None) if len(found) == 1 else None
