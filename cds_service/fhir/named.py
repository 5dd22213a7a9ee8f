"""What the texts of an entry of the record name without a code: the patient's, or a relative's."""

from __future__ import annotations

from collections.abc import Iterator

from cds_service.clinical.chart import FamilyFact, Mention, Provenance
from cds_service.fhir.context import ReadContext
from cds_service.fhir.elements import Doc
from cds_service.knowledge.names import HO, SITE_ELSEWHERE, SITE_HIP


def named_in(
    doc: Doc, look: ReadContext, source: Provenance, coded: frozenset[str]
) -> Iterator[Mention | FamilyFact]:
    """Mentions, and facts of the family where the words give the disease to a relative. Acquired
    HO is no matter of the family, and that of another joint than the hip asks nothing."""
    for named in look.mentions.uncoded(doc, source, coded):
        if named.disease == HO and (named.of_relative or _is_elsewhere(doc, look)):
            continue
        if named.of_relative:
            yield FamilyFact(frozenset(), named.source, None, named.disease)
        else:
            yield named


def _is_elsewhere(doc: Doc, look: ReadContext) -> bool:
    sites = look.sites(doc).sites
    return SITE_ELSEWHERE in sites and SITE_HIP not in sites
