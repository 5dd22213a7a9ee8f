"""Synthetic patients: the same seed gives the same bytes, and the service agrees with the truth."""

from __future__ import annotations

import csv
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cds_service.cli.main import app
from cds_service.knowledge.code_systems import ICD10CM
from cds_service.knowledge.loader import Knowledge
from cds_service.tools.synthetic.catalogue import SYSTEMS, Habits, Piece, catalogue, coded
from cds_service.tools.synthetic.fhir_releases import RELEASES
from cds_service.tools.synthetic.generate import Patient, Wish, generate
from cds_service.tools.synthetic.truth import Expected, truth
from cds_service.tools.validate.engine import Options, Validator
from tests.support.agreement import compare

TODAY = date(2026, 11, 23)
PIECES = catalogue().all()
_NEVER_IN_A_CHART = {"age", "race", "male-sex"}  # no code, or in every other patient
# Without a piece yet: of two orders, of a status, of what lacks. They have cases in tests/cases.
_NEVER_IN_A_CHART |= {
    "two-nsaids-ordered", "heart-failure-past", "ppi-as-needed", "valve-without-anticoagulant",
}  # fmt: skip


def patients(count: int, **more: Any) -> list[Patient]:
    return list(generate(Wish(today=TODAY, count=count, **more)))


def test_the_service_agrees_with_the_truth(knowledge: Knowledge) -> None:
    """Each piece leads once; `scripts/truth-table` does the same with 5,000 patients."""
    wish = Wish(today=TODAY, count=len(PIECES), seed=20261123, releases=RELEASES)
    table = compare(generate(wish), knowledge, TODAY)
    assert not table.wrong, "\n".join(table.wrong)
    assert {row for row, _ in table.expected} >= {"1", "6", "6c", "7", "9", "10", "412"}


def test_every_rule_leads_a_patient(knowledge: Knowledge) -> None:
    shown = {piece.rule for piece in PIECES} | {str(p.more.get("shows")) for p in PIECES}
    for part in ("triggers", "genetic", "factors", "modifiers", "non_factors", "exclusions"):
        assert set(getattr(knowledge, part)) - shown <= _NEVER_IN_A_CHART, part
    unknown = {check.id for check in knowledge.unknown_checks} - shown
    # Of an answer, a record, or of words and unknown codes, and no fact of a chart: the cases
    # of completeness.yaml, medicine-lists.yaml, condition-words.yaml and kidney-unknown-code.yaml.
    untold = {
        "conditions-not-known", "allergies-none-recorded", "record-replaced-by",
        "medicines-one-list-empty", "conditions-in-words", "radiotherapy-in-words",
        "kidney-function-not-identified", "kidney-function-newer",
        "radiotherapy-ordered-in-words", "platelets-not-identified", "potassium-not-identified",
        "record-refers-to",
    }  # fmt: skip
    assert unknown <= untold


def test_the_same_wish_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        done = CliRunner().invoke(
            app,
            ["fixtures", "generate", str(tmp_path / name), "--count", "12", "--release", "mixed",
             "--today", "2026-11-23"],
        )  # fmt: skip
        assert done.exit_code == 0, done.output
    first = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in _files(tmp_path / "a")}
    second = {p.relative_to(tmp_path / "b"): p.read_bytes() for p in _files(tmp_path / "b")}
    assert first == second
    assert len(first) > 20


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_another_seed_gives_other_patients() -> None:
    assert patients(3, seed=1)[0].call != patients(3, seed=2)[0].call


def test_the_truth_file_names_what_must_come(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    CliRunner().invoke(app, ["fixtures", "generate", str(folder), "--count", "30"])
    told = json.loads((folder / "truth.json").read_text())
    rows = list(csv.DictReader((folder / "truth.csv").read_text().splitlines()))
    assert len(told["patients"]) == len(rows) == told["count"] == 30
    for entry, row in zip(told["patients"], rows, strict=True):
        assert (folder / entry["call"]).is_file()
        assert row["call"] == entry["call"]
        cards = entry["cards"]
        assert row["card"] == (cards[0]["card"] if cards else "")


@pytest.mark.parametrize("release", RELEASES)
def test_calls_and_records_are_sound_fhir(knowledge: Knowledge, release: str) -> None:
    validator = Validator(Options(release=release, today=TODAY), knowledge)
    for patient in patients(40, releases=(release,), seed=3):
        for value in (patient.call, patient.record):
            if value is None:
                continue
            report = validator.check(json.dumps(value).encode(), patient.id)
            # Local codes are in the stories on purpose: the service says that it cannot read them.
            meant = {"uncoded", "data-missing"}
            meant |= {"local-code"} if "hospital.example" in json.dumps(value) else set()
            wrong = [f for f in report.findings if f.kind not in meant]
            assert not wrong, wrong


@pytest.mark.parametrize("size", [5, 300])
def test_charts_have_the_size_that_was_wished_for(size: int) -> None:
    for patient in patients(12, size=(size, size)):
        assert patient.resources >= size if size > 20 else patient.resources <= 16


def test_habits_show_in_the_codes() -> None:
    def systems(habits: Habits) -> str:
        return json.dumps([p.call for p in patients(40, habits=(habits,))])

    assert systems(Habits.US).count(ICD10CM) > 3 * systems(Habits.UK).count(ICD10CM)


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.id)
def test_codes_are_what_the_value_sets_know(piece: Piece, knowledge: Knowledge) -> None:
    """A code that no value set has would show nothing, save where that is what is shown; the
    filler must be in none."""
    known = not piece.rule.endswith("-not-identified")
    for part in [*piece.parts, dict(piece.more)]:
        for habits in Habits:
            choices = [v for k, v in part.items() if isinstance(v, dict)] + [part]
            for choice in choices:
                if "us" not in choice:
                    continue
                for side in ("right", "left"):
                    concept = coded(choice, habits, side)
                    for coding in concept.get("coding", []):
                        found = knowledge.index.match(coding["system"], coding["code"])
                        assert bool(found) == known, coding


def test_filler_is_in_no_value_set(knowledge: Knowledge) -> None:
    filler = catalogue().filler
    lines = [row[0] for row in filler["observations"]]
    lines += [line for kind in ("conditions", "procedures", "medications")
              for habits in Habits for line in filler[kind][habits]]  # fmt: skip
    for line in lines:
        system, code, *_ = line.split()
        assert knowledge.index.match(SYSTEMS[system], code) is None, line


# --- the truth itself, against the decisions ---


def piece(id_: str) -> Piece:
    return next(p for p in PIECES if p.id == id_)


@pytest.mark.parametrize(
    ("order", "chart", "expected"),
    [
        ("total", [], Expected("10", None)),
        ("total", ["ho-thigh"], Expected("7", "high-risk", "high", ("celecoxib", "radiotherapy"))),
        ("total", ["dish"],
         Expected("9", "moderate-risk", "moderate", ("celecoxib", "radiotherapy"))),
        ("total", ["dish", "paget"],
         Expected("7", "high-risk", "high", ("celecoxib", "radiotherapy"))),
        ("total", ["post-traumatic-hip", "pelvis-broken-once"],
         Expected("9", "moderate-risk", "moderate", ("celecoxib", "radiotherapy"))),
        ("total", ["ho-thigh", "sulfonamide-allergy"],
         Expected("7", "high-risk", "high", ("indomethacin", "radiotherapy"))),
        ("total", ["ho-thigh", "sulfonamide-allergy", "over-65"],
         Expected("7", "high-risk", "high", ("radiotherapy",))),
        ("total", ["ho-thigh", "warfarin", "irradiated"],
         Expected("8", "high-risk-no-option", "high")),
        ("total", ["fop", "ho-thigh"], Expected("1", "fop-surgery")),
        ("biopsy", ["poh"], Expected("4", "poh-biopsy")),
        ("total", ["celecoxib-drafted"], Expected("6", None)),
        ("total", ["celecoxib-and-warfarin"], Expected("6", None)),
        ("total", ["indomethacin-too-long"], Expected("6c", "prophylaxis-conflict", "none")),
        ("hip-release", [], Expected("9q", "ho-excision-question")),
        ("hip-release", ["ho-thigh"],
         Expected("9a", "ho-excision", "high", ("celecoxib", "radiotherapy"))),
        ("excision-ho", [], Expected("9a", "ho-excision", "high", ("celecoxib",))),
        ("conversion", ["hip-operated-before"],
         Expected("9", "moderate-risk", "moderate", ("celecoxib", "radiotherapy"))),
        ("total", ["celecoxib-and-warfarin", "ho-thigh"],
         Expected("6c", "prophylaxis-conflict", "high", ("radiotherapy",))),
    ],
)  # fmt: skip
def test_the_truth_follows_the_card_table(order: str, chart: list[str], expected: Expected) -> None:
    told = truth(piece(order), [piece(name) for name in chart])
    if expected.card is None:
        assert (told.cards, told.silent_row) == ((), expected.row)
    else:
        assert told.cards == (expected,)


def generated(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["fixtures", "generate", str(folder), *options])


def test_a_second_run_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    assert generated(tmp_path, "--count", "5").exit_code == 0
    (tmp_path / "notes.txt").write_text("mine")
    assert generated(tmp_path, "--count", "2", "--what", "calls").exit_code == 0
    told = json.loads((tmp_path / "truth.json").read_text())["patients"]

    found = {f"patients/{path.name}" for path in (tmp_path / "patients").iterdir()}
    assert found == {patient["call"] for patient in told}
    assert len(found) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_files_of_somebody_else_are_left_alone(tmp_path: Path) -> None:
    assert generated(tmp_path, "--count", "3").exit_code == 0
    mine = tmp_path / "patients" / "mine.json"
    mine.write_text("{}")
    before = {path: path.read_bytes() for path in _files(tmp_path)}
    done = generated(tmp_path, "--count", "2")

    assert done.exit_code == 2
    assert "patients/mine.json" in done.stderr
    assert {path: path.read_bytes() for path in _files(tmp_path)} == before


def test_a_truth_that_is_none_names_no_files(tmp_path: Path) -> None:
    (tmp_path / "patients").mkdir()
    (tmp_path / "patients" / "x.json").write_text("{}")
    (tmp_path / "truth.json").write_bytes(b'\xff\n5\n{"call": 7}\n{"call": ["patients/x.json"]}')

    assert generated(tmp_path, "--count", "2").exit_code == 2
    assert (tmp_path / "patients" / "x.json").is_file()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (Path("/proc/x"), tmp_path / "file", tmp_path / "file" / "below"):
        done = generated(folder, "--count", "1")
        assert done.exit_code == 2
        assert isinstance(done.exception, SystemExit)
        assert "cannot be written: " in done.stderr


@pytest.mark.parametrize("wish", ["4", "5-4", "x", "5-20000"])
def test_impossible_sizes_are_refused(wish: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["fixtures", "generate", str(tmp_path), "--resources", wish])
    assert done.exit_code == 2
