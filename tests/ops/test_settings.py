"""Settings come from CDS_* variables; a wrong one stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from cds_service.errors import SettingsError
from cds_service.ops.settings import Settings, from_environment


def test_defaults() -> None:
    settings = from_environment({})

    assert settings == Settings()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.max_body_bytes == 16 * 1024 * 1024


def test_every_kind_of_value() -> None:
    settings = from_environment(
        {
            "CDS_PORT": "9000",
            "CDS_CORS_ORIGINS": "https://a.example.org, https://b.example.org",
            "CDS_KNOWLEDGE_OVERLAY": "/etc/ho",
            "CDS_HOST": "  ",
            "PATH": "/bin",
        }
    )

    assert settings.port == 9000
    assert settings.allowed_origins == ("https://a.example.org", "https://b.example.org")
    assert settings.knowledge_overlay == Path("/etc/ho")
    assert settings.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CDS_PORT", "eight"),
        ("CDS_PORT", "70000"),
        ("CDS_MAX_BODY_BYTES", "10"),
        ("CDS_EVIDENCE_URL", "http://ho.example.org"),
        ("CDS_CORS_ORIGINS", "foo"),
        ("CDS_CORS_ORIGINS", "https://ehr.example.org/app"),
        ("CDS_CORS_ORIGINS", "https://ehr.example.org/"),
        ("CDS_CORS_ORIGINS", "https://EHR.example.org"),
        ("CDS_CORS_ORIGINS", "http://"),
        ("CDS_CORS_ORIGINS", "https://*.example.org"),
        ("CDS_FHIR_SERVERS", "foo"),
        ("CDS_FHIR_SERVERS", "https://fhir.example.org/r4?x=1"),
        ("CDS_FHIR_SERVERS", "http://fhir.example.org/r4"),
        ("CDS_MAXBODY", "10"),  # misspelt: would otherwise be ignored silently
    ],
)
def test_a_wrong_setting_is_named_without_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({name: value})

    assert name in str(caught.value)
    assert value not in str(caught.value).replace(name, "") or value == "10"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("CDS_MAXBODY_BYTES", "is CDS_MAX_BODY_BYTES meant?"),
        ("CDS_OVERLAY_KNOWLEDGE", "is not a setting of this service"),
        ("CDS_TIMEZON", "is CDS_TIMEZONE meant?"),
        ("CDS_XYZ", "CDS_XYZ is not a setting of this service"),
    ],
)
def test_a_misspelt_setting_suggests_what_was_meant(name: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environment({name: "1"})

    assert said in str(caught.value)
    assert ("meant" in said) is ("meant" in str(caught.value))


def test_origins_and_servers_that_can_match_are_taken() -> None:
    settings = from_environment(
        {
            "CDS_CORS_ORIGINS": "https://ehr.example.org:8443,*, http://127.0.0.1:8093",
            "CDS_FHIR_SERVERS": "https://fhir.example.org/r4/, http://127.0.0.1:8080/fhir",
        }
    )

    assert settings.cors_origins == ("https://ehr.example.org:8443", "*", "http://127.0.0.1:8093")
    assert settings.fhir_servers == ("https://fhir.example.org/r4", "http://127.0.0.1:8080/fhir")


@pytest.mark.parametrize("environment", [{"CDS_BUDGET_MS": "300"}, {"CDS_DEADLINE_MS": "500"}])
def test_the_deadline_is_below_the_budget_also_where_one_is_the_default(
    environment: dict[str, str],
) -> None:
    with pytest.raises(SettingsError, match=r"^CDS_DEADLINE_MS: must be below CDS_BUDGET_MS"):
        from_environment(environment)
    with pytest.raises(SettingsError, match="CDS_DEADLINE_MS"):
        from_environment({}, {"budget_ms": 300})


@pytest.mark.parametrize(
    ("host", "origins", "allowed"),
    [
        ("127.0.0.1", None, ("https://sandbox.cds-hooks.org",)),
        ("0.0.0.0", None, ()),  # noqa: S104 - reachable from elsewhere: nobody by default
        ("0.0.0.0", ("https://a.example.org",), ("https://a.example.org",)),  # noqa: S104
        ("127.0.0.1", (), ()),
    ],
)
def test_browser_clients(
    host: str, origins: tuple[str, ...] | None, allowed: tuple[str, ...]
) -> None:
    assert Settings(host=host, cors_origins=origins).allowed_origins == allowed
