"""The cards to try a client on: valid ones break nothing, each wrong one what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cds_service.cdshooks.conformance import answers, elements
from cds_service.cdshooks.conformance.shapes import strict_json
from cds_service.cdshooks.conformance.statements import STATEMENTS, Version
from cds_service.cli.main import app
from cds_service.tools.sandbox.app import create_stand_in_app
from cds_service.tools.sandbox.fhir_server import StandIn
from cds_service.tools.sandbox.hip_order import HipOrder
from cds_service.tools.synthetic.client_cards import ClientCard, client_cards

CARDS = client_cards()
VALID = [card for card in CARDS if card.kind == "valid"]
WRONG = [card for card in CARDS if card.kind == "wrong"]
REFUSALS = {"refuse the answer", "refuse the card", "disarm"}


def broken(content: bytes, version: Version = Version.V2) -> set[str]:
    try:
        answer = strict_json(content)
    except ValueError:
        return {"JS-01"}
    return {found.statement for found in answers.check(answer, version)}


@pytest.mark.parametrize("card", VALID, ids=lambda card: card.id)
def test_a_valid_answer_breaks_nothing_that_binds(card: ClientCard) -> None:
    """What is left out on purpose, such as a uuid, is advice only."""
    binding = {id_ for id_ in broken(card.content) if STATEMENTS[id_].level != "ADVICE"}
    models = list(elements.check(elements.ANSWER, json.loads(card.content)))

    assert binding == set()
    assert models == []


def test_markup_that_is_escaped_is_no_link_that_runs_code() -> None:
    assert [card.id for card in VALID if "MD-04" in broken(card.content)] == []


@pytest.mark.parametrize("card", WRONG, ids=lambda card: card.id)
def test_a_wrong_answer_breaks_what_it_says(card: ClientCard) -> None:
    assert card.breaks in broken(card.content, Version.V3)
    assert card.client in REFUSALS


def test_the_limits_are_reached_and_not_passed() -> None:
    lengths = {card.id: longest(card.content) for card in CARDS if b'"summary"' in card.content}

    assert lengths["longest-summary"] == 139
    assert lengths["summary-too-long"] == 140
    assert max(lengths[card.id] for card in VALID if card.id in lengths) == 139


def longest(content: bytes) -> int:
    if content.startswith(b"{") and b'"cards"' in content:
        cards = json.loads(content)["cards"] or []
        return max((len(card.get("summary", "")) for card in cards), default=0)
    return 0


def test_ids_and_uuids_stand_once() -> None:
    assert len({card.id for card in CARDS}) == len(CARDS)
    assert {card.breaks for card in WRONG} >= {"JS-01", "RS-01", "CD-02", "CD-04", "CD-07", "MD-02"}


def test_the_command_writes_them_and_says_what_each_is_about(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["fixtures", "cards", str(tmp_path / "pack")])
    again = CliRunner().invoke(app, ["fixtures", "cards", str(tmp_path / "pack")])
    listed = json.loads((tmp_path / "pack" / "cards.json").read_bytes())

    assert (done.exit_code, again.exit_code) == (0, 0)
    assert len(listed) == len(CARDS)
    for row, card in zip(listed, CARDS, strict=True):
        assert (tmp_path / "pack" / row["file"]).read_bytes() == card.content
        assert row["about"] == card.why


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "wrong").mkdir()
    (tmp_path / "wrong" / "mine.json").touch()
    done = CliRunner().invoke(app, ["fixtures", "cards", str(tmp_path)])

    assert done.exit_code == 2
    assert "mine.json" in done.stderr


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["valid", "wrong"])
async def test_they_are_served_as_they_are(kind: str) -> None:
    records: Any = StandIn({}, "http://stand-in.test/fhir")
    served = create_stand_in_app(records, HipOrder("http://x.test/cds-services", records), "guide")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(served), base_url="http://stand-in.test"
    ) as client:
        base = f"/client-cards/{kind}/cds-services"
        services = (await client.get(base)).json()["services"]
        contents = [(await client.post(f"{base}/{s['id']}", json={})).content for s in services]
        feedback = await client.post(f"{base}/{services[0]['id']}/feedback", json={"feedback": []})
        strays = [await client.post(f"{base}/nothing"), await client.get(base.replace(kind, "x"))]

    assert contents == [card.content for card in CARDS if card.kind == kind]
    assert feedback.status_code == 200
    assert [stray.status_code for stray in strays] == [404, 404]
