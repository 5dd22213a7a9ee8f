"""An application with its store at work, for tests that look into the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Table, select

from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from cds_service.store import report as figures
from cds_service.store.database import Database
from cds_service.store.tables import feedback
from tests.support.constants import NOW
from tests.support.wire_rules import check_answer

FEEDBACK = "/cds-services/ho-order-sign/feedback"

Live = Callable[..., AbstractAsyncContextManager["Service"]]


class Service:
    """An application with its store at work, and a look into its database."""

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    async def request(self, method: str, path: str = FEEDBACK, **arguments: Any) -> httpx.Response:
        """Any request; its body is called JSON unless its headers say otherwise."""
        if "content" in arguments:
            said = {"content-type": "application/json"}
            arguments["headers"] = said | arguments.get("headers", {})
        return await self.bare(method, path, **arguments)

    async def bare(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A request with the headers that are given, and no others."""
        response = await self._client.request(method, path, **arguments)
        if response.content and response.headers["content-type"] == "application/json":
            check_answer(response.status_code, response.content)
        assert not response.is_redirect
        return response

    async def post(self, body: Any, path: str = FEEDBACK) -> httpx.Response:
        return await self.request("POST", path, json=body)

    async def send(self, *items: Any) -> dict[str, Any]:
        """Post items, which are all taken; returns what was answered."""
        response = await self.post({"feedback": list(items)})
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        assert answer["feedback"] == len(items)
        return answer

    async def rows(self, table: Table = feedback) -> list[dict[str, Any]]:
        database = Database(self._url)
        try:
            async with database.engine.connect() as connection:
                rows = await connection.execute(select(table).order_by(*table.primary_key))
                return [dict(row) for row in rows.mappings()]
        finally:
            await database.close()

    async def stored(self, *items: Any) -> dict[str, Any]:
        """What is kept of one item, or the last of several."""
        await self.send(*items)
        [row] = await self.rows()
        return row

    async def figures(self) -> figures.Figures:
        database = Database(self._url)
        try:
            return await figures.read(database)
        finally:
            await database.close()


@pytest.fixture
def live(knowledge: Knowledge, tmp_path: Path) -> Live:
    """Start an application with its store; an SQLite file unless another database is named."""

    @asynccontextmanager
    async def start(
        url: str = f"sqlite:///{tmp_path / 'db'}", **more: Any
    ) -> AsyncIterator[Service]:
        content = None if "knowledge_overlay" in more else knowledge
        app = create_app(Settings(database_url=SecretStr(url), **more), content, clock=lambda: NOW)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            yield Service(client, url)

    return start


@pytest.fixture
async def service(live: Live) -> AsyncIterator[Service]:
    async with live() as started:
        yield started
