"""Layer one for FHIR: the structure of each resource, by the models of fhir.resources.

The models know elements, types, cardinality and choices, not the bindings of codes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, ValidationError

from cds_service.cdshooks.conformance.statements import Path
from cds_service.fhir.elements import Doc
from cds_service.tools.validate.documents import Located
from cds_service.tools.validate.findings import DocumentFinding

_MOST = 20  # findings of one resource
_MODULES = {"R4": "fhir.resources.R4B", "R4B": "fhir.resources.R4B", "R5": "fhir.resources",
            "STU3": "fhir.resources.STU3"}  # fmt: skip
_CHOICE = re.compile(r"this list \['(\w+)'")


def check(located: Located, release: str) -> Iterator[DocumentFinding]:
    """What is wrong with one resource by its FHIR release; of a Bundle, with its own members."""
    kind = located.doc.get("resourceType")
    at = (*located.path, "resourceType")
    if not isinstance(kind, str):
        yield DocumentFinding("fhir-structure", at, "resourceType must be a string")
        return
    if release not in _MODULES:
        return
    model = _model(kind, release)
    if model is None:
        said = f"FHIR {release} has no resource type {kind[:60]}"
        yield DocumentFinding("unknown-type", at, said, "correct the type, or name the --release")
        return
    doc = _shell(located.doc) if kind == "Bundle" else located.doc
    for number, (path, message) in enumerate(_errors(model, doc)):
        if number == _MOST:
            return
        said = f"{kind}{_dotted(path)}: {message}"
        yield DocumentFinding("fhir-structure", (*located.path, *path), said)


def best_release(found: Iterable[Located], guess: str) -> str:
    """The release by which the fewest things are wrong; `guess` where several are as good.

    No member names the release, so what could be of several is tried in each.
    """
    listed = list(found)
    wrong = {guess: _weight(listed, guess)}
    for release in ("R4", "STU3", "R5") if wrong[guess] and guess in _MODULES else ():
        if release != guess:
            wrong[release] = _weight(listed, release)
    return min(wrong, key=lambda release: wrong[release])


def _weight(listed: list[Located], release: str) -> int:
    """How much is wrong by a release; a type that it does not have speaks loudly against it."""
    found = (finding for one in listed for finding in check(one, release))
    return sum(2 * _MOST if finding.kind == "unknown-type" else 1 for finding in found)


@cache
def _model(kind: str, release: str) -> type[BaseModel] | None:
    from importlib import import_module  # fhir.resources takes a while: only where it is needed

    module = import_module(_MODULES[release])
    try:
        found: type[BaseModel] = module.get_fhir_model_class(kind)
    except (ValueError, LookupError, ImportError, AttributeError):
        return None
    return found


def _shell(bundle: Doc) -> Doc:
    """A Bundle without the resources in it: these are looked at one by one."""
    entries = bundle.get("entry")
    if not isinstance(entries, list):
        return bundle
    shells = [
        {k: v for k, v in entry.items() if k != "resource"} if isinstance(entry, dict) else entry
        for entry in entries
    ]
    kept = [entry for entry in shells if entry]
    rest = {name: value for name, value in bundle.items() if name != "entry"}
    return rest | {"entry": kept} if kept and len(kept) == len(shells) else rest


def _errors(model: type[BaseModel], doc: Doc) -> Iterator[tuple[Path, str]]:
    try:
        model.model_validate(doc)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            place = _place(problem)
            if place[-1:] == ("resource_type",):
                yield place[:-1], "a resource stands where this element belongs"
            else:
                yield place, _words(problem)
    except RecursionError:
        yield (), "nested too deeply"
    except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError) as error:
        # The models fail on a few values in other ways than by saying so.
        yield (), f"cannot be checked ({type(error).__name__})"


def _place(problem: Mapping[str, Any]) -> Path:
    return tuple(step for step in problem["loc"] if isinstance(step, str | int))


def _words(problem: Mapping[str, Any]) -> str:
    kind, message = str(problem["type"]), str(problem["msg"])
    if kind == "extra_forbidden":
        return "FHIR does not have this member here"
    if kind == "missing":
        return "is required"
    if kind in {"json_invalid", "json_type", "model_type", "model_attributes_type", "dict_type"}:
        return "must be an object"
    if kind == "list_type":
        return "must be an array"
    if kind == "value_error" and "is required" in message:
        return "is required"
    if kind == "string_type":
        return "must be a string"
    if found := _CHOICE.search(message):
        base = re.sub(r"[A-Z].*", "", found[1])
        how = "only one" if "multiple" in message else "one"
        return f"{how} form of {base}[x] may stand here"
    return message.removeprefix("Value error, ").rstrip(".")[:200]


def _dotted(path: Path) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
