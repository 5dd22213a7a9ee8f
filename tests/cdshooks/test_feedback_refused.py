"""What the feedback endpoint refuses, and how: status, place, headers (sections A, H, P, R)."""

from __future__ import annotations

import gzip
import json

import pytest

from cds_service.cdshooks import feedback
from tests.cdshooks.test_feedback import ACCEPTED, OVERRIDDEN, REASONED
from tests.support.app_client import AppClient, ClientFactory
from tests.support.live import FEEDBACK, Live, Service

pytestmark = pytest.mark.anyio


# --- what is refused ---


@pytest.mark.statement("FB-03")
@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("", "body"),
        ("{", "line 1 column 2"),
        ("[]", "body"),
        ('"x"', "body"),
        ("{}", "feedback"),
        ('{"feedback": null}', "feedback"),
        ('{"feedback": "x"}', "feedback"),
        ('{"feedback": [], "feedback": []}', "feedback"),
        ('{"feedback": [7]}', "feedback[0]"),
        ('{"feedback": [null]}', "feedback[0]"),
        ('{"feedback": [{"outcome": "accepted"}]}', "feedback[0].card"),
        ('{"feedback": [{"card": "", "outcome": "accepted"}]}', "feedback[0].card"),
        ('{"feedback": [{"card": {}, "outcome": "accepted"}]}', "feedback[0].card"),
        ('{"feedback": [{"card": "x"}]}', "feedback[0].outcome"),
        ('{"card": "x", "outcome": "seen"}', "feedback[0].outcome"),
        ('{"feedback": [{"card": "x", "outcome": "ACCEPTED"}]}', "feedback[0].outcome"),
        ('{"feedback": [{"card": "x", "outcome": ["accepted"]}]}', "feedback[0].outcome"),
        ('{"feedback": [{"card": "x", "card": "y", "outcome": "accepted"}]}', "feedback[0].card"),
        ('{"feedback": [{"outcome": "accepted"}, {"card": "x"}]}', "feedback[0].card"),
    ],
)
async def test_a_call_without_any_good_item_is_refused_and_the_first_is_named(
    service: Service, body: str, place: str
) -> None:
    """FB-03, JS-09, ER-05."""
    response = await service.request("POST", content=body)

    assert response.status_code == 400
    issue = response.json()["issue"][0]
    assert place in issue.get("expression", [issue["diagnostics"].partition(":")[0]])
    assert await service.rows() == []


async def test_an_unknown_service(service: Service) -> None:
    response = await service.post({"feedback": [ACCEPTED]}, "/cds-services/other/feedback")

    assert response.status_code == 404
    assert response.json()["issue"][0]["code"] == "not-found"


@pytest.mark.statement("FB-01")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_other_methods(service: Service, method: str) -> None:
    response = await service.request(method)

    assert response.status_code == 405
    assert response.headers["allow"] == "OPTIONS, POST"


@pytest.mark.statement("DS-18")
async def test_a_slash_at_the_end_is_no_redirect(service: Service) -> None:
    """DS-18."""
    response = await service.post({"feedback": [ACCEPTED]}, f"{FEEDBACK}/")

    assert response.status_code == 404


async def test_too_many_items_and_too_many_bytes(live: Live) -> None:
    async with live(max_body_bytes=300_000) as service:
        many = await service.post({"feedback": [OVERRIDDEN] * (feedback.MAX_ITEMS + 1)})
        large = await service.request("POST", content=b" " * 300_001)

    assert (many.status_code, many.json()["issue"][0]["expression"]) == (413, ["feedback"])
    assert large.status_code == 413


async def test_charset_and_compression_as_for_calls(service: Service) -> None:
    text = json.dumps({"feedback": [REASONED]}, ensure_ascii=False).replace("A comment", "Ä")
    latin = {"content-type": "application/json; charset=ISO-8859-1"}

    await service.request("POST", content=text.encode("latin-1"), headers=latin)
    await service.request(
        "POST", content=gzip.compress(text.encode()), headers={"content-encoding": "gzip"}
    )

    [row] = await service.rows()
    assert row["comment_length"] == len("Ä entered by the clinician.")


def test_without_a_started_store_it_is_503(client: AppClient) -> None:
    """ER-04: the client may send the same again."""
    response = client.post(FEEDBACK, json={"feedback": [ACCEPTED]})

    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"
    assert response.json()["issue"][0]["code"] == "transient"


def test_where_nothing_is_kept_there_is_no_endpoint(make_client: ClientFactory) -> None:
    """FB-01."""
    response = make_client(database_url="none").post(FEEDBACK, json={"feedback": [ACCEPTED]})

    assert response.status_code == 404


# --- browsers (section R) ---


async def test_preflight_of_the_sandbox(live: Live) -> None:
    """CR-01; headers as captured from the CDS Hooks Sandbox in Chromium."""
    asks = {
        "origin": "http://127.0.0.1:8093",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    async with live(cors_origins="http://127.0.0.1:8093") as service:
        response = await service.request("OPTIONS", headers=asks)
        sent = await service.request(
            "POST",
            json={"feedback": [{"card": "x"}]},
            headers={"origin": asks["origin"], "accept": "application/json, text/plain, */*"},
        )

    assert response.status_code == 200
    assert response.headers["access-control-allow-origin"] == asks["origin"]
    allowed = response.headers["access-control-allow-headers"].lower()
    assert "authorization" in allowed
    assert "content-type" in allowed
    assert sent.status_code == 400
    assert sent.headers["access-control-allow-origin"] == asks["origin"]  # CR-02
