"""The code systems that charts use: their URIs, how their codes look, and check digits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from stdnum import luhn, verhoeff

from cds_service.knowledge.namespaces import OWN
from cds_service.knowledge.terminology import (
    ALIASES,
    ATC,
    CPT,
    ICD9CM,
    ICD10,
    ICD10CM,
    LOINC,
    OPCS4,
    PCS,
    RXNORM,
    SNOMED,
    normal_system,
)


@dataclass(frozen=True, slots=True)
class System:
    """A code system: URI, name for people, form of its codes."""

    uri: str
    name: str
    form: re.Pattern[str]


def _system(uri: str, name: str, form: str) -> System:
    return System(uri, name, re.compile(form))


SYSTEMS: Final = {
    system.uri: system
    for system in (
        # SCTID: 6 to 18 digits without a zero in front (SNOMED CT Release File Specification).
        _system(SNOMED, "SNOMED CT", r"[1-9][0-9]{5,17}"),
        # Terms, answers, parts, lists and groups of LOINC.
        _system(LOINC, "LOINC", r"(?:L[ALGP])?[0-9]{1,7}-[0-9]"),
        _system(ICD10CM, "ICD-10-CM", r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?"),
        # WHO, and the national extensions of it; with the marks of dagger and asterisk.
        _system(ICD10, "ICD-10", r"[A-Z][0-9]{2}(?:\.?[0-9A-Z-]{1,3})?[*+!†]?"),
        # Diagnoses, external causes, supplementary classification, procedures; dot optional.
        _system(ICD9CM, "ICD-9-CM", r"(?:[0-9]{2,3}(?:\.?[0-9]{1,2})?|V[0-9]{2}(?:\.?[0-9]{1,2})?"
                r"|E[0-9]{3}(?:\.?[0-9])?)"),
        _system(PCS, "ICD-10-PCS", r"[0-9A-HJ-NP-Z]{7}"),
        _system(CPT, "CPT", r"[0-9]{4}[0-9A-Z](?:-[0-9A-Z]{2})?"),
        _system(RXNORM, "RxNorm", r"[1-9][0-9]{0,7}"),
        _system(ATC, "ATC", r"[A-Z](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?"),
        _system(OPCS4, "OPCS-4", r"[A-Z][0-9]{2}(?:\.?[0-9])?"),
    )
}  # fmt: skip

# Own systems of a country, which the service reads as the international ones: no mistakes.
_NATIONAL = frozenset({"http://fhir.de/CodeSystem/bfarm/icd-10-gm",
                       "http://fhir.de/CodeSystem/bfarm/atc",
                       "http://purl.obolibrary.org/obo/hp.owl"})  # fmt: skip
# What people write for a system: letters and digits only, in lower case.
_NAMES: Final = {
    "snomed": SNOMED, "snomedct": SNOMED, "sct": SNOMED, "sctid": SNOMED, "loinc": LOINC,
    "icd10cm": ICD10CM, "icd9cm": ICD9CM, "icd9": ICD9CM, "icd10pcs": PCS, "cpt": CPT,
    "cpt4": CPT, "rxnorm": RXNORM, "atc": ATC, "opcs": OPCS4, "opcs4": OPCS4,
}  # fmt: skip
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


def canonical(system: str) -> str:
    """The URI under which the service knows a system, else the URI in its normal form."""
    plain = normal_system(system)
    return _CANONICAL.get(plain, plain)


_CANONICAL: Final = {normal_system(uri): uri for uri in SYSTEMS} | {
    normal_system(alias): uri for alias, uri in ALIASES.items()
}


def name_of(uri: str) -> str:
    """Name for people, the URI itself where there is none."""
    known = SYSTEMS.get(uri)
    return known.name if known else uri


def is_public(system: str) -> bool:
    """False for the system of one site or vendor."""
    plain = normal_system(system)
    return plain in _CANONICAL or plain.startswith(_PUBLIC_FORMS)


_PUBLIC_FORMS: Final = tuple(normal_system(start) for start in _PUBLIC)


def by_name(written: str) -> str | None:
    """The URI that somebody means who writes `SNOMED-CT` or `http://snomed.info/id` for it."""
    last = written.rstrip("/").rpartition("/")[2] if "/" in written else written
    plain = re.sub(r"[^a-z0-9]", "", last.lower())
    if "snomed.info" in written.lower():
        return SNOMED
    return _NAMES.get(plain)


def spelling(system: str) -> tuple[str, str] | None:
    """(URI to send, what is wrong) for a URI that the service knows, but that is not the one FHIR
    names; None when nothing is wrong.

    Source of the URIs: NamingSystem resources of HL7 THO 7.0.1, see `codes.ALIASES`.
    """
    uri = canonical(system)
    if uri not in SYSTEMS or system == uri or system in _NATIONAL:
        return None
    plain = system.strip()
    if plain.lower().startswith("urn:oid:") or plain[:1].isdigit():
        return uri, "an OID"
    if uri == SNOMED and plain.rstrip("/").lower().startswith(f"{SNOMED}/"):
        return None  # an edition and version in the URI is the official way to say which
    if "|" in plain:
        return uri, "a version in the system; it has a member of its own"
    if normal_system(plain) == normal_system(uri):
        return uri, "a spelling that others may not take for the same"
    return uri, "a retired or unofficial URI"


def good_check_digit(uri: str, code: str) -> bool:
    """Whether the check digit of a SNOMED CT id (Verhoeff) or LOINC code (Luhn) is right.

    True for systems without one. Sources: SNOMED CT Release File Specification, "Check-digit";
    LOINC Users' Guide, "LOINC code check digit" (mod 10).
    """
    if uri == SNOMED:
        return bool(verhoeff.is_valid(code))
    if uri == LOINC and code[:1].isdigit():
        return bool(luhn.is_valid(code.replace("-", "")))
    return True
