"""Which code systems belong to the world and which to one site."""

from __future__ import annotations

from typing import Final

from cds_service.knowledge.code_systems import is_known, normal_system
from cds_service.knowledge.namespaces import OWN

# Beginnings of URIs whose codes are not local: HL7, terminology owners, countries.
_PUBLIC: Final = (
    "http://hl7.org/", "http://terminology.hl7.org/", "http://www.nlm.nih.gov/",
    "http://www.cms.gov/", "http://www.ama-assn.org/", "http://www.ada.org/", "http://nucc.org",
    "http://snomed.info", "http://loinc.org", "http://unitsofmeasure.org", "http://www.whocc.no",
    "http://id.who.int/", "http://fdasis.nlm.nih.gov", "http://dicom.nema.org", "urn:iso:",
    "http://fhir.de/", "http://fhir.nhs.uk/", "http://fhir.hl7.org.uk/", "http://dmd.nhs.uk",
    "http://www.orpha.net", "http://www.omim.org", "http://purl.obolibrary.org/",
    "http://human-phenotype-ontology.org", "http://id.nlm.nih.gov/", "http://ncimeta.nci.nih.gov",
    "http://va.gov/terminology/", "http://cap.org/", "http://www.genenames.org", "urn:ietf:",
    "http://varnomen.hgvs.org", "http://www.ncbi.nlm.nih.gov/", "http://pbs.gov.au",
    "http://ns.electronichealth.net.au/", "urn:oid:2.16.840.1.113883.6.",
    "urn:oid:2.16.840.1.113883.5.", "urn:oid:2.16.840.1.113883.12.",
    OWN,
)  # fmt: skip


def is_public(system: str) -> bool:
    """False for the system of one site or vendor."""
    return is_known(system) or normal_system(system).startswith(_PUBLIC_FORMS)


_PUBLIC_FORMS: Final = tuple(normal_system(start) for start in _PUBLIC)
