"""Search, code lists, and all of them as files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from fastapi import APIRouter, Request, Response

from cds_service.errors import UnknownService
from cds_service.knowledge import evidence_places
from cds_service.knowledge.schema import Rule
from cds_service.server.pages import exports
from cds_service.server.pages.code_lists import Code
from cds_service.server.pages.evidence import answer, site_of
from cds_service.server.pages.evidence_search import (
    MOST_CHARACTERS,
    MOST_CODES,
    MOST_PAGES,
    EvidenceSearch,
)
from cds_service.server.pages.evidence_site import GROUPS, EvidenceSite
from cds_service.server.pages.html import file_to_keep
from cds_service.server.pages.words import roles
from cds_service.server.responses import json_response
from cds_service.server.routes import runtime_of

router = APIRouter(prefix=evidence_places.PAGE)
ON_A_PAGE = 200
"""Codes of a value set on one page."""


@router.api_route("/search", methods=["GET", "HEAD"])
def search(request: Request) -> Response:
    """Everything that holds the words `q`; codes also by `system`. Bounded, without a script."""
    site = site_of(request)
    asked, system = _asked(request, site)
    codes = site.lists.search(asked, system)
    found = runtime_of(request).knowledge.once(EvidenceSearch).find(asked)
    values = {
        "asked": asked,
        "system": system,
        "found": found[:MOST_PAGES],
        "more": len(found) - MOST_PAGES,
        "codes": codes[:MOST_CODES],
        "count": len(codes),
    }
    return answer("evidence_search.html", request, "search", **values)


@router.api_route("/search.{form}", methods=["GET", "HEAD"])
def search_as_file(request: Request) -> Response:
    """All codes of a search as a file."""
    site = site_of(request)
    asked, system = _asked(request, site)
    return _codes(request, site.lists.search(asked, system), "codes")


def _asked(request: Request, site: EvidenceSite) -> tuple[str, str]:
    """The words of a search, and the code system where it is one of ours."""
    system = request.query_params.get("system", "")
    asked = request.query_params.get("q", "")[:MOST_CHARACTERS]
    return asked, system if system in site.lists.choices() else ""


@router.api_route("/codes", methods=["GET", "HEAD"])
def all_lists(request: Request) -> Response:
    """All value sets."""
    return answer("codes.html", request, "codes")


@router.api_route("/codes.{form}", methods=["GET", "HEAD"])
def codes_as_file(request: Request) -> Response:
    """Codes of value sets (`set`, `rule`: any number of each; none: all) in one `system`."""
    site = site_of(request)
    system = _asked(request, site)[1]
    asked = request.query_params.getlist("rule")
    rules = [rule for id_ in asked for rule in _rules(id_, site)]
    known = roles(*rules)
    known |= dict.fromkeys(request.query_params.getlist("set"), "")
    if len(rules) < len(set(asked)) or not known.keys() <= site.lists.titles.keys():
        raise UnknownService("there is no rule or value set of this name", "rule, set")
    found = site.lists.select(known or site.lists.titles, "", system)
    name = "-".join((*asked, *request.query_params.getlist("set"))) or "all-codes"
    return _codes(request, found, name[:80], known)


def _rules(id_: str, site: EvidenceSite) -> Iterator[Rule]:
    yield from (rules[id_] for rules in site.rules.values() if id_ in rules)


@router.api_route("/codes/{value_set}", methods=["GET", "HEAD"])
def show_value_set(request: Request) -> Response:
    """The codes of one value set; with the ending `.json` the FHIR ValueSet itself, or `.csv`."""
    site = site_of(request)
    value_set: str = request.path_params["value_set"]
    name, _, form = value_set.partition(".")
    found = site.lists.of(name)
    if found is None or form not in ("", "json", "csv"):
        raise UnknownService("there is no value set of this name", "value_set")
    if form == "csv":
        return _codes(request, found, name, form="csv")
    resource = site.knowledge.value_sets[name]
    if form == "json":
        return json_response(msgspec.json.encode(resource), cache="no-cache")
    last = -(-len(found) // ON_A_PAGE)
    number = min(max(_number(request.query_params.get("page", "1")), 1), last)
    part = found[(number - 1) * ON_A_PAGE : number * ON_A_PAGE]
    origins = {code.verified_in: code for code in part}
    values = {"one": resource, "found": part, "count": len(found), "last": last}
    values |= {"number": number, "origins": list(origins.values())}
    return answer("value_set.html", request, "codes", **values)


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 5 else 1


def _codes(
    request: Request,
    codes: Iterable[Code],
    name: str,
    roles_of: Mapping[str, str] | None = None,
    form: str | None = None,
) -> Response:
    site = site_of(request)
    rows = exports.rows(codes, site.lists.titles, site.knowledge, roles_of)
    return _file(request, rows, name, form, exports.COLUMNS)


def _file(
    request: Request,
    rows: list[dict[str, str]],
    name: str,
    form: str | None,
    columns: Iterable[str],
) -> Response:
    form = form or request.path_params["form"]
    if form == "csv":
        return file_to_keep(exports.as_csv(rows, columns), exports.CSV, f"{name}.csv", request)
    if form == "json":
        return file_to_keep(
            exports.as_json(rows, site_of(request).knowledge), exports.JSON, f"{name}.json", request
        )
    raise UnknownService("lists come as csv and json", "form")


@router.api_route("/{section}.{form}", methods=["GET", "HEAD"])
def rules_as_file(request: Request) -> Response:
    """All rules of one kind as a file: statement, figure, strength, sources."""
    site, section = site_of(request), request.path_params["section"]
    if section not in GROUPS:
        raise UnknownService("there is no list of this name", "section")
    rows = [exports.rule_row(one, site.knowledge) for one in site.rules[section].values()]
    return _file(request, rows, section, None, exports.RULE_COLUMNS)
