"""The evidence page: everything a card can rest on, written from the knowledge itself."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response

from cds_service.cards import decision_table
from cds_service.errors import UnknownService
from cds_service.knowledge import evidence_anchors
from cds_service.knowledge.loader import Knowledge
from cds_service.knowledge.schema import Rule
from cds_service.server.pages import about, changelog, transparency, words
from cds_service.server.pages.code_lists import MOST, CodeLists
from cds_service.server.pages.html import packed_page, page, render
from cds_service.server.responses import json_response
from cds_service.server.routes import runtime_of

router = APIRouter(prefix=evidence_anchors.PAGE)

STRENGTHS = {
    "strong": "Strong evidence",
    "moderate": "Moderate evidence",
    "weak": "Weak or indirect evidence",
    "conflicting": "Conflicting evidence",
    "none": "No evidence read",
}

_CODES = f"{evidence_anchors.PAGE}/codes"
_kept: dict[str, tuple[bytes, bytes]] = {}  # the page by version of the knowledge, and in gzip
_lists: dict[str, CodeLists] = {}


@router.api_route("", methods=["GET", "HEAD"])
def show(request: Request) -> Response:
    """The whole page. It is written once for a version of the knowledge."""
    knowledge = runtime_of(request).knowledge
    if knowledge.version not in _kept:
        content = render("evidence.html", knowledge, **_values(knowledge))
        _kept[knowledge.version] = content, gzip.compress(content)
    return packed_page(*_kept[knowledge.version], request)


@router.api_route("/codes", methods=["GET", "HEAD"])
def search(request: Request) -> Response:
    """All value sets, and a search in their codes (`?q=`)."""
    knowledge = runtime_of(request).knowledge
    lists = _code_lists(knowledge)
    asked = request.query_params.get("q", "")[:200]
    found = lists.search(asked)
    values = {"asked": asked, "found": found[:MOST], "more": len(found) > MOST}
    content = render("codes.html", knowledge, titles=lists.titles(), users=lists.users, **values)
    return page(content, request)


@router.api_route("/codes/{value_set}", methods=["GET", "HEAD"])
def show_value_set(request: Request) -> Response:
    """All codes of one value set; with the ending `.json` the FHIR ValueSet itself."""
    knowledge = runtime_of(request).knowledge
    value_set: str = request.path_params["value_set"]
    name = value_set.removesuffix(".json")
    lists = _code_lists(knowledge)
    found = lists.of(name)
    if found is None:
        raise UnknownService("there is no value set of this name", "value_set")
    resource = knowledge.value_sets[name]
    if name != value_set:
        return json_response(msgspec.json.encode(resource), cache="no-cache")
    users = lists.users.get(name, [])
    content = render("value_set.html", knowledge, one=resource, found=found, users=users)
    return page(content, request)


def _code_lists(knowledge: Knowledge) -> CodeLists:
    if knowledge.version not in _lists:
        _lists[knowledge.version] = CodeLists(knowledge)
    return _lists[knowledge.version]


def _values(knowledge: Knowledge) -> dict[str, Any]:
    return {
        "about": _about(),
        "sheet": transparency.load(),
        "anchor": evidence_anchors.of_rules(knowledge),
        "card_anchor": evidence_anchors.of_card,
        "rows": decision_table.rows(knowledge),
        "row_anchor": evidence_anchors.of_row,
        "source_anchor": evidence_anchors.of_source,
        "debate_anchor": evidence_anchors.of_debate,
        "strengths": STRENGTHS,
        "how": lambda rule: words.describe(rule.when) if getattr(rule, "when", None) else "",
        "sets_of": words.value_sets,
        "cited_by": _cited_by(knowledge),
        "changes": changelog.read(),
        "codes_page": _CODES,
    }


@cache
def _about() -> about.About:
    return about.load()


def _cited_by(knowledge: Knowledge) -> dict[str, list[tuple[str, str]]]:
    """For every source where it is used, as (label, anchor)."""
    places = evidence_anchors.of_rules(knowledge)
    used: dict[str, list[tuple[str, str]]] = {}
    for rule in _rules(knowledge):
        for source in rule.evidence:
            used.setdefault(source, []).append((rule.label, places[rule.id]))
    for card in knowledge.cards.values():
        for source in card.evidence:
            used.setdefault(source, []).append(
                (f"card {card.id}", evidence_anchors.of_card(card.id))
            )
    for debate in knowledge.controversies.values():
        for source in debate.evidence:
            place = evidence_anchors.of_debate(debate.id)
            used.setdefault(source, []).append((f"debate {debate.id}", place))
    return used


def _rules(knowledge: Knowledge) -> Iterable[Rule]:
    kinds: tuple[Iterable[Rule], ...] = (
        knowledge.triggers.values(),
        knowledge.genetic.values(),
        knowledge.factors.values(),
        knowledge.modifiers.values(),
        knowledge.non_factors.values(),
        knowledge.options.values(),
        knowledge.regimens.values(),
        (knowledge.protection,),
        knowledge.exclusions.values(),
    )
    return (rule for kind in kinds for rule in kind)
