"""One checker for every answer of the service; without `cdshooks.models`, on purpose.

Each rule names its id in the conformance checklist (JS, DS, RS, ER, CD, SO, SG, AC, LK, CO, EX,
MD). `check_answer` raises AssertionError with every violation and its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fhir import resources as fhir_r5
from fhir.resources import R4B as fhir_r4
from fhir.resources import STU3 as fhir_stu3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import ValidationError


class _Credulous(MarkdownIt):
    """A renderer that links to anything, `javascript:` too, as some clients do (MD-03)."""

    def validateLink(self, url: str) -> bool:
        return True


_RENDERERS = (
    _Credulous("gfm-like", {"html": False}),
    _Credulous("gfm-like", {"html": True}),
    _Credulous("commonmark", {"html": True}),
)
Report = Callable[[str, str], None]

_EVIDENCE = Path(__file__).parents[2] / "cds_service/knowledge/content/evidence.yaml"
LINK_HOSTS = frozenset({"pubmed.ncbi.nlm.nih.gov", "doi.org"}) | {
    urlsplit(address).hostname
    for address in re.findall(
        r"^ +url: (\S+)$", _EVIDENCE.read_text(encoding="utf-8"), re.MULTILINE
    )
}
"""Where `detail` may link to (MD-04): to the sources of the knowledge and nowhere else."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-z]+(\.[A-Za-z0-9-]+)+")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_BIDI = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ALLOWED_EMPTY = {"$.cards", "$.services"}  # JS-03 names these two exceptions
_CARD = {"uuid", "summary", "detail", "indicator", "source", "suggestions", "selectionBehavior"}
_CARD |= {"overrideReasons", "links", "extension"}
# GFM and remark-gfm make links of these wherever they stand in text, with any top-level domain.
_BARE_ADDRESS = re.compile(r"www\.\w|(?:https?|ftp)://\w|[\w.+-]@[\w-]+\.\w", re.IGNORECASE)
_ACTIVE = {"html_block", "html_inline", "image"}


def check_answer(status: int, body: bytes, request: Any = None) -> None:
    """Raise AssertionError when an answer breaks a rule. `request` is the decoded call, if any."""
    found = violations(status, body, request)
    assert not found, "\n".join(found)


def violations(status: int, body: bytes, request: Any = None) -> list[str]:
    """Everything that is wrong with an answer, as `rule place: what`."""
    found: list[str] = []

    def report(rule: str, place: str) -> None:
        found.append(f"{rule} at {place}")

    try:
        answer = _strict_json(body)
    except ValueError as error:
        return [f"JS-01 not strict JSON: {error}"]
    _no_empty(answer, "$", report)
    if not isinstance(answer, dict):
        report("RS-01 not an object", "$")
    elif status >= 300:
        _outcome(answer, report)
    elif "services" in answer:
        _discovery(answer, report)
    elif "cards" in answer:
        _response(answer, request, report)
    elif "feedback" in answer:
        _feedback(answer, report)
    elif "status" not in answer:  # health
        report("RS-01 no cards", "$")
    return found


def _strict_json(body: bytes) -> Any:
    if body.startswith(b"\xef\xbb\xbf"):
        raise ValueError("byte order mark")

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(items)
        if len(members) != len(items):
            raise ValueError("a member stands twice")
        return members

    answer = json.loads(body.decode(), parse_constant=refuse, object_pairs_hook=pairs)
    json.dumps(answer, ensure_ascii=False).encode()  # no lone surrogates
    return answer


def _no_empty(value: Any, place: str, report: Report) -> None:
    if value is None or (value in ("", [], {}) and place not in _ALLOWED_EMPTY):
        report("JS-03 null or empty", place)
    elif isinstance(value, str) and not value.strip():
        report("JS-03 blank", place)
    elif isinstance(value, dict):
        for name, member in value.items():
            _no_empty(member, f"{place}.{name}", report)
    elif isinstance(value, list):
        for index, member in enumerate(value):
            _no_empty(member, f"{place}[{index}]", report)


def _outcome(answer: dict[str, Any], report: Report) -> None:
    if answer.get("resourceType") != "OperationOutcome":
        report("ER-05 no OperationOutcome", "$")
        return
    _resource(answer, "$", report)


def _feedback(answer: dict[str, Any], report: Report) -> None:
    if type(answer["feedback"]) is not int or answer.keys() - {"feedback", "refused", "notes"}:
        report("FB-06 not the number of items, what was refused, and notes", "$")


def _discovery(answer: dict[str, Any], report: Report) -> None:
    pairs = []
    for index, service in enumerate(answer["services"]):
        place = f"$.services[{index}]"
        for name in ("hook", "title", "description", "id"):
            _text(service, name, place, "DS-04", report)
        pairs.append((service.get("id"), service.get("hook")))
        for key, template in service.get("prefetch", {}).items():
            for problem in template_problems(key, template):
                report(problem, f"{place}.prefetch.{key}")
    if len(pairs) != len(set(pairs)):
        report("DS-12 id and hook stand twice", "$.services")


def template_problems(key: str, template: str) -> Iterator[str]:
    """What is outside the prefetch subset that every EHR supports (PF-01 to PF-08)."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*", key):
        yield "PF-08 key"
    if not re.match(r"[A-Z][A-Za-z]+[/?]", template):
        yield "PF-07 not a relative FHIR URL"
    rest = template
    for token in re.findall(r"\{\{([^{}]*)\}\}", template):
        rest = rest.replace("{{" + token + "}}", "x")
        is_date = re.fullmatch(r"today\(\) - [0-9]+ days", token)
        if token not in {"context.patientId", "context.userId"} and not is_date:
            yield f"PF-03 token {token}"
    if "{" in rest or "}" in rest:
        yield "PF-01 braces"
    _, _, query = rest.partition("?")
    for name, _, value in (part.partition("=") for part in query.split("&") if part):
        plain = re.fullmatch(r"[a-z]+|_count|_sort", name)
        if not plain or not value or "." in name or ":" in name:
            yield f"PF-05 parameter {name}"
        if name == "_sort" and value != "-date":
            yield "PF-06 sort"


def _response(answer: dict[str, Any], request: Any, report: Report) -> None:
    for name in answer.keys() - {"cards", "systemActions", "extension"}:
        report("RS-04 unknown member", f"$.{name}")
    _extension(answer, "$", report)
    if not isinstance(answer["cards"], list):
        report("RS-01 cards is no array", "$.cards")
        return
    drafts = _drafts(request)
    uuids: list[str] = []
    for index, card in enumerate(answer["cards"]):
        _card(card, f"$.cards[{index}]", drafts, uuids, report)
    for index, action in enumerate(answer.get("systemActions", ())):
        _action(action, f"$.systemActions[{index}]", drafts, report)
    if len(uuids) != len(set(uuids)):
        report("CD-01 uuid stands twice", "$.cards")


def _card(
    card: dict[str, Any], place: str, drafts: set[str] | None, uuids: list[str], report: Report
) -> None:
    for name in card.keys() - _CARD:
        report("CD-10 unknown member", f"{place}.{name}")
    _uuid(card, place, uuids, report)
    _text(card, "summary", place, "CD-02", report)
    summary = str(card.get("summary", ""))
    if max(len(summary), len(summary.encode("utf-16-le")) // 2) >= 140:
        report("CD-02 not shorter than 140", f"{place}.summary")
    if card.get("indicator") not in {"info", "warning", "critical"}:
        report("CD-04 indicator", f"{place}.indicator")
    _source(card.get("source"), f"{place}.source", report)
    if "detail" in card:
        for problem in markdown_problems(without_own_links(card)):
            report(problem, f"{place}.detail")
    _suggestions(card, place, drafts, uuids, report)
    for index, reason in enumerate(card.get("overrideReasons", ())):
        _coding(reason, f"{place}.overrideReasons[{index}]", "CD-08", report, display=True)
    for index, link in enumerate(card.get("links", ())):
        _link(link, f"{place}.links[{index}]", report)
    _extension(card, place, report)


_TITLE_LINK = re.compile(
    r"^\*\*\[(?P<title>Found|Advised|Avoid|Check|Benefit, harm|Limits)\]"
    r"\((?P<page>[^()#\s]+)#(?P<place>found|advised|avoid|check|benefit|limits)\):\*\* ",
    re.M,
)


def without_own_links(card: dict[str, Any]) -> str:
    """The detail of a card without the links of its titles: to places on the page that `source`
    names, and to nothing else. Whatever else looks like a link stays, and is a problem."""
    source = card.get("source")
    page = source.get("url") if isinstance(source, dict) else None

    def plain(found: re.Match[str]) -> str:
        return f"**{found['title']}:** " if found["page"] == page else found[0]

    return _TITLE_LINK.sub(plain, str(card["detail"]))


def _source(source: Any, place: str, report: Report) -> None:
    if not isinstance(source, dict):
        report("CD-05 no source", place)
        return
    _text(source, "label", place, "SO-01", report)
    for name in source.keys() & {"url", "icon"}:
        _url(source[name], f"{place}.{name}", "SO-02", report)
    if "topic" in source:
        _coding(source["topic"], f"{place}.topic", "SO-04", report)


_SUGGESTION = frozenset(
    {"label", "uuid", "isRecommended", "actions", "actionSelectionBehavior", "extension"}
)


def _suggestions(
    card: dict[str, Any], place: str, drafts: set[str] | None, uuids: list[str], report: Report
) -> None:
    behavior, suggestions = card.get("selectionBehavior"), card.get("suggestions", [])
    if bool(suggestions) != (behavior in {"at-most-one", "any"}) or (behavior and not suggestions):
        report("CD-06 selectionBehavior", place)
    if behavior == "at-most-one" and sum(bool(s.get("isRecommended")) for s in suggestions) > 1:
        report("SG-03 more than one recommended", place)
    for index, suggestion in enumerate(suggestions):
        where = f"{place}.suggestions[{index}]"
        for name in suggestion.keys() - _SUGGESTION:
            report("CD-10 unknown member", f"{where}.{name}")
        if suggestion.get("actionSelectionBehavior", "all") != "all":
            report("SG-06 what belongs together can be taken apart", where)
        _text(suggestion, "label", where, "SG-01", report)
        _uuid(suggestion, where, uuids, report)
        _extension(suggestion, where, report)
        for number, action in enumerate(suggestion.get("actions", ())):
            _action(action, f"{where}.actions[{number}]", drafts, report)


def _action(action: dict[str, Any], place: str, drafts: set[str] | None, report: Report) -> None:
    for name in action.keys() - {"type", "description", "resource", "resourceId", "extension"}:
        report("CD-10 unknown member", f"{place}.{name}")
    _text(action, "description", place, "AC-02", report)
    resource, target, kind = action.get("resource"), action.get("resourceId"), action.get("type")
    if kind == "delete":
        if resource is not None or not re.fullmatch(r"[A-Z][A-Za-z]+/[^/\s]+", str(target)):
            report("AC-05 delete by resourceId Type/id only", place)
        if drafts is not None and target not in drafts:
            report("AC-07 target is no draft order", place)
    elif kind in {"create", "update"}:
        if target is not None or not isinstance(resource, dict):
            report("AC-03 resource", place)
        else:
            _resource(resource, f"{place}.resource", report)
        if kind == "update" and drafts is not None and _key(resource) not in drafts:
            report("AC-07 target is no draft order", place)
    else:
        report("AC-01 type", place)


def _resource(resource: dict[str, Any], place: str, report: Report) -> None:
    """Valid in the first release that fits; drafts come in the release of the request (FV-03)."""
    if _looks_like_dstu2(resource):  # fhir.resources has no DSTU2
        return
    problems = []
    for release in (fhir_r4, fhir_r5, fhir_stu3):
        try:
            model = release.get_fhir_model_class(str(resource.get("resourceType")))
            model.model_validate(resource)
            return
        except (ValidationError, ValueError, KeyError, LookupError) as error:
            problems.append(error)
    report(f"AC-03 not valid FHIR R4, R5 or STU3: {problems[0]}", place)


def _looks_like_dstu2(resource: dict[str, Any]) -> bool:
    """The orders of DSTU2, by the members that are required or renamed there."""
    members = set(resource) - {"resourceType", "status", "dosageInstruction", "dispenseRequest"}
    if resource.get("resourceType") == "MedicationOrder":
        own = {"patient", "encounter", "prescriber", "reasonCodeableConcept", "note",
               "medicationCodeableConcept"}  # fmt: skip
        return "patient" in members and members <= own and isinstance(resource.get("note", ""), str)
    own = {"subject", "code", "bodySite", "reasonCodeableConcept", "encounter", "orderer", "notes"}
    is_request = resource.get("resourceType") == "ProcedureRequest"
    return is_request and {"subject", "code"} <= members <= own


def _link(link: dict[str, Any], place: str, report: Report) -> None:
    _text(link, "label", place, "LK-01", report)
    _url(link.get("url"), f"{place}.url", "LK-01", report)
    if link.get("type") not in {"absolute", "smart"}:
        report("LK-01 type", place)
    if "appContext" in link and (
        link["type"] != "smart" or not isinstance(link["appContext"], str)
    ):
        report("LK-02 appContext", place)


def _coding(coding: Any, place: str, rule: str, report: Report, *, display: bool = False) -> None:
    if not isinstance(coding, dict):
        report(f"{rule} no Coding", place)
        return
    for name in ("code", "system", *(("display",) if display or "display" in coding else ())):
        _text(coding, name, place, rule, report)


def _extension(holder: dict[str, Any], place: str, report: Report) -> None:
    if "extension" not in holder:
        return
    extension = holder["extension"]
    if not isinstance(extension, dict) or not all(map(_NAME.fullmatch, extension)):
        report("EX-01 extension", f"{place}.extension")


def _uuid(holder: dict[str, Any], place: str, uuids: list[str], report: Report) -> None:
    uuid = holder.get("uuid")
    if not isinstance(uuid, str) or not _UUID.fullmatch(uuid):
        report("CD-01 uuid", place)
    else:
        uuids.append(uuid)


def _text(holder: dict[str, Any], name: str, place: str, rule: str, report: Report) -> None:
    text = holder.get(name)
    if not isinstance(text, str) or not text.strip():
        report(f"{rule} no text", f"{place}.{name}")
    elif _CONTROL.search(text) or _BIDI.search(text):
        report("MD-01 control characters in plain text", f"{place}.{name}")


def _url(url: Any, place: str, rule: str, report: Report) -> None:
    parts = urlsplit(url if isinstance(url, str) else "")
    local = parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if not parts.hostname or not (parts.scheme == "https" or local) or " " in str(url):
        report(f"{rule} not an absolute https URL", place)


def _key(resource: Any) -> str | None:
    return f"{resource.get('resourceType')}/{resource.get('id')}"


def _drafts(request: Any) -> set[str] | None:
    """`Type/id` of the draft orders of a call; None when that cannot be told."""
    try:
        entries = request["context"]["draftOrders"]["entry"]
        return {str(_key(entry["resource"])) for entry in entries}
    except (KeyError, TypeError, AttributeError):
        return None


def markdown_problems(text: str, hosts: Container[str | None] = LINK_HOSTS) -> set[str]:
    """What a renderer would make of `detail` beyond text: HTML, images, links elsewhere (MD-04)."""
    problems = set()
    if _CONTROL.search(text.replace("\n", "")):
        problems.add("MD-04 control characters")
    if _BIDI.search(text):
        problems.add("MD-04 marks that turn the direction of text")
    for renderer in _RENDERERS:
        for token in renderer.parse(text):
            problems |= _active_parts((token, *(token.children or ())), hosts)
            if any(map(_BARE_ADDRESS.search, _pieces(token.children or ()))):
                problems.add("MD-04 bare address that a client may link")
    return problems


def _active_parts(tokens: Iterable[Token], hosts: Container[str | None]) -> set[str]:
    problems = set()
    for token in tokens:
        if token.type in _ACTIVE:
            problems.add(f"MD-04 {token.type}")
        if token.type == "link_open":
            parts = urlsplit(str(token.attrs.get("href")))
            if parts.scheme != "https" or parts.hostname not in hosts:
                problems.add(f"MD-04 link to {parts.scheme}://{parts.hostname}")
    return problems


def _pieces(tokens: Iterable[Token]) -> list[str]:
    """Runs of shown text outside links; a code span divides them (no client links across it)."""
    pieces, depth = [""], 0
    for token in tokens:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and depth == 0:
            pieces[-1] += token.content
        else:
            pieces.append("")
    return pieces
