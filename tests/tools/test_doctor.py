"""The doctor: our own service passes, and each defect of a broken one is found."""

from __future__ import annotations

import json
import threading
import xml.etree.ElementTree as ET
from copy import deepcopy
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from cds_service.cdshooks.conformance.statements import STATEMENTS, Level, Version
from cds_service.tools.doctor.examine import Plan, examine
from cds_service.tools.doctor.markup import active_parts
from cds_service.tools.doctor.patients import HOSTILE
from cds_service.tools.doctor.results import Status
from cds_service.tools.doctor.tokens import KeyFileError, read_signer
from tests.support.doctoring import doctor, failed, private_jwk
from tests.support.small_services import CARD, SERVICE, FellOver, Small, small_service

CHECKLIST = Path(__file__).parents[1] / "contract" / "statements.csv"


# --- broken services ---


def test_a_sound_small_service_passes() -> None:
    with small_service() as small:
        report = examine(small.base)
    assert failed(report) == set()
    assert not report.unusable


def card(**changes: Any) -> dict[str, Any]:
    changed = deepcopy(CARD) | changes
    return {"cards": [{k: v for k, v in changed.items() if v is not None}]}


LINK = {"label": "x", "url": "https://x.example", "type": "absolute"}
DELETE = {"type": "delete", "description": "x", "resourceId": "ServiceRequest/other"}
CREATE = {"type": "create", "description": "x",
          "resource": {"resourceType": "Condition", "bogus": 1}}  # fmt: skip


def suggesting(*actions: Any, **more: Any) -> dict[str, Any]:
    suggestion = {"label": "x", "uuid": "7f4f5bb4-9d6b-4f3e-8c3f-6b8d0f6c1a11"}
    whole = suggestion | ({"actions": list(actions)} if actions else {}) | more
    return card(suggestions=[whole], selectionBehavior="any")


@pytest.mark.parametrize(
    ("flaws", "statement"),
    [
        ({"answer": []}, "RS-01"),
        ({"answer": {"card": []}}, "RS-01"),
        ({"answer": card(summary="x" * 140)}, "CD-02"),
        ({"answer": card(summary="**bold** x")}, "MD-01"),
        ({"answer": card(indicator="hard-stop")}, "CD-04"),
        ({"answer": card(source=None)}, "CD-05"),
        ({"answer": card(source={"label": "x", "url": "/relative"})}, "SO-02"),
        ({"answer": card(uuid=None)}, "CD-01"),
        ({"answer": card(detail="<b>x</b>", links=[])}, "JS-03"),
        ({"answer": card(suggestions=[{"label": "x"}])}, "CD-06"),
        ({"answer": card(overrideReasons=[{"code": "x", "system": "y"}])}, "CD-08"),
        ({"answer": card(links=[{"label": "x", "url": "x", "type": "absolute"}])}, "LK-01"),
        ({"answer": card(links=[{"label": "x", "url": "https://x.example", "type": "absolute",
                                 "appContext": "x"}])}, "LK-02"),
        ({"answer": card(extension=[1])}, "EX-01"),
        ({"answer": suggesting({"type": "CREATE", "description": "x"})}, "AC-01"),
        ({"answer": suggesting({"type": "create"})}, "AC-03"),
        ({"answer": suggesting(DELETE)}, "AC-07"),
        ({"answer": suggesting(CREATE)}, "JS-06"),
        ({"answer": suggesting(actionSelectionBehavior="any")}, "CD-10"),
        ({"answer": suggesting(isRecommended="yes")}, "SG-03"),
        ({"answer": card(links=[LINK | {"autolaunchable": "true"}])}, "LK-02"),
        ({"answer": card(links=[LINK | {"url": "javascript://x/%0aalert(1)"}])}, "LK-01"),
        ({"answer": card(links=[LINK | {"extension": [1]}])}, "EX-01"),
        ({"answer": card(source={"label": "x", "extension": {"x": 1}})}, "EX-02"),
        ({"answer": suggesting(DELETE | {"extension": []})}, "EX-01"),
        ({"raw": b'{"cards": [],}'}, "JS-01"),
        ({"raw": b'\xef\xbb\xbf{"cards": []}'}, "JS-01"),
        ({"media": "text/html"}, "JS-07"),
        ({"bad": 500}, "JS-09"),
        ({"bad": 500}, "RQ-01"),
        ({"missing": 500}, "PD-01"),
        ({"redirect": True}, "DS-18"),
        ({"no_extension": True}, "EX-03"),
        ({"no_cors": True}, "CR-01"),
        ({"feedback": 500}, "FB-01"),
        ({"feedback": 405}, None),
        ({"feedback": 200}, None),
        ({"echo": lambda name: f"Order: {name}"}, "MD-04"),
        ({"echo": lambda name: "Order: " + "".join(f"\\{c}" if c in "<>[]()`*_" else c
                                                   for c in name)}, None),
        ({"services": []}, None),
        ({"services": [SERVICE | {"id": 7}]}, "DS-06"),
        ({"services": [{k: v for k, v in SERVICE.items() if k != "description"}]}, "DS-05"),
        ({"services": [SERVICE | {"prefetch": {"p": "Patient/{{Patient.id}}"}}]}, "PF-04"),
        ({"services": [SERVICE | {"prefetch": {"p": "/Patient?_include=x"}}]}, "PF-07"),
        ({"services": [SERVICE | {"prefetch": {}}]}, "JS-03"),
        ({"services": [SERVICE, SERVICE]}, "DS-12"),
        ({"services": [SERVICE | {"id": "gone"}]}, "DS-06"),
    ],
)  # fmt: skip
def test_each_defect_is_found_and_nothing_else_is_invented(
    flaws: dict[str, Any], statement: str | None
) -> None:
    with small_service(**flaws) as small:
        report = examine(small.base)
    assert statement in failed(report) if statement else failed(report) == set()
    for result in report.results:
        if result.statement == statement and result.status is Status.FAIL:
            assert result.call
            assert result.message


@pytest.mark.parametrize(
    ("believes", "statements"),
    [
        (lambda header: header.startswith("Bearer "), {"AU-05", "AU-06", "AU-07", "AU-10"}),
        (lambda header: False, {"AU-02", "AU-08"}),
    ],
)
def test_services_that_believe_too_much_or_nothing(
    believes: Any, statements: set[str], tmp_path: Path
) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps({"keys": [private_jwk("P-384", "k")]}))
    signer = read_signer(file, "https://doctor.example.org", "https://x.example/jwks", "t")
    with small_service(closed=believes) as small:
        report = examine(small.base, Plan(signer=signer))
    assert statements <= failed(report)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "no JWK"),
        ('{"kty": "EC"}', "no private key"),
        ('{"kty": "oct", "d": "x"}', "no JWK"),
        (json.dumps(private_jwk("P-256", "k")), "P-384"),
    ],
)
def test_keys_that_cannot_sign_are_refused(content: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(content)
    with pytest.raises(KeyFileError, match=why):
        read_signer(file, "https://x.example", None, None)
    assert doctor("http://127.0.0.1:9", "--jwk", str(file)).exit_code == 2


def test_what_is_sent_is_synthetic_and_bounded() -> None:
    with small_service() as small:
        report = examine(small.base, Plan(calls=12))
        assert report.calls == len(small.seen) == 12
        assert "limit of 12 calls" in str(report.unusable)
    for _, body in small.seen:
        assert body.count(b"doctor-patient-1") or len(body) < 200


def test_a_service_that_is_not_there_is_unusable() -> None:
    done = doctor("http://127.0.0.1:9", "--timeout", "1")
    assert done.exit_code == 2
    assert "DS-01" in done.output


@pytest.mark.parametrize("url", ["foo", "", "ftp://x.example", "http://", "http://[", "http://x:y"])
def test_what_is_no_url_is_not_called(url: str) -> None:
    done = doctor(url)
    assert done.exit_code == 2
    assert (
        done.stderr == "the URL must begin with http:// or https:// and a host, and have no query\n"
    )
    assert done.stdout == ""


def test_the_reason_why_nothing_was_examined_is_a_failure() -> None:
    with small_service(services=5) as small:
        report = examine(small.base)
    assert "services must be an array" in str(report.unusable)


def test_discovery_at_another_place_fails_and_is_used_all_the_same() -> None:
    with small_service() as small:
        report = examine(f"{small.base}/nowhere", Plan(discovery="../cds-services"))
    assert failed(report) >= {"DS-01"}


def test_a_clause_is_one_of_the_version(  # `actionSelectionBehavior` and user ids are younger
) -> None:
    user = SERVICE | {"prefetch": {"conditions": "Practitioner/{{userPractitionerId}}"}}
    with small_service(services=[user], answer=suggesting(actionSelectionBehavior="any")) as small:
        found = {v: failed(examine(small.base, Plan(version=v))) for v in Version}
    assert [v for v in Version if "SG-06" in found[v]] == [Version.V3]
    assert [v for v in Version if "PF-04" in found[v]] == [Version.V1]


def test_versions_bring_their_own_rules() -> None:
    template = SERVICE | {"prefetch": {"conditions": "Condition?a={{context.draftOrders.id}}"}}
    old = card(selectionBehavior="any", suggestions=[{"label": "x"}], uuid=None)
    with small_service(services=[template], answer=old) as small:
        found = {v: failed(examine(small.base, Plan(version=v))) for v in Version}
    assert "PF-02" in found[Version.V2]
    assert "PF-02" not in found[Version.V3]
    assert "DS-10" in found[Version.V3]
    assert "CD-07" in found[Version.V1] - found[Version.V2]
    assert "CD-01" in found[Version.V2] - found[Version.V1]


PATIENT = "Patient/{{context.patientId}}"


@pytest.mark.parametrize(
    ("changes", "statement"),
    [
        ({"hookVersion": "1.0"}, None),
        ({"hookVersion": "2.7"}, "DS-11"),
        ({"version": "latest"}, "DS-10"),
        ({"title": 7}, "LM-01"),
        ({"prefetch": {"conditions": "Observation?date=gt{{today() - 90 days}}"}}, None),
        ({"prefetch": {"conditions": "Observation?date=gt{{today() - 90 d}}"}}, "PF-02"),
        ({"prefetch": {"patient": PATIENT, "conditions": "Condition?a={{%patient.id}}"}}, None),
        ({"prefetch": {"conditions": "Condition?a={{%patient.id}}", "patient": PATIENT}}, "PF-12"),
    ],
)  # fmt: skip
def test_what_is_new_in_discovery_of_3(changes: dict[str, Any], statement: str | None) -> None:
    service = SERVICE | {"version": "3.0.0"} | changes
    with small_service(services=[service]) as small:
        found = failed(examine(small.base, Plan(version=Version.V3)))
    assert statement in found if statement else found == set()


def test_elements_and_invariants_are_looked_at_in_3_only() -> None:
    wrong = suggesting(isRecommended="yes")
    wrong["cards"][0]["links"] = [
        {"label": "x", "url": "https://x.example", "type": "absolute", "appContext": "x"}
    ]
    with small_service(answer=wrong) as small:
        found = {v: failed(examine(small.base, Plan(version=v))) for v in Version}
    assert {"LM-01", "LM-02"} <= found[Version.V3]
    assert not {"LM-01", "LM-02"} & (found[Version.V2] | found[Version.V1])


def test_the_rules_that_are_asked_for_win_over_those_that_are_named() -> None:
    with small_service(services=[SERVICE | {"version": "3.0.0"}]) as small:
        named, asked = examine(small.base), examine(small.base, Plan(version=Version.V2))
    assert (named.version, asked.version) == (Version.V3, Version.V2)


def test_every_call_is_marked() -> None:
    with small_service() as small:
        examine(small.base)
    assert {headers.get("cds-examination") for headers in small.headers} == {"doctor"}
    assert all(h["user-agent"].startswith("cds-service-doctor/") for h in small.headers)


# --- requests of one's own ---

OWN = {
    "hook": "order-sign",
    "hookInstance": "4f2f1a0e-0c3b-4f52-9b5e-5a3a2f0d7c11",
    "context": {"userId": "Practitioner/1", "patientId": "own-patient", "draftOrders": {}},
    "prefetch": {"conditions": {"resourceType": "Bundle"}},
}


def test_a_request_of_ones_own_shows_the_cards(tmp_path: Path) -> None:
    file = tmp_path / "own.json"
    file.write_text(json.dumps(OWN))
    with small_service(shows_if=b"own-patient") as small:
        without = json.loads(doctor(small.base, "--format", "json").output)
        done = doctor(small.base, "--format", "json", "--request", str(file))
    told = json.loads(done.output)

    assert without["cards"] == {"small (order-sign)": 0}
    assert told["cards"] == {"small (order-sign)": 1}
    assert {r["status"] for r in told["results"] if r["statement"] == "CD-02"} == {"pass"}
    assert any("HK-01" in note and "draftOrders" in note for note in told["notes"])
    sent = [json.loads(body) for _, body in small.seen if b"own-patient" in body]
    assert all(body.get("hookInstance") != OWN["hookInstance"] for body in sent)


def test_further_requests_are_sent_too_and_those_of_other_hooks_are_not() -> None:
    plan = Plan(requests=[OWN, OWN | {"context": {"patientId": "second"}}, {"hook": "x"}])
    with small_service() as small:
        report = examine(small.base, plan)
    assert any(result.call.endswith(", request 2") for result in report.results)
    assert not any(b'"hook":"x"' in body for _, body in small.seen)


@pytest.mark.parametrize("content", [None, "{", "[]", '{"hook": 7}', '{"hook": "x"}'])
def test_a_file_that_is_no_request_is_told(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "own.json"
    if content is not None:
        file.write_text(content)
    done = doctor("http://127.0.0.1:9", "--request", str(file))

    assert done.exit_code == 2
    assert "own.json" in done.stderr
    assert done.stdout == ""


# --- services that fall over ---


def fall_over(small: Small) -> None:
    threading.Thread(target=small.stop).start()
    raise FellOver


def test_a_service_that_falls_over_is_not_blamed_for_what_came_after() -> None:
    with small_service(falls=fall_over) as small:
        report = examine(small.base, Plan(patience=0.1))
    assert str(report.unusable).startswith("stopped: nothing answers there any more, since POST")
    assert not any(r.statement == "JS-09" for r in report.results)


def test_a_call_without_an_answer_is_made_once_more() -> None:
    fallen: list[int] = []

    def once(small: Small) -> None:
        fallen.append(1)
        if len(fallen) == 1:
            raise FellOver

    with small_service(falls=once) as small:
        report = examine(small.base)
    assert failed(report) == set()
    assert [note.partition(":")[0] for note in report.notes] == ["no answer, sent once more"]


# --- keys ---


def test_a_key_of_ones_own_is_made(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    made = doctor("--make-key", str(file))
    again = doctor("--make-key", str(file))
    [public] = json.loads(made.output)["keys"]

    assert (made.exit_code, again.exit_code) == (0, 2)
    assert read_signer(file, "https://x.example", None, None).kid == public["kid"]
    assert "d" not in public
    assert file.stat().st_mode & 0o077 == 0


# --- reports ---


def test_every_finding_names_its_clause_and_the_mend() -> None:
    with small_service(answer=card(indicator="x"), bad=500, no_cors=True) as small:
        for version in Version:
            report = json.loads(doctor(small.base, "--format", "json", "--spec", version).output)
            for found in (r for r in report["results"] if r["status"] == "fail"):
                assert found["mend"]
                clause = STATEMENTS[found["statement"]].clause
                assert bool(found["clause"]) == bool(clause)
                assert clause == "" or found["clause"].startswith("https://")
    binding = [s for s in STATEMENTS.values() if s.level is not Level.ADVICE]
    assert [s.id for s in binding if not s.clause] == []
    assert [s.id for s in STATEMENTS.values() if not s.mend] == []


class Loads(HTMLParser):
    """What a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        if tag in {"script", "img", "link", "iframe", "object", "form"} or "src" in names:
            self.found.append(tag)
        self.found += [name for name in names if name.startswith("on")]
        self.found += [str(v) for n, v in attrs if n == "href" and not str(v).startswith("https:")]


def test_the_html_report_is_one_file_in_which_nothing_runs(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    nasty = "<script>alert(1)</script>\x1b\u202e"
    with small_service(answer=card(indicator=nasty)) as small:
        done = doctor(small.base, "--format", "html", "--out", str(file))
    page = file.read_text(encoding="utf-8")
    parser = Loads()
    parser.feed(page)

    assert (done.exit_code, done.output) == (1, "")
    assert parser.found == []
    assert "&lt;script&gt;alert(1)" in page
    assert not {"\x1b", "\u202e"} & set(page)
    for words in (
        "CD-04",
        "Use info, warning or critical.",
        "#card-attributes",
        "could not be seen",
    ):
        assert words in page


def test_a_report_on_nothing_is_no_good_report(tmp_path: Path) -> None:
    for form in ("json", "junit", "html", "markdown", "text"):
        file = tmp_path / form
        done = doctor("http://127.0.0.1:9", "--timeout", "1", "--format", form, "--out", str(file))
        assert done.exit_code == 2
        assert "ConnectError" in file.read_text(encoding="utf-8")
    assert 'failures="2"' in (tmp_path / "junit").read_text(encoding="utf-8")


def test_the_level_decides_the_exit_code() -> None:
    with small_service(no_cors=True, media="text/html") as small:
        for level, code in (("SHALL", 0), ("SHOULD", 1), ("ADVICE", 1)):
            assert doctor(small.base, "--level", level).exit_code == code


def test_the_forms_of_the_report_can_be_read() -> None:
    with small_service(answer=card(indicator="<b>|x\x1b")) as small:
        told = json.loads(doctor(small.base, "--format", "json").output)
        junit = doctor(small.base, "--format", "junit").output
        markdown = doctor(small.base, "--format", "markdown").output
        text = doctor(small.base, "-v").output
    [wrong] = [r for r in told["results"] if r["status"] == "fail"]
    assert (wrong["statement"], wrong["level"], wrong["piece"]) == ("CD-04", "SHALL", "<b>|x\x1b")
    suite = ET.fromstring(junit.encode())[0]  # noqa: S314
    assert suite.get("failures") == "1"
    assert "CD-04" in str(suite.find(".//failure/..").get("name"))  # type: ignore[union-attr]
    assert "&#60;b&#62;\\|x" in markdown
    assert "\x1b" not in text + markdown + junit
    assert "FAIL  CD-04  SHALL" in text


def test_every_statement_that_is_checked_is_one_of_the_checklist() -> None:
    lines = CHECKLIST.read_text(encoding="utf-8").splitlines()[1:]
    levels = {line.split(",")[0]: line.split(",")[1] for line in lines}
    assert set(STATEMENTS) <= set(levels)
    binding = {id_ for id_, s in STATEMENTS.items() if s.level is Level.SHALL}
    may_be_softer = {"(none)", "should", "(guide)"}
    assert not [id_ for id_ in binding if levels[id_] in may_be_softer]


def test_markup_is_found_as_a_credulous_renderer_would() -> None:
    assert active_parts(HOSTILE)
    assert active_parts("a\n\n<script>x</script>\n\nb")
    assert active_parts("![x](javascript:alert(1))")
    assert not active_parts(r"\<img src=doctor\> \[x\](javascript:alert(1)) `<b>`")
