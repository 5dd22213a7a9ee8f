"""Rules for the answer to a call: cards, sources, suggestions, actions, links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.cdshooks.conformance.shapes import (
    absolute_url,
    coding,
    empties,
    extension,
    is_one_of,
    objects,
    text,
    unknown,
)
from cds_service.cdshooks.conformance.statements import Path, Version, Violation

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TARGET = re.compile(r"[A-Z][A-Za-z]+/[^/\s]+")
_HTML = re.compile(  # not behind a backslash that is none itself: `\\<b>` shows as `<b>`
    r"(?<!\\)(?:\\\\)*(?:</?[a-zA-Z][a-zA-Z0-9-]*(\s[^<>]*)?/?>|<!--)"
)
_ACTIVE = re.compile(  # likewise
    r"(?<!\\)(?:\\\\)*\]\(\s*<?(javascript|data|vbscript):", re.IGNORECASE
)
_CARD = frozenset({"uuid", "summary", "detail", "indicator", "source", "suggestions",
                   "selectionBehavior", "overrideReasons", "links"})  # fmt: skip
_SUGGESTION = frozenset({"label", "uuid", "isRecommended", "actions", "actionSelectionBehavior"})
_ACTION = frozenset({"type", "description", "resource", "resourceId"})
_LINK = frozenset({"label", "url", "type", "appContext", "autolaunchable"})
_SOURCE = frozenset({"label", "url", "icon", "topic"})
_INDICATORS = frozenset({"info", "warning", "critical"})
_KINDS = frozenset({"create", "update", "delete"})


def drafts(call: Any) -> frozenset[str] | None:
    """`Type/id` of the draft orders of a call, None when it has none."""
    try:
        entries = call["context"]["draftOrders"]["entry"]
        return frozenset(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries)
    except (KeyError, TypeError):
        return None


def check(answer: Any, version: Version = Version.V2, call: Any = None) -> Iterator[Violation]:
    """Everything that an answer with status 200 breaks. `call` is the decoded request."""
    if not isinstance(answer, dict):
        yield Violation("RS-01", (), "the answer is not an object", answer)
        return
    yield from (v for v in empties(answer) if not (version is Version.V1 and v.piece == []))
    yield from extension(answer, ())
    yield from unknown(answer, frozenset({"cards", "systemActions"}), (), "RS-04")
    if not isinstance(answer.get("cards"), list):
        yield Violation("RS-01", ("cards",), "cards must be an array", answer.get("cards"))
    else:
        for path, card, wrong in objects(answer, "cards", (), "RS-01"):
            yield from (wrong,) if wrong else _card(card, path, version, call)
        yield from _repeated(answer["cards"])
    for path, action, wrong in objects(answer, "systemActions", (), "RS-03"):
        yield from (wrong,) if wrong else _action(action, path, version, call)


def _card(card: Mapping[str, Any], path: Path, version: Version, call: Any) -> Iterator[Violation]:
    yield from unknown(card, _CARD, path, "CD-10")
    yield from extension(card, path)
    if version is not Version.V1:
        yield from _uuid(card, path, "CD-01")
    yield from text(card, "summary", path, "CD-02")
    yield from _summary(card, path)
    yield from _detail(card, path)
    if not is_one_of(card.get("indicator"), _INDICATORS):
        value = card.get("indicator")
        yield Violation("CD-04", (*path, "indicator"), "not info, warning or critical", value)
    yield from _source(card.get("source"), (*path, "source"), version)
    yield from _suggestions(card, path, version, call)
    for at, reason, wrong in objects(card, "overrideReasons", path, "CD-08"):
        yield from (wrong,) if wrong else coding(reason, at, rule="CD-08", display=True)
    for at, link, wrong in objects(card, "links", path, "LK-01"):
        yield from (wrong,) if wrong else _link(link, at)


def _summary(card: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    said = card.get("summary")
    length = len(said) if isinstance(said, str) else 0
    if length >= 140:
        yield Violation("CD-02", (*path, "summary"), f"{length} characters, not under 140", said)


def _detail(card: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    """HTML is legal in GitHub Flavored Markdown, and dangerous (MD-02, MD-04)."""
    detail, at = card.get("detail"), (*path, "detail")
    if detail is None:
        return
    if not isinstance(detail, str):
        yield Violation("CD-03", at, "detail must be a string", detail)
        return
    if found := _HTML.search(detail):
        yield Violation("MD-02", at, "raw HTML in Markdown", found[0][:80])
    if found := _ACTIVE.search(detail):
        yield Violation("MD-04", at, "a link that runs code", found[0][:80])


def _source(source: Any, path: Path, version: Version) -> Iterator[Violation]:
    if not isinstance(source, dict):
        yield Violation("CD-05", path, "a card needs a source object", source)
        return
    yield from unknown(source, _SOURCE, path, "CD-10")
    yield from extension(source, path)
    yield from text(source, "label", path, "SO-01")
    for name, rule in (("url", "SO-02"), ("icon", "SO-03")):
        if name in source:
            yield from absolute_url(source[name], (*path, name), rule)
    if "topic" in source and version is not Version.V1:
        yield from coding(source["topic"], (*path, "topic"), rule="SO-04")


def _suggestions(
    card: Mapping[str, Any], path: Path, version: Version, call: Any
) -> Iterator[Violation]:
    behavior, suggestions = card.get("selectionBehavior"), card.get("suggestions")
    allowed = {"at-most-one"} if version is Version.V1 else {"at-most-one", "any"}
    if suggestions and behavior is None:
        yield Violation("CD-06", path, "suggestions without selectionBehavior")
    elif behavior is not None and not is_one_of(behavior, allowed):
        at = (*path, "selectionBehavior")
        yield Violation("CD-07", at, f"not {' or '.join(sorted(allowed))}", behavior)
    recommended = 0
    for at, suggestion, wrong in objects(card, "suggestions", path, "SG-01"):
        yield from (wrong,) if wrong else _suggestion(suggestion, at, version, call)
        recommended += isinstance(suggestion, dict) and suggestion.get("isRecommended") is True
    if recommended > 1 and behavior == "at-most-one":
        yield Violation("SG-03", path, f"{recommended} suggestions are recommended", recommended)


def _suggestion(
    suggestion: Mapping[str, Any], path: Path, version: Version, call: Any
) -> Iterator[Violation]:
    yield from unknown(suggestion, _SUGGESTION, path, "CD-10")
    yield from text(suggestion, "label", path, "SG-01")
    yield from extension(suggestion, path)
    if version is not Version.V1:
        yield from _uuid(suggestion, path, "SG-02")
    if "actionSelectionBehavior" in suggestion:
        at = (*path, "actionSelectionBehavior")
        value = suggestion["actionSelectionBehavior"]
        if version is Version.V3:
            yield Violation("SG-06", at, "not every client knows it", value)
        else:
            yield Violation("CD-10", at, f"no member of CDS Hooks {version}", value)
    yield from _flag(suggestion, "isRecommended", path, "SG-03")
    for at, action, wrong in objects(suggestion, "actions", path, "AC-01"):
        yield from (wrong,) if wrong else _action(action, at, version, call)


def _action(
    action: Mapping[str, Any], path: Path, version: Version, call: Any
) -> Iterator[Violation]:
    yield from unknown(action, _ACTION, path, "CD-10")
    yield from extension(action, path)
    kind, resource = action.get("type"), action.get("resource")
    if not is_one_of(kind, _KINDS):
        yield Violation("AC-01", (*path, "type"), "not create, update or delete", kind)
    if path[0] != "systemActions" or version is Version.V2:
        yield from text(action, "description", path, "AC-02")
    if is_one_of(kind, ("create", "update")):
        whole = isinstance(resource, dict) and isinstance(resource.get("resourceType"), str)
        if not whole:
            yield Violation("AC-03", (*path, "resource"), "must be a FHIR resource", resource)
    if kind == "delete" and version is not Version.V1:
        target = action.get("resourceId")
        if not isinstance(target, str) or not _TARGET.fullmatch(target):
            yield Violation("AC-05", (*path, "resourceId"), "must be Type/id", target)
    yield from _aim(action, path, call)


def _aim(action: Mapping[str, Any], path: Path, call: Any) -> Iterator[Violation]:
    known, resource = drafts(call), action.get("resource")
    target = action.get("resourceId")
    if action.get("type") == "update" and isinstance(resource, dict):
        target = f"{resource.get('resourceType')}/{resource.get('id')}"
    elif action.get("type") != "delete":
        return
    if known is not None and not is_one_of(target, known):
        yield Violation("AC-07", path, "aims at no draft order of the call", target)


def _link(link: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    yield from unknown(link, _LINK, path, "CD-10")
    yield from extension(link, path)
    yield from _flag(link, "autolaunchable", path, "LK-02")
    yield from text(link, "label", path, "LK-01")
    yield from absolute_url(link.get("url"), (*path, "url"), "LK-01")
    kind = link.get("type")
    if not is_one_of(kind, ("absolute", "smart")):
        yield Violation("LK-01", (*path, "type"), "not absolute or smart", kind)
    context = link.get("appContext")
    if context is not None and (kind != "smart" or not isinstance(context, str)):
        yield Violation("LK-02", (*path, "appContext"), "a string, on smart links only", context)


def _flag(holder: Mapping[str, Any], name: str, path: Path, rule: str) -> Iterator[Violation]:
    if name in holder and not isinstance(holder[name], bool):
        yield Violation(rule, (*path, name), f"{name} must be true or false", holder[name])


def _uuid(holder: Mapping[str, Any], path: Path, rule: str) -> Iterator[Violation]:
    value = holder.get("uuid")
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        said = "no uuid: no feedback will come" if value is None else "not a UUID in lower case"
        yield Violation(rule, (*path, "uuid"), said, value)


def _repeated(cards: list[Any]) -> Iterator[Violation]:
    holders = [c for c in cards if isinstance(c, dict)]
    lists = [c["suggestions"] for c in holders if isinstance(c.get("suggestions"), list)]
    holders += [s for suggestions in lists for s in suggestions if isinstance(s, dict)]
    counts = Counter(h["uuid"] for h in holders if isinstance(h.get("uuid"), str))
    for uuid, count in counts.items():
        if count > 1:
            yield Violation("CD-01", ("cards",), "the same uuid stands twice", uuid)
