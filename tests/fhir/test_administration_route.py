"""Routes of administration: which, and what each means."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.charts import (
    concept,
)
from tests.support.medicines import dosed


def test_routes() -> None:
    assert dosed({"route": concept("78421000")}).routes == {"route-intramuscular", "route-systemic"}
    assert dosed({}).routes == frozenset()


@pytest.mark.parametrize(
    ("route", "meaning"),
    [
        ({"text": "IM"}, "route-systemic"),
        ({"text": "Oral"}, "route-systemic"),
        ({"text": "By mouth"}, "route-systemic"),
        ({"text": "PO"}, "route-systemic"),
        (
            {"coding": [{"system": "urn:oid:1.2.3", "code": "15", "display": "Oral"}]},
            "route-systemic",
        ),
        ({"text": "Subcutaneous"}, "route-systemic"),
        ({"text": "Both Eyes"}, "route-local"),
        ({"text": "Percutaneous gel"}, "route-local"),
        ({"text": "apply to affected area"}, "route-local"),
        (concept("6064005"), "route-local"),
        (concept("54485002"), "route-local"),
        ({"text": "as directed"}, "route-unread"),
        ({"coding": [{"system": "urn:oid:1.2.3", "code": "99"}]}, "route-unread"),
    ],
)
def test_what_a_route_means(route: dict[str, Any], meaning: str) -> None:
    assert dosed({"route": route}).routes == {meaning}
