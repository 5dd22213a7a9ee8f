"""Finds words of an order that name the intramuscular route, and whether a stated route differs.

The words of other languages than English and German are general language knowledge without a
source: they add a warning and never take one away.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum

from cds_service.fhir.elements import Doc, all_texts, codings, kind_of, notes_of, objects, texts


class RouteInWords(Enum):
    """What the words of an order say of the intramuscular route."""

    NOTHING = 0
    NAMED = 1  # and no other route is stated
    AGAINST = 2  # and another route is stated


_DOSES = ("dosageInstruction", "dosage")
_ROUTED = frozenset({"route", "renderedDosageInstruction", "patientInstruction", *_DOSES})
_TOLD = _ROUTED | {"note", "notes", "site"}
_LONGEST = 2_000
_INSTRUCTIONS = ("additionalInstruction", "additionalInstructions", "patientInstruction", "method")
_FORMS = ("form", "doseForm")

# --- what names the route ---

# Words that stand for nothing else, in whatever order they are written.
_PLAIN = (
    r"\b(?i:intra-? ?mus[ck])|(?<![\w.])i\. ?m\.(?!\w)"
    r"|筋注|筋肉内|筋肉注射|筋肉に注射|肌注|肌肉注射|肌内注射|肌肉[内內]|근육 ?내|근육 ?주사"
    r"|(?i:\b(?:domięśniow|do mięśni|nitrosvalov|vnútrosvalov|do svalu|lihaksensis|lihakseen"
    r"|lihasesse|intramüsk|kas içi|izomba|внутримышеч|внутрішньом|мускулно|ενδομυ[ϊι]κ|u mišić"
    r"|į raumen))"
    r"|(?<!\w)(?i:в/м)(?!\w)|תוך[ -]שריר|العضل"
)
_INTO = (
    r"(?P<muscle>\b(?i:into\s+(?:\S+\s+){0,2}?muscles?|in den muskel|in die \w*muskulatur"
    r"|dans le muscle|en el m[uú]sculo|nel muscolo|no m[uú]sculo|in de spier|i muskeln|i muskele?n"
    r"|i musklen|в мышцу)\b)"
)
_LETTERS = (
    r"(?<![\w.])(?:IM|I\. ?M\.?|i\.m\.?)(?!\w)"
    r"(?!(?i:[\s(:=-]*internal med|\s+clinic\b))"
    r"(?!\s+(?i:mund|bauch|wechsel|rahmen|anschlu|abstand|laufe|liegen|sitzen|stehen))"
)
# "im" in small letters is a German word, so it counts alone or after an injection only, and there
# not before a noun ("Injektion im linken Oberarm"). "IM" also stands for internal medicine.
_NAMED = re.compile(
    rf"{_PLAIN}|{_LETTERS}|^\s*im\s*$"
    r"|\b(?i:inj)\w*\.?\s+(?:\S+\s+){0,4}(?i:im)\b(?!\s+(?:\w{3,}en\s+)?[A-ZÄÖÜ])"
    rf"|{_INTO}"
)
# Beside another stated route the two letters count where they tell how a dose is given.
_SURE = re.compile(rf"{_PLAIN}|(?P<letters>{_LETTERS})|{_INTO}")
_GIVEN = re.compile(
    r"(?:\b(?:inj|inye|iniet|iniez|spritz|give|administer|geben)\w*\.?(?:\s+\S+){0,4}"
    r"|\d\s*(?:mg|g|mcg|µg|ml|units?|iu|ie|u|ampoules?|amp|vials?)\.?(?:\s+\S+)?)\s+$",
    re.IGNORECASE,
)
_INJECTION = re.compile(r"\s+inj", re.IGNORECASE)
_IM_CODE = re.compile(r"i\.?m\.?|i\.?m\.?[ -]?inj\w*|intramus[ck]\w*", re.IGNORECASE)
_MUSCLES = (
    r"\b(?:deltoid|deltoïd|deltamus|(?:ventro|dorso)?-?glut[eéäa]|vastus lat|quadriceps"
    r"|buttock|gesäß|fesse|nalga|natica)\w*|三角筋|臀|殿筋"
)
_AT_MUSCLE = re.compile(_MUSCLES, re.IGNORECASE)
_INTO_MUSCLE = re.compile(
    rf"(?:\b(?:inj|inye|iniet|iniez|spritz)\w*|注射)[^.;\n]{{0,60}}?(?:{_MUSCLES})"
    rf"|(?:{_MUSCLES})[^.;\n]{{0,30}}?(?:\b(?:inj|inye|iniez|spritz)\w*|注射)",
    re.IGNORECASE,
)
_OTHER_PLACE = re.compile(
    r"sub-? ?[ck]ut|(?<![\w.])s\.? ?[cq]\.?(?![\w.])|\bsubq\b|hypoderm|intra-?derm|trans-? ?derm"
    r"|topical|cutaneous|\bpatch|\bskin\b|皮下|皮内|皮膚",
    re.IGNORECASE,
)

# --- what takes it back ---

_BUT_NOT = re.compile(
    r"(?:\b(?:not|never|no|avoid|without|instead of|rather than|contra-?indicated|nicht|kein\w*"
    r"|non|pas|sans|sin|senza|sem|geen|niet|nunca|bez)"
    r"(?:\s+(?:to|be|by|via|for|the|as|give|given|inject\w*|use|used|administ\w*|or|po[rn]|per|par"
    r"|la|les?|an?|als|über|injektion\w*|inyecci\w+|iniezion\w*|voie|v[ií]a)|\s+d['e]\s?)*"
    r"|\b(?:nie|не|ne|ei|inte|ikke|nepodáva\w*)(?:\s+\w+)?|(?:禁止|不得|切勿|勿|不可|不要|避免))\s*$",
    re.IGNORECASE,
)
_RUBBED = re.compile(r"\b(?:rub|massag|appl|einreib)\w*(?:\s+\S+){0,4}\s*$", re.IGNORECASE)
_NOT_SO = re.compile(
    r"\w*(?:\s+(?:route|injections?|use|administration|is|are))*"
    r"\s+(?:contra-?indicated|forbidden|prohibited|not\s+(?:allowed|permitted)|kontraindiziert)"
    r"|\w*(?:は|を)?\s*(?:禁|不可|しない|避け|금지|einreib|einmassier)",
    re.IGNORECASE,
)
# "6 h after the intramuscular dose" tells of another one, "intramuscular haematoma" of none.
_EARLIER = re.compile(
    r"\b(?:after|following|since|from|than|previous|prior|last|earlier|past|history of|had|received"
    r"|allerg\w+ to|reactions? to|replac\w+|stopp\w+|discontinu\w+|nach|seit|après|después de|dopo)"
    r"(?:\s+(?:the|an?|his|her|their|last|first|previous|initial|single|der|die|das|l[ae]))*\s*$",
    re.IGNORECASE,
)
_ADVERB = re.compile(r"\w*(?:ly|ment|mente)\b", re.IGNORECASE)
_ILL = re.compile(
    r"\w*\s+(?:ha?ematoma|ha?emangioma|lipoma|abscess|bleed|ha?emorrhage|myxoma|tumou?r|mass|fat"
    r"|calcification|ossification|hämatom|blutung|abszess)",
    re.IGNORECASE,
)


def route_in_words(doc: Doc, medicine: Sequence[Doc] = ()) -> RouteInWords:
    """Whether words name the intramuscular route: those of the route, or those of the dosage where
    the route has none; and beside any other route, words that leave no doubt. `medicine` are the
    Medication resources behind the order, whose form may say it. "Not IM" names nothing."""
    if _TOLD.isdisjoint(doc) and not medicine:
        return RouteInWords.NOTHING
    doses = [dose for name in _DOSES for dose in objects(doc.get(name))]
    said = [_filled(holder.get("route")) for holder in (doc, *doses)]
    if any(_names(words[:_LONGEST], _NAMED) for words in _by_route(doc, doses, said)):
        return RouteInWords.NAMED
    if not (kind_of(doc) or "").startswith(("Medication", "Immunization")):
        return RouteInWords.NOTHING
    routes = [holder["route"] for holder in (doc, *doses) if holder.get("route")]
    stated = any(said) or any(c.code for route in routes for c in codings(route))
    if _surely(doc, doses, medicine, routes):
        return RouteInWords.AGAINST if stated else RouteInWords.NAMED
    return RouteInWords.NOTHING


def _by_route(doc: Doc, doses: list[Doc], said: list[list[str]]) -> Iterator[str]:
    for dose, route in zip(doses, said[1:], strict=True):
        yield from route or all_texts(dose, *[dose[n] for n in _INSTRUCTIONS if n in dose])
    yield from said[0]
    if not any(said):
        yield from texts(doc.get("renderedDosageInstruction"))


def _filled(route: object) -> list[str]:
    """What a route says to people. A bare code says something only where it is the abbreviation
    that people write, too; any other leaves the question to the instructions."""
    if route is None:
        return []
    coded = ["IM"] if any(_IM_CODE.fullmatch(c.code or "") for c in codings(route)) else []
    return [*(words for words in texts(route) if words.strip()), *coded]


def _surely(doc: Doc, doses: list[Doc], medicine: Sequence[Doc], routes: list[object]) -> bool:
    """Whether words that stand for nothing else say so, of the dosage, the notes, the site or the
    form. A form for several routes says nothing."""
    told = [t for d in doses for t in all_texts(d, *[d[n] for n in _INSTRUCTIONS if n in d])]
    told += all_texts(doc.get("renderedDosageInstruction"), doc.get("patientInstruction"))
    told = [words[:_LONGEST] for words in (*told, *notes_of(doc))]
    if any(_names(words, _SURE) for words in told):
        return True
    forms = all_texts(*[d[n] for d in (doc, *medicine) for n in _FORMS if n in d])
    if any(_names(words, _SURE) and not _several(words) for words in forms):
        return True
    given = [*all_texts(*routes), *(c.code or "" for route in routes for c in codings(route))]
    if any(map(_OTHER_PLACE.search, (*given, *told))):
        return False
    sites = all_texts(*[holder["site"] for holder in (doc, *doses) if "site" in holder])
    return any(map(_AT_MUSCLE.search, sites)) or any(map(_INTO_MUSCLE.search, told))


def _several(form: str) -> bool:
    return re.search(r"intra-?ven|infusion|\biv\b", form, re.IGNORECASE) is not None or bool(
        _OTHER_PLACE.search(form)
    )


def _names(value: str, pattern: re.Pattern[str]) -> bool:
    return any(_is_meant(one, value) for one in pattern.finditer(value))


def _is_meant(one: re.Match[str], value: str) -> bool:
    before = value[: one.start()]
    if _BUT_NOT.search(before) or _NOT_SO.match(value, one.end()):
        return False
    if one.re is _SURE and not _is_sure(one, before):
        return False
    return not (one["muscle"] and _RUBBED.search(before))


def _is_sure(one: re.Match[str], before: str) -> bool:
    """Whether the place tells how this dose is given."""
    if _ILL.match(one.string, one.end()):
        return False
    if _EARLIER.search(before) and not _ADVERB.match(one.string, one.end()):
        return False
    if one["letters"] is None:
        return True
    return bool(_GIVEN.search(before) or _INJECTION.match(one.string, one.end()))
