"""An HTTP client of an application in this process, which checks every answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
from fastapi import FastAPI

from tests.support.wire_rules import check_answer


def check_response(response: httpx.Response) -> None:
    """Run the wire rules on an HTTP answer that has a body."""
    body = response.read()
    if body and response.headers["content-type"] == "application/json":
        check_answer(response.status_code, body, _sent(response.request))
    assert not response.has_redirect_location


def _sent(request: httpx.Request) -> Any:
    try:
        return json.loads(request.content)
    except (ValueError, RecursionError, httpx.RequestNotRead):  # no JSON, or sent as a stream
        return None


class AppClient:
    """Calls an application in this process and checks every answer; takes what httpx takes."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        response = asyncio.run(self._send(method, url, arguments))
        check_response(response)
        return response

    async def _send(self, method: str, url: str, arguments: dict[str, Any]) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            response = await client.request(method, url, **arguments)
            await response.aread()
            return response

    def get(self, url: str, **arguments: Any) -> httpx.Response:
        return self.request("GET", url, **arguments)

    def post(self, url: str, **arguments: Any) -> httpx.Response:
        return self.request("POST", url, **arguments)


ClientFactory = Callable[..., AppClient]
