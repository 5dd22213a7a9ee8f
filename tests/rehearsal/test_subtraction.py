"""What one table hides, no other table of the same report tells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cds_service.errors import BadRequest, SettingsError
from cds_service.knowledge.loader import Knowledge
from cds_service.rehearsal.options import AsOf, ReplayOptions
from cds_service.rehearsal.outcomes import EventOutcome, RehearsedCard
from cds_service.rehearsal.report import page, read_summary
from cds_service.rehearsal.run import RehearsalPlan, rehearse
from cds_service.rehearsal.tally import Tally
from cds_service.rehearsal.work import WorkFolder
from tests.support.exports import hospital, write

LEAST = 11
SILENT = EventOutcome("p", ("ServiceRequest/1",), "order", "arthroplasty", date(2024, 1, 10), "10")
HIGH = replace(
    SILENT, row="7", tier="high", indicator="warning", dated_carded=True,
    cards=(RehearsedCard("7", "high-risk", "warning", "high"),),
)  # fmt: skip
MODERATE = replace(
    SILENT, row="9", tier="moderate", indicator="info", dated_carded=True,
    cards=(RehearsedCard("9", "moderate-risk", "info", "moderate"),),
)  # fmt: skip


def summary(*outcomes: EventOutcome, **about: Any) -> dict[str, Any]:
    made = Tally(b"key")
    for one in outcomes:
        made.add(one)
    return made.summary(LEAST, about)


def by(rows: list[dict[str, Any]], name: str, value: str = "events") -> dict[str, Any]:
    return {row[name]: row[value] for row in rows}


@pytest.mark.parametrize("ungrouped", [0, 4, 30])
def test_a_small_group_is_not_what_the_others_lack(ungrouped: int) -> None:
    north, south = replace(SILENT, group="North"), replace(SILENT, group="South")
    told = summary(*[north] * 60, *[south] * 5, *[SILENT] * ungrouped)
    groups = by(told["rates"]["group"], "group")
    assert groups["South"] is None
    shown = [told["events"]["events"], groups["North"], groups.get("(in no group)", 0)]
    assert None in shown
    assert ("(in no group)" in groups) is (ungrouped > 0)


def test_the_other_content_tells_no_row_that_this_one_hides() -> None:
    """Both contents decide alike: 40 and 5 cards, of which the report tells 45 in all."""
    few = replace(MODERATE, row="family", cards=(RehearsedCard("family", "f", "info", "none"),))
    alike = [replace(one, other_row=one.row, other_carded=one.carded)
             for one in [HIGH] * 30 + [MODERATE] * 40 + [few] * 5 + [SILENT] * 90]  # fmt: skip
    told = summary(*alike)
    these, others = by(told["rows"], "row"), by(told["compared"]["other_rows"], "row")
    assert these["family"] is None
    assert others["family"] is None
    assert others["9"] is None or these["9"] == others["9"]
    shown = [row for row in these if these[row] is None and others[row] is not None]
    assert shown == []


def test_a_few_events_that_another_content_moves_are_not_told() -> None:
    moved = [replace(HIGH, other_row="9", other_carded=True)] * 3
    stay = [replace(HIGH, other_row="7", other_carded=True)] * 77
    other = [replace(MODERATE, other_row="9", other_carded=True)] * 40
    silent = [replace(SILENT, other_row="10")] * 100
    told = summary(*moved, *stay, *other, *silent)
    these, others = by(told["rows"], "row"), by(told["compared"]["other_rows"], "row")
    for row in ("7", "9"):
        assert these[row] is None or others[row] is None


def test_a_rule_tells_no_row_that_is_hidden() -> None:
    """FOP leads to a critical card, of which there are 14; 3 of a warning are told with them."""
    fop = replace(HIGH, row="1", tier="none", indicator="critical", rules=("fop",),
                  cards=(RehearsedCard("1", "fop-surgery", "critical", "none"),))  # fmt: skip
    few = replace(fop, row="5", rules=("poh",),
                  cards=(RehearsedCard("5", "poh-surgery", "critical", "none"),))  # fmt: skip
    told = summary(*[fop] * 14, *[few] * 3, *[HIGH] * 40, *[SILENT] * 200)
    rows, rules = by(told["rows"], "row"), by(told["counts"]["rule"], "rule")
    assert (rows["5"], rules["poh"]) == (None, None)
    critical = by(told["indicators"], "indicator")["critical"]
    assert critical is None or (rows["1"] is None and rules["fop"] is None)


@settings(max_examples=60, deadline=None)
@given(few=st.integers(1, 10), many=st.integers(11, 200))
def test_what_nearly_all_have_tells_not_who_lacks_it(few: int, many: int) -> None:
    has = replace(
        SILENT, rules=("dish",), late=(("conditions", 2),), undated=(("conditions", 1),),
        not_understood=(("conditions", "NDC", 1),), ruled_out=(("nsaid", "warfarin"),),
    )  # fmt: skip
    told = summary(*[has] * many, *[replace(SILENT, undated=(("medications", 1),))] * few)
    found = [told["counts"]["rule"][0], told["counts"]["ruled out"][0]]
    found += [told["entries"][name][0] for name in ("late", "undated", "not understood")]
    assert told["events"]["events"] is None or [row["events"] for row in found] == [None] * 5


def test_undated_facts_of_one_input_tell_not_how_many_have_some() -> None:
    """All but 5 events have an undated condition: that number and the whole would give the 5."""
    told = summary(*[replace(SILENT, undated=(("conditions", 1),))] * 80, *[SILENT] * 5)
    assert told["undated_facts"]["events_with_undated"] is None
    assert told["entries"]["undated"][0]["events"] is None


@pytest.mark.parametrize(("everybody", "shown"), [(100, 100), (103, None), (300, 100)])
def test_patients_beside_all_patients(everybody: int, shown: int | None) -> None:
    made = Tally(b"key")
    for _ in range(120):
        made.add(SILENT)
    made.note("resource", "Patient", n=everybody)
    made.note("patients", "with events", n=100)
    assert made.summary(LEAST)["export"]["patients"] == shown


def test_a_uri_that_few_have_is_not_told() -> None:
    seen = (("conditions", "https://house.example/Jane-Doe/", 1), ("allergies", "NDC", 1))
    told = summary(*[replace(SILENT, not_understood=seen)] * 3, *[SILENT] * 50)
    assert "Jane" not in json.dumps(told)
    assert [row["system"] for row in told["entries"]["not understood"]] == ["NDC"]
    told = summary(*[replace(SILENT, not_understood=seen)] * 30, *[SILENT] * 50)
    assert "Jane" in json.dumps(told)


@pytest.mark.parametrize(("year", "month"), [(24, "0024-05"), (202, "0202-05"), (2999, "2999-05")])
def test_a_year_that_was_typed_wrong_ends_no_run(year: int, month: str) -> None:
    told = summary(*[replace(SILENT, day=date(year, 5, 3))] * 20)
    assert [row["month"] for row in told["rates"]["month"]] == [month]
    assert [row["quarter"] for row in told["rates"]["quarter"]] == [f"{month[:4]}-Q2"]


def test_as_of_today_nothing_is_said_of_what_came_later(knowledge: Knowledge) -> None:
    """No fact is left out then, so none could be counted as later."""
    options = {"as_of": "today", "events": ["order"], "since": None, "until": None,
               "timezone": "UTC"}  # fmt: skip
    told = summary(
        *[replace(HIGH, ho_after=None)] * 50, options=options, program="1", knowledge="k"
    )
    assert (told["rates"]["afterwards"], told["undated_facts"]) == ([], None)
    text = page(told, knowledge)
    assert "HO that was coded later" not in text
    assert "without them" not in text


# --- runs ---


class _Stopped:
    """Ctrl-C when the replay begins."""

    def begin(self, stage: str, total: int) -> None:
        if stage == "replay":
            raise KeyboardInterrupt

    def more(self, done: int) -> None: ...


def plan(export: Path, out: Path, **more: Any) -> RehearsalPlan:
    return RehearsalPlan((str(export),), out, jobs=1, **more)


def test_other_groups_are_another_run(tmp_path: Path) -> None:
    export, out = write(tmp_path / "my export", hospital(30)), tmp_path / "out"

    def groups(name: str) -> ReplayOptions:
        return ReplayOptions(groups={"Practitioner/s1": name})

    with pytest.raises(KeyboardInterrupt):
        rehearse(plan(export, out, options=groups("North")), _Stopped())
    with pytest.raises(SettingsError, match="other files, options or content"):
        rehearse(plan(export, out, options=groups("South"), restart=True))
    assert rehearse(plan(export, out, options=groups("North"), restart=True))["options"]["by"]


def test_lines_that_lie_in_other_parts_are_read_again(tmp_path: Path) -> None:
    """A restart with another --memory divides patients anew: no line may lie where it lay."""
    work = WorkFolder(tmp_path)
    work.open("f", restart=False)
    work.divide(4)
    for name in ("find-0", "keep-0", "keep-0.lines", "tally-3"):
        work.write(name, [])
    work.divide(4)
    assert work.has("keep-0")
    assert work.has("tally-3")
    work.divide(7)
    assert [work.has(name) for name in ("find-0", "keep-0", "keep-0.lines", "tally-3")] == [
        True, False, False, False,
    ]  # fmt: skip
    work.remove()


def test_an_earlier_rehearsal_in_the_same_folder(tmp_path: Path) -> None:
    """It is read before this one takes its place."""
    out = tmp_path / "out"
    rehearse(plan(write(tmp_path / "a", hospital(60)), out))
    rehearse(plan(write(tmp_path / "b", hospital(120)), out, compare=out))
    text = (out / "report.html").read_text()
    assert text.split("<td>earlier ")[1].split("</tr>")[0].count(">60<") == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 0}', '{"format": 1, "events": 3}'])
def test_what_is_no_earlier_rehearsal_is_refused_before_the_work(
    tmp_path: Path, content: str
) -> None:
    (tmp_path / "summary.json").write_text(content)
    export = write(tmp_path / "e", hospital(1))
    with pytest.raises(BadRequest, match="no summary of a rehearsal"):
        rehearse(plan(export, tmp_path / "out", compare=tmp_path))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("events", "shown"), [(100, True), (99, False), (60, True), (7, False)])
def test_two_reports_that_differ_by_few_are_not_put_side_by_side(
    knowledge: Knowledge, events: int, shown: bool
) -> None:
    options = {"as_of": AsOf.EVENT, "events": ["order"], "since": None, "until": None,
               "timezone": "UTC"}  # fmt: skip
    about: Mapping[str, Any] = {"options": options, "program": "1", "knowledge": "k"}
    now = summary(*[SILENT] * 100, **about)
    made = Tally(b"key")
    for _ in range(events):
        made.add(SILENT)
    before = read_summary(json.dumps(made.summary(1, about)).encode())
    row = page(now, knowledge, before).split("<td>earlier ")[1].split("</tr>")[0]
    assert (f">{events}<" in row) is shown
