"""The pages without a browser: who sees them, what guards them, and that they are whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.knowledge.loader import Knowledge
from cds_service.server.pages import about, changelog
from cds_service.server.pages.assets import FOLDER, Assets
from cds_service.server.pages.samples import Samples
from tests.support.app_client import AppClient, ClientFactory
from tests.support.constants import FIXTURES, ROOT

PAGES = (
    "/", "/evidence", "/evidence/factors", "/evidence/factors/dish", "/evidence/cards/high-risk",
    "/evidence/search?q=nsaid", "/evidence/search.csv?q=nsaid", "/evidence/codes",
    "/evidence/codes/fop", "/insights",
)  # fmt: skip
TEMPLATES = sorted((FOLDER.parent / "templates").glob("*.html"))


class PageClient(AppClient):
    """Calls as a browser on this machine does; answers of pages are no answers of CDS Hooks."""

    def request(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        headers = {"Host": "127.0.0.1:8000", "Accept-Encoding": "", **arguments.pop("headers", {})}
        return asyncio.run(self._send(method, url, {**arguments, "headers": headers}))


@pytest.fixture
def client(make_client: ClientFactory) -> PageClient:
    return PageClient(make_client(database_url="none").app)


def request_of(name: str) -> bytes:
    return (FIXTURES / f"{name}.json").read_bytes()


# --- who sees them, and what guards them ---


@pytest.mark.parametrize("path", PAGES)
def test_pages_keep_to_themselves(path: str, client: AppClient) -> None:
    response = client.get(path)

    assert response.status_code == 200
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", [*PAGES, "/playground/kit"])
def test_pages_are_off_where_others_can_see_them(path: str, make_client: ClientFactory) -> None:
    elsewhere = make_client(host="0.0.0.0", allow_anonymous=True)  # noqa: S104
    behind_proxy = make_client(public_url="https://cds.example.org", allow_anonymous=True)
    switched_off = make_client(pages=False)
    for client in (elsewhere, behind_proxy, switched_off):
        assert client.get(path).status_code == 404


def test_pages_can_be_switched_on_elsewhere(make_client: ClientFactory) -> None:
    client = make_client(host="0.0.0.0", allow_anonymous=True, pages=True)  # noqa: S104

    assert client.get("/evidence").status_code == 200
    assert client.get("/insights").status_code == 404  # no operator's token


def test_a_browser_gets_it_packed(client: AppClient) -> None:
    response = client.get("/evidence", headers={"Accept-Encoding": "gzip"})

    assert response.headers["content-encoding"] == "gzip"
    assert int(response.headers["content-length"]) < 5_000
    assert "one moderate factor" in response.text


def test_files_are_kept_until_they_change(client: AppClient) -> None:
    url = Assets().url("js/theme.js")
    response = client.get(url)

    assert "immutable" in response.headers["cache-control"]
    assert client.get(url.replace(Assets().version, "000000000000")).status_code == 404
    assert client.get("/static/../pages.py").status_code == 404


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_no_script_style_or_handler(template: Path) -> None:
    text = template.read_text(encoding="utf-8")

    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:|\|\s*safe", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize(
    "file", sorted((*FOLDER.glob("js/*"), *FOLDER.glob("css/*"))), ids=lambda path: path.name
)
def test_own_files_name_no_other_host(file: Path) -> None:
    assert "://" not in file.read_text(encoding="utf-8").replace("^https?:\\/\\/", "")
    assert file.read_text(encoding="utf-8").count("\n") < 400


@pytest.mark.parametrize(
    "folder", [FOLDER / "vendor", ROOT / "tests" / "system" / "browser" / "vendor"]
)
def test_libraries_are_those_of_their_packages(folder: Path) -> None:
    lines = [line.split() for line in (folder / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    files = {path.name: path for path in folder.glob("*.js")}

    assert sums.keys() == files.keys()
    for name, path in files.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[name], "run scripts/vendor-web"
    assert len(list(folder.glob("*LICENSE*"))) >= len(files)


# --- the playground ---


def test_playground_answers_as_the_service_does(client: AppClient) -> None:
    body = request_of("high-risk-previous-ho")
    told = client.post("/playground/answer", content=body).json()
    called = client.post("/cds-services/ho-order-sign", content=body).json()

    assert told["service"] == "ho-orders"
    assert told["wrapped"] is None
    [mine], [theirs] = told["answer"]["cards"], called["cards"]
    assert (mine["summary"], mine["detail"]) == (theirs["summary"], theirs["detail"])
    assert [stage["name"] for stage in told["stages"]][-1] == "cards"
    first = told["trace"][0]
    assert first["title"].startswith("Why this card")
    basis = ["previous-ho-site-not-stated", "/factors/previous-ho-site-not-stated"]
    assert basis in first["nodes"][1]["basis"]


def test_silence_without_an_order_names_what_is_looked_at(client: AppClient) -> None:
    told = client.post("/playground/answer", content=request_of("knee-replacement")).json()
    branch = told["trace"][0]

    assert (branch["title"], branch["decision"]) == ("Why silence", "silence")
    details = [node["basis"][0][1] for node in branch["nodes"][0]["details"]]
    assert "/orders/total-hip-arthroplasty" in details


def test_playground_wraps_a_bundle(client: AppClient) -> None:
    request = json.loads(request_of("high-risk-previous-ho"))
    entries = [
        {"resource": request["prefetch"]["patient"]},
        *request["prefetch"]["conditions"]["entry"],
    ]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    told = client.post("/playground/answer?order=hip", json=bundle).json()

    assert told["wrapped"]["hook"] == "order-sign"
    assert told["answer"]["cards"][0]["indicator"] == "warning"
    unordered = client.post("/playground/answer", json=bundle).json()
    assert unordered["answer"]["cards"] == []


def test_playground_keeps_the_limits(make_client: ClientFactory) -> None:
    client = make_client(max_body_bytes=2048)
    deep = b"[" * 1000 + b"]" * 1000

    assert client.post("/playground/answer", content=b" " * 4096).status_code == 413
    assert client.post("/playground/answer", content=deep).status_code == 400
    assert client.post("/playground/answer", content=b"{").status_code == 400
    assert client.post("/playground/feedback/nope", content=b"{}").status_code == 404
    refused = client.post("/playground/feedback/ho-order-sign", content=b"{}")
    assert (refused.status_code, refused.json()["issue"][0]["expression"]) == (400, ["feedback"])


def test_playground_reads_no_fhir_server(client: AppClient) -> None:
    body: dict[str, Any] = json.loads(request_of("high-risk-previous-ho"))
    body["fhirServer"] = "http://127.0.0.1:1/fhir"
    body["fhirAuthorization"] = {"access_token": "t", "token_type": "Bearer"}
    told = client.post("/playground/answer", json=body).json()

    assert told["notes"] == ["the playground reads nothing from fhirServer"]


def test_samples_show_every_hook(client: AppClient, knowledge: Knowledge) -> None:
    hooks = set()
    for one in client.get("/playground/kit").json()["samples"]:
        sample = client.get(f"/playground/samples/{one['id']}")
        answer = client.post("/playground/answer", content=sample.content)
        assert answer.status_code in {200, 412}, one["id"]
        if one["group"] == "At other moments":
            assert bool(answer.json()["answer"]["cards"]) is not one["id"].endswith("low-risk")
        hooks.add(sample.json()["hook"])

    assert hooks == {service.hook for service in knowledge.services.values()}


def test_samples_move_with_the_calendar(client: AppClient) -> None:
    samples = Samples()
    first = samples.kit(date(2026, 11, 23))["samples"][0]["id"]
    before = json.loads(samples.request(first, date(2026, 11, 23)) or b"")
    after = json.loads(samples.request(first, date(2027, 11, 23)) or b"")

    assert before["prefetch"]["patient"]["birthDate"] == "1966-08-15"
    assert after["prefetch"]["patient"]["birthDate"] == "1967-08-15"
    assert client.get("/playground/samples/nope").status_code == 404


# --- what the evidence pages are made of ---


def test_about_rests_on_known_sources(knowledge: Knowledge) -> None:
    content = about.load()
    named = [id_ for part in content.sections for id_ in part.evidence]

    assert set(named) | set(content.brooker.evidence) <= set(knowledge.evidence)
    assert [grade.grade for grade in content.brooker.grades] == ["I", "II", "III", "IV"]
    for grade in content.brooker.grades:
        assert (FOLDER / grade.picture).is_file()


def test_cards_link_to_their_evidence(client: AppClient) -> None:
    answer = client.post("/cds-services/ho-order-sign", content=request_of("fop-biopsy"))
    [card] = answer.json()["cards"]

    assert card["source"]["url"] == "http://127.0.0.1:8000/evidence/cards/fop-biopsy"
    assert card["links"][-1]["url"] == "http://127.0.0.1:8000/evidence/cards/fop-biopsy"


def test_change_log_of_the_knowledge_alone() -> None:
    text = (
        "# Changelog\n\n## [1.1.0] - 2027-01-01\n\n### Added\n\n- A\n\n### Knowledge\n\n- B one\n"
        "  two\n- C\n\n### Fixed\n\n- D\n\n## [1.0.0]\n\n- E\n"
    )

    assert changelog.parse(text) == [("1.1.0 - 2027-01-01", ["B one two", "C"])]
