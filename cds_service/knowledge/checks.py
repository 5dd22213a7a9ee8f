"""Cross-checks of the content: every name one file uses must exist in another."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cds_service.errors import Mistake
from cds_service.knowledge import schema, when
from cds_service.knowledge.documents import Document, Path, parts
from cds_service.knowledge.model import Content
from cds_service.knowledge.names import InputName, SignalName
from cds_service.knowledge.spelling import nearest
from cds_service.knowledge.terminology import CodeIndex
from cds_service.knowledge.word_checks import word_mistakes


@dataclass(frozen=True, slots=True)
class Placed:
    """A model and where it stands."""

    kind: str
    item: Any
    document: Document
    path: Path

    def mistake(self, below: Path, reason: str, mend: str | None = None) -> Mistake:
        name = getattr(self.item, "id", None)
        said = f"{self.kind} '{name}': {reason}" if name else f"{self.kind}: {reason}"
        return self.document.mistake((*self.path, *below), said, mend)


# Members that hold ids, and of what. The names are those of schema.py.
REFERENCES: Final[Mapping[str, str]] = {
    "value_sets": "value set",
    "clues": "value set",
    "signs": "value set",
    "ossification": "value set",
    "explained_by": "value set",
    "toes": "value set",
    "toes_of_children": "value set",
    "family": "value set",
    "kinds": "value set",
    "reasons": "value set",
    "indications": "value set",
    "surgery_reasons": "value set",
    "other_than": "value set",
    "nsaid_value_sets": "value set",
    "not_value_sets": "value set",
    "with_value_sets": "value set",
    "by_mouth_value_sets": "value set",
    "radiotherapy_value_sets": "value set",
    "for_ho_value_sets": "value set",
    "hip_value_sets": "value set",
    "excluded_by": "value set",
    "evidence": "evidence",
    "applies_to": "option or regimen",
    "as_medicine": "option",
    "as_allergy": "option",
    "as_condition": "option",
    "regimens": "regimen",
    "override": "override reason",
    "standard": "standard reason",
    "cards": "card",
    "card": "card",
    "card_on_record": "card",
    "referral": "referral",
    "specialist_referral": "referral",
    "performer": "value set",
}
# Kinds of content whose ids must differ from each other, because a site names rules by id alone.
RULES: Final = (
    "trigger", "genetic", "factor", "modifier", "non-factor", "exclusion", "unknown check",
)  # fmt: skip
_COURSES: Final = ("regimen", "protection")  # drafts of both are found by one id
# What the texts may fill in (guidance, exclusions and cards fill them).
_CARD: Final = frozenset(
    {"finding", "order", "ordered", "status", "disease", "state", "until", "closed", "age", "risk"}
)
FILLED: Final[Mapping[tuple[str, str], frozenset[str]]] = {
    ("card", "summary"): _CARD,
    ("card", "summary_short"): _CARD,
    ("card", "summary_none_left"): _CARD,
    ("card", "advice"): _CARD | {"open", "elective"},
    ("card", "advice_none_left"): _CARD | {"open", "elective"},
    ("exclusion", "text"): frozenset({"fact", "value", "unit", "date", "age"}),
    ("unknown check", "named"): frozenset({"entries", "groups"}),
    ("unknown check", "text"): frozenset(
        {"state", "older", "entries", "unread", "groups", "record"}
    ),
}
# Value sets of one drug each.
DRUGS: Final = frozenset({"celecoxib", "indomethacin", "ketorolac", "aspirin"})
# Cards that guidance chooses; without one of them a call would fail. Those of a genetic disease are
# named by its rule.
CARDS: Final = (
    "prophylaxis-conflict", "high-risk", "high-risk-no-option", "high-risk-test-first",
    "moderate-risk", "ho-excision", "not-assessed", "partly-assessed", "prophylaxis-unchecked",
    "order-not-read", "orders-of-others", "genetic-question", "family-history", "fop-check-code",
    "ho-question", "ho-excision-question", "hip-order-not-understood", "genetic-not-assessed",
    "genetic-order-not-understood",
)  # fmt: skip


def check(
    placed: Iterable[Placed], known: Mapping[str, Iterable[str]], index: CodeIndex
) -> list[Mistake]:
    """All mistakes between the parts.

    `known` gives the ids that exist for each kind of name; a kind that is not in it (its file
    cannot be read) is not looked up, so that one mistake is not reported a hundred times.
    """
    everything = list(placed)
    names = {kind: frozenset(ids) for kind, ids in known.items()}
    found = [*_doubled(everything), *word_mistakes(everything)]
    for one in everything:
        found.extend(_unresolved(one, names))
        found.extend(_wrong_texts(one))
        special = _SPECIAL.get(one.kind)
        if special:
            found.extend(special(one))
        found.extend(_wrong_course(one, names.get("value set", frozenset()), index))
    return found


def known(content: Content) -> dict[str, list[str]]:
    """The ids that exist for each kind of name, from whole content."""
    return with_both(
        {
            "value set": list(content.value_sets),
            "evidence": list(content.evidence),
            "option": list(content.options),
            "regimen": list(content.regimens),
            "override reason": list(content.override_reasons),
            "standard reason": list(content.standard_reasons),
            "card": list(content.cards),
            "referral": list(content.referrals),
        }
    )


def with_both(ids: dict[str, list[str]]) -> dict[str, list[str]]:
    """The ids with options and regimens under one name too, where both are known."""
    if "option" in ids and "regimen" in ids:
        ids["option or regimen"] = [*ids["option"], *ids["regimen"]]
    return ids


def missing_cards(cards: Iterable[str], document: Document) -> Iterator[Mistake]:
    """Cards that the service needs and the content does not have."""
    present = frozenset(cards)
    for name in CARDS:
        if name not in present:
            yield document.mistake(("cards",), f"the card '{name}' is missing", "add it")


def missing_signals(signals: Iterable[str], document: Document) -> Iterator[Mistake]:
    """Signals that readers look for and the content does not have."""
    for name in sorted(set(SignalName) - set(signals)):
        yield document.mistake(("signals",), f"the signal '{name}' is missing", "add it")


def incomplete_meanings(placed: Sequence[Placed], document: Document | None) -> Iterator[Mistake]:
    """States and inputs without a meaning, and meanings without a text to tell them."""
    meanings = [one for one in placed if one.kind == "meaning"]
    if document is None or not meanings:
        return
    told = {one.item.id for one in placed if one.kind == "state" and one.item.words}
    lists = {InputName.STATEMENTS}  # with the orders one input
    for name in sorted(set(InputName) - lists - {one.item.input for one in meanings}):
        yield document.mistake(("meanings",), f"the input '{name}' is missing", "add it")
    unknown = [one.item for one in placed if one.kind == "unknown check"]
    for one in meanings:
        for state, meaning in one.item.states.items():
            if meaning in {"silent", "refuse"}:
                continue
            if state not in told:
                yield one.mistake(("states", state), f"the state '{state}' has no words")
            elif unknown and not any(
                _tells(check, one.item.input, state, meaning) for check in unknown
            ):
                bearing = "without options" if meaning == "clause" else "that applies to an option"
                reason = f"no unknown check {bearing} tells that it is {state}"
                yield one.mistake(("states", state), reason, "add it, or say silent")


def _tells(check: schema.UnknownCheck, name: str, state: str, meaning: str) -> bool:
    """Whether a check says of an input what its state means."""
    special = check.unread or check.unidentified or check.record or check.one_list
    special = special or check.newer
    of_input = check.input == name and not special
    right_state = check.quantity is not None or check.none_recorded is (state == "empty")
    right_state = right_state or name == "patient"
    hangs = bool(check.applies_to) and not check.is_clause
    return of_input and right_state and hangs is (meaning != "clause")


def _doubled(placed: list[Placed]) -> Iterator[Mistake]:
    seen: dict[tuple[str, str], Placed] = {}
    for one in placed:
        name = getattr(one.item, "id", None)
        if name is None:
            continue
        space = "rule" if one.kind in RULES else "course" if one.kind in _COURSES else one.kind
        first = seen.setdefault((space, name), one)
        if first is not one:
            where = f"{first.document.name}:{first.document.line((*first.path, 'id'))}"
            yield one.mistake(("id",), f"this id stands twice, first in {where}", "rename one")


def _unresolved(one: Placed, known: Mapping[str, frozenset[str]]) -> Iterator[Mistake]:
    for path, name, value in parts(one.item):
        target = REFERENCES.get(name, "")
        if target not in known:
            continue
        for below, said in _named(value):
            if said not in known[target]:
                mend = nearest(said, known[target]) or f"add the {target} '{said}'"
                yield one.mistake((*path, *below), f"there is no {target} '{said}'", mend)


def _named(value: Any) -> Iterator[tuple[Path, str]]:
    """The ids in the value of a member: one, a list, or by key; each with its place below it."""
    if isinstance(value, str):
        yield (), value
    elif isinstance(value, tuple):
        yield from (((n,), one) for n, one in enumerate(value) if isinstance(one, str))
    elif isinstance(value, Mapping):
        yield from (((key,), one) for key, one in value.items() if isinstance(one, str))


def _wrong_texts(one: Placed) -> Iterator[Mistake]:
    for (kind, member), allowed in FILLED.items():
        if kind != one.kind:
            continue
        value = getattr(one.item, member) or ()
        for number, text in enumerate(value if isinstance(value, tuple) else (value,)):
            path = (member, number) if isinstance(value, tuple) else (member,)
            try:
                used = {
                    name for _, name, _, _ in string.Formatter().parse(text) if name is not None
                }
            except ValueError as error:
                yield one.mistake(path, f"{member}: {error}", "write {{ for a brace")
                continue
            for name in sorted(used - allowed):
                mend = nearest(name, allowed) or f"use one of {', '.join(sorted(allowed))}"
                yield one.mistake(path, f"{member}: nothing fills in {{{name}}}", mend)


def _exclusion(one: Placed) -> Iterator[Mistake]:
    rule: schema.Exclusion = one.item
    if rule.floor and not rule.enabled:
        reason = "this is a safety floor and cannot be switched off"
        yield one.mistake(("enabled",), reason, "remove enabled: false")
    yield from _bounds(one)


def _genetic(one: Placed) -> Iterator[Mistake]:
    rule: schema.Genetic = one.item
    if not rule.enabled:
        reason = "genetic HO cannot be switched off"
        yield one.mistake(("enabled",), reason, "remove enabled: false")
    yield from _mentions(one)


def _factor(one: Placed) -> Iterator[Mistake]:
    yield from _mentions(one)
    yield from _bounds(one)


def _mentions(one: Placed) -> Iterator[Mistake]:
    """Expressions for words that are none."""
    for number, text in enumerate(getattr(one.item, "mentions", ())):
        try:
            re.compile(text, re.IGNORECASE)
        except re.error as error:
            reason = f"not a regular expression: {error}"
            yield one.mistake(("mentions", number), reason, "correct the expression")


def _bounds(one: Placed) -> Iterator[Mistake]:
    """Tests that nothing, or nobody, can ever pass."""
    for path, _, value in parts(one.item):
        if isinstance(value, when.MeasurementTest):
            lowest, end = value.at_least, value.below
            if lowest is not None and end is not None and lowest >= end:
                yield one.mistake(path, f"at_least {lowest} is not below {end}", "swap them")
            if (lowest, end, value.above, value.answer) == (None,) * 4:
                yield one.mistake(path, "a measurement without any bound", "add below or at_least")
        elif isinstance(value, when.AgeTest) and value.below is None and value.at_least is None:
            yield one.mistake(path, "an age test without any bound", "add below or at_least")


_SPECIAL: Final[Mapping[str, Callable[[Placed], Iterator[Mistake]]]] = {
    "exclusion": _exclusion,
    "genetic": _genetic,
    "factor": _factor,
    "modifier": _bounds,
    "non-factor": _bounds,
}


def _wrong_course(one: Placed, value_sets: frozenset[str], index: CodeIndex) -> Iterator[Mistake]:
    """A medicine that is drafted must be one the value sets know, of the drug it claims to be."""
    course = getattr(one.item, "course", None)
    if not isinstance(course, schema.DoseForm):
        return
    match = index.match(course.system, course.code)
    wanted = "nsaid" if isinstance(one.item, schema.Regimen) else "ppi"
    if match is None or wanted not in match.concepts:
        reason = f"the code {course.code} is not in the value set '{wanted}'"
        yield one.mistake(("course", "code"), reason, "correct the code or add it to the set")
    elif isinstance(one.item, schema.Regimen):
        drug = one.item.drug
        others = match.concepts & DRUGS - {drug}
        if (drug in value_sets and drug not in match.concepts) or others:
            said = f", it is {', '.join(sorted(others))}" if others else ""
            reason = f"the code {course.code} is not of the drug '{drug}'{said}"
            yield one.mistake(("course", "code"), reason, "correct the drug or the code")
