"""The cases of tests/cases/days, over HTTP: the hospital's day in two zones, or no zone at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache

import pytest

from tests.support.app_client import AppClient, ClientFactory
from tests.support.builders import request
from tests.support.case_check import differences
from tests.support.casebook import FOLDER, Case, load_all

URL = "/cds-services/ho-order-sign"
HOSPITALS = (
    ("Pacific/Tarawa", datetime(2026, 11, 22, 23, 30, tzinfo=UTC)),  # UTC+12: 11:30 of the 23rd
    ("America/Los_Angeles", datetime(2026, 11, 24, 0, 30, tzinfo=UTC)),  # UTC-8: 16:30 of the 23rd
)
CASES = load_all(FOLDER / "days")


Answer = Callable[[str | None, datetime], AppClient]


@pytest.fixture(scope="module")
def hospital(make_client: ClientFactory) -> Answer:
    return cache(lambda zone, now: make_client(now, timezone=zone))


def _asked() -> Iterator[object]:
    for case in CASES:
        if case.clock is not None:
            yield pytest.param(case, None, case.clock, id=case.id)
        else:
            for zone, now in HOSPITALS:
                yield pytest.param(case, zone, now, id=f"{case.id} {zone}")


@pytest.mark.parametrize(("case", "zone", "now"), list(_asked()))
def test_case(case: Case, zone: str | None, now: datetime, hospital: Answer) -> None:
    response = hospital(zone, now).post(URL, json=request(case.description))
    found = differences(case, response.status_code, response.json())
    assert not found, f"{case.file}: {case.title}\n{case.why}\n" + "\n".join(found)
