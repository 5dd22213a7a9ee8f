"""What the FHIR base can do, as a CapabilityStatement (FHIR R4)."""

from __future__ import annotations

from typing import Final

from cds_service import __version__
from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.catalogue import SEARCHED, TYPES
from cds_service.knowledge.published.common import FHIR_VERSION, OWN_LICENCE, Resource, head

_OPERATIONS: Final = {
    "ValueSet": ("expand", "validate-code"),
    "CodeSystem": ("lookup", "validate-code"),
}
_DEFINED: Final = "http://hl7.org/fhir/OperationDefinition/"


def capability_statement(knowledge: Knowledge, base: str) -> Resource:
    """The CapabilityStatement of the base at the URL `base`: R4, JSON, and nothing to write."""
    made = head("CapabilityStatement", "base", "The clinical content as FHIR R4", knowledge)
    return {
        **made,
        "description": knowledge.meta.intended_use,
        "copyright": OWN_LICENCE,
        "kind": "instance",
        "software": {"name": "cds-service", "version": __version__},
        "implementation": {"description": knowledge.meta.title, "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": ["application/fhir+json", "json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "Read-only. It holds the content of the service, no patient data.",
                "resource": [_of_type(kind) for kind in TYPES],
            }
        ],
    }


def _of_type(kind: str) -> Resource:
    operations = [
        {"name": name, "definition": f"{_DEFINED}{kind}-{name}"}
        for name in _OPERATIONS.get(kind, ())
    ]
    return {
        "type": kind,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "versioned",
        "conditionalRead": "not-match",
        "searchParam": [{"name": name, "type": kind_} for name, kind_ in SEARCHED.items()],
        **({"operation": operations} if operations else {}),
    }
