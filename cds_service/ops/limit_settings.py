"""The settings that bound what a call, a client or an address may take."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator


class LimitSettings(BaseModel):
    """Limits of bytes, of time and of calls at once; a part of `Settings`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_body_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=1024,
        description="Largest request body, in bytes, as sent and after unpacking gzip.",
    )
    max_depth: int = Field(
        default=100, ge=20, le=500, description="Deepest nesting of a request's JSON."
    )
    max_resources: int = Field(
        default=50_000, ge=100, description="Largest number of FHIR resources in a request."
    )
    max_draft_orders: int = Field(
        default=200, ge=1, description="Largest number of draft orders in a request."
    )
    max_concurrent: int = Field(
        default=64, ge=1, description="Calls that one worker takes at once; more get 503."
    )
    max_concurrent_per_client: int | None = Field(
        default=None,
        ge=1,
        description="Calls of one registered client that one worker takes at once; more get 503. "
        "Unset: half of CDS_MAX_CONCURRENT.",
    )
    max_bytes_in_flight: int = Field(
        default=128 * 1024 * 1024,
        ge=4096,
        description="Bytes of large bodies that one worker holds at once, half of them for one "
        "client; more wait for CDS_READ_SECONDS and get 503 then.",
    )
    read_seconds: float = Field(
        default=10,
        gt=0,
        le=300,
        description="Time for a request to arrive, header and body each, and for an answer to "
        "be taken.",
    )
    keep_alive_seconds: int = Field(
        default=130,
        ge=1,
        le=7200,
        description="Time after which an idle connection is closed: longer than the proxy before "
        "the service keeps one, or calls are lost.",
    )
    drain_seconds: float | None = Field(
        default=None,
        ge=0,
        le=300,
        description="Time after SIGTERM in which calls are answered although readiness says 503: a "
        "proxy has to notice. Unset: 5, or 0 where only this machine reaches the service. With 0 "
        "a call waits while the service starts; else it is refused, for the proxy to go on.",
    )
    max_connections: int = Field(
        default=1000, ge=1, description="Connections that one worker keeps open at once."
    )
    max_connections_per_address: int = Field(
        default=500,
        ge=1,
        description="The same from one address (of IPv6, one /64 network); a proxy is one, too.",
    )

    @field_validator("max_bytes_in_flight")
    @classmethod
    def _holds_two_bodies(cls, value: int, info: ValidationInfo) -> int:
        if value < 2 * info.data.get("max_body_bytes", 0):
            raise ValueError("must be at least twice CDS_MAX_BODY_BYTES")
        return value
