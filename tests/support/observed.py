"""Reads an answer of the service back into what a clinician would say about it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tests.support.wire_rules import without_own_links

TRACE = "org.example.ho-cds"
ORDERS = frozenset({"ServiceRequest", "ProcedureRequest"})  # R4 and R5; STU3
CHECKED_REGIMENS = ("celecoxib", "indomethacin")


@dataclass(frozen=True, slots=True)
class SeenOption:
    """How an option stands on a card, and the rules behind it."""

    option: str
    standing: str  # offered | conditional | excluded
    regimen: str | None
    rules: tuple[str, ...]
    dropped: dict[str, tuple[str, ...]]
    decision: bool = False  # open, but for the clinician to decide: no suggestion drafts it

    @property
    def offer(self) -> str | None:
        """What is offered: the drug of an NSAID course, or the option; None when it is excluded or
        left to the clinician."""
        drug = (self.regimen or "").removesuffix("-short")
        return None if self.standing == "excluded" or self.decision else drug or self.option


@dataclass(frozen=True, slots=True)
class SeenCard:
    """One card: its words, its trace, and what its suggestions would draft."""

    indicator: str
    words: str
    row: str
    card: str
    tier: str
    options: dict[str, SeenOption]
    suggestions: int
    recommended: int
    drafted: frozenset[str]
    days: int | None  # length of the drafted NSAID course
    protected: bool  # a proton-pump inhibitor comes with it
    replaces: int  # drafts that the suggestion of a course removes
    referral: str  # what the drafted referrals tell their readers
    trace: dict[str, Any]

    @property
    def offers(self) -> set[str]:
        """What the card offers, by its trace."""
        return {offer for option in self.options.values() if (offer := option.offer)}


@dataclass(frozen=True, slots=True)
class SeenAnswer:
    """The whole answer."""

    cards: tuple[SeenCard, ...]
    silent: tuple[dict[str, Any], ...]
    trace: dict[str, Any]

    @property
    def rules(self) -> set[str]:
        """Every rule of the knowledge that is named anywhere in the trace."""
        found: set[str] = set()
        _collect(self.trace, found)
        for card in self.cards:
            _collect(card.trace, found)
        return found


def _collect(value: Any, found: set[str]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("rule"), str):
            found.add(value["rule"])
        if isinstance(value.get("rules"), list):
            found.update(value["rules"])
        for member in value.values():
            _collect(member, found)
    elif isinstance(value, list):
        for member in value:
            _collect(member, found)


def read_answer(body: bytes | dict[str, Any]) -> SeenAnswer:
    """Read a 200 answer; raises KeyError where the trace lacks what the contract promises."""
    answer = body if isinstance(body, dict) else json.loads(body)
    trace = answer.get("extension", {}).get(TRACE, {})
    cards = tuple(_card(card) for card in answer["cards"])
    return SeenAnswer(cards, tuple(trace.get("silent", [])), trace)


def _card(card: dict[str, Any]) -> SeenCard:
    trace = card["extension"][TRACE]
    suggestions = card.get("suggestions", [])
    return SeenCard(
        indicator=card["indicator"],
        words=card["summary"] + "\n" + without_own_links(card),
        row=trace["row"],
        card=trace["card"],
        tier=trace.get("tier", "none"),
        options={option["option"]: _option(option) for option in trace.get("options", [])},
        suggestions=len(suggestions),
        recommended=sum(bool(item.get("isRecommended")) for item in suggestions),
        drafted=frozenset(name for item in suggestions for name in _drafts(item)),
        days=next((days for item in suggestions if (days := _course(item))), None),
        referral=" ".join(note for item in suggestions for note in _notes(item)),
        replaces=sum(_replaced(item) for item in suggestions),
        protected=any("prazole" in name for item in suggestions for name in _medicines(item)),
        trace=trace,
    )


def _notes(suggestion: dict[str, Any]) -> list[str]:
    notes = [note for one in _resources(suggestion) for note in one.get("note", [])]
    return [str(note["text"]) for note in notes]


def _replaced(suggestion: dict[str, Any]) -> int:
    kinds = [action["type"] for action in suggestion.get("actions", [])]
    return kinds.count("delete") if "create" in kinds else 0


def _option(option: dict[str, Any]) -> SeenOption:
    return SeenOption(
        option=option["option"],
        standing=option["standing"],
        regimen=option.get("regimen"),
        rules=tuple(reason["rule"] for reason in option.get("reasons", [])),
        dropped={
            regimen: tuple(reason["rule"] for reason in reasons)
            for regimen, reasons in option.get("dropped", {}).items()
        },
        decision=any(r.get("effect") == "no-draft" for r in option.get("reasons", [])),
    )


def _resources(suggestion: dict[str, Any]) -> list[dict[str, Any]]:
    return [action.get("resource") or {} for action in suggestion.get("actions", [])]


def _medicine(resource: dict[str, Any]) -> str:
    """What a drafted medicine is called, in lower case, in any release; empty for other drafts."""
    named = resource.get("medicationCodeableConcept") or resource.get("medication")
    return json.dumps(named).lower() if named else ""


def _medicines(suggestion: dict[str, Any]) -> list[str]:
    return [_medicine(resource) for resource in _resources(suggestion)]


def _course(suggestion: dict[str, Any]) -> int | None:
    """Days of the NSAID course; it must be bounded and without refills (decisions 5)."""
    for resource in _resources(suggestion):
        if any(name in _medicine(resource) for name in CHECKED_REGIMENS):
            # STU3 cannot say 0 there (positiveInt); absent means none.
            assert resource["dispenseRequest"].get("numberOfRepeatsAllowed", 0) == 0
            repeat = resource["dosageInstruction"][0]["timing"]["repeat"]
            return int(repeat["boundsDuration"]["value"])
    return None


def _drafts(suggestion: dict[str, Any]) -> set[str]:
    """What a suggestion would draft, by the words of its FHIR resources, not by our trace."""
    found = {name for name in CHECKED_REGIMENS for m in _medicines(suggestion) if name in m}
    for resource in _resources(suggestion):
        if (
            not _medicine(resource)
            and '"referral to radiation oncology"' in json.dumps(resource).lower()
        ):
            found.add("radiotherapy")
    return found
