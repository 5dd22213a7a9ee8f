"""Reads one card as a clinician would, and finds where it contradicts itself.

What counts is what is sent: the sentences of the detail and the orders that the suggestions would
draft. The trace only says which options are closed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cds_service.knowledge.loader import Knowledge
from tests.support.observed import SeenCard, read_answer

NSAIDS = frozenset({"celecoxib", "indomethacin"})
RADIOTHERAPY = "radiotherapy"
# What a sentence speaks of, by its words, and what may then not be drafted.
_SPOKEN_OF = {
    "celecoxib": re.compile(r"\bcelecoxib\b"),
    "indomethacin": re.compile(r"\bindomethacin\b"),
    RADIOTHERAPY: re.compile(r"\bradiotherapy\b|\bnone again\b"),
}
_ANY_NSAID = re.compile(r"\bnsaids?\b")
# A refusal without an "if": it begins the sentence, or what follows the fact.
_REFUSES = re.compile(
    r"(?:^|[:;,] )no(?: nsaid| celecoxib| indomethacin| radiotherapy| [^.:;]* is drafted)\b"
)
_ONLY_IF = re.compile(r"\bif\b")
_DOSES = re.compile(
    r"\b(celecoxib|indomethacin) (\d+) mg (\w+ daily|once|\w+ times daily) (\d+) days"
)
_MOST_DAYS = re.compile(r"\b(\d+) days at most")
_ONE_OF_TWO = re.compile(r"\btwo nsaids: keep one\b", re.I)
_LONGER = re.compile(r"\bnsaid for more than (\d+) days")
_LEAST_WORDS = 4


@dataclass(frozen=True, slots=True)
class Drafted:
    """A medicine that a suggestion would draft: its name, mg a dose, doses a day, days."""

    name: str
    dose: float
    per_day: int
    days: int


def contradictions(card: dict[str, Any], knowledge: Knowledge) -> list[str]:
    """What of a card speaks against the rest of it; empty when all agrees."""
    seen = read_answer({"cards": [card]}).cards[0]
    parts = _parts(card.get("detail", ""))
    medicines = [_medicine(r) for s in card.get("suggestions", ()) for r in _drafts(s) if _named(r)]
    found = (
        *_drafted_and_avoided(parts, seen, knowledge),
        *_drafted_and_closed(seen, knowledge),
        *_drafted_and_not_advised(parts, seen, medicines),
        *_advised_and_closed(parts, seen),
        *_too_long(parts, medicines),
        *_drafts_against_each_other(card, seen),
        *_closed_without_a_word(parts, seen),
        *_genetic(card, seen, medicines),
        *_twice(parts),
    )
    return list(found)


# --- reading ---


def _parts(detail: str) -> dict[str, list[str]]:
    """The sentences of each part, plain and in lower case."""
    parts: dict[str, list[str]] = {}
    for block in detail.split("\n\n"):
        title, _, text = block.removeprefix("**").partition(":**")
        plain = re.sub(r"\\([^\w\s])", r"\1", text).casefold().strip()
        parts.setdefault(title, []).extend(
            one.strip() for one in re.split(r"(?<=[.!?])\s", plain) if one.strip()
        )
    return parts


def _drafts(suggestion: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from (a["resource"] for a in suggestion["actions"] if a["type"] == "create")


def _named(resource: dict[str, Any]) -> str:
    """The name of a drafted medicine, in any release; empty for a referral."""
    said = resource.get("medicationCodeableConcept") or resource.get("medication") or {}
    said = said.get("concept", said)
    return str(said.get("text", "")).casefold()


def _medicine(resource: dict[str, Any]) -> Drafted:
    dosage = resource["dosageInstruction"][0]
    repeat = dosage["timing"]["repeat"]
    rate = (dosage.get("doseAndRate") or [dosage])[0]
    bound = repeat.get("boundsDuration") or repeat["boundsQuantity"]
    return Drafted(
        _named(resource).partition(" ")[0],
        rate["doseQuantity"]["value"],
        repeat["frequency"],
        int(bound["value"]),
    )


def _is_drafted(target: str, seen: SeenCard, knowledge: Knowledge) -> bool:
    """Whether a card drafts an option, or a course: this drug for these days."""
    if target == "nsaid":
        return bool(NSAIDS & seen.drafted)
    course = knowledge.regimens.get(target)
    if course is None:
        return target in seen.drafted
    return course.drug in seen.drafted and seen.days == course.course.days


# --- what may not be ---


def _drafted_and_avoided(
    parts: dict[str, list[str]], seen: SeenCard, knowledge: Knowledge
) -> Iterator[str]:
    """Under `Avoid` every sentence speaks against what it names; under `Check` one that refuses."""
    refused = (s for s in parts.get("Check", ()) if _REFUSES.search(s) and not _ONLY_IF.search(s))
    against = [*parts.get("Avoid", ()), *refused]
    for sentence in against:
        if (longer := _LONGER.search(sentence)) and (seen.days or 0) <= int(longer.group(1)):
            continue
        if _ONE_OF_TWO.search(sentence):
            continue  # against two at once, of which the button leaves one
        named = {drug for drug, word in _SPOKEN_OF.items() if word.search(sentence)}
        if not named and _ANY_NSAID.search(sentence):
            named = set(NSAIDS)
        yield from (f"drafts {one} and says {sentence!r}" for one in sorted(named & seen.drafted))
    detail = " ".join(sentence for part in parts.values() for sentence in part)
    for rule in knowledge.exclusions.values():
        said = said_of_all(rule.text)
        if rule.above_days or rule.ordered_only:
            continue  # about what is ordered, not what is drafted
        if rule.effect == "exclude" and len(said.split()) > 3 and said in detail:
            drafted = [t for t in rule.applies_to if _is_drafted(t, seen, knowledge)]
            yield from (f"drafts {t} and says {said!r}" for t in drafted)


def said_of_all(text: str) -> str:
    """What a rule says whatever the patient: the longest part between the names in its text."""
    return max(re.split(r"\{\w+\}", text), key=len).strip(" .:;").casefold()


def _drafted_and_closed(seen: SeenCard, knowledge: Knowledge) -> Iterator[str]:
    for option in seen.options.values():
        closed = option.standing == "excluded" or option.decision
        for target in (*([option.option] if closed else ()), *option.dropped):
            if _is_drafted(target, seen, knowledge):
                yield f"drafts {target}, which is closed"


def _drafted_and_not_advised(
    parts: dict[str, list[str]], seen: SeenCard, medicines: list[Drafted]
) -> Iterator[str]:
    """Each draft is advised in words, with the same dose and days."""
    if not seen.options:
        return
    advised = " ".join(parts.get("Advised", ()))
    courses = {
        (name, float(dose), _times(often), int(days))
        for name, dose, often, days in _DOSES.findall(advised)
    }
    for one in medicines:
        if one.name in NSAIDS and (one.name, one.dose, one.per_day, one.days) not in courses:
            yield f"drafts {one}, and advises {sorted(courses)}"
    if RADIOTHERAPY in seen.drafted and not _SPOKEN_OF[RADIOTHERAPY].search(advised):
        yield "drafts a referral for radiotherapy, and does not advise it"
    if any(m.name in NSAIDS for m in medicines) and "ppi" not in advised:
        yield "drafts an NSAID and does not speak of the stomach"


def _times(often: str) -> int:
    return {"once": 1, "twice": 2, "three": 3, "four": 4}[often.partition(" ")[0]]


def _advised_and_closed(parts: dict[str, list[str]], seen: SeenCard) -> Iterator[str]:
    """What is ruled out is advised nowhere, and preferred nowhere."""
    # Of a check what is said of the fact: it may be named like an option.
    checks = (said.partition(": ")[2] or said for said in parts.get("Check", ()))
    lines = [*parts.get("Advised", ()), *checks]
    # "Neither … nor …", "… is ruled out", "before any NSAID: …" and refusals advise nothing.
    said = [s for s in lines if not re.match(r"neither |before any |.*\bruled out\b", s)]
    for option in seen.options.values():
        if option.standing != "excluded":
            continue
        word = _ANY_NSAID if option.option == "nsaid" else _SPOKEN_OF[RADIOTHERAPY]
        for sentence in said:
            if word.search(sentence) and not _REFUSES.search(sentence):
                yield f"{option.option} is ruled out, and it says {sentence!r}"


def _too_long(parts: dict[str, list[str]], medicines: list[Drafted]) -> Iterator[str]:
    limits = [int(n) for said in parts.get("Check", ()) for n in _MOST_DAYS.findall(said)]
    for one in medicines:
        if one.name in NSAIDS and limits and one.days > min(limits):
            yield f"drafts {one.days} days, and says at most {min(limits)}"


def _drafts_against_each_other(card: dict[str, Any], seen: SeenCard) -> Iterator[str]:
    """Suggestions are alternatives; each is one NSAID with at most one medicine for the stomach."""
    suggestions = card.get("suggestions", ())
    every: Counter[str] = Counter()
    for suggestion in suggestions:
        medicines = [_named(resource).partition(" ")[0] for resource in _drafts(suggestion)]
        drugs = [name for name in medicines if name]
        every.update(name for name in drugs if name in NSAIDS)
        guards = [name for name in drugs if name.endswith("prazole")]
        if len(guards) > 1 or (guards and not NSAIDS.intersection(drugs)):
            yield f"drafts {drugs} in one suggestion"
        strange = set(drugs) - NSAIDS - {"pantoprazole"}
        yield from (f"drafts {name}, which no option names" for name in sorted(strange))
    if sum(every.values()) > 1:
        yield f"drafts two NSAIDs: {dict(every)}"
    creates = [s for s in suggestions if any(a["type"] == "create" for a in s["actions"])]
    if seen.options and len(creates) > 1 and card["selectionBehavior"] != "at-most-one":
        yield "its alternatives may be taken together"


def _closed_without_a_word(parts: dict[str, list[str]], seen: SeenCard) -> Iterator[str]:
    """An option that is closed is spoken of under `Avoid`; a conflict may speak for it."""
    avoided = " ".join(parts.get("Avoid", ()))
    for option in seen.options.values():
        if option.standing == "excluded" and not avoided:
            yield f"{option.option} is ruled out, and no line says why"
        for course in option.dropped if option.standing != "excluded" else ():
            drug = course.removesuffix("-short")
            if drug != (option.regimen or "").removesuffix("-short") and drug not in avoided:
                more = "more" in avoided
                if not more:
                    yield f"{course} is passed over, and no line says why"


def _genetic(card: dict[str, Any], seen: SeenCard, medicines: list[Drafted]) -> Iterator[str]:
    """Beside genetic HO no medicine is drafted, and nobody is sent to be irradiated."""
    topic = card["source"]["topic"]["code"]
    if topic not in {"fop", "poh", "geneticHoQuestion", "geneticHoFamily"}:
        return
    yield from (f"drafts {one.name} beside genetic HO" for one in medicines)
    labels = " ".join(s["label"] for s in card.get("suggestions", ())).casefold()
    if "radiation" in labels:
        yield "refers to radiation oncology beside genetic HO"


def _twice(parts: dict[str, list[str]]) -> Iterator[str]:
    """A sentence, or a clause of one that is no fact, stands once in a card."""
    said: Counter[str] = Counter()
    for sentence in (s for part in parts.values() for s in part):
        clauses = sentence.partition(": ")[2].split("; ") if ": " in sentence else []
        once = {sentence, *(clause.strip(" .") for clause in clauses)}
        said.update(words for words in once if len(words.split()) >= _LEAST_WORDS)
    yield from (f"says {sentence!r} {n} times" for sentence, n in said.items() if n > 1)
