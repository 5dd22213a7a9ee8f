"""The kill switch over HTTP where its file is damaged: nobody finds himself on without knowing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from cds_service.ops.switch import FILE, Switch
from tests.ops.test_calls import lines
from tests.support.live import Live, Service
from tests.support.rollouts import ORDERS, call, settings, signed
from tests.test_modes import GENETIC, HIGH

pytestmark = pytest.mark.anyio

BROKEN: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut off": lambda file: file.write_bytes(b'{"state": "of'),
    "another word": lambda file: file.write_text('{"state": "OFF"}'),
    "too long": lambda file: file.write_text(json.dumps({"state": "off", "by": "x" * 5000})),
    "a directory": lambda file: file.mkdir(),
}


async def asked(service: Service, who: dict[str, object] = HIGH) -> httpx.Response:
    return await service.request("POST", ORDERS, json=call(who), headers=signed())


async def ready(service: Service) -> dict[str, object]:
    answer = await service.request("GET", "/health/ready")
    assert answer.status_code == 200
    found: dict[str, object] = answer.json()
    return found


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_file_at_the_start_is_neither_on_nor_off(
    name: str, live: Live, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No card against the will of who switched off, and no empty answer that nobody has decided."""
    BROKEN[name](tmp_path / FILE)
    async with live("none", **settings(tmp_path)) as service:
        for who in (HIGH, GENETIC):
            answer = await asked(service, who)
            assert answer.status_code == 503
            assert "the order was not checked" in answer.text
        told = await ready(service)

    assert (told["status"], told["switch"]) == ("degraded", "unknown")
    assert "cannot be read" in str(told["problems"])
    assert "cds-service off" in str(told["problems"])
    [warned] = lines(capsys, "service")  # once, not at each call
    assert (warned["event"], warned["level"]) == ("switch NOT read", "warning")


@pytest.mark.parametrize(("state", "cards"), [("off", 0), ("on", 1)])
async def test_either_command_mends_it(state: str, cards: int, live: Live, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"")
    async with live("none", **settings(tmp_path)) as service:
        assert (await asked(service)).status_code == 503
        assert Switch(tmp_path).turn("off" if state == "off" else "on", "an operator")
        assert len((await asked(service)).json()["cards"]) == cards
        assert (await ready(service))["switch"] == state


async def test_a_client_that_is_off_stays_so(live: Live, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"")
    async with live("none", **settings(tmp_path, mode="off")) as service:
        assert (await asked(service)).content == b'{"cards":[]}'


@pytest.mark.parametrize(("state", "cards"), [("off", 0), ("on", 1)])
async def test_one_that_breaks_later_changes_nothing(
    state: str, cards: int, live: Live, tmp_path: Path
) -> None:
    assert Switch(tmp_path).turn("off" if state == "off" else "on", "an operator")
    async with live("none", **settings(tmp_path)) as service:
        assert len((await asked(service)).json()["cards"]) == cards
        (tmp_path / FILE).write_bytes(b"")
        assert len((await asked(service)).json()["cards"]) == cards
        told = await ready(service)
    assert (told["status"], told["switch"]) == ("degraded", state)
    assert f"stays {state}" in str(told["problems"])


async def test_feedback_is_taken_while_nobody_knows(live: Live, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"")
    async with live(f"sqlite:///{tmp_path / 'db'}", **settings(tmp_path)) as service:
        answer = await service.request(
            "POST", ORDERS + "/feedback", json={"feedback": []}, headers=signed()
        )
    assert answer.status_code == 200, answer.text
