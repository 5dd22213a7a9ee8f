"""The last error handler: a failure past everything else is told like any other error."""

from __future__ import annotations

from typing import Any

import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.ops.settings import Settings
from cds_service.server.app import create_app
from tests.support.app_client import AppClient
from tests.support.constants import NOW


class Broken:
    """A layer around the application that fails."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        raise OSError(28, "No space left on device")


@pytest.mark.statement("ER-05")
def test_a_failure_outside_of_everything(knowledge: Knowledge) -> None:
    app = create_app(Settings(database_url="none"), knowledge, clock=lambda: NOW)  # type: ignore[arg-type]
    app.add_middleware(Broken)
    answer = AppClient(app).get("/cds-services")

    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.json()["issue"][0]["diagnostics"] == (
        "the service failed; the order was not checked"
    )
