"""How a code system is named to people and machines outside: by its name, or by a bounded URI.

What a client sends as a system may be anything, also something about a patient. So only names from
the tables here leave as they are; of any other URI only scheme, host and path do, in few letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from cds_service.knowledge.code_systems import (
    ICD11,
    NCIT,
    UMLS,
    canonical,
    is_known,
    name_of,
    normal_system,
)

NO_SYSTEM: Final = "(no system)"
NO_CODE: Final = "(no code)"
ODD_MODIFIER: Final = "(modifier)"
"""In the place of a system: there are codes without any, no code at all, or codes whose meaning a
modifier may turn."""
NOT_A_URI: Final = "(not a URI)"
OTHER: Final = "other"

_LIMIT: Final = 100
_URL: Final = re.compile(
    r"(https?)://([A-Za-z0-9.-]{1,100}(?::[0-9]{1,5})?)(/[^?#\s]*)?(?:[?#].*)?"
)
_OID: Final = re.compile(r"urn:oid:[0-2](?:\.[0-9]{1,20}){2,30}")
_STRANGE: Final = re.compile(r"[^A-Za-z0-9./_-]")
_NUMBER: Final = re.compile(r"[0-9]{5,}")  # a year is no number of a patient; this may be one

# Systems that say why there is no code, or that there is none of something: they are understood.
_STATEMENTS: Final = frozenset(
    map(
        normal_system,
        (
            "http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips",
            "urn:oid:2.16.840.1.113883.5.1150.1",
            "http://terminology.hl7.org/CodeSystem/data-absent-reason",
            "http://terminology.hl7.org/CodeSystem/v3-NullFlavor",
            "http://hl7.org/fhir/data-absent-reason",
            "http://hl7.org/fhir/v3/NullFlavor",
        ),
    )
)
# Systems of the world that are not read, by their names. Sources of the URIs: THO 7.0.1, the guides
# of MII, UK Core, AU Core, CH Core, and public files (see docs/integrators.md).
_NOT_READ: Final[Mapping[str, str]] = {
    normal_system(uri): name
    for name, uris in {
        "NDC": ("http://hl7.org/fhir/sid/ndc", "urn:oid:2.16.840.1.113883.6.69"),
        "UNII": ("http://fdasis.nlm.nih.gov", "urn:oid:2.16.840.1.113883.4.9"),
        "NDF-RT": ("http://hl7.org/fhir/ndfrt", "urn:oid:2.16.840.1.113883.3.26.1.5"),
        "HCPCS": ("http://terminology.hl7.org/CodeSystem/HCPCS", "urn:oid:2.16.840.1.113883.6.14"),
        "MedDRA": ("https://www.meddra.org", "http://terminology.hl7.org/CodeSystem/mdr"),
        "ICD-O-3": ("http://terminology.hl7.org/CodeSystem/icd-o-3",),
        "ICPC-2": ("http://hl7.org/fhir/sid/icpc-2", "urn:oid:2.16.840.1.113883.6.139"),
        "dm+d": ("https://dmd.nhs.uk",),
        "Read codes": ("http://read.info/readv2", "http://read.info/ctv3"),
        "PZN": ("http://fhir.de/CodeSystem/ifa/pzn",),
        "ASK": ("http://fhir.de/CodeSystem/ask",),
        "Alpha-ID": ("http://fhir.de/CodeSystem/bfarm/alpha-id",),
        "CHOP": ("urn:oid:2.16.756.5.30.1.126.3.2",),
        "PBS": ("http://pbs.gov.au/code/item",),
        "DIN": ("http://hl7.org/fhir/NamingSystem/ca-hc-din",),
        "NPU": ("urn:oid:1.2.208.176.2.1",),
        "ACR": ("http://terminology.hl7.org/CodeSystem/ACR",),
        "DICOM": ("http://dicom.nema.org/resources/ontology/DCM",),
        "IMO": ("urn:oid:2.16.840.1.113883.3.247.1.1",),
    }.items()
    for uri in uris
}


def is_read(system: str) -> bool:
    """Whether a code of this system says something to the service, if only that nothing is known.
    `validate` asks the same."""
    return is_known(system) or normal_system(system) in _STATEMENTS


# Systems for all of medicine, of which only a handful of codes stand in the value sets: a code that
# stands in none was not understood.
_SPARSE: Final = frozenset({ICD11, UMLS, NCIT})


def tells(system: str) -> bool:
    """Whether a code of this system that stands in no value set says that nothing is known here."""
    return is_read(system) and canonical(system) not in _SPARSE


@lru_cache(maxsize=500)
def shown(system: str) -> str:
    """The system as it may be shown: its name, or a URI of allowed signs, cut, without a query."""
    named = label(system)
    if named != OTHER:
        return named
    plain = normal_system(system[: 4 * _LIMIT])
    if _OID.fullmatch(plain):
        return plain[:_LIMIT]
    found = _URL.fullmatch(plain)
    if found is None:
        return NOT_A_URI
    path = _NUMBER.sub("#", _STRANGE.sub("_", found[3] or ""))
    whole = f"{found[1]}://{_NUMBER.sub('#', found[2])}{path}"
    return whole if len(whole) <= _LIMIT else whole[: _LIMIT - 1] + "…"


@lru_cache(maxsize=500)
def label(system: str) -> str:
    """The system by a name of a closed list, for figures and logs: else `other`."""
    if system in (NO_SYSTEM, NO_CODE, ODD_MODIFIER):
        return system
    return name_of(system) or _NOT_READ.get(canonical(system[: 4 * _LIMIT]), OTHER)
