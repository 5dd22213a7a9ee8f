"""The content as a Library: what it is for, its limits, its sources and value sets."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.published import value_sets
from cds_service.knowledge.published.common import (
    OWN_LICENCE,
    THO,
    Resource,
    citation,
    head,
    url_of,
    version_of,
)
from cds_service.knowledge.published.cql.libraries import TITLES, Cql, cql

CONTENT: Final = "ho-prophylaxis"
_FHIR_HELPERS: Final = "http://fhir.org/guides/cqf/common/Library/FHIRHelpers|4.0.1"


def libraries(knowledge: Knowledge) -> Mapping[str, Resource]:
    """All Libraries by id; for `Knowledge.once`."""
    made = knowledge.once(cql)
    logic = {name: _logic(name, made, knowledge) for name in made.texts}
    return {CONTENT: _content(knowledge), **logic}


def _logic(name: str, made: Cql, knowledge: Knowledge) -> Resource:
    """One CQL library (FHIR R4 `Library`); its id is its name, as CQL wants it."""
    text = made.texts[name]
    helpers = {"type": "depends-on", "resource": _FHIR_HELPERS}
    needed = [f"{url_of('Library', one)}|{knowledge.version}" for one in made.includes(name)]
    if name == "HOCodes":
        sets = (value_sets.published(knowledge, id_) for id_ in made.value_sets)
        needed = [f"{one['url']}|{one['version']}" for one in sets]
    return {
        **head("Library", name, TITLES[name], knowledge),
        "name": name,
        "type": {"coding": [{"system": f"{THO}library-type", "code": "logic-library"}]},
        "description": f"{TITLES[name]}. CQL, generated from the content.",
        "copyright": OWN_LICENCE,
        "relatedArtifact": [helpers, *({"type": "depends-on", "resource": x} for x in needed)],
        "content": [{"contentType": "text/cql", "data": b64encode(text.encode()).decode()}],
    }


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
