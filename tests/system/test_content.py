"""Clinical content is swapped under load, without a restart; what is broken changes nothing."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from cds_service.cli.main import app
from tests.support.builders import request as build
from tests.support.ehr_calls import HIGH
from tests.support.issuer import ISS, PUBLIC, SIGN, Issuer, client_toml, jwk, key_set
from tests.support.service_process import ServiceProcess, started

pytestmark = pytest.mark.process
BODY = json.dumps(build(HIGH)).encode()
LINKS = ("Guideline of 2025", "Guideline of 2026")


def overlay(folder: Path, label: str, more: str = "") -> None:
    """An overlay whose cards have this link."""
    folder.mkdir(exist_ok=True)
    text = f"""\
overlay:
  name: Example
  approved: HO committee, 2026-11-20
  links: [{{id: ours, label: {label}, url: "https://site.example.org", cards: [high-risk]}}]
"""
    (folder / "new.yaml").write_text(text + more)
    (folder / "new.yaml").replace(folder / "overlay.yaml")


def said(answer: httpx.Response) -> tuple[str, str]:
    """The link on a card, and the version that its trace names."""
    body = answer.json()
    [card] = body["cards"]
    labels = {link["label"] for link in card.get("links", ())}
    return next((label for label in LINKS if label in labels), "none"), versions(body)


def versions(body: dict[str, Any]) -> str:
    """The one version that an answer names."""
    found = {part for part in json.dumps(body).split('"') if part.startswith("2026.12+")}
    assert len(found) == 1, found
    return found.pop()


@dataclass
class Load:
    """Threads that call without end."""

    base: str
    answers: list[tuple[str, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stop.is_set():
            with httpx.Client(base_url=self.base, timeout=120) as client:  # any worker
                answer = client.post(SIGN, content=BODY)
            if answer.status_code == 200:
                self.answers.append(said(answer))
            else:
                self.failed.append(answer.text)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """All threads call while the block runs."""
        threads = [threading.Thread(target=self.run) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()

    def until(self, there: Callable[[], bool]) -> None:
        """Until something is so, as seen from outside."""
        for _ in range(3_000):
            if there():
                return
            httpx.get(self.base + "/health/live", timeout=120)
        raise AssertionError("it did not come to pass")


def lines(service: ServiceProcess, event: str) -> list[dict[str, Any]]:
    """Lines of the log of one kind."""
    told = service.logged().splitlines()
    every = [json.loads(line) for line in told if line.startswith("{") and line.endswith("}")]
    return [line for line in every if line["event"] == event]


def in_force(service: ServiceProcess, how: str) -> Callable[[], bool]:
    """Whether both workers say so."""
    return lambda: sum(one["how"] == how for one in lines(service, "content in force")) == 2


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    overlay(folder, LINKS[0])
    return folder


@pytest.fixture
def service(site: Path) -> Iterator[ServiceProcess]:
    url = f"sqlite:///{site.parent / 'cds.db'}"
    with started(
        "--workers", "2", "--allow-anonymous",
        CDS_KNOWLEDGE_OVERLAY=str(site), CDS_DATABASE_URL=url,
    ) as running:  # fmt: skip
        yield running


def test_content_is_swapped_under_load(service: ServiceProcess, site: Path) -> None:
    load = Load(service.base)
    load.until(in_force(service, "start"))
    with load.flowing():
        overlay(site, LINKS[1])
        os.kill(service.process.pid, signal.SIGHUP)
        load.until(in_force(service, "SIGHUP"))
        swapped = len(load.answers)
        load.until(lambda: len(load.answers) > swapped + 50)

    assert load.failed == []
    assert len(set(load.answers)) == 2  # each link with its version, and never the other's
    assert {label for label, _ in load.answers} == set(LINKS)
    assert {label for label, _ in load.answers[swapped + 10 :]} == {LINKS[1]}

    shown = CliRunner().invoke(
        app, ["knowledge", "history", "--database", f"sqlite:///{site.parent / 'cds.db'}"]
    )
    rows = shown.output.splitlines()
    assert shown.exit_code == 0
    assert len(rows) == 2, rows  # two workers told of two changes
    assert "approved by HO committee, 2026-11-20" in rows[0]
    assert dict(load.answers)[LINKS[1]] in rows[1]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("  rules: {previous-ho-hip: of}\n", "overlay.yaml:5"),
        ("  rules: {no-such-rule: off}\n", "overlay.yaml:5"),
    ],
)
def test_broken_content_changes_nothing(
    service: ServiceProcess, site: Path, more: str, why: str
) -> None:
    before = said(httpx.post(service.base + SIGN, content=BODY, timeout=120))
    overlay(site, LINKS[1], more)
    os.kill(service.process.pid, signal.SIGHUP)
    Load(service.base).until(lambda: len(lines(service, "content NOT in force")) == 2)

    told = lines(service, "content NOT in force")[0]["problem"]
    ready = httpx.get(service.base + "/health/ready", timeout=120).json()
    after = said(httpx.post(service.base + SIGN, content=BODY, timeout=120))
    assert why in told
    assert after == before
    assert ready["status"] == "degraded"
    assert "the content on disk is refused" in " ".join(ready["problems"])


def test_content_of_one_client(tmp_path: Path) -> None:
    issuers = {name: Issuer(None, iss=f"{ISS}/{name}") for name in ("north", "east", "west")}
    overlay(tmp_path / "east-site", LINKS[1])
    keys = key_set(jwk("P-384", issuers["north"].kid))
    more = {"north": {}, "east": {"overlay": "east-site"}, "west": {"knowledge": "2020.01+00"}}
    registry = "".join(
        client_toml(id=name, iss=issuer.iss, jwks=keys, **more[name])
        for name, issuer in issuers.items()
    )
    (tmp_path / "clients.toml").write_text(registry)
    with started(
        CDS_CLIENTS=str(tmp_path / "clients.toml"), CDS_PUBLIC_URL=PUBLIC
    ) as running:  # fmt: skip
        answers = {
            name: httpx.post(
                running.base + SIGN,
                content=BODY,
                headers={"Authorization": f"Bearer {issuer.token()}"},
                timeout=120,
            )
            for name, issuer in issuers.items()
        }
        ready = httpx.get(running.base + "/health/ready", timeout=120).json()

    assert said(answers["north"])[0] == "none"
    assert said(answers["east"])[0] == LINKS[1]
    assert answers["west"].status_code == 503
    assert "pinned to knowledge 2020.01+00" in answers["west"].json()["issue"][0]["diagnostics"]
    assert "the knowledge that west is pinned to is not in force" in ready["problems"]
