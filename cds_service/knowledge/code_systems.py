"""The code systems that charts use: URIs under all their names, the form of their codes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

_OID: Final = "urn:oid:2.16.840.1.113883."
_THO: Final = "http://terminology.hl7.org/CodeSystem/"
_MIMIC: Final = "http://mimic.mit.edu/fhir/mimic/CodeSystem/"


@dataclass(frozen=True, slots=True)
class CodeSystem:
    """One code system.

    `form` is how a whole code looks, `listed` how a code or the beginning of one looks in a value
    set (without it a wrong one cannot be told). `aliases` are other names under which the same
    codes are sent, `national` those of them that are official in a country, and so no mistake.
    `written` is what people write for the URI, letters and digits only. `dots`: a dot has a
    meaning; `cased`: upper and lower case have one. `short` is its name in synthetic patients.
    """

    uri: str
    name: str
    form: str | None = None
    listed: str | None = None
    check: Literal["verhoeff", "mod10"] | None = None
    dots: bool = True
    cased: bool = True
    aliases: tuple[str, ...] = ()
    national: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    short: str | None = None


# Sources of the URIs: NamingSystem resources of HL7 THO 7.0.1 (npm package hl7.terminology.r4) and
# the page "Using ICD" of FHIR for OIDs and former URIs; the German forms are those of the MII and
# ISiK guides; NHS, MIMIC-IV and Taiwan as their public guides and clients send them. A name that is
# official nowhere says so beside it: real records carry it, and `validate` reports it.
SNOMED: Final = "http://snomed.info/sct"
ICD10CM: Final = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10: Final = "http://hl7.org/fhir/sid/icd-10"
ICD9CM: Final = "http://hl7.org/fhir/sid/icd-9-cm"
ICD11: Final = "http://id.who.int/icd/release/11/mms"
PCS: Final = "http://www.cms.gov/Medicare/Coding/ICD10"
CPT: Final = "http://www.ama-assn.org/go/cpt"
CDT: Final = "http://www.ada.org/cdt"
RXNORM: Final = "http://www.nlm.nih.gov/research/umls/rxnorm"
LOINC: Final = "http://loinc.org"
ATC: Final = "http://www.whocc.no/atc"
OPCS4: Final = "https://fhir.hl7.org.uk/Id/opcs-4"
HPO: Final = "http://human-phenotype-ontology.org"
MONDO: Final = "http://purl.obolibrary.org/obo/mondo.owl"
OMIM: Final = "http://www.omim.org"
ORPHA: Final = "http://www.orpha.net"
EDQM: Final = "http://standardterms.edqm.eu"
NCIT: Final = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
CVX: Final = "http://hl7.org/fhir/sid/cvx"
OPS: Final = "http://fhir.de/CodeSystem/bfarm/ops"
CCAM: Final = "https://smt.esante.gouv.fr/terminologie-ccam"
SBS: Final = "http://nphies.sa/terminology/CodeSystem/procedures"
CCI: Final = "http://cihi.ca/fhir/CodeSystem/cihi-cci"
NCSP: Final = "urn:oid:2.16.578.1.12.4.1.1.7275"
KVA: Final = "urn:oid:1.2.752.116.1.3.2.3.6"
THL: Final = "urn:oid:1.2.246.537.6.2"
UMLS: Final = "http://terminology.hl7.org/CodeSystem/umls"

TABLE: Final = (
    CodeSystem(
        SNOMED, "SNOMED CT",
        # SCTID: 6 to 18 digits without a zero in front (SNOMED CT Release File Specification).
        form=r"[1-9][0-9]{5,17}", listed=r"[1-9][0-9]{5,17}", check="verhoeff",
        aliases=(
            f"{_OID}6.96",
            "http://www.snomed.org", "http://snomed.info",  # misspelt, of C-CDA conversions
        ),
        written=("snomed", "snomedct", "sct", "sctid"), short="sct",
    ),
    CodeSystem(
        LOINC, "LOINC",
        # Terms, answers, parts, lists and groups.
        form=r"(?:L[ALGP])?[0-9]{1,7}-[0-9]", listed=r"(?:LA)?[0-9]{1,7}-[0-9]", check="mod10",
        aliases=(f"{_OID}6.1",), written=("loinc",), short="loinc",
    ),
    CodeSystem(
        ICD10CM, "ICD-10-CM", dots=False, cased=False,
        form=r"[A-Z][0-9][0-9A-Z](?:\.?[0-9A-Z]{1,4})?",
        listed=r"[A-Z](?:[0-9][0-9A-Z](?:\.[0-9A-Z]{1,4})?)?",
        aliases=(
            f"{_OID}6.90", f"{_THO}icd10CM",
            f"{_MIMIC}mimic-diagnosis-icd10", f"{_MIMIC}diagnosis-icd10",
        ),
        written=("icd10cm",), short="icd10cm",
    ),
    CodeSystem(
        ICD10, "ICD-10", dots=False, cased=False,
        # WHO, and the national extensions of it; with the marks of dagger and asterisk.
        form=r"[A-Z][0-9]{2}(?:\.?[0-9A-Z-]{1,3})?[*+!†]?",
        listed=r"[A-Z](?:[0-9][0-9](?:\.[0-9A-Z]{1,3})?)?",
        aliases=(
            f"{_OID}6.3", f"{_OID}6.3.1", f"{_THO}icd10", f"{_THO}icd10ae",
            "http://hl7.org/fhir/ValueSet/icd-10",  # a value set, as converters send it
        ),
        # More national ones are known by their name: see `national_icd10`.
        national=(
            "http://fhir.de/CodeSystem/bfarm/icd-10-gm", "http://fhir.de/CodeSystem/dimdi/icd-10-gm",
            "http://hl7.org/fhir/sid/icd-10-nl", f"{_OID}6.3.2", f"{_OID}6.3.3",
            "http://hl7.org/fhir/sid/icd-10-ca", f"{_OID}6.94",
            "http://hl7.org/fhir/sid/icd-10-am", "http://hl7.org/fhir/sid/icd-10-se",
            "urn:oid:1.2.752.116.1.1.1.1.3", "urn:oid:1.2.752.116.1.1.1",
            "urn:oid:1.2.752.116.1.1.1.1.1", "urn:oid:1.2.752.116.1.1.1.1.8",
            "urn:oid:2.16.578.1.12.4.1.1.7110", "urn:oid:1.2.208.176.2.4.12",
            "urn:oid:1.2.208.176.2.4", "urn:oid:1.2.246.537.6.1", "urn:oid:1.2.246.537.6.1.1999",
            "urn:oid:2.16.724.4.21.5.29",
        ),
        written=("icd10",), short="icd10",
    ),
    CodeSystem(
        ICD9CM, "ICD-9-CM", cased=False,
        # Diagnoses, external causes, supplementary classification, procedures; dot optional.
        form=r"(?:[0-9]{2,3}(?:\.?[0-9]{1,2})?|V[0-9]{2}(?:\.?[0-9]{1,2})?|E[0-9]{3}(?:\.?[0-9])?)",
        listed=r"(?:[0-9]{3}|V[0-9]{2}|E[0-9]{3}|[0-9]{2})(?:\.[0-9]{1,2})?",
        aliases=(
            f"{_OID}6.103", f"{_OID}6.104", f"{_OID}6.2", f"{_THO}icd9cm",
            f"{_THO}ICD-9CM-procedurecodes", f"{_THO}ICD-9CM-diagnosiscodes",
            "http://hl7.org/fhir/sid/icd-9",  # official nowhere
            f"{_MIMIC}mimic-diagnosis-icd9", f"{_MIMIC}diagnosis-icd9",
            f"{_MIMIC}mimic-procedure-icd9", f"{_MIMIC}procedure-icd9",
        ),
        written=("icd9cm", "icd9"),
    ),
    CodeSystem(
        ICD11, "ICD-11", cased=False,
        aliases=("https://smt.esante.gouv.fr/terminologie-cim11-mms",), written=("icd11",),
    ),
    CodeSystem(
        PCS, "ICD-10-PCS", dots=False, cased=False,
        form=r"[0-9A-HJ-NP-Z]{7}", listed=r"[0-9A-HJ-NP-Z]{1,7}",
        aliases=(
            f"{_OID}6.4", f"{_THO}icd10PCS",
            # Official nowhere.
            "http://hl7.org/fhir/sid/icd-10-pcs", "http://www.icd10data.com/icd10pcs",
            f"{_MIMIC}mimic-procedure-icd10", f"{_MIMIC}procedure-icd10",
        ),
        national=("https://twcore.mohw.gov.tw/ig/twcore/CodeSystem/icd-10-pcs-2023-tw",),
        written=("icd10pcs",), short="pcs",
    ),
    CodeSystem(
        CPT, "CPT", form=r"[0-9]{4}[0-9A-Z](?:-[0-9A-Z]{2})?", listed=r"[0-9]{4}[0-9A-Z]",
        aliases=(f"{_OID}6.12",), written=("cpt", "cpt4"), short="cpt",
    ),
    CodeSystem(CDT, "CDT", aliases=(f"{_OID}6.13", f"{_THO}CD2"), written=("cdt",)),
    CodeSystem(
        RXNORM, "RxNorm", form=r"[1-9][0-9]{0,7}", listed=r"[1-9][0-9]{0,7}",
        aliases=(f"{_OID}6.88",), written=("rxnorm",), short="rxnorm",
    ),
    CodeSystem(
        ATC, "ATC", cased=False,
        form=r"[A-Z](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?",
        listed=r"[A-Z](?:[0-9]{2}(?:[A-Z](?:[A-Z](?:[0-9]{2})?)?)?)?",
        aliases=(f"{_OID}6.73", "http://fhir.de/CodeSystem/dimdi/atc"),
        # Germany, France, Norway, Finland, Sweden, as their public guides and clients send it.
        national=(
            "http://fhir.de/CodeSystem/bfarm/atc", "https://smt.esante.gouv.fr/terminologie-atc",
            "urn:oid:2.16.578.1.12.4.1.1.7180", "urn:oid:1.2.246.537.6.32",
            "urn:oid:1.2.246.537.6.32.2007", "urn:oid:1.2.752.129.2.2.3.1.1",
        ),
        written=("atc",), short="atc",
    ),
    CodeSystem(
        OPCS4, "OPCS-4", dots=False, cased=False,
        form=r"[A-Z][0-9]{2}(?:\.?[0-9])?", listed=r"[A-Z][0-9]{2}(?:\.[0-9])?",
        aliases=("https://fhir.hl7.org.uk/CodeSystem/OPCS-4",),
        national=("https://fhir.nhs.uk/Id/opcs-4",), written=("opcs", "opcs4"), short="opcs",
    ),
    CodeSystem(CVX, "CVX", aliases=("urn:oid:2.16.840.1.113883.12.292",), written=("cvx",)),
    # National procedures: Germany (the side may stand behind the code), France (with activity or
    # phase), Saudi Arabia, Canada, Norway (NCSP, NCMP, NCRP), Sweden and Finland.
    CodeSystem(
        OPS, "OPS", dots=False, cased=False,
        form=r"[1-9]-[0-9]{2}[0-9A-Z](?:\.?[0-9A-Z]{1,2})?(?::[RLB])?",
        listed=r"[1-9]-[0-9]{2}[0-9A-Z]?(?:\.[0-9A-Z]{1,2})?",
        aliases=("http://fhir.de/ValueSet/bfarm/ops",),  # a value set
        national=("http://fhir.de/CodeSystem/dimdi/ops",), written=("ops",),
    ),
    CodeSystem(
        CCAM, "CCAM", cased=False, form=r"[A-Z]{4}[0-9]{3}(?:[-+ ]?[0-9A-Z]{1,4})*",
        listed=r"[A-Z]{4}[0-9]{3}", written=("ccam",),
    ),
    CodeSystem(
        SBS, "SBS", form=r"[0-9]{5}-[0-9]{2}(?:-[0-9]{2})?", listed=r"[0-9]{5}-[0-9]{2}-[0-9]{2}",
        national=("http://nphies.sa/terminology/CodeSystem/services",), written=("sbs",),
    ),
    CodeSystem(
        CCI, "CCI", dots=False, cased=False,
        form=r"[1-8]\.?[A-Z]{2}\.?[0-9]{2}(?:[.-]?[0-9A-Z]{1,3}){0,4}",
        listed=r"[1-8]\.[A-Z]{2}\.[0-9]{2}", aliases=(f"{_OID}6.95",), written=("cci",),
    ),
    CodeSystem(NCSP, "NCSP", cased=False, listed=r"[A-Z]{3,4}[0-9]{0,2}", written=("ncsp", "nkpk")),
    CodeSystem(
        KVA, "KVÅ", cased=False, listed=r"[A-Z]{3}[0-9]{0,2}",
        # The register of Socialstyrelsen, that of Inera, and its NamingSystem.
        national=(
            "urn:oid:1.2.752.116.1.3.2.1.4", "urn:oid:1.2.752.116.1.3.2.3.4",
            "urn:oid:1.2.752.129.2.2.2.1", "http://electronichealth.se/id/kva",
        ),
        written=("kva",),
    ),
    CodeSystem(
        THL, "THL procedures", cased=False, listed=r"[A-Z]{3}[0-9]{0,2}",
        national=("urn:oid:1.2.246.537.6.2.2007",),
    ),
    CodeSystem(UMLS, "UMLS", aliases=(f"{_OID}6.86",)),
    CodeSystem(
        HPO, "HPO", cased=False, aliases=(f"{_OID}6.339",),
        national=("http://purl.obolibrary.org/obo/hp.owl",), short="hpo",
    ),
    CodeSystem(MONDO, "MONDO", cased=False, aliases=(f"{_OID}3.9216",)),
    CodeSystem(NCIT, "NCI Thesaurus", aliases=(f"{_OID}3.26.1.1",)),
    # As Swiss guides write it.
    CodeSystem(EDQM, "EDQM", aliases=("urn:oid:0.4.0.127.0.16.1.1.2.1",)),
    # Forms in which records write the addresses of these two registries; the last is that of ORDO,
    # Orphanet's ontology, whose ids are Orphanet_337.
    CodeSystem(OMIM, "OMIM", listed=r"[0-9]{6}", aliases=("http://omim.org",)),
    CodeSystem(
        ORPHA, "Orphanet", listed=r"[0-9]{1,6}",
        aliases=("http://orpha.net", "http://www.orpha.net/ORDO"), short="orpha",
    ),
)  # fmt: skip
SYSTEMS: Final[Mapping[str, CodeSystem]] = {system.uri: system for system in TABLE}

_RELEASE: Final = re.compile(re.escape(ICD11).replace("/mms", r"/[0-9-]+/mms"))
_LINK: Final = re.compile(r"\[[^\]]*\]\((\S+)\)")  # Markdown, as one public example sends it
# A national ICD-10 by its name, and not the procedures that stand beside it. The names were seen in
# public files: icd-10-nl, icd-10-gm, icd10-no, terminologie-cim-10, CIE-10-ES, BRCID10, kcd-8,
# MKN-10. Source: FHIR "Using ICD", and the guides named in docs/integrators.md.
_NATIONAL_ICD10: Final = re.compile(r"icd-?10|cim-?10|cie-?10|cid-?10|\bkcd\b|kcd-?[0-9]|mkn-?10")
_NO_DIAGNOSES: Final = re.compile(
    r"pcs|proc|ops|cci|chop|ccam|icd-?o\b|dual|kennzeichen|deviation|achi|interv|morph|map|-to-"
)


def normal_system(system: str) -> str:
    """Form of a system URI under which it is looked up: no version, no last slash, lower case.

    An edition of SNOMED CT (http://snomed.info/sct/<module>/version/<date>) and a release of ICD-11
    (http://id.who.int/icd/release/11/<release>/mms) in the URI are dropped, and blanks in an OID.
    """
    plain = system.strip()
    if plain[:1] == "[" and (link := _LINK.fullmatch(plain)):
        plain = link[1]
    plain = plain.partition("|")[0].strip().rstrip("/").lower()
    if plain.startswith("https://"):
        plain = "http://" + plain[8:]
    if plain.startswith("urn:") and " " in plain:
        plain = plain.replace(" ", "")
    if plain[:1].isdigit() and plain.replace(".", "").isdigit():
        plain = "urn:oid:" + plain
    if _RELEASE.fullmatch(plain):
        return ICD11
    return SNOMED if plain.startswith(SNOMED + "/") else plain


_KNOWN: Final[Mapping[str, str]] = {
    normal_system(name): system.uri
    for system in TABLE
    for name in (system.uri, *system.aliases, *system.national)
}
_OFFICIAL_NATIONAL: Final = frozenset(name for system in TABLE for name in system.national)
_WRITTEN: Final = {name: system.uri for system in TABLE for name in system.written}
_FORMS: Final = {s.uri: re.compile(s.form) for s in TABLE if s.form is not None}
_LISTED: Final = {s.uri: re.compile(s.listed) for s in TABLE if s.listed is not None}


@lru_cache(maxsize=2_000)
def canonical(system: str) -> str:
    """The URI under which the service knows a system, else the URI in its normal form."""
    plain = normal_system(system)
    return _KNOWN.get(plain) or national_icd10(plain) or plain


def national_icd10(plain: str) -> str | None:
    """ICD-10, or ICD-10-CM, where the last part of a URI names a national edition of it.

    M61.1 is FOP in every one of them. The procedure part (PCS, OPS ...) is never meant.
    """
    last = plain.rpartition("/")[2] or plain
    if not _NATIONAL_ICD10.search(last) or _NO_DIAGNOSES.search(last):
        return None
    return ICD10CM if re.search(r"icd-?10-?cm", last) else ICD10


def is_known(system: str) -> bool:
    """Whether codes of this system can be understood at all."""
    return canonical(system) in SYSTEMS


def name_of(system: str) -> str:
    """What people call a system, blank where it has no name here."""
    known = SYSTEMS.get(canonical(system))
    return known.name if known else ""


def by_name(written: str) -> str | None:
    """The URI that somebody means who writes `SNOMED-CT` or `http://snomed.info/id` for it."""
    last = written.rstrip("/").rpartition("/")[2] if "/" in written else written
    if "snomed.info" in written.lower():
        return SNOMED
    return _WRITTEN.get(re.sub(r"[^a-z0-9]", "", last.lower()))


def has_form(system: str, code: str, *, listed: bool = False) -> bool:
    """Whether a code looks like one of its (canonical) system; True where none can be told.

    `listed`: as value sets list it, where it may be the beginning of codes.
    """
    shape = (_LISTED if listed else _FORMS).get(system)
    return shape is None or bool(shape.fullmatch(code))


def good_check_digit(system: str, code: str) -> bool:
    """Whether the check digit of a SNOMED CT id (Verhoeff) or LOINC code (mod 10) is right.

    True for systems without one, and for answers, parts and lists of LOINC. Sources: SNOMED CT
    Release File Specification, "Check-digit"; LOINC Users' Guide, "LOINC code check digit".
    """
    known = SYSTEMS.get(system)
    if known is None or known.check is None:
        return True
    from stdnum import luhn, verhoeff  # no call asks: only who reads or validates content

    if known.check == "verhoeff":
        return bool(verhoeff.is_valid(code))
    return not code[:1].isdigit() or bool(luhn.is_valid(code.replace("-", "")))


def spelling(system: str) -> tuple[str, str] | None:
    """(URI to send, what is wrong) for a URI that the service knows, but that is not the one FHIR
    names; None when nothing is wrong."""
    uri = canonical(system)
    if uri not in SYSTEMS or system == uri or system in _OFFICIAL_NATIONAL:
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
    if normal_system(plain) not in _KNOWN:
        return None  # a national ICD-10 that is known by its name
    return uri, "a retired or unofficial URI"
