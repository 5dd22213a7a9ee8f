"""What a validation finds: kinds of findings, one finding, and the report on one document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from cds_service.cdshooks.conformance.statements import Path

MOST_FINDINGS: Final = 200
"""Findings kept for one document; further ones are counted, so that memory stays bounded."""


class Layer(StrEnum):
    """The three questions a document is asked."""

    STRUCTURE = "structure"  # is it JSON, FHIR, CDS Hooks
    CONTENT = "content"  # does this service understand what it says
    ANSWER = "answer"  # what would the service answer


class Severity(StrEnum):
    """How much a finding weighs. Notes do not change the exit code."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: `title` in a few words, `about` says why it matters."""

    id: str
    layer: Layer
    severity: Severity
    title: str
    about: str


def _kinds(layer: Layer, *rows: tuple[str, Severity, str, str]) -> list[Kind]:
    return [Kind(id_, layer, severity, title, about) for id_, severity, title, about in rows]


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
_ALL = (
    *_kinds(
        Layer.STRUCTURE,
        ("not-json", _ERROR, "not JSON", "Nothing can be read."),
        ("not-recognised", _ERROR, "neither FHIR nor CDS Hooks",
         "The document has no resourceType and no member of a CDS Hooks message."),
        ("internal-error", _ERROR, "an error of this tool", "Please report it."),
        ("duplicate-member", _ERROR, "a member stands twice",
         "Readers disagree on which of the two counts."),
        ("fhir-structure", _ERROR, "not valid FHIR",
         "The resource breaks the structure of its FHIR release (fhir.resources)."),
        ("unknown-type", _ERROR, "unknown resource type",
         "The FHIR release has no resource of this type."),
        ("release-unchecked", _NOTE, "structure not checked",
         "fhir.resources has no models of this FHIR release."),
        ("cds-hooks", _ERROR, "not valid CDS Hooks",
         "A statement of the CDS Hooks specification is broken."),
        ("cds-hooks-unusual", _WARNING, "unusual CDS Hooks",
         "The service tolerates it; other services may not."),
    ),
    *_kinds(
        Layer.CONTENT,
        ("unreadable", _ERROR, "cannot be read", "The service passes over this part and says so."),
        ("other-patient", _ERROR, "about another patient",
         "Resources of another patient are dropped."),
        ("number-for-string", _ERROR, "a number where FHIR has a string",
         "Long ids lose digits when a reader takes them as numbers."),
        ("string-for-number", _WARNING, "a string where FHIR has a number",
         "Many readers refuse the value."),
        ("system-missing", _ERROR, "code without system",
         "A code means something only in its system; the service counts it for nothing."),
        ("system-not-uri", _ERROR, "system is not a URI",
         "Coding.system is a URI; a name is in no value set."),
        ("system-uri", _WARNING, "retired or unofficial system URI",
         "Other receivers may not know it."),
        ("system-oid", _NOTE, "OID where FHIR names a URI", "Other receivers may not know it."),
        ("wrong-system", _ERROR, "right code in a wrong system",
         "The code is not in the system that it names, but in another one."),
        ("code-format", _ERROR, "no code of its system",
         "The code does not have the form that its system prescribes."),
        ("snomed-check-digit", _ERROR, "SNOMED CT id with a wrong check digit",
         "The id was mistyped or cut by a spreadsheet."),
        ("loinc-check-digit", _ERROR, "LOINC code with a wrong check digit",
         "The code was mistyped."),
        ("icd-unknown", _ERROR, "no such ICD-10-CM code",
         "The tabular list does not have the code."),
        ("display-contradicts", _WARNING, "display contradicts the code",
         "A person reads the display, the service reads the code."),
        ("display-unlike", _WARNING, "display shares no word with the code's name",
         "The code may be a wrong one, or the display a brand name or a synonym."),
        ("local-code", _WARNING, "local code with no map",
         "The service cannot know what it means."),
        ("unread-system", _WARNING, "code system that is not read",
         "No code of the entry is in a system that the service can read."),
        ("possible-order", _WARNING, "an order that is not surely understood",
         "It may be of a kind that is looked at: the service asks about it and offers nothing."),
        ("uncoded", _NOTE, "text without a code", "Free text alone never fires a card."),
        ("status-missing", _WARNING, "no clinicalStatus",
         "The service takes it for active; others may not."),
        ("status-unknown", _WARNING, "status that FHIR does not have",
         "The service cannot tell whether the fact counts."),
        ("date-unreadable", _WARNING, "date that cannot be read",
         "Rules with a time window count the fact as undated."),
        ("unit", _WARNING, "unit that cannot be converted",
         "The result counts as unknown."),
    ),
    *_kinds(
        Layer.ANSWER,
        ("feedback-item", _ERROR, "an item of feedback that is not taken",
         "The service keeps the other items."),
        ("refused", _ERROR, "the call would be refused", "The service answers 4xx."),
        ("input-untold", _WARNING, "an input that is not, or not wholly, known",
         "The source says so in its answer, or a part of it is missing (docs/completeness.md)."),
        ("input-none-stated", _NOTE, "an input of which the source says that there is none",
         "It adds nothing to a card."),
        ("data-missing", _WARNING, "required data are missing",
         "The service answers 412 unless it can read them from a FHIR server."),
    ),
)  # fmt: skip
KINDS: Final[Mapping[str, Kind]] = {kind.id: kind for kind in _ALL}


@dataclass(frozen=True, slots=True)
class DocumentFinding:
    """One thing that is wrong, with its place. `line` is counted from 1, 0 is not known.

    `mend` says what to do; `patch` is the JSON Patch (RFC 6902) where the mend is certain;
    `statement` names the statement of the conformance checklist, where there is one.
    """

    kind: str
    path: Path
    message: str
    mend: str | None = None
    patch: tuple[Mapping[str, Any], ...] = ()
    statement: str | None = None
    line: int = 0

    @property
    def layer(self) -> Layer:
        return KINDS[self.kind].layer

    @property
    def severity(self) -> Severity:
        return KINDS[self.kind].severity


@dataclass(frozen=True, slots=True)
class Understood:
    """What became of one resource.

    `state` is used, set-aside, nothing (read, and no rule has an interest in it), not-read (a
    type that the service does not read), other-patient or unreadable. `concepts` are ids of
    value sets; `why` is the reason of a state that needs one.
    """

    path: Path
    reference: str
    state: str
    concepts: tuple[str, ...] = ()
    why: str | None = None


@dataclass(frozen=True, slots=True)
class CardNote:
    """One card that would come."""

    row: str
    card: str
    indicator: str
    tier: str
    summary: str


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """What the service would answer. `status` is the HTTP status, None when it is no call;
    `silences` say why an order gets no card."""

    status: int | None = None
    cards: tuple[CardNote, ...] = ()
    silences: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """Everything about one document. `unusable`: nothing of it can be used at all."""

    name: str
    line: int = 1  # where the document begins in its file (NDJSON)
    what: str = "unknown"
    release: str | None = None
    unusable: bool = False
    findings: list[DocumentFinding] = field(default_factory=list)
    dropped: int = 0
    resources: list[Understood] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    answer: ServiceAnswer = field(default_factory=ServiceAnswer)
    notices: set[str] = field(default_factory=set)

    @property
    def worst(self) -> Severity | None:
        """The heaviest severity among the findings."""
        return next((s for s in Severity if any(f.severity is s for f in self.findings)), None)

    @property
    def failed(self) -> bool:
        """Whether there is a finding that changes the exit code."""
        return self.worst in {Severity.ERROR, Severity.WARNING}


def json_path(path: Path) -> str:
    """`$.entry[0].resource.code`; odd member names in brackets (RFC 9535 normalised names)."""
    parts = ["$"]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif step.isidentifier():
            parts.append(f".{step}")
        else:
            quoted = step.replace("\\", "\\\\").replace("'", "\\'")
            parts.append(f"['{quoted}']")
    return "".join(parts)


def pointer(path: Path) -> str:
    """JSON Pointer (RFC 6901), as JSON Patch wants it."""
    return "".join(f"/{str(s).replace('~', '~0').replace('/', '~1')}" for s in path)


def replaced(path: Path, old: Any, new: Any) -> tuple[Mapping[str, Any], ...]:
    """The patch that puts `new` where `old` stands, and fails where it does not stand any more."""
    at = pointer(path)
    return (
        {"op": "test", "path": at, "value": old},
        {"op": "replace", "path": at, "value": new},
    )


def added(path: Path, value: Any) -> tuple[Mapping[str, Any], ...]:
    """The patch that adds a member."""
    return ({"op": "add", "path": pointer(path), "value": value},)
