"""The logical models of CDS Hooks 3.0 as tables: each element, its cardinality and type, and the
invariants, and what a message breaks of them.

The table (elements.csv) has the elements of the models in HL7/cds-hooks (input/fsh, commit fb10ca7)
and in HL7/cds-hooks-library (commit 5d04c4d), with their names in JSON. `hookVersion` stands in the
text of 3.0 and not yet in its model. The models are drafts; where the text of the specification
says the same, that is a statement of its own.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final
from urllib.parse import urlsplit

from cds_service.cdshooks.conformance.statements import Path, Violation

SERVICES, ANSWER = "CDSHooksServices", "CDSHooksResponse"
CALL, FEEDBACK = "CDSHooksRequest", "CDSHooksFeedback"
CONTEXTS: Final[Mapping[str, str]] = {
    "order-sign": "CDSHookOrderSignContext",
    "order-select": "CDSHookOrderSelectContext",
    "patient-view": "CDSHookPatientViewContext",
}
"""Hooks with the model of their context."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element: `id` is its path from the model on, `many` that it is an array (or an object of
    keys), `kind` its type, `empty` what stands for none: the member (`present`) or nothing."""

    id: str
    card: str
    kind: str
    empty: str

    @property
    def parent(self) -> str:
        return self.id.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.id.rpartition(".")[2]

    @property
    def is_required(self) -> bool:
        return self.card.startswith("1") or self.empty == "present"

    @property
    def many(self) -> bool:
        return self.card.endswith("*") and self.kind != "keyed"


@cache
def elements() -> tuple[Element, ...]:
    """All elements, those of a model together, each after its parent."""
    text = (files(__package__) / "elements.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Element(r["element"], r["card"], r["type"], r["empty"]) for r in rows)


@cache
def _children(parent: str) -> tuple[Element, ...]:
    return tuple(element for element in elements() if element.parent == parent)


def check(model: str, document: Any) -> Iterator[Violation]:
    """What a message breaks of a model: elements as LM-01, invariants as LM-02. The message names
    the element or the invariant."""
    if not isinstance(document, dict):
        yield Violation("LM-01", (), f"{model}: must be an object", document)
        return
    yield from _members(model, document, ())
    context = CONTEXTS.get(str(document.get("hook"))) if model == CALL else None
    if context is not None and isinstance(document.get("context"), dict):
        yield from _members(context, document["context"], ("context",))
    for invariant in INVARIANTS.values():
        if invariant.model == model:
            yield from _invariant(invariant, document)


def _members(parent: str, holder: Mapping[str, Any], path: Path) -> Iterator[Violation]:
    for element in _children(parent):
        at = (*path, element.name)
        if element.name not in holder:
            if element.is_required:
                yield _breach(element, at, "is missing")
            continue
        value = holder[element.name]
        if element.kind == "keyed":
            yield from _keyed(element, value, at)
        elif element.many:
            yield from _array(element, value, at)
        else:
            yield from _one(element, value, at)


def _array(element: Element, value: Any, path: Path) -> Iterator[Violation]:
    if not isinstance(value, list):
        yield _breach(element, path, "must be an array", value)
    elif not value and element.empty != "present":
        yield _breach(element, path, "an empty array: leave the member out", value)
    else:
        for index, item in enumerate(value):
            yield from _one(element, item, (*path, index))


def _keyed(element: Element, value: Any, path: Path) -> Iterator[Violation]:
    """An object in which each member is a key with its value."""
    if not isinstance(value, dict) or not value:
        yield _breach(element, path, "must be an object with members", value)
        return
    key, of = _children(element.id)
    for name, inner in value.items():
        if not re.fullmatch(r"\S+( \S+)*", name):  # `code` of FHIR
            yield _breach(key, path, "is not of type key", name)
        yield from _one(of, inner, (*path, name))


def _one(element: Element, value: Any, path: Path) -> Iterator[Violation]:
    if not _fits(element.kind, value):
        yield _breach(element, path, f"is not of type {element.kind}", value)
    elif element.kind == "object":
        yield from _members(element.id, value, path)


def _breach(element: Element, path: Path, why: str, value: Any = None) -> Violation:
    return Violation("LM-01", path, f"{element.id} ({element.card}) {why}", value)


# --- types ---

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ID = re.compile(r"[A-Za-z0-9.-]{1,64}")
_REFERENCE = re.compile(r"[\w]+/[\w.-]+", re.ASCII)  # ord-1
_INSTANT = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:(\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)"  # FHIR R4 "instant"
)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_url(value: Any) -> bool:
    try:
        return _is_text(value) and " " not in value and bool(urlsplit(value).scheme)
    except ValueError:
        return False


def _is_coding(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(value.get(n)) for n in ("code", "system"))


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and _is_text(value.get("resourceType"))


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": _is_text,
    "markdown": _is_text,
    "key": _is_text,
    "uuid": lambda value: isinstance(value, str) and bool(_UUID.fullmatch(value)),
    "id": lambda value: isinstance(value, str) and bool(_ID.fullmatch(value)),
    "reference": lambda value: isinstance(value, str) and bool(_REFERENCE.fullmatch(value)),
    "instant": lambda value: isinstance(value, str) and bool(_INSTANT.fullmatch(value)),
    "url": _is_url,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "named": lambda value: isinstance(value, dict) and bool(value),
    "Coding": _is_coding,
    "Resource": _is_resource,
    "Resource or null": lambda value: value is None or _is_resource(value),
    "Bundle": lambda value: _is_resource(value) and value["resourceType"] == "Bundle",
}


def _fits(kind: str, value: Any) -> bool:
    known = _TYPES.get(kind)
    return known(value) if known else isinstance(value, str) and value in kind.split(" | ")


# --- invariants ---


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule of a model. `at` leads to the objects that it is about, `holds` judges one of them;
    `severity` is that of the model: error or warning."""

    id: str
    model: str
    at: tuple[str, ...]
    severity: str
    text: str
    holds: Callable[[Mapping[str, Any]], bool]


def _dicts(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _one_recommended(card: Mapping[str, Any]) -> bool:
    recommended = [s for s in _dicts(card.get("suggestions")) if s.get("isRecommended") is True]
    return card.get("selectionBehavior") != "at-most-one" or len(recommended) <= 1


def _is_whole_delete(action: Mapping[str, Any]) -> bool:
    return action.get("type") != "delete" or ("resourceId" in action and "resource" not in action)


def _all_have(name: str, member: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda holder: all(item.get(member) for item in _dicts(holder.get(name)))


def _names_patient(grant: Mapping[str, Any]) -> bool:
    return "patient/" not in str(grant.get("scope")) or "patient" in grant


_CARDS, _ITEMS = ("cards",), ("feedback",)
_SUGGESTIONS = ("cards", "suggestions")
_ALL: Final = (
    Invariant("cds-r-1", CALL, (), "error", "fhirAuthorization needs fhirServer",
              lambda call: "fhirAuthorization" not in call or "fhirServer" in call),
    Invariant("cds-r-2", CALL, ("fhirAuthorization",), "warning",
              "with a scope of patient/ the patient is named", _names_patient),
    Invariant("cds-resp-1", ANSWER, _CARDS, "error",
              "at most one suggestion is recommended under at-most-one", _one_recommended),
    Invariant("cds-resp-2", ANSWER, (*_SUGGESTIONS, "actions"), "warning",
              "delete has a resourceId and no resource", _is_whole_delete),
    Invariant("cds-resp-3", ANSWER, ("cards", "links"), "error",
              "appContext goes with smart links only",
              lambda link: link.get("type") == "smart" or "appContext" not in link),
    Invariant("cds-resp-4", ANSWER, _CARDS, "error", "every override reason has a display",
              _all_have("overrideReasons", "display")),
    Invariant("cds-resp-5", ANSWER, _SUGGESTIONS, "error",
              "every action of a suggestion has a description",
              _all_have("actions", "description")),
    Invariant("cds-resp-6", ANSWER, _CARDS, "error", "suggestions need selectionBehavior",
              lambda card: "suggestions" not in card or "selectionBehavior" in card),
    Invariant("cds-resp-7", ANSWER, _SUGGESTIONS, "error",
              "actionSelectionBehavior is all, any or at-most-one",
              lambda one: one.get("actionSelectionBehavior", "all")
              in ("all", "any", "at-most-one")),
    Invariant("cds-fb-1", FEEDBACK, _ITEMS, "error", "outcome is accepted or overridden",
              lambda item: item.get("outcome") in ("accepted", "overridden")),
    Invariant("cds-fb-2", FEEDBACK, _ITEMS, "error",
              "an accepted card names the accepted suggestions",
              lambda item: item.get("outcome") != "accepted" or "acceptedSuggestions" in item),
    Invariant("cds-fb-3", FEEDBACK, (*_ITEMS, "overrideReason"), "error",
              "an override reason has a reason or a comment",
              lambda reason: "reason" in reason or "userComment" in reason),
    Invariant("ord-1", CALL, ("context",), "error", "userId and selections are Type/id",
              lambda context: all(
                  _fits("reference", one)
                  for one in (context.get("userId", "A/b"), *_texts(context.get("selections"))))),
)  # fmt: skip
INVARIANTS: Final[Mapping[str, Invariant]] = {invariant.id: invariant for invariant in _ALL}


def _texts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _invariant(invariant: Invariant, document: Mapping[str, Any]) -> Iterator[Violation]:
    for path, found in _reach(document, invariant.at, ()):
        if not invariant.holds(found):
            yield Violation("LM-02", path, f"{invariant.id}: {invariant.text}", dict(found))


def _reach(
    holder: Mapping[str, Any], names: tuple[str, ...], path: Path
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The objects at the end of a path, through arrays."""
    if not names:
        yield path, holder
        return
    value, at = holder.get(names[0]), (*path, names[0])
    if isinstance(value, dict):
        yield from _reach(value, names[1:], at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if isinstance(item, dict):
                yield from _reach(item, names[1:], (*at, index))
