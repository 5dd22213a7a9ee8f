"""The hospital's day decides, whatever the day is in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from cds_service.errors import ClientsError
from cds_service.ops.settings import Settings
from cds_service.trust import access, clients

NOON_IN_UTC = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)  # the 26th in Auckland
EARLY_IN_UTC = datetime(2026, 11, 26, 1, 0, tzinfo=UTC)  # the 25th in Los Angeles
CLIENT = '[[client]]\nid = "a"\niss = "https://a.example.org"\njku = "https://a.example.org/jwks"\n'


def _client(folder: Path, zone: str) -> clients.Client:
    file = folder / "clients.toml"
    file.write_text(f'{CLIENT}timezone = "{zone}"\n')
    return clients.load(file).clients[0]


@pytest.mark.parametrize(
    ("zone", "now", "day"),
    [
        (None, NOON_IN_UTC, "2026-11-25"),
        ("Pacific/Auckland", NOON_IN_UTC, "2026-11-26"),
        ("America/Los_Angeles", EARLY_IN_UTC, "2026-11-25"),
    ],
)
def test_the_day_of_the_setting(zone: str | None, now: datetime, day: str) -> None:
    assert str(access.today_of(None, Settings(timezone=zone), now)) == day


def test_a_client_has_its_own_day(tmp_path: Path) -> None:
    client = _client(tmp_path, "Pacific/Auckland")
    settings = Settings(timezone="America/Los_Angeles")
    assert str(access.today_of(client, settings, NOON_IN_UTC)) == "2026-11-26"


def test_a_zone_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="IANA time zone"):
        Settings(timezone="Auckland time")
    with pytest.raises(ClientsError, match="IANA time zone"):
        _client(tmp_path, "Auckland time")
