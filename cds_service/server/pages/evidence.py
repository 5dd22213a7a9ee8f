"""The evidence pages: everything a card can rest on, written from the knowledge itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from cds_service.cards import decision_table
from cds_service.errors import UnknownService
from cds_service.knowledge import evidence_places
from cds_service.server.pages import about, changelog, evidence_site, rule_pages
from cds_service.server.pages.evidence_site import GROUPS, EvidenceSite
from cds_service.server.pages.fillers import filled
from cds_service.server.pages.html import page, render
from cds_service.server.routes import runtime_of

router = APIRouter(prefix=evidence_places.PAGE)


def site_of(request: Request) -> EvidenceSite:
    """What is shown of the knowledge in force."""
    return runtime_of(request).knowledge.once(EvidenceSite)


def answer(name: str, request: Request, here: str, **values: Any) -> Response:
    """A page of the evidence from its template; `here` is the section that it belongs to."""
    site = site_of(request)
    shared = {
        "site": site,
        "here": here,
        "groups": GROUPS,
        "pages": evidence_site.PAGES,
        "strengths": evidence_site.STRENGTHS,
        "places": evidence_places,
        "card_name": evidence_site.card_name,
        "filled": filled,
    }
    return page(render(name, site.knowledge, **shared, **values), request)


@router.api_route("", methods=["GET", "HEAD"])
def landing(request: Request) -> Response:
    """What the service decides, as one table, and the way to everything else."""
    rows = decision_table.rows(site_of(request).knowledge)
    return answer("evidence.html", request, "", rows=rows)


@router.api_route("/{section}", methods=["GET", "HEAD"])
def show_section(request: Request) -> Response:
    """A list: of the rules of one kind, the cards, the sources, or another page of `PAGES`."""
    name: str = request.path_params["section"]
    if name in GROUPS:
        rules = site_of(request).rules[name].values()
        return answer("evidence_group.html", request, name, group=GROUPS[name], rules=rules)
    values = _SECTIONS.get(name)
    if values is None:
        raise UnknownService("there is no such page of the evidence", "section")
    return answer(f"evidence_{name}.html", request, name, **values())


@cache
def _about() -> about.About:
    return about.load()


_SECTIONS: Final[dict[str, Callable[[], dict[str, Any]]]] = {
    "cards": dict,
    "unknown": dict,
    "sources": dict,
    "debates": dict,
    "about": lambda: {"about": _about()},
    "changes": lambda: {"changes": changelog.read()},
}


@router.api_route("/{section}/{id_}", methods=["GET", "HEAD"])
def show_one(request: Request) -> Response:
    """One rule, card or source."""
    section, id_ = request.path_params["section"], request.path_params["id_"]
    site = site_of(request)
    if section == "cards" and id_ in site.knowledge.cards:
        return answer("evidence_card.html", request, section, **_of_card(id_, site))
    if section == "sources" and id_ in site.knowledge.evidence:
        source = site.knowledge.evidence[id_]
        return answer("evidence_source.html", request, section, source=source)
    rule = site.find(section, id_)
    if rule is None:
        raise UnknownService("there is no such page of the evidence", "id_")
    values = {
        "group": GROUPS[section],
        "rule": rule,
        "facts": rule_pages.facts(rule, site),
        "logic": rule_pages.logic(rule, site),
        "spoken": rule_pages.spoken(rule),
        "sets": rule_pages.sets(rule, site),
        "template": rule_pages.template_text(rule),
    }
    return answer("evidence_rule.html", request, section, **values)


def _of_card(id_: str, site: EvidenceSite) -> dict[str, Any]:
    card = site.knowledge.cards[id_]
    example = site.cases.cards.get(id_)
    said = dict(example.lines) if example else {}
    rows = {row.id: row for row in decision_table.rows(site.knowledge)}
    return {"card": card, "example": example, "said": said, "row": rows[card.row]}
