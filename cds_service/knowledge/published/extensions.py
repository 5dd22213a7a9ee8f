"""The extensions on the codes of our value sets, defined as FHIR wants it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.common import FHIR_VERSION, OWN_LICENCE, Resource, head

_ABOUT: Final[Mapping[str, tuple[str, str]]] = {
    "verified-in": ("string", "The source in which code and display were read."),
    "confidence": ("code", "high, medium, or low; low is listed and never acted on."),
    "match": (
        "code",
        "exact; prefix: the row stands for every code that begins so; descendants: it matches as"
        " exact, and stands for what a terminology server knows below it.",
    ),
    "side": ("code", "left, right or bilateral, where the code itself says it."),
    "note": ("string", "A remark."),
    "expanded-from": ("string", "The code below which a terminology server found this one."),
}


_BASE: Final[Mapping[str, int]] = {".url": 1}
"""The least number of each element in the Extension of FHIR itself, where it is not 0."""


def structure_definitions(knowledge: Knowledge) -> Mapping[str, Resource]:
    """All of them by id; for `Knowledge.once`."""
    return {id_: _definition(id_, knowledge) for id_ in _ABOUT}


def _definition(id_: str, knowledge: Knowledge) -> Resource:
    """FHIR R4 `StructureDefinition` of a simple extension."""
    kind, said = _ABOUT[id_]
    made = head("StructureDefinition", id_, id_.replace("-", " "), knowledge)
    elements = _elements(kind, said, made["url"])
    return {
        **made,
        "description": said,
        "copyright": OWN_LICENCE,
        "fhirVersion": FHIR_VERSION,
        "kind": "complex-type",
        "abstract": False,
        "context": [{"type": "element", "expression": "ValueSet.compose.include.concept"}],
        "type": "Extension",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Extension",
        "derivation": "constraint",
        "snapshot": {"element": elements},
        "differential": {"element": [one for one in elements if one["id"] != "Extension.id"]},
    }


def _elements(kind: str, said: str, url: str) -> list[Resource]:
    """The elements of the extension: a value of one type and nothing within."""
    rows: tuple[tuple[str, int, str, str, Resource], ...] = (
        ("", 0, "1", "*", {"definition": said}),
        (".id", 0, "1", "1", {"type": [{"code": "http://hl7.org/fhirpath/System.String"}]}),
        (".extension", 0, "0", "*", {"type": [{"code": "Extension"}]}),
        (".url", 1, "1", "1", {"type": [{"code": "uri"}], "fixedUri": url}),
        (".value[x]", 1, "1", "1", {"type": [{"code": kind}]}),
    )
    names = {"": "Extension", ".id": "Element.id", ".extension": "Element.extension"}
    return [
        {
            "id": f"Extension{path}",
            "path": f"Extension{path}",
            "short": said,
            "definition": said,
            "min": least,
            "max": most,
            "base": {
                "path": names.get(path, f"Extension{path}"),
                "min": _BASE.get(path, 0),
                "max": of,
            },
            **more,
        }
        for path, least, most, of, more in rows
    ]
