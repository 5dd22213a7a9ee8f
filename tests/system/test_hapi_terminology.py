"""`knowledge expand` asks a real HAPI FHIR server with Hibernate Search and a small code system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from cds_service.knowledge.loader import load
from cds_service.knowledge.terminology import extensions
from tests.support.hapi_server import HapiMissing, lacking, running_hapi
from tests.support.small_terminology import RELEASE, SNOMED, made_up

pytestmark = pytest.mark.hapi
if why := lacking():
    pytest.skip(why, allow_module_level=True)

DISH, PAGET = "31487001", "2089002"
KIDS = [made_up(number) for number in range(1, 8)]
MANY = [made_up(number) for number in range(100, 130)]


def concept(
    code: str, *below: dict[str, Any], status: str = "active", display: str = ""
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "code": code,
        "display": display or f"Concept {code}",
        "property": [{"code": "status", "valueCode": status}],
    }
    return found | ({"concept": list(below)} if below else {})


def code_system() -> dict[str, Any]:
    """Two roots of the content: one with three levels and an inactive code, one with many."""
    deep = concept(KIDS[1], concept(KIDS[2]), concept(KIDS[3], status="inactive"))
    return {
        "resourceType": "CodeSystem",
        "id": "small",
        "url": SNOMED,
        "version": RELEASE,
        "status": "active",
        "content": "complete",
        "hierarchyMeaning": "is-a",
        "property": [{"code": "status", "type": "code"}],
        "concept": [
            concept(DISH, concept(KIDS[0]), deep, *map(concept, KIDS[4:])),
            concept(PAGET, *map(concept, MANY)),
        ],
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    try:
        with running_hapi(tmp_path_factory.mktemp("hapi"), "terminology") as base:
            url = f"{base}/CodeSystem/small"
            httpx.put(url, json=code_system(), timeout=60).raise_for_status()
            yield base
    except HapiMissing as missing:
        pytest.skip(str(missing))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    return subprocess.run(
        [sys.executable, "-m", "cds_service", "knowledge", *arguments],
        capture_output=True, text=True, timeout=120, check=False, env=env,
    )  # fmt: skip


def expand(base: str, site: Path, value_sets: Sequence[str], *options: str) -> Any:
    wanted = [word for id_ in value_sets for word in ("--value-set", id_)]
    return command("expand", "--server", base, "--overlay", str(site), *wanted, *options)


def test_descendants_of_all_levels_are_recognised(base: str, tmp_path: Path) -> None:
    done = expand(base, tmp_path / "site", ["dish"])
    knowledge = load(tmp_path / "site")
    found = [knowledge.index.match(SNOMED, kid) for kid in KIDS]

    assert done.returncode == 0, done.stderr
    assert f"HAPI FHIR Server 8.8.0, release {RELEASE}: 1 of 1 row answered" in done.stdout
    assert [match and set(match.concepts) for match in found] == [{"dish"}] * len(KIDS)
    assert "7 differences" in command("diff", "base", str(tmp_path / "site")).stdout


def test_an_inactive_code_is_known_by_lookup(base: str, tmp_path: Path) -> None:
    done = expand(base, tmp_path / "site", ["dish"])
    written = json.loads((tmp_path / "site" / "valuesets" / "dish.json").read_bytes())
    notes = {
        one["code"]: extensions(one).get("note")
        for one in written["compose"]["include"][0]["concept"]
    }

    assert "dish: 7 codes (1 inactive)" in done.stdout
    assert {code for code, note in notes.items() if note} == {KIDS[3]}


def test_more_than_a_page_comes_whole(base: str, tmp_path: Path) -> None:
    done = expand(base, tmp_path / "site", ["paget-disease-of-bone"], "--page-size", "4")

    assert done.returncode == 0, done.stderr
    assert f"paget-disease-of-bone: {len(MANY)} codes" in done.stdout


def test_more_than_the_limit_is_told(base: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = expand(base, site, ["paget-disease-of-bone"], "--most", "10")

    assert done.returncode == 1
    assert "above the limit of 10" in done.stderr or "too large for the server" in done.stderr
    assert not (site / "valuesets").exists()


def test_ecl_is_not_understood_and_never_no_descendants(base: str, tmp_path: Path) -> None:
    done = expand(base, tmp_path / "site", ["dish"], "--ecl")

    assert done.returncode == 1
    assert "not understood by this server: it answers an empty expansion" in done.stderr


def test_a_code_that_the_release_lacks(base: str, tmp_path: Path) -> None:
    done = expand(base, tmp_path / "site", ["osteoporosis"])

    assert done.returncode == 1
    assert "this release of the code system does not have the code" in done.stderr
