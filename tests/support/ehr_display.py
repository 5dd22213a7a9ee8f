"""An EHR that shows cards as the standard says: the later answer of an id replaces the earlier."""

from __future__ import annotations

from typing import Any

from tests.support.app_client import AppClient

Json = dict[str, Any]


class EhrDisplay:
    """Finds services by discovery, and keeps on its screen what they answered last, by their id
    (CDS Hooks 2.0, "CDS Service Response": cards of an earlier hook with the same id are removed).
    """

    def __init__(self, client: AppClient) -> None:
        self._client = client
        self._services = client.get("/cds-services").json()["services"]
        self._shown: dict[str, list[Json]] = {}

    def fire(self, hook: str, body: Json) -> None:
        """Call all services of a hook."""
        for service in self._services:
            if service["hook"] == hook:
                answer = self._client.post(
                    f"/cds-services/{service['id']}", json=body | {"hook": hook}
                )
                assert answer.status_code == 200
                self._shown[service["id"]] = answer.json()["cards"]

    @property
    def cards(self) -> list[Json]:
        return [card for cards in self._shown.values() for card in cards]
