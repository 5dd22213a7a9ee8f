"""A real service and its connections to a FHIR server."""

from __future__ import annotations

import httpx

from tests.support.ehr_calls import (
    ALL,
    SIGN,
    cards_of,
    ehr_of,
    record,
    serving,
    with_access,
    without,
)
from tests.support.service_process import running


def test_connections_are_used_again() -> None:
    with (
        serving(ehr_of(record())).running() as proxy,
        running(CDS_DEADLINE_MS="5000", CDS_BUDGET_MS="6000", CDS_FHIR_SERVERS=proxy.base) as base,
    ):
        body = with_access(without(record(), *ALL), proxy.base)
        for _ in range(3):
            assert len(cards_of(httpx.post(base + SIGN, json=body, timeout=30))) == 1

    assert len(proxy.searched()) == 3 * len(ALL)
    assert max(seen.connection for seen in proxy.seen) <= len(ALL) + 1  # and what the server has
