"""`knowledge expand` against a terminology server of our own: what it adds, refuses, and keeps."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cds_service.cli import knowledge as knowledge_cli
from cds_service.knowledge.loader import load
from cds_service.knowledge.terminology import extensions
from cds_service.tools.expand.progress import Progress
from tests.support.small_terminology import (
    RELEASE,
    SNOMED,
    SmallTerminology,
    made_up,
    outcome,
)

DISH, PAGET, FOP, POSTOPERATIVE = "31487001", "2089002", "82725007", "444748003"
CONCUSSION, AFTER_CONCUSSION, BRAIN_INJURY = "110030002", "40425004", "127295002"
KIDS = [made_up(number) for number in range(1, 8)]


@pytest.fixture
def server() -> Iterator[SmallTerminology]:
    below = {DISH: list(KIDS), PAGET: [], FOP: [], POSTOPERATIVE: []}
    with SmallTerminology(below).running() as server:
        yield server


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "site"


def run(server: SmallTerminology, site: Path, *options: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `knowledge expand`."""
    arguments = ["expand", "--server", server.base, "--overlay", str(site), *options]
    done = CliRunner().invoke(knowledge_cli.app, arguments, catch_exceptions=False)
    return done.exit_code, done.stdout, done.stderr


def of(*value_sets: str) -> list[str]:
    return [word for id_ in value_sets for word in ("--value-set", id_)]


def written(site: Path, value_set: str) -> dict[str, dict[str, str]]:
    """Code to our extensions, of a ValueSet that was written."""
    found = json.loads((site / "valuesets" / f"{value_set}.json").read_bytes())
    return {
        concept["code"]: extensions(concept)
        for include in found["compose"]["include"]
        for concept in include["concept"]
    }


def sets_of(site: Path, code: str) -> frozenset[str]:
    match = load(site).index.match(SNOMED, code)
    return match.concepts if match else frozenset()


# --- what it adds ---


def test_descendants_are_recognised_afterwards(server: SmallTerminology, site: Path) -> None:
    code, out, _ = run(server, site, *of("dish"), "--page-size", "3")

    assert code == 0
    assert "dish: 7 codes" in out
    assert {sets_of(site, kid) for kid in KIDS} == {frozenset({"dish"})}
    assert server.seen == [DISH] * 3
    assert not (site / ".expand").exists()


def test_each_code_says_where_it_comes_from(server: SmallTerminology, site: Path) -> None:
    run(server, site, *of("dish"))
    said = written(site, "dish")[KIDS[0]]

    assert said["verified-in"].startswith(f"Small server 1.0: {RELEASE}, below {DISH}, 20")
    assert said["expanded-from"] == DISH
    assert DISH not in written(site, "dish")


def test_diff_shows_what_was_added(server: SmallTerminology, site: Path) -> None:
    run(server, site, *of("dish"))
    done = CliRunner().invoke(knowledge_cli.app, ["diff", "base", str(site)])

    assert "7 differences" in done.stdout
    assert f"codes: dish: added {SNOMED} {KIDS[0]} (Concept {KIDS[0]})" in done.stdout


def test_without_a_total_all_pages_are_read(server: SmallTerminology, site: Path) -> None:
    server.total = False
    code, out, _ = run(server, site, *of("dish"), "--page-size", "3")

    assert code == 0
    assert "dish: 7 codes" in out


def test_inactive_codes_are_kept_and_marked(server: SmallTerminology, site: Path) -> None:
    server.inactive = frozenset({KIDS[3]})
    _, out, _ = run(server, site, *of("dish"))

    assert "dish: 7 codes (1 inactive)" in out
    assert written(site, "dish")[KIDS[3]]["note"] == "inactive in this release"
    assert "note" not in written(site, "dish")[KIDS[2]]


def test_without_lookup_it_says_that_nobody_knows(server: SmallTerminology, site: Path) -> None:
    code, _, err = run(server, site, *of("dish"), "--no-lookup")

    assert code == 0
    assert "of 7 codes the server does not say whether they are active" in err


def test_the_site_keeps_its_own_rows(server: SmallTerminology, site: Path) -> None:
    own = {"code": "D-1", "display": "Ours"}
    text = {"resourceType": "ValueSet", "id": "dish", "status": "active",
            "compose": {"include": [{"system": "https://hospital.example.org/x",
                                     "concept": [own]}]}}  # fmt: skip
    (site / "valuesets").mkdir(parents=True)
    (site / "valuesets" / "dish.json").write_text(json.dumps(text))
    run(server, site, *of("dish"))
    server.below[DISH] = KIDS[:2]
    run(server, site, *of("dish"))

    assert set(written(site, "dish")) == {"D-1", *KIDS[:2]}


# --- what stays out ---


def test_what_another_set_lists_stays_out_with_all_below(
    server: SmallTerminology, site: Path
) -> None:
    for value_set in ("traumatic-brain-injury", "concussion"):
        for root in roots_of(value_set):
            server.below.setdefault(root, [])
    server.below[BRAIN_INJURY] = [KIDS[0], CONCUSSION, KIDS[1]]
    server.below[CONCUSSION] = [KIDS[1]]
    code, out, _ = run(server, site, *of("traumatic-brain-injury"))

    assert code == 0
    assert "left out: listed in concussion" in out
    assert set(written(site, "traumatic-brain-injury")) == {KIDS[0]}


def test_what_is_below_a_genetic_disease_is_never_acquired(
    server: SmallTerminology, site: Path
) -> None:
    server.below |= {FOP: [KIDS[0]], POSTOPERATIVE: [KIDS[0], KIDS[1]]}
    code, out, _ = run(server, site, *of("fop", "ho-postoperative"))

    assert code == 0
    assert "left out: of a genetic disease" in out
    assert sets_of(site, KIDS[0]) == {"fop"}
    assert "ho-postoperative" in sets_of(site, KIDS[1])


def test_codes_that_cannot_be_right_stay_out(server: SmallTerminology, site: Path) -> None:
    server.below[DISH] = [KIDS[0], KIDS[1][:-1] + str((int(KIDS[1][-1]) + 1) % 10)]
    _, out, _ = run(server, site, *of("dish"))

    assert "1 left out: with a form or check digit that cannot be right" in out
    assert set(written(site, "dish")) == {KIDS[0]}


def roots_of(value_set: str) -> list[str]:
    return [
        concept["code"]
        for include in load().value_sets[value_set]["compose"]["include"]
        for concept in include["concept"]
        if extensions(concept).get("match") == "descendants"
    ]


def test_an_overlay_that_is_broken_is_left_alone(server: SmallTerminology, site: Path) -> None:
    site.mkdir()
    (site / "overlay.yaml").write_text("overlay: {name: X, optoins: {}}")
    code, _, err = run(server, site, *of("dish"))

    assert code == 2
    assert "optoins" in err
    assert server.seen == []


# --- what is no answer ---


def expansion(codes: list[str], **more: Any) -> dict[str, Any]:
    contains = [{"system": SNOMED, "code": one, "display": "x"} for one in codes]
    return {"resourceType": "ValueSet", "expansion": {"contains": contains} | more}


UNCLOSED = [{"url": "http://hl7.org/fhir/StructureDefinition/valueset-unclosed",
             "valueBoolean": True}]  # fmt: skip
ROW_FAULTS: dict[str, tuple[int, Any, str]] = {
    "too costly": (422, outcome("too-costly", "more than 1000"), "too large for the server"),
    "HAPI: too many codes": (
        500, outcome("processing", "HAPI-0831: Expansion of ValueSet produced too many codes"),
        "--page-size"),
    "code not in release": (
        400, outcome("processing", "HAPI-2071: Invalid filter criteria - code does not exist: 1"),
        "does not have the code"),
    "empty": (200, expansion([]), "not understood by this server: it answers an empty expansion"),
    "HAPI on ECL": (200, {"resourceType": "ValueSet", "expansion": {"offset": 0}},
                    "not understood by this server"),
    "without its root": (200, expansion(KIDS), "7 codes without the code itself"),
    "fewer than its total": (200, expansion([DISH, *KIDS], total=9), "says 9 and sends 8"),
    "unclosed": (200, expansion([DISH], extension=UNCLOSED), "not complete"),
    "a page of HTML": (200, b"<html>", "not an expanded ValueSet"),
    "an outcome with 200": (200, outcome("processing", "no"), "not an expanded ValueSet (no)"),
    "crash": (500, b"", "the server refuses to expand it (HTTP 500)"),
    "busy": (503, b"", "cannot answer now"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROW_FAULTS)
def test_a_row_without_an_answer_is_told_and_the_others_are_taken(
    server: SmallTerminology, site: Path, name: str
) -> None:
    status, body, told = ROW_FAULTS[name]
    server.below[PAGET] = [KIDS[0]]
    server.fault = at_root(DISH, (status, body))
    code, _, err = run(server, site, *of("dish", "paget-disease-of-bone"))

    assert code == 1
    assert "no answer: dish: 31487001" in err
    assert told in err
    assert not (site / "valuesets" / "dish.json").exists()
    assert sets_of(site, KIDS[0]) == {"paget-disease-of-bone"}


def at_root(root: str, answer: tuple[int, Any]) -> Callable[[str, Any], tuple[int, Any] | None]:
    """A fault on the expansion of one root only."""

    def fault(path: str, body: Any) -> tuple[int, Any] | None:
        return answer if path.endswith("$expand") and root in json.dumps(body) else None

    return fault


FINAL_FAULTS: dict[str, tuple[str, int, Any, str]] = {
    "unknown system, HAPI": (
        "$expand", 500, outcome("processing", "HAPI-0702: Unable to expand ValueSet because "
                                "CodeSystem could not be found: http://snomed.info/sct"),
        "does not hold the code system http://snomed.info/sct"),
    "unknown system": (
        "$expand", 422, outcome("not-found", "A definition for CodeSystem x could not be found"),
        "does not hold the code system"),
    "no operation": ("$expand", 404, b"", "no ValueSet/$expand"),
    "wrong method": ("$expand", 405, b"", "no ValueSet/$expand"),
    "HAPI without the operation": (
        "$expand", 400, outcome("not-supported", "does not know how to handle POST operation"),
        "no ValueSet/$expand"),
    "no token": ("$expand", 401, outcome("login", "who are you"), "--token-file"),
    "not allowed": ("$expand", 403, b"", "--token-file"),
    "redirect": ("$expand", 307, b"", "give that URL"),
    "no FHIR": ("metadata", 200, b"<html>", "no CapabilityStatement"),
    "metadata closed": ("metadata", 401, b"", "--token-file"),
}  # fmt: skip


@pytest.mark.parametrize("name", FINAL_FAULTS)
def test_a_server_that_cannot_be_used_ends_the_run(
    server: SmallTerminology, site: Path, name: str
) -> None:
    where, status, body, told = FINAL_FAULTS[name]
    server.fault = lambda path, _: (status, body) if path.endswith(where) else None
    code, _, err = run(server, site, *of("dish", "paget-disease-of-bone"))

    assert code == 2
    assert told in err
    assert len(err.splitlines()) == 1
    assert not (site / "valuesets").exists()


def test_no_server_at_all(server: SmallTerminology, site: Path) -> None:
    server.base = "http://127.0.0.1:9/fhir"
    code, _, err = run(server, site)

    assert code == 2
    assert "cannot be reached" in err


def test_no_answer_in_time(server: SmallTerminology, site: Path) -> None:
    forever = threading.Event()

    def silent(path: str, body: Any) -> None:
        if path.endswith("$expand"):
            forever.wait()

    server.fault = silent
    code, _, err = run(server, site, *of("dish"), "--timeout", "0.2")
    forever.set()

    assert code == 1
    assert "no answer within 0.2 s" in err


def test_a_row_above_the_limit_takes_nothing(server: SmallTerminology, site: Path) -> None:
    code, _, err = run(server, site, *of("dish"), "--most", "6")

    assert code == 1
    assert "above the limit of 6; nothing of it is taken, raise the limit with --most" in err
    assert run(server, site, *of("dish"), "--most", "7")[0] == 0


# --- going on ---


def test_a_second_run_asks_only_what_is_lacking(server: SmallTerminology, site: Path) -> None:
    wanted = of("dish", "paget-disease-of-bone")
    server.fault = at_root(PAGET, (503, b""))
    run(server, site, *wanted)
    server.fault = None
    server.seen.clear()
    code, out, _ = run(server, site, *wanted)

    assert code == 0
    assert server.seen == [PAGET]
    assert "1 of them in an earlier run" in out
    assert set(written(site, "dish")) == set(KIDS)


def test_restart_asks_everything(server: SmallTerminology, site: Path) -> None:
    wanted = of("dish", "paget-disease-of-bone")
    server.fault = at_root(PAGET, (503, b""))
    run(server, site, *wanted)
    server.fault = None
    server.seen.clear()
    run(server, site, *wanted, "--restart")

    assert server.seen == [DISH, PAGET]


def test_a_newer_release_in_between_is_no_mixture(server: SmallTerminology, site: Path) -> None:
    wanted = of("dish", "paget-disease-of-bone")
    server.fault = at_root(PAGET, (503, b""))
    run(server, site, *wanted)
    server.fault, server.release = None, "2027"
    code, _, err = run(server, site, *wanted)

    assert code == 2
    assert "release 2027" in err
    assert "--restart" in err
    assert run(server, site, *wanted, "--restart")[0] == 0


def test_a_file_of_the_state_that_is_broken(server: SmallTerminology, site: Path) -> None:
    server.fault = at_root(PAGET, (503, b""))
    run(server, site, *of("dish", "paget-disease-of-bone"))
    (answer,) = (site / ".expand").glob("*.answer.json")
    answer.write_text("{")
    code, _, err = run(server, site, *of("dish", "paget-disease-of-bone"))

    assert code == 2
    assert answer.name in err


def test_killed_in_between_it_goes_on_where_it_was(server: SmallTerminology, site: Path) -> None:
    asked, go = threading.Event(), threading.Event()

    def hold(path: str, body: Any) -> None:
        if path.endswith("$expand") and PAGET in json.dumps(body):
            asked.set()
            go.wait()

    server.fault = hold
    wanted = of("dish", "paget-disease-of-bone")
    command = [sys.executable, "-m", "cds_service", "knowledge", "expand", "--server", server.base]
    env = {k: v for k, v in os.environ.items() if not k.startswith("CDS_")}
    process = subprocess.Popen([*command, "--overlay", str(site), *wanted], env=env)
    assert asked.wait(60)
    process.kill()
    process.wait()
    go.set()
    server.fault = None
    server.seen.clear()

    assert not (site / "valuesets").exists()
    assert run(server, site, *wanted)[0] == 0
    assert DISH not in server.seen
    assert set(written(site, "dish")) == set(KIDS)


# --- options ---


def test_ecl_is_asked_as_a_constraint(server: SmallTerminology, site: Path) -> None:
    filters: list[Any] = []

    def watch(path: str, body: Any) -> None:
        if path.endswith("$expand"):
            filters.append(body["parameter"][0]["resource"]["compose"]["include"][0]["filter"])

    server.fault = watch
    code, _, _ = run(server, site, *of("dish"), "--ecl")

    assert code == 0
    assert filters == [[{"property": "constraint", "op": "=", "value": f"<< {DISH}"}]]


def test_the_token_is_sent(server: SmallTerminology, site: Path, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc.def\n")
    code, _, _ = run(server, site, *of("dish"), "--token-file", str(file))

    assert code == 0
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer abc.def"}


@pytest.mark.parametrize(
    ("base", "token", "told"),
    [
        ("http://tx.example.org/fhir", "abc", "would travel unencrypted"),
        ("https://tx.example.org/fhir", "", "must hold one bearer token"),
        ("https://tx.example.org/fhir", "two tokens", "must hold one bearer token"),
        ("ftp://tx.example.org", None, "must begin with http"),
        ("https://me:pw@tx.example.org", None, "without user"),
    ],
)
def test_options_that_cannot_be_used(
    site: Path, tmp_path: Path, base: str, token: str | None, told: str
) -> None:
    options = []
    if token is not None:
        (tmp_path / "token").write_text(token)
        options = ["--token-file", str(tmp_path / "token")]
    code, _, err = run(SmallTerminology({}, base=base), site, *options)

    assert code == 2
    assert told in err


def test_a_value_set_that_has_no_such_row(server: SmallTerminology, site: Path) -> None:
    assert "does not exist" in run(server, site, *of("dihs"))[2]
    code, _, err = run(server, site, *of("lab-creatinine"))

    assert code == 2
    assert "has no row marked 'descendants'" in err


def test_progress_is_told_after_two_seconds_only() -> None:
    out, ago = io.StringIO(), time.monotonic() - 10
    quiet = Progress(io.StringIO(), rows=4)
    quiet.row(10)
    slow = Progress(out, rows=4, _begun=ago, _told=ago)
    slow.row(1200)

    assert quiet.out.getvalue() == ""  # type: ignore[attr-defined]
    assert out.getvalue().startswith("1 of 4 rows, 1,200 codes, 0.1 rows/s, about 30 s left")
