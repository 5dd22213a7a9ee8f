"""The operations on what is published: `$expand`, `$validate-code`, `$lookup` (FHIR R4).

They speak of what is ours alone: a code system of somebody else has its own terminology servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cds_service.errors import BadRequest, UnknownService
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import catalogue, value_sets
from cds_service.knowledge.published.common import Resource

Parameters = Mapping[str, Any]
"""The parameters of a call by name: text, or a Coding or CodeableConcept as JSON."""

MOST_CODES: Final = 10_000
# They change nothing here: there are no designations, no nested and no inactive codes.
_WITHOUT_EFFECT: Final = frozenset({
    "displayLanguage", "includeDesignations", "includeDefinition", "activeOnly", "abstract",
    "excludeNested", "excludeNotForUI", "excludePostCoordinated", "date", "property",
    "_format", "_pretty",
})  # fmt: skip
_EXPAND: Final = frozenset({"url", "valueSetVersion", "filter", "offset", "count"})
_CODE: Final = frozenset({"code", "system", "systemVersion", "display", "coding"})
_VALIDATE: Final = frozenset({"url", "valueSetVersion", "version", "codeableConcept", *_CODE})
_LOOKUP: Final = frozenset({"code", "system", "version", "coding"})


def expand(knowledge: Knowledge, id_: str | None, asked: Parameters) -> Resource:
    """`ValueSet/$expand`. Raises UnknownService for no such value set, BadRequest for parameters
    that cannot be met."""
    _refuse_others(asked, _EXPAND)
    found = _named(knowledge, catalogue.VALUE_SET, id_, asked, "valueSetVersion")
    offset, count = _number(asked, "offset") or 0, _number(asked, "count")
    when = knowledge.meta.date
    return value_sets.expanded(found, when, str(asked.get("filter", "")), offset, count)


def validate_code(knowledge: Knowledge, kind: str, id_: str | None, asked: Parameters) -> Resource:
    """`$validate-code` of ValueSet or CodeSystem: `result` and why. Raises as `expand` does.

    A value set answers as the service itself reads a coding: aliases of the system, dots and case
    where the system ignores them, and all codes below a row that is a prefix. A row of low
    confidence is in no set.
    """
    _refuse_others(asked, _VALIDATE)
    version = "valueSetVersion" if kind == catalogue.VALUE_SET else "version"
    found = _named(knowledge, kind, id_, asked, version)
    codings = _codings(asked, found["url"] if kind == "CodeSystem" else None)
    for coding in codings:
        display = _display(knowledge, found, coding)
        if display is not None:
            return _result(True, display, _other_display(coding, display))
    if kind == catalogue.VALUE_SET and any(_only_asked(knowledge, found, c) for c in codings):
        return _result(False, None, "listed without a source good enough to act on")
    return _result(False, None, "the code is not in it")


def lookup(knowledge: Knowledge, asked: Parameters) -> Resource:
    """`CodeSystem/$lookup` of a code of ours. Raises UnknownService for any other."""
    _refuse_others(asked, _LOOKUP)
    coding = _codings(asked, None)[0]
    system = str(coding.get("system") or "")
    found = catalogue.by_url(knowledge, "CodeSystem", system, _text(asked, "version"))
    if found is None:
        raise UnknownService("only code systems of this base are looked up; see /fhir/CodeSystem")
    for concept in found["concept"]:
        if concept["code"] == coding.get("code"):
            told = {"name": found["name"], "version": found["version"],
                    "display": concept["display"]}  # fmt: skip
            return _parameters({"name": name, "valueString": text} for name, text in told.items())
    raise UnknownService("the code system has no such code", "code")


def _named(
    knowledge: Knowledge, kind: str, id_: str | None, asked: Parameters, version: str
) -> Resource:
    """The resource that the call is about: by id in its path, or by its canonical URL."""
    if id_ is not None:
        found = catalogue.read(knowledge, kind, id_)
    elif url := _text(asked, "url"):
        found = catalogue.by_url(knowledge, kind, url, _text(asked, version))
    else:
        raise BadRequest(f"name the {kind} by its id in the path, or by its canonical URL", "url")
    if found is None:
        raise UnknownService(f"there is no {kind} of this id, URL and version; see /fhir/{kind}")
    return found


def _refuse_others(asked: Parameters, known: frozenset[str]) -> None:
    """A parameter that is not understood may change the meaning of the answer."""
    for name in asked:
        if name not in known and name not in _WITHOUT_EFFECT:
            raise BadRequest(f"the parameters of this operation are {', '.join(sorted(known))}")


def _codings(asked: Parameters, system: str | None) -> list[Mapping[str, Any]]:
    """The codings that a call asks about, at least one. `system` is implied where it is known."""
    concept, coding = asked.get("codeableConcept"), asked.get("coding")
    found: list[Any] = []
    if isinstance(concept, Mapping):
        listed = concept.get("coding")
        found = listed if isinstance(listed, list) else []
    elif isinstance(coding, Mapping):
        found = [coding]
    elif code := _text(asked, "code"):
        found = [{name: asked[name] for name in ("system", "code", "display") if name in asked}]
        found[0]["code"] = code
    found = [{"system": system, **one} for one in found if isinstance(one, Mapping)]
    if not found or not all(one.get("code") and one.get("system") for one in found):
        raise BadRequest("a code and its system are wanted: code with system, or a coding", "code")
    return found


def _display(knowledge: Knowledge, found: Resource, coding: Mapping[str, Any]) -> str | None:
    """What the code is called in this resource; None where it is not in it."""
    system, code = str(coding["system"]), str(coding["code"])
    if found["resourceType"] == "CodeSystem":
        concepts = found["concept"] if system == found["url"] else ()
        return next((str(c["display"]) for c in concepts if c["code"] == code), None)
    match = knowledge.index.match(system, code)
    if match is None:
        return None
    side = value_sets.SIDES.get(found["id"])
    held = match.side == side if side else found["id"] in match.concepts
    return match.display if held else None


def _only_asked(knowledge: Knowledge, found: Resource, coding: Mapping[str, Any]) -> bool:
    return found["id"] in knowledge.index.possible(str(coding["system"]), str(coding["code"]))


def _other_display(coding: Mapping[str, Any], display: str) -> str | None:
    sent = coding.get("display")
    return "the display differs from ours" if sent and sent != display else None


def _result(result: bool, display: str | None, message: str | None) -> Resource:
    told = [{"name": "result", "valueBoolean": result}]
    texts = {"message": message, "display": display}
    return _parameters(
        [*told, *({"name": n, "valueString": text} for n, text in texts.items() if text)]
    )


def _parameters(parameters: Any) -> Resource:
    return {"resourceType": "Parameters", "parameter": list(parameters)}


def _text(asked: Parameters, name: str) -> str | None:
    value = asked.get(name)
    return value if isinstance(value, str) and value else None


def _number(asked: Parameters, name: str) -> int | None:
    """A whole number from 0. Raises BadRequest for anything else."""
    if name not in asked:
        return None
    said = str(asked[name])
    if not said.isascii() or not said.isdecimal() or len(said) > len(str(MOST_CODES)):
        raise BadRequest("a whole number from 0 is wanted", name)
    return int(said)
