"""Populations: the same wish gives the same bytes, with what a rehearsal stumbles over in them.

That their truth is what a rehearsal finds is in tests/rehearsal/test_truth.py.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cds_service.cli.main import app
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.catalogue import Habits, catalogue
from cds_service.tools.synthetic.population.blocks import PATIENTS, blocks_of, make_block
from cds_service.tools.synthetic.population.wish import FileNaming, PopulationWish
from cds_service.tools.synthetic.truth import truth
from cds_service.tools.validate.engine import Options, Validator

UNTIL = date(2026, 11, 23)
MARKER = "Zyxwanda"


def wish(count: int, **more: Any) -> PopulationWish:
    return PopulationWish(count, 4, UNTIL, **more)


def command(folder: Path, *more: str) -> Result:
    given = ["--population", "300", "--today", str(UNTIL), *more]
    return CliRunner().invoke(app, ["fixtures", "generate", str(folder), *given])


def lines(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The resources of an export by type."""
    found = defaultdict(list)
    for path in sorted((folder / "export").glob("*ndjson*")):
        data = path.read_bytes()
        text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode()
        for line in text.splitlines():
            resource = json.loads(line)
            found[resource["resourceType"]].append(resource)
    return found


def truth_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "truth.ndjson").read_text().splitlines()]


def test_a_hospital_holds_what_a_rehearsal_stumbles_over() -> None:
    block = make_block(wish(PATIENTS, seed=5, hip_share=0.3), 0)
    told = [json.loads(line) for line in block.truth]
    rows = Counter(card["row"] for line in told for card in line["cards"])
    assert set(rows) >= {"1", "2", "6c", "7", "8", "9", "12h", "12n", "family", "question"}
    assert {line["kind"] for line in told} == {"order", "procedure"}
    assert any(line["cards"] != line["dated"]["cards"] for line in told)  # an undated fact
    assert any(not line["understood"] for line in told)
    later = [line for line in told if line["hoCodedLater"]]
    assert any(line["cards"] for line in later)
    assert any(not line["cards"] for line in later)
    assert all(line["late"].get("Condition") for line in later)
    statuses = Counter(json.loads(line)["status"] for line in block.lines["ServiceRequest"])
    assert statuses["completed"] > statuses["active"] > 0


@pytest.mark.parametrize("naming", list(FileNaming))
def test_files_bear_the_names_of_an_exporter(tmp_path: Path, naming: FileNaming) -> None:
    assert command(tmp_path / "out", "--naming", naming.value).exit_code == 0
    names = {path.name for path in (tmp_path / "out/export").iterdir()}
    wanted = {
        FileNaming.PLAIN: "Condition.ndjson",
        FileNaming.NUMBERED: "Condition.1.ndjson",
        FileNaming.NUMBER_FIRST: "1.Condition.ndjson",
        FileNaming.PADDED: "Condition.000.ndjson",
        FileNaming.EPOCH: "Condition.1795392000000.ndjson",
    }[naming]
    assert wanted in names
    manifest = json.loads((tmp_path / "out/export/manifest.json").read_text())
    told = {entry["url"].rsplit("/")[-1]: entry for entry in manifest["output"]}
    assert set(told) == names - {"manifest.json"}
    assert told[wanted]["type"] == "Condition"
    found = lines(tmp_path / "out")
    assert {entry["type"]: entry["count"] for entry in manifest["output"]} == {
        kind: len(resources) for kind, resources in found.items()
    }


def test_the_same_wish_gives_the_same_bytes(tmp_path: Path) -> None:
    wished = ("--population", str(PATIENTS + 1), "--gzip", "--hips", "1")
    for name, jobs in (("one", "1"), ("two", "2")):
        done = command(tmp_path / name, *wished, "--jobs", jobs)
        assert done.exit_code == 0, done.output
    one, two = (_bytes(tmp_path / name) for name in ("one", "two"))
    assert one == two
    assert len(lines(tmp_path / "one")["Patient"]) == PATIENTS + 1
    assert command(tmp_path / "two", *wished, "--seed", "2").exit_code == 0  # replaces the first
    assert _bytes(tmp_path / "two") != one


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_type_that_lacks_is_nowhere(tmp_path: Path) -> None:
    given = ("--lacks", "Condition", "--lacks", "Procedure", "--hips", "60")
    assert command(tmp_path / "out", *given).exit_code == 0
    assert not {"Condition", "Procedure"} & set(lines(tmp_path / "out"))
    told = truth_of(tmp_path / "out")
    assert {line["status"] for line in told} == {412}
    assert {line["kind"] for line in told} == {"order"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--count", "3"), "--count cannot stand beside --population"),
        (("--lacks", "Patient"), "Patient: one of"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, given: tuple[str, ...], said: str) -> None:
    done = command(tmp_path / "out", *given)
    assert done.exit_code == 2
    assert said in " ".join(done.output.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_options_of_a_population_need_one(tmp_path: Path) -> None:
    given = ["fixtures", "generate", str(tmp_path / "out"), "--years", "2"]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 2
    assert "--years needs --population" in " ".join(done.output.replace("│", " ").split())


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    done = command(tmp_path)
    assert done.exit_code == 2
    assert "mine.txt" in done.output
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_resources_are_sound_fhir(knowledge: Knowledge) -> None:
    validator = Validator(Options(release="R4", today=UNTIL), knowledge)
    block = make_block(wish(60, seed=3, hip_share=0.4), 0)
    # Local codes, text without a code and missing statuses are there on purpose.
    meant = {"uncoded", "data-missing", "local-code", "no-clinical-status"}
    for kind, listed in block.lines.items():
        for line in listed[:15]:
            found = validator.check(line.encode(), kind).findings
            wrong = [one for one in found if one.kind not in meant]
            assert not wrong, (line, wrong)


def test_a_marker_stands_in_every_name_and_note() -> None:
    block = make_block(wish(200, hip_share=0.3, marker=MARKER), 0)
    for kind, listed in block.lines.items():
        assert all(MARKER in line for line in listed), kind
    assert not any(MARKER in line for line in block.truth)


def test_habits_and_blocks_are_independent() -> None:
    wished = wish(PATIENTS + 10, habits=(Habits.UK,))
    assert blocks_of(wished) == 2
    assert len(make_block(wished, 1).lines["Patient"]) == 10


def test_arthritis_of_both_hips_and_both_operated_are_one_factor() -> None:
    pieces = {piece.id: piece for piece in catalogue().all()}
    found = truth(pieces["both-hips"], [pieces["man-with-both-hips"]])
    assert [card.row for card in found.cards] == ["9"]
