"""Configuration: one frozen object, read from the environment variables CDS_*."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from cds_service.errors import SettingsError

PREFIX = "CDS_"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def _split(value: Any) -> Any:
    """`a, b` as a tuple; anything else as it is."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


class Settings(BaseModel):
    """Everything an operator can set. The variable of `max_body_bytes` is CDS_MAX_BODY_BYTES."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 picks one.")
    workers: int = Field(default=1, ge=1, le=64, description="Number of worker processes.")
    cors_origins: Annotated[tuple[str, ...] | None, BeforeValidator(_split)] = Field(
        default=None,
        description=(
            "Origins of browser-based clients, separated by commas, or `*`. "
            "Unset: `*` when the service listens on this machine only, else none."
        ),
    )
    max_body_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Largest request body, in bytes, as sent and after unpacking gzip.",
    )
    knowledge_overlay: Path | None = Field(
        default=None, description="Directory with a site's own codes, rules and doses."
    )
    evidence_url: str | None = Field(
        default=None,
        pattern=r"^https://[^\s]+$",
        description="Public https address of the page that explains the evidence behind a card.",
    )

    @property
    def listens_locally(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in _LOOPBACK

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """The origins that get CORS headers."""
        if self.cors_origins is not None:
            return self.cors_origins
        return ("*",) if self.listens_locally else ()


def from_environment(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings from CDS_* variables; blank ones count as unset.

    Raises SettingsError for a value that cannot be used, and for a CDS_ variable that is no
    setting: a misspelt name would otherwise be ignored silently.
    """
    env = os.environ if environment is None else environment
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in env.items()
        if name.startswith(PREFIX) and value.strip()
    }
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(item) for item in error.errors())) from None


def _explain(item: Any) -> str:
    name = PREFIX + str(item["loc"][0]).upper()
    if item["type"] == "extra_forbidden":
        return f"{name} is not a setting of this service"
    return f"{name}: {item['msg']}"
