"""The JSON of CDS Hooks 2.0 as frozen models; one that breaks a rule of the spec cannot be built.

Python names are in snake case, wire names in camel case; both are accepted when a model is built
(`selection_behavior=` or `selectionBehavior=`), and `to_bytes` writes the wire names. Rule ids in
comments (CD-02, AC-05 ...) are those of the project's conformance table, made from
https://cds-hooks.hl7.org/2.0/.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self
from unicodedata import category
from urllib.parse import urlsplit

import msgspec
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from cds_service.cdshooks.prefetch_tokens import DATE, TOKEN, USERS
from cds_service.ops.settings import SPEC_VERSION
from cds_service.ops.urls import is_loopback_host

SUMMARY_LIMIT = 140
"""A summary has fewer characters than this (CD-02), in code points and in UTF-16 units alike."""

RESOURCE_ID = r"^[A-Z][A-Za-z]+/[^/\s]+$"
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_VARIANT = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))  # two bits are 10, two random
_EXTENSION_NAME = re.compile(r"[a-z]+(\.[A-Za-z0-9-]+)+")
_CONTROLS = frozenset({"Cc", "Cs"})
_NOT_IN_A_LINE = _CONTROLS | {"Zl", "Zp"}


Json = dict[str, Any]
"""A JSON object."""


def utf16_length(text: str) -> int:
    """Length as JavaScript and Java count it: characters beyond the BMP count twice."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def prune(value: Any) -> Any:
    """Take `None`, blank strings, and empty lists and objects out of JSON data, at any depth.

    What is left empty by that goes too; the result is None when nothing is left (JS-03, JS-04).
    """
    if isinstance(value, str):
        return None if not value or value.isspace() else value
    if isinstance(value, Mapping):
        kept = {str(k): v for k, v in ((k, prune(v)) for k, v in value.items()) if v is not None}
        return kept or None
    if isinstance(value, (list, tuple)):
        items = [v for v in (prune(v) for v in value) if v is not None]
        return items or None
    return value


# --- kinds of text ---


# These judge every text of a card, whether it goes through the models below or not.


def plain(text: str) -> str:
    """One line of plain text: no control characters, no line or paragraph separators (MD-01).

    Raises ValueError for anything else, as the other functions of this section do.
    """
    if not text or text.isspace():
        raise ValueError("must not be blank")
    if not text.isprintable() and any(category(char) in _NOT_IN_A_LINE for char in text):
        raise ValueError("must be one line without control characters")
    return text


def summary(text: str) -> str:
    """A plain line that is short enough for a summary."""
    if len(text) >= SUMMARY_LIMIT or utf16_length(text) >= SUMMARY_LIMIT:
        raise ValueError(f"must be shorter than {SUMMARY_LIMIT} characters")
    return plain(text)


def markdown(text: str) -> str:
    """Markdown: lines without control characters."""
    if not text or text.isspace():
        raise ValueError("must not be blank")
    if not text.isprintable():
        lines = text.replace("\n", "")
        if any(category(char) in _CONTROLS for char in lines):
            raise ValueError("must not hold control characters other than line feeds")
    return text


def _absolute_url(url: str) -> str:
    """An absolute https URL; http only for this very machine (SO-02, SO-03, LK-01)."""
    if any(char.isspace() or not char.isprintable() for char in url):
        raise ValueError("must not hold blanks or control characters")
    parts = urlsplit(url)
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise ValueError("must be an absolute URL without credentials")
    local = parts.scheme == "http" and is_loopback_host(parts.hostname)
    if parts.scheme != "https" and not local:
        raise ValueError("must use https")
    return url


def _extension(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with globally unique member names (EX-01, EX-02)."""
    for name in value:
        if not _EXTENSION_NAME.fullmatch(name):
            raise ValueError("extension names are reverse-domain names")
    return value


def _resource(value: dict[str, Any]) -> dict[str, Any]:
    """A FHIR resource as JSON: has `resourceType`; nulls and empties are refused (JS-03)."""
    if not isinstance(value.get("resourceType"), str) or not value["resourceType"]:
        raise ValueError("must be a FHIR resource with resourceType")
    if prune(value) != value:
        raise ValueError("must not hold null, blank or empty members")
    return value


Plain = Annotated[str, AfterValidator(plain)]
Summary = Annotated[str, AfterValidator(summary)]
MarkdownText = Annotated[str, AfterValidator(markdown)]
Url = Annotated[str, AfterValidator(_absolute_url)]
Uuid = Annotated[str, Field(pattern=_UUID)]
Extension = Annotated[
    Annotated[dict[str, Any], AfterValidator(_extension)] | None, BeforeValidator(prune)
]
"""Any object may carry one (EX-01). Empties inside are pruned, not refused."""
ResourceId = Annotated[str, Field(pattern=RESOURCE_ID)]
Resource = Annotated[dict[str, Any], AfterValidator(_resource)]


def new_uuid() -> str:
    """A random UUID, version 4 (RFC 9562); `uuid.uuid4` takes several times as long."""
    digits = os.urandom(16).hex()
    variant = _VARIANT[digits[16]]
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


class WireModel(BaseModel):
    """Base of everything that leaves the service: frozen, and no member that the spec lacks."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


# --- cards ---


class Coding(WireModel):
    """A coded value: `code` and `system` are required, `display` is not (CO-01)."""

    code: Plain
    system: Plain
    display: Plain | None = None


class OverrideReason(Coding):
    """A coded reason for not following a card; here `display` is required (CD-08)."""

    display: Plain


class Source(WireModel):
    """Where the guidance of a card comes from (SO-01 to SO-04)."""

    label: Plain
    url: Url | None = None
    icon: Url | None = None
    topic: Coding | None = None
    extension: Extension = None


class Action(WireModel):
    """One change that a suggestion makes (AC-01 to AC-06).

    `create` and `update` carry a resource; `delete` names its target by `resource_id`,
    `Type/id` without a version, and nothing else.
    """

    type: Literal["create", "update", "delete"]
    description: Plain
    resource: Resource | None = None
    resource_id: ResourceId | None = None
    extension: Extension = None

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        wants_id = self.type == "delete"
        if wants_id != (self.resource_id is not None) or wants_id == (self.resource is not None):
            raise ValueError("delete takes resourceId, create and update take resource")
        if self.type == "update" and not (self.resource or {}).get("id"):
            raise ValueError("update takes a resource with its id")
        return self


class Suggestion(WireModel):
    """One thing a clinician can accept as a whole (SG-01 to SG-04; of 3.0: SG-06)."""

    label: Plain
    uuid: Uuid = Field(default_factory=new_uuid)
    is_recommended: bool | None = None
    actions: Annotated[tuple[Action, ...], Field(min_length=1)] | None = None
    action_selection_behavior: Literal["all", "any", "at-most-one"] | None = None
    extension: Extension = None


class Link(WireModel):
    """A link to an app or a page (LK-01, LK-02). `autolaunchable` is never sent (LK-03)."""

    label: Plain
    url: Url
    type: Literal["absolute", "smart"]
    app_context: Annotated[str, Field(min_length=1)] | None = None
    extension: Extension = None

    @model_validator(mode="after")
    def _context_for_smart_only(self) -> Self:
        if self.app_context is not None and self.type != "smart":
            raise ValueError("appContext goes with type smart only")
        return self


class Card(WireModel):
    """One piece of guidance (CD-01 to CD-10)."""

    uuid: Uuid = Field(default_factory=new_uuid)
    summary: Summary
    detail: MarkdownText | None = None
    indicator: Literal["info", "warning", "critical"]
    source: Source
    suggestions: Annotated[tuple[Suggestion, ...], Field(min_length=1)] | None = None
    selection_behavior: Literal["at-most-one", "any"] | None = None
    override_reasons: Annotated[tuple[OverrideReason, ...], Field(min_length=1)] | None = None
    links: Annotated[tuple[Link, ...], Field(min_length=1)] | None = None
    extension: Extension = None

    @model_validator(mode="after")
    def _behavior_goes_with_suggestions(self) -> Self:
        if (self.suggestions is None) != (self.selection_behavior is None):
            raise ValueError("selectionBehavior goes with suggestions, and only with them")
        recommended = sum(1 for s in self.suggestions or () if s.is_recommended)
        if self.selection_behavior == "at-most-one" and recommended > 1:
            raise ValueError("at most one suggestion is recommended under at-most-one")
        return self


class CDSResponse(WireModel):
    """The answer to a call: `cards` is there even when empty (RS-01 to RS-04)."""

    cards: tuple[Card, ...] = ()
    system_actions: Annotated[tuple[Action, ...], Field(min_length=1)] | None = None
    extension: Extension = None

    @model_validator(mode="after")
    def _uuids_are_unique(self) -> Self:
        uuids = [card.uuid for card in self.cards]
        uuids += [s.uuid for card in self.cards for s in card.suggestions or ()]
        if len(uuids) != len(set(uuids)):
            raise ValueError("uuids of cards and suggestions are unique")
        return self


# --- discovery ---

_TOKEN_TEXT = re.compile(rf"context\.[A-Za-z]+|{'|'.join(USERS)}|{DATE.pattern}")


def _template(text: str) -> str:
    """A prefetch template that clients resolve (PF-01 to PF-04, PF-07; dates are of 3.0)."""
    if not re.match(r"[A-Z][A-Za-z]+[/?]", text):
        raise ValueError("a template is a relative FHIR URL, Type/id or Type?query")
    for token in TOKEN.findall(text):
        if not _TOKEN_TEXT.fullmatch(token):
            raise ValueError("a token names a root-level context field, a user id or a date")
    if text.count("{{") != text.count("}}") or text.count("{{") != len(TOKEN.findall(text)):
        raise ValueError("tokens stand between {{ and }}")
    return text


PrefetchKey = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
PrefetchTemplate = Annotated[str, AfterValidator(_template)]


class Service(WireModel):
    """One entry of discovery (DS-04 to DS-11)."""

    hook: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)+$")]
    title: Plain
    description: MarkdownText
    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    prefetch: Annotated[dict[PrefetchKey, PrefetchTemplate], Field(min_length=1)] | None = None
    usage_requirements: Plain | None = None
    version: Annotated[str, Field(pattern=SPEC_VERSION)] | None = None
    hook_version: Plain | None = None
    extension: Extension = None


class Discovery(WireModel):
    """The answer to `GET /cds-services`; `services` is there even when empty (DS-02, DS-03)."""

    services: tuple[Service, ...] = ()


# --- what comes in ---


class ReadModel(BaseModel):
    """Base of what clients send: frozen, unknown members ignored at every level (JS-08)."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        arbitrary_types_allowed=True,
    )


class FhirAuthorization(ReadModel):
    """The client's access to its FHIR server (FA-03). The token never shows in a repr."""

    access_token: str = Field(alias="access_token", min_length=1, repr=False)
    token_type: str = Field(default="Bearer", alias="token_type")
    expires_in: int | None = Field(default=None, alias="expires_in")
    scope: str | None = None
    subject: str | None = None
    patient: str | None = None


class Context(ReadModel):
    """`context` of a call. `patient_id` is a bare id; `draft_orders` is undecoded JSON."""

    patient_id: str
    user_id: str | None = None
    encounter_id: str | None = None
    selections: tuple[str, ...] = ()
    draft_orders: msgspec.Raw | None = Field(default=None, repr=False)


class CDSRequest(ReadModel):
    """A call, read by `envelope.parse`. `prefetch` values are undecoded JSON.

    `fhir_server` is set only when it is an http(s) URL. `notes` says in words what was unusual
    and tolerated (never with values of the request).
    """

    hook: str
    hook_instance: str
    context: Context = Field(repr=False)
    fhir_server: str | None = None
    fhir_authorization: FhirAuthorization | None = Field(default=None, repr=False)
    prefetch: Mapping[str, msgspec.Raw] | None = Field(default=None, repr=False)
    extension: msgspec.Raw | None = Field(default=None, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def has_fhir_access(self) -> bool:
        """Whether the client gave both a server and a token (FA-01)."""
        return self.fhir_server is not None and self.fhir_authorization is not None


# --- writing ---


def to_json(model: WireModel) -> Json:
    """The model as JSON data with wire names and without members that have no value."""
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def to_bytes(model: WireModel) -> bytes:
    """The model as UTF-8 JSON (JS-01)."""
    return encode(to_json(model))


def encode(answer: Any) -> bytes:
    """An answer, or a part of one, that is JSON data already, as UTF-8."""
    return msgspec.json.encode(answer)
