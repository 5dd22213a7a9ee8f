"""The content as a Library: what it is for, its limits, its sources and value sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published.common import (
    OWN_LICENCE,
    THO,
    Resource,
    citation,
    head,
    version_of,
)

CONTENT: Final = "ho-prophylaxis"


def libraries(knowledge: Knowledge) -> Mapping[str, Resource]:
    """All Libraries by id; for `Knowledge.once`."""
    return {CONTENT: _content(knowledge)}


def _content(knowledge: Knowledge) -> Resource:
    """The content as a whole (FHIR R4 `Library`): use, limits, value sets and sources."""
    meta = knowledge.meta
    sets = knowledge.value_sets.values()
    return {
        **head("Library", CONTENT, meta.title, knowledge),
        "type": {"coding": [{"system": f"{THO}library-type", "code": "asset-collection"}]},
        "description": meta.intended_use,
        "usage": " ".join(meta.limits),
        "copyright": OWN_LICENCE,
        "lastReviewDate": meta.reviewed.isoformat(),
        "relatedArtifact": [
            *(citation(source) for source in knowledge.evidence.values()),
            *(
                {
                    "type": "depends-on",
                    "resource": f"{one['url']}|{version_of(knowledge, one['version'])}",
                }
                for one in sets
            ),
        ],
    }
