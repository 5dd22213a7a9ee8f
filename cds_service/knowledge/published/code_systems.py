"""The code systems of our own: topics of cards, referrals, override reasons, Brooker classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.namespaces import CARD_TOPICS, FHIR_BASE, REFERRAL_SYSTEM, topic_code
from cds_service.knowledge.published.common import OWN_LICENCE, Resource, head

_ABOUT: Final[Mapping[str, tuple[str, str]]] = {
    "card-topic": ("Topics of cards", "What a card is about. An EHR can keep overrides by it."),
    "referral": (
        "Referrals that cards draft",
        "No verified SNOMED CT code for such a referral was found.",
    ),
    "override-reason": (
        "Reasons for not following a card",
        "Offered as overrideReasons of CDS Hooks 2.0.",
    ),
    "brooker-class": (
        "Brooker classes of heterotopic ossification of the hip",
        "The four classes; Arabic numerals as codes.",
    ),
}


def code_systems(knowledge: Knowledge) -> Mapping[str, Resource]:
    """Our code systems by id, complete; for `Knowledge.once`."""
    return {id_: _resource(id_, _codes(id_, knowledge), knowledge) for id_ in _ABOUT}


def _codes(id_: str, knowledge: Knowledge) -> dict[str, str]:
    """Code to display."""
    system = f"{FHIR_BASE}CodeSystem/{id_}"
    if system == CARD_TOPICS:
        topics = (card.topic for card in knowledge.cards.values())
        return {topic_code(topic): topic.replace("-", " ") for topic in topics}
    if system == REFERRAL_SYSTEM:
        codes = {one.id: one.label for one in knowledge.referrals.values()}
    else:
        reasons = knowledge.override_reasons.values()
        codes = {one.code: one.display for one in reasons if one.system == system}
    return {**_listed(system, knowledge), **codes}


def _listed(system: str, knowledge: Knowledge) -> dict[str, str]:
    """The codes of one system that the value sets list."""
    return {
        concept["code"]: concept["display"]
        for value_set in knowledge.value_sets.values()
        for include in value_set["compose"]["include"]
        if include["system"] == system
        for concept in include["concept"]
    }


def _resource(id_: str, codes: Mapping[str, str], knowledge: Knowledge) -> Resource:
    title, description = _ABOUT[id_]
    return {
        **head("CodeSystem", id_, title, knowledge),
        "description": description,
        "copyright": OWN_LICENCE,
        "caseSensitive": True,
        "content": "complete",
        "count": len(codes),
        "concept": [*_concepts(codes.items())],
    }


def _concepts(codes: Iterable[tuple[str, str]]) -> Iterable[Resource]:
    for code, display in codes:
        yield {"code": code, "display": display}
