"""A service whose clients have `repeat_days`: calls, answers to their cards, another day."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from cds_service.knowledge.loader import Knowledge
from cds_service.ops import repeat_key
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from cds_service.store.tables import issued
from tests.support.builders import PATIENT_ID
from tests.support.builders import request as build
from tests.support.constants import NOW
from tests.support.issuer import PUBLIC, Issuer, client_toml, jwk, key_set
from tests.support.stores import read, until
from tests.support.wire_rules import check_answer

HO = "sct 444748003 Postoperative heterotopic ossification"
HIGH: dict[str, Any] = {
    "patient": {"age": 58, "sex": "male"},
    "orders": ["right hip replacement"],
    "chart": {"conditions": [HO]},
}
"""A call that gives a warning."""

DECLINED = {"system": "http://snomed.info/sct", "code": "105480006"}
_SERVICES = {"patient-view": "ho-patient-view"}
_ISS = "https://{}.example.org/oauth2"


def registered(folder: Path, **clients: dict[str, Any]) -> Path:
    """A file of clients by their ids, each with what is given of it; one key for all."""
    keys = key_set(jwk("P-384", "ec+1/a="))
    entries = [
        client_toml(id=name, iss=_ISS.format(name), **more, jwks=keys)
        for name, more in clients.items()
    ]
    file = folder / "clients.toml"
    file.write_text("\n".join(entries))
    return file


class Ward:
    """Calls and feedback of registered clients."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http, self.url = http, url
        self.now = NOW
        self._shown: list[str] = []

    def later(self, **span: float) -> None:
        """Let time go by."""
        self.now += timedelta(**span)

    async def cards(self, described: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
        """The cards of a call about what is described."""
        return await self.asked(build(described), **how)

    async def asked(
        self,
        body: dict[str, Any],
        client: str = "north",
        hook: str = "order-sign",
        patient: str = PATIENT_ID,
        tenant: str | None = None,
        **more: Any,
    ) -> list[dict[str, Any]]:
        """The cards of a call, as one client makes it for a patient; `more` is of the body."""
        text = json.dumps(body | {"hook": hook} | more).replace(PATIENT_ID, patient)
        service = _SERVICES.get(hook, "ho-orders")
        answer = await self._post(f"/cds-services/{service}", text, client, tenant)
        self.answer = answer
        cards: list[dict[str, Any]] = answer.json()["cards"]
        self._shown += [card["uuid"] for card in cards]
        return cards

    async def card(self, described: dict[str, Any], **how: Any) -> dict[str, Any]:
        """The one card of a call."""
        [card] = await self.cards(described, **how)
        return card

    async def answered(
        self,
        card: dict[str, Any],
        client: str = "north",
        outcome: str = "overridden",
        reason: dict[str, str] | None = DECLINED,
        at: datetime | None = None,
    ) -> None:
        """Report what a clinician did with a card, at once."""
        said = {"overrideReason": {"reason": reason}} if reason else {}
        item = {
            "card": card["uuid"],
            "outcome": outcome,
            "outcomeTimestamp": (at or self.now).isoformat(),
            **said,
        }
        path = "/cds-services/ho-orders/feedback"
        await self._post(path, json.dumps({"feedback": [item]}), client)

    async def overridden(self, described: dict[str, Any] = HIGH, **how: Any) -> dict[str, Any]:
        """A warning that is overridden with a reason of ours; its card."""
        card = await self.card(described, **how)
        await self.answered(card, how.get("client", "north"))
        return card

    async def ready(self) -> dict[str, Any]:
        """What readiness says."""
        said: dict[str, Any] = (await self._http.get("/health/ready")).json()
        return said

    async def written(self) -> None:
        """Wait until all cards that were shown are in the database."""

        async def are_there() -> bool:
            rows = {row["card"] for row in await read(self.url, issued)}
            return rows.issuperset(self._shown)

        await until(are_there)

    async def _post(
        self, path: str, content: str, client: str, tenant: str | None = None
    ) -> httpx.Response:
        issuer = Issuer(self.now, iss=_ISS.format(client), audience=PUBLIC + path)
        headers = {
            "Authorization": f"Bearer {issuer.token(tenant=tenant)}",
            "Content-Type": "application/json",
        }
        answer = await self._http.post(path, content=content, headers=headers)
        assert answer.status_code == 200, answer.text
        check_answer(answer.status_code, answer.content)
        return answer


@asynccontextmanager
async def ward(
    folder: Path, knowledge: Knowledge, url: str | None = None, **more: Any
) -> AsyncIterator[Ward]:
    """A service of the clients `north` and `south`, unless `clients` names others. A loaded machine
    may look up slowly: the tests wait longer than the service does by itself."""
    url = url or f"sqlite:///{folder / 'db'}"
    key, plain = folder / "repeat.key", {"repeat_days": 30}
    if more.pop("key", True) and not key.exists():
        repeat_key.rotate(key)
    clients = more.pop("clients", {"north": plain, "south": plain})
    start = more.pop("now", NOW)
    settings = {
        "database_url": SecretStr(url),
        "clients": registered(folder, **clients),
        "public_url": PUBLIC,
        "data_dir": folder,
        "repeat_key_file": key,
        "repeat_wait_ms": 2_000,
        **more,
    }
    found: list[Ward] = []
    app = create_app(
        Settings(**settings), knowledge, clock=lambda: found[0].now if found else start
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://localhost"
    ) as http:
        found.append(Ward(http, url))
        found[0].now = start
        async with app.router.lifespan_context(app):

            async def is_open() -> bool:
                ready = (await http.get("/health/ready")).json()
                return bool(ready["database"] == "ok")

            async with asyncio.timeout(20):
                await until(is_open)
            yield found[0]
