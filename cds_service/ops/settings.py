"""Configuration: one frozen object, read from the environment variables CDS_*."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from cds_service.errors import SettingsError
from cds_service.ops import setting_words
from cds_service.ops.limit_settings import LimitSettings
from cds_service.ops.setting_forms import database, origin, split, state_dir
from cds_service.ops.timezones import Timezone
from cds_service.ops.urls import Url, is_loopback_host

PREFIX = "CDS_"
SANDBOX = "https://sandbox.cds-hooks.org"
"""Origin of the public CDS Hooks Sandbox."""
SPEC_VERSION = r"^(STU[1-9]|[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9]+)?)$"
"""Versions of CDS Hooks as 3.0 writes them (DS-10): `STU3` in its ballot, `3.0.0` later."""


class Settings(LimitSettings):
    """Everything an operator can set. The variable of `max_body_bytes` is CDS_MAX_BODY_BYTES."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 picks one.")
    workers: int = Field(default=1, ge=1, le=64, description="Number of worker processes.")
    cors_origins: Annotated[
        tuple[Annotated[str, AfterValidator(origin)], ...] | None, BeforeValidator(split)
    ] = Field(
        default=None,
        description=(
            "Origins of browser-based clients, separated by commas, or `*`. "
            "Unset: the public CDS Hooks Sandbox and pages of this machine when the service "
            "listens on this machine only, else none."
        ),
    )
    timezone: Timezone | None = Field(
        default=None,
        description="Time zone of the hospital (IANA, `Pacific/Auckland`): its day decides. "
        "A client of CDS_CLIENTS may have its own. Unset: each limit is judged on the cautious "
        "side of a day more or less.",
    )
    clients: Path | None = Field(
        default=None,
        description="TOML file of the EHR clients that may call; see clients.example.toml.",
    )
    user_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="Key of the hashes by which `share` and `users` of a client, and variants of "
        "an overlay, tell users apart, at least 16 characters, the same for all machines. Another "
        "one draws anew.",
    )
    repeat_key_file: Path | None = Field(
        default=None,
        description="File with the key by which `repeat_days` of a client finds an earlier answer, "
        "the same for all machines; `cds-service repeats rotate` makes a new one.",
    )
    repeat_wait_ms: int = Field(
        default=50, ge=1, le=2_000, description="Time a call waits at most for such an answer."
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Public base URL of this service: tokens must name it in `aud`.",
    )
    identifier_base: str | None = Field(
        default=None,
        pattern=r"^https://[a-z0-9-]+(\.[a-z0-9-]+)+(/[A-Za-z0-9_-]+)*/?$",
        description="https URL of yours below which identifiers are given: code systems, "
        "extensions, canonical URLs. Set it once, before the first call. Unset: "
        "`https://ho-cds.example.org`, which nobody owns; a service that others reach warns of it.",
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Answer calls without a token although others can reach the service: demos.",
    )
    discovery_auth: bool = Field(
        default=False, description="Ask for a token at discovery, too; else it is open."
    )
    audit: Literal["best-effort", "strict"] = Field(
        default="best-effort",
        description="Whether a call of a registered client is answered (best-effort) or gets 503 "
        "(strict) while the audit lines of the log cannot be written.",
    )
    replay: Literal["auto", "memory", "database"] = Field(
        default="auto",
        description=(
            "Where used tokens are remembered. auto: in memory with one worker and an SQLite "
            "file, else in the database, and in memory while that does not answer. database: "
            "without it no call is answered."
        ),
    )
    fhir_servers: Annotated[tuple[Url, ...], BeforeValidator(split)] = Field(
        default=(),
        description="FHIR base URLs that may be read for anonymous callers, with commas between.",
    )
    ca_file: Path | None = Field(
        default=None, description="PEM file of further authorities to trust when calling out."
    )
    metrics: bool | None = Field(
        default=None, description="Serve /metrics. Unset: only when just this machine reaches it."
    )
    openapi: bool | None = Field(
        default=None, description="Serve /openapi.json. Unset: as for metrics."
    )
    server_timing: bool = Field(
        default=False, description="Send the header Server-Timing with the time of each stage."
    )
    traces_url: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s?#@]+$",
        description="URL of an OTLP/HTTP receiver that gets traces of calls, "
        "`http://127.0.0.1:4318/v1/traces`. Needs the extra `otel`. Unset: there are none.",
    )
    traces_share: float = Field(
        default=1,
        ge=0,
        le=1,
        description="Share of the calls without `traceparent` that get a trace, 0 to 1; of the "
        "others their EHR decides.",
    )
    data_dir: Path = Field(
        default_factory=state_dir,
        description="Directory of the SQLite file, where no database is named.",
    )
    database_url: Annotated[SecretStr, AfterValidator(database)] | None = Field(
        default=None,
        description=(
            "Where cards and feedback are kept: sqlite:///FILE or postgresql://USER@HOST/DATABASE; "
            "none keeps nothing. Unset: feedback.sqlite3 in the data directory."
        ),
    )
    retention_days: int = Field(
        default=400,
        ge=1,
        le=3650,
        description="Days for which cards, feedback and counts are kept; the service deletes what "
        "is older, each hour.",
    )
    feedback_per_hour: int = Field(
        default=20_000,
        ge=1_000,  # as many as one call may hold
        description="Items of feedback that one worker takes from one client in an hour; more get "
        "429.",
    )
    knowledge_overlay: Path | None = Field(
        default=None, description="Directory with a site's own codes, rules and doses."
    )
    evidence_url: str | None = Field(
        default=None,
        pattern=r"^https://[^\s]+$",
        description="Public https address of the pages that explain the evidence behind a card. "
        "One that ends with /evidence is taken for those of this service: each line of a card "
        "links to its place there. Any other is linked to as it stands.",
    )

    pages: bool | None = Field(
        default=None,
        description=(
            "Serve the pages for people: playground, evidence, insights. "
            "Unset: only when just this machine can see them."
        ),
    )
    operator_token: SecretStr | None = Field(
        default=None,
        min_length=16,
        description=(
            "What operators must show to see /insights, at least 16 characters. Unset: nothing on "
            "this machine; others do not see the page."
        ),
    )

    budget_ms: int = Field(
        default=500, ge=50, le=60_000, description="Time in which a whole call should be answered."
    )
    deadline_ms: int = Field(
        default=400,
        validate_default=True,  # a budget below it is a mistake, too
        ge=10,
        le=60_000,
        description="Time after which no more is read from a FHIR server; below the budget.",
    )
    give_up_ms: int = Field(
        default=5_000,
        ge=50,
        le=60_000,
        description="Time after which a call that is still worked on is ended with 503.",
    )
    fetch_max_pages: int = Field(
        default=20, ge=1, le=1000, description="Most pages read of one search."
    )
    fetch_max_entries: int = Field(
        default=10_000, ge=100, description="Most resources read from a FHIR server in one call."
    )
    fetch_max_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Most bytes read from a FHIR server in one call, packed and unpacked.",
    )
    spec_version: str | None = Field(
        default=None,
        pattern=SPEC_VERSION,
        description=(
            "Version of CDS Hooks to name in discovery. STU3 and 3.0.0 bring what is new in 3.0, "
            "1.0.0 keeps to 1.0 (docs/integrators.md). Unset: 2.0, and nothing beyond it is sent."
        ),
    )

    @field_validator("public_url")
    @classmethod
    def _reached_by_https(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "")
        if parts.scheme == "http" and not is_loopback_host(parts.hostname):
            raise ValueError("must use https: calls hold patient data (JS-02)")
        return value

    @field_validator("spec_version", mode="before")
    @classmethod
    def _names_a_whole_version(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(SPEC_VERSION, value):
            whole = f"{value}.0" if re.fullmatch(r"[0-9]+\.[0-9]+", value) else "3.0.0"
            raise ValueError(f"must be a version as CDS Hooks writes them: STU3, or {whole}")
        return value

    @field_validator("deadline_ms")
    @classmethod
    def _below_the_budget(cls, value: int, info: ValidationInfo) -> int:
        if value >= info.data.get("budget_ms", value + 1):
            raise ValueError("must be below CDS_BUDGET_MS (cards are made after reading); set both")
        return value

    @property
    def spoken(self) -> int:
        """The major version of CDS Hooks that is spoken; what is newer is not sent."""
        return int((self.spec_version or "2").removeprefix("STU").partition(".")[0])

    @property
    def listens_locally(self) -> bool:
        """Whether only this machine can reach the service."""
        return is_loopback_host(self.host)

    @property
    def store_url(self) -> str | None:
        """URL of the database, None when nothing is kept. It may hold a password."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir.absolute() / 'feedback.sqlite3'}"
        url = self.database_url.get_secret_value()
        return None if url == "none" else url.replace("postgres://", "postgresql://", 1)

    @property
    def remembers_in_database(self) -> bool:
        """Whether used tokens are kept where several workers and machines see them."""
        if self.replay != "auto":
            return self.replay == "database"
        return self.workers > 1 or not (self.store_url or "sqlite").startswith("sqlite")

    @property
    def shows_metrics(self) -> bool:
        """Whether /metrics is served."""
        return self.is_alone if self.metrics is None else self.metrics

    @property
    def shows_openapi(self) -> bool:
        """Whether /openapi.json is served."""
        return self.is_alone if self.openapi is None else self.openapi

    @property
    def is_alone(self) -> bool:
        """Whether nobody but this machine reaches the service, not even through a proxy."""
        host = urlsplit(self.public_url or "http://localhost").hostname
        return self.listens_locally and is_loopback_host(host)

    @property
    def drain(self) -> float:
        """Seconds between SIGTERM and the end, for whoever sends calls here to notice."""
        return self.drain_seconds if self.drain_seconds is not None else 5.0 * (not self.is_alone)

    @property
    def shows_pages(self) -> bool:
        """Whether the pages for people are served."""
        return self.is_alone if self.pages is None else self.pages

    @property
    def evidence_page(self) -> str | None:
        """Absolute address of the evidence page, where cards can name one."""
        if self.evidence_url is not None or not self.shows_pages:
            return self.evidence_url
        if self.public_url is not None:
            return f"{self.public_url.rstrip('/')}/evidence"
        name = f"[{self.host}]" if ":" in self.host else self.host
        known = self.listens_locally and self.port
        return f"http://{name}:{self.port}/evidence" if known else None

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins that get CORS headers."""
        if self.cors_origins is not None:
            return self.cors_origins
        return (SANDBOX,) if self.listens_locally else ()

    @property
    def admits_local_pages(self) -> bool:
        """Whether pages of this machine, on any port, get CORS headers."""
        return self.cors_origins is None and self.listens_locally


def from_environment(
    environment: Mapping[str, str] | None = None, options: Mapping[str, Any] | None = None
) -> Settings:
    """Read the settings from CDS_* variables; blank ones count as unset. `options`, by the names
    of the settings, win over them.

    Raises SettingsError for a value that cannot be used, and for a CDS_ variable that is no
    setting: a misspelt name would otherwise be ignored silently.
    """
    env = os.environ if environment is None else environment
    setting_words.refuse_small_letters(env, _known())
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in env.items()
        if name.startswith(PREFIX) and value.strip()
    }
    try:
        return Settings.model_validate(given | dict(options or {}))
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item) for item in error.errors())) from None


def _explain(item: Any) -> str:
    name = PREFIX + str(item["loc"][0]).upper()
    if item["type"] == "extra_forbidden":
        return f"{name} is not a setting of this service{setting_words.meant(name, _known())}"
    return f"{name}: {setting_words.of_value(str(item['loc'][0]), item['type'], str(item['msg']))}"


def _known() -> list[str]:
    return [f"{PREFIX}{field.upper()}" for field in Settings.model_fields]
