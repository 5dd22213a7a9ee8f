"""What all published resources have: canonical URL, version, date, author, sources, licence."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from cds_service.knowledge.model import Knowledge
from cds_service.knowledge.namespaces import FHIR_BASE
from cds_service.knowledge.schema import Evidence, Rule

Resource = dict[str, Any]
"""A FHIR R4 resource as JSON."""

FHIR_VERSION: Final = "4.0.1"
PUBLISHER: Final = "the cds-service maintainers"
LICENCE: Final = "Apache-2.0"
OWN_LICENCE: Final = (
    "Copyright 2026 the cds-service maintainers, Apache-2.0. The code systems whose codes the value"
    " sets name belong to others and have terms of their own: see the copyright of each value set."
)
THO: Final = "http://terminology.hl7.org/CodeSystem/"
BEFORE_USE: Final = (
    "Genetic ossification is found by codes only: a chart that names it in words alone, or has it"
    " as a result of ACVR1, brings no warning and no question.",
    "An entry in words, or in a code that is in no value set, counts as absent, also in a list"
    " that was read. So does one whose code system has another name than in the value set (an OID,"
    " a national URI), and a code of ICD-9-CM without its dot: translate those first.",
    "The parameters of HOFacts that end in Known say which lists were read, and are false unless"
    " the engine sets them: nothing for prophylaxis is drafted then, and the plan asks. Set one to"
    " true only where that list was read whole.",
    "A family history that was not read is not asked about.",
    "Results and orders have no such parameter: those that an engine is not given count as absent,"
    " but without an eGFR no NSAID is drafted.",
    "An order that only words tell is not looked at, unless FOP is on record or suspected.",
    "A modifierExtension is not looked at; the service asks about such an entry.",
    "It was run in one engine beside the service; docs/second-engine.md has what was compared.",
)
"""What whoever loads the package has to know first; docs/fhir-package.md begins with it."""


def url_of(kind: str, id_: str) -> str:
    """The canonical URL of the resource of type `kind` with this id."""
    return f"{FHIR_BASE}{kind}/{id_}"


def version_of(knowledge: Knowledge, written: str) -> str:
    """The version `written` in a file, with the hash of the site overlay where there is one.

    What a site changed must not go under the version of the base.
    """
    if knowledge.site is None:
        return written
    return f"{written}+{knowledge.version.rsplit('+', 1)[1]}"


def name_of(id_: str) -> str:
    """A name for machines (FHIR R4 invariant *-0): `ho-elsewhere` as `HoElsewhere`."""
    return "".join(part.capitalize() for part in id_.split("-"))


def head(kind: str, id_: str, title: str, knowledge: Knowledge) -> Resource:
    """The members that a resource of ours begins with; its version is that of the content."""
    return {
        "resourceType": kind,
        "id": id_,
        "url": url_of(kind, id_),
        "version": knowledge.version,
        "name": name_of(id_),
        "title": title,
        "status": "active",
        "experimental": False,
        "date": knowledge.meta.date,
        "publisher": PUBLISHER,
    }


def citations(knowledge: Knowledge, rules: Iterable[Rule]) -> list[Resource]:
    """The sources of these rules as `relatedArtifact`, each once, in the order of evidence.yaml."""
    named = {id_ for rule in rules for id_ in rule.evidence}
    return [citation(source) for id_, source in knowledge.evidence.items() if id_ in named]


def citation(source: Evidence) -> Resource:
    """One source as a RelatedArtifact (FHIR R4) of type citation."""
    url = f"https://doi.org/{source.doi}" if source.doi else source.url
    if source.pmid:
        url = f"https://pubmed.ncbi.nlm.nih.gov/{source.pmid}/"
    cited = {"type": "citation", "label": source.id, "citation": source.citation}
    return {**cited, "url": url} if url else cited
