"""The names that code and content share: sides, inputs, value sets that readers look for."""

from __future__ import annotations

from enum import StrEnum


class Side(StrEnum):
    """Side of the body that a fact or an order is about."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"
    UNKNOWN = "unknown"


class InputName(StrEnum):
    """Kinds of data the service asks for; the values are also the prefetch keys."""

    PATIENT = "patient"
    CONDITIONS = "conditions"
    PROCEDURES = "procedures"
    MEDICATIONS = "medications"
    STATEMENTS = "medicationStatements"  # the other list of medicines; no input of its own
    ALLERGIES = "allergies"
    OBSERVATIONS = "observations"
    FAMILY_HISTORY = "familyHistory"
    SERVICE_REQUESTS = "serviceRequests"


class SignalName(StrEnum):
    """Signals of completeness.yaml that the code itself sees, or falls back to."""

    UNKNOWN_WARNING = "unknown-warning"
    WORDS_HARMLESS = "words-harmless"
    WORDS_VOCABULARY = "words-vocabulary"
    WORDS_NOTE = "words-note"
    ERROR = "answer-error"
    ISSUE_FAILED = "issue-failed"
    NAMELESS_ENTRY = "nameless-entry"
    UNCODED_ENTRY = "uncoded-entry"
    EMPTY_RESOURCE = "empty-resource"
    LIST_UNKNOWN = "list-unknown"
    IPS_NONE = "ips-none"
    IPS_UNKNOWN = "ips-unknown"
    ABSENT_UNKNOWN = "absent-unknown"
    MODIFIED_FACT = "modified-fact"
    MODIFIED_ENTRY = "modified-entry"
    REFUSED = "answer-refused"
    RECORD_GONE = "record-gone"
    RECORD_UNREAD = "record-unread"
    RECORD_OTHER = "record-other"
    RECORD_WITHHELD = "record-withheld"
    RECORD_REPLACED = "record-replaced"
    RECORD_REFERS = "record-refers"
    RECORD_INACTIVE = "record-inactive"


OVERLAY_FILE = "overlay.yaml"
"""The file of a site overlay beside its value sets."""

SITE_HIP = "site-hip"
SITE_ELSEWHERE = "site-elsewhere"
SITE_UNREAD = "site-unrecognised"
"""A site that is stated and in no value set."""
ROUTE_IM = "route-intramuscular"
ROUTE_SYSTEMIC = "route-systemic"
ROUTE_LOCAL = "route-local"
ROUTE_UNREAD = "route-unread"
"""A route that is stated and that neither its codes nor its words tell."""
INJECTION_IM = "im-injection"
SURGICAL_CATEGORY = "surgical-category"
NEEDS_HIP_SITE = {
    "opcs-prosthesis-needs-hip-site": "hip-hemiarthroplasty",
    "opcs-resurfacing-needs-hip-site": "hip-resurfacing",
}
"""OPCS-4 codes that mean the hip only together with a site code (HSCIC PROMs Appendix A), and what
they mean then."""
BROOKER = "brooker-class"
FOP_POSSIBLE = "fop-possible"
HO_EXCISION = "ho-excision"
RADIOTHERAPY = frozenset(
    {"radiotherapy", "radiotherapy-hip", "radiation-oncology-referral", "ho-prophylaxis-referral"}
)
HO_SETS = frozenset({"ho-postoperative", "ho-hip-region", "ho-site-unspecified", "ho-elsewhere"})
CALCIFICATION = "muscle-calcification"
SOME_ANALGESIC = "nsaid-hypersensitivity-possible"
HO = "ho"
"""No value set: what a text names that speaks of acquired HO (`Mention.disease`)."""
MODIFIER = "modifierExtension"
MODIFIER_NOTE = " (with a modifier that is not known here)"
MODIFIED = "modified"
"""No group of words: what is named for an entry that carries a modifier not known here."""
FOR_HO = "reason-ho-prophylaxis"
"""No value set: the reason of an order says in words that it is for HO prophylaxis, as the orders
that the service suggests do (`cards/suggested_orders.py`)."""
GENETIC_CHECK_CODE = "fop-check-code"
GENETIC_QUESTION = "genetic-question"
GENETIC_FAMILY = "family-history"
"""Cards about genetic HO that no rule names."""
GENOMIC_FINDING = "genomic-finding"
GENOMIC_GENE = "genomic-gene"
GENOMIC = frozenset({GENOMIC_FINDING, GENOMIC_GENE})
GENE_ACVR1 = "gene-acvr1"
ACVR1_GERMLINE = "acvr1-germline"
ACVR1_SOURCE_OPEN = "acvr1-source-open"
ACVR1_ASKED = "acvr1-significance-open"
"""No value sets: what an Observation says of a variant of ACVR1 (`fhir/genomics.py`)."""
PALOVAROTENE = "palovarotene"
"""The medicine that exists for FOP only; also told by its name."""
BRAIN_TUMOUR = "brain-tumour"
CYP2C9_ACTIVITY = "lab-cyp2c9-activity"
POOR_METABOLISER = "answer-poor-metaboliser"
"""As an answer it stands for any gene; as a fact of its own for CYP2C9 (`fhir/metaboliser.py`)."""
GENOMIC_PRESENT = "genomic-present"
GENOMIC_GERMLINE = "genomic-germline"
GENOMIC_SOMATIC = "genomic-somatic"
GENOMIC_PATHOGENIC = "genomic-pathogenic"
GENOMIC_NOT_PATHOGENIC = "genomic-not-pathogenic"
ANSWER_POSITIVE = "answer-positive"
ANSWER_NEGATIVE = "answer-negative"
"""Answers that an Observation of a variant has."""

VALUE_SETS = (
    SITE_HIP, SITE_ELSEWHERE, ROUTE_IM, ROUTE_SYSTEMIC, ROUTE_LOCAL, INJECTION_IM,
    SURGICAL_CATEGORY, BROOKER, FOP_POSSIBLE, GENOMIC_FINDING, GENOMIC_GENE, GENE_ACVR1,
    PALOVAROTENE, BRAIN_TUMOUR, GENOMIC_PRESENT, GENOMIC_GERMLINE, GENOMIC_SOMATIC,
    GENOMIC_PATHOGENIC,
    GENOMIC_NOT_PATHOGENIC, ANSWER_POSITIVE, ANSWER_NEGATIVE,
    "side-left", "side-right", "side-bilateral", *NEEDS_HIP_SITE,
    "lab-egfr", "lab-creatinine", "lab-potassium", "lab-platelets", "lab-body-weight",
    CYP2C9_ACTIVITY, POOR_METABOLISER, "lab-pregnancy-test", "lab-pregnancy-status",
    "answer-pregnant", "answer-not-pregnant",
)  # fmt: skip
"""Value sets that the readers look for; content without one of them is refused at load."""
