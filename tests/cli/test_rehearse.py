"""The command `rehearse`, from an export to the report."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path
from typing import Any

import deltalake
import fsspec
import pyarrow
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from cds_service.cli import main
from cds_service.errors import SettingsError
from cds_service.rehearsal.run import RehearsalPlan, rehearse
from cds_service.rehearsal.work import FOLDER, WorkFolder
from tests.support.exports import CANARY, HABITS, HYPERTENSION, condition, hospital, order, write


def run(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(main.app, ["rehearse", *map(str, arguments)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout, found.stderr


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("export"), hospital())


@pytest.fixture(scope="module")
def done(export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out")
    code, said, _ = run(export, "--out", out)
    assert code == 0
    assert "60 hip orders and operations, 33.3 of 100 (22.7 to 45.9) with a card" in said
    return out


def summary(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_bytes())
    return found


def test_what_a_year_of_orders_would_have_given(done: Path) -> None:
    told = summary(done)
    assert (told["events"]["events"], told["events"]["cards"]) == (60, 20)
    assert {(row["row"], row["events"]) for row in told["rows"]} == {("10", 40), ("7", 20)}
    assert told["surgeons"] == {"surgeons": 12, "weeks": 12, "median": 0.0, "p90": 5, "most": 5}
    later = {row["afterwards"]: row["events"] for row in told["rates"]["afterwards"]}
    assert later == {"HO": 12, "no HO": 48}
    assert told["export"]["resources"]["Condition"] == 102


def test_nothing_is_left_but_the_report(done: Path) -> None:
    assert sorted(os.listdir(done)) == [
        "cells.csv", "cells.parquet", "report.html", "summary.json", "unknown-codes.csv",
    ]  # fmt: skip


def test_no_patient_is_in_what_is_written(done: Path) -> None:
    for path in done.iterdir():
        data = path.read_bytes()
        for trace in (CANARY, "Practitioner/", "Patient/", *(f"h{n}-" for n in range(60))):
            assert trace.encode() not in data


def test_cells_as_parquet(done: Path) -> None:
    rows = pyarrow.parquet.read_table(done / "cells.parquet").to_pylist()
    told = {(row["table"], row["label"]): row for row in rows}
    assert told["rows", "10 / none"]["events"] == 40
    assert told["month", "2024-01"]["events"] is None
    assert told["month", "2024-01"]["hidden"] is True


def test_a_table_with_json_in_a_column_gives_the_same(done: Path, tmp_path: Path) -> None:
    found = hospital()
    columns = {
        "id": [one["id"] for one in found],
        "json": [json.dumps(one, indent=1) for one in found],
    }
    table = pyarrow.table(columns)
    pyarrow.parquet.write_table(table, tmp_path / "export.parquet")
    deltalake.write_deltalake(str(tmp_path / "delta"), table)
    for name in ("export.parquet", "delta"):
        assert run(tmp_path / name, "--out", tmp_path / "out")[0] == 0
        assert (tmp_path / "out/summary.json").read_bytes() == (done / "summary.json").read_bytes()


def test_an_export_behind_a_url_gives_the_same(export: Path, done: Path, tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    for path in export.iterdir():
        store.pipe(f"/rehearsal/{path.name}", path.read_bytes())
    assert run("memory://rehearsal", "--out", tmp_path / "out", "--jobs", 1)[0] == 0
    assert (tmp_path / "out/summary.json").read_bytes() == (done / "summary.json").read_bytes()


def test_cells_as_csv(done: Path) -> None:
    rows = list(csv.DictReader((done / "cells.csv").read_text().splitlines()))
    month = [row for row in rows if row["table"] == "month"]
    assert len(month) == 12
    assert {row["hidden"] for row in month} == {"True"}  # five events each
    assert all(row["events"] == "" for row in month)


def test_the_page_is_whole_by_itself(done: Path) -> None:
    text = (done / "report.html").read_text()
    assert "<script" not in text
    assert "http://" not in text.replace("http://house.example", "")
    assert "33.3" in text
    assert "not shown" in text


@pytest.mark.parametrize("habit", [HABITS["synthea"]])
def test_files_in_other_habits_give_the_same(done: Path, tmp_path: Path, habit: str) -> None:
    export = write(tmp_path / "e", hospital(), habit, packed=True)
    assert run(export, "--out", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/summary.json").read_bytes() == (done / "summary.json").read_bytes()


def test_one_file_with_everything_gives_the_same(done: Path, tmp_path: Path) -> None:
    path = tmp_path / "export.ndjson"
    path.write_text("\n".join(map(json.dumps, hospital())))
    assert run(path, "--out", tmp_path / "out")[0] == 0
    assert (tmp_path / "out/summary.json").read_bytes() == (done / "summary.json").read_bytes()


def test_a_line_cut_short_is_one_finding(export: Path, tmp_path: Path) -> None:
    cut = tmp_path / "e"
    shutil.copytree(export, cut)
    path = cut / "Condition.ndjson"
    path.write_bytes(path.read_bytes() + json.dumps(condition("h1")).encode()[:60])
    code, _, err = run(cut, "--out", tmp_path / "out", "--min-cell", 1)
    assert (code, summary(tmp_path / "out")["export"]["findings"]) == (0, {"cut short": 1})
    assert "note: cut short: 1" in err


def test_junk_between_is_counted(export: Path, tmp_path: Path) -> None:
    junk = tmp_path / "e"
    shutil.copytree(export, junk)
    path = junk / "Condition.ndjson"
    path.write_bytes(path.read_bytes() + b"{junk}\n\n[1]\n" + b'{"resourceType":"Condition"}\n')
    assert run(junk, "--out", tmp_path / "out", "--min-cell", 1)[0] == 0
    found = summary(tmp_path / "out")["export"]["findings"]
    assert found == {"unreadable": 2, "without patient": 1}


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--since", "2025-01-01", "--until", "2024-01-01"], 2, "--since: lies after --until"),
        (["--events", "orders"], 2, "--events: wants order or procedure"),
        (["--as-of", "now"], 2, "--as-of: wants event or today"),
        (["--memory", "lots"], 2, "--memory: wants a number with KB, MB or GB"),
        (["--by", "/nowhere.csv"], 2, "/nowhere.csv: cannot be read"),
    ],
)
def test_wrong_options_are_told(
    export: Path, tmp_path: Path, options: list[str], code: int, said: str
) -> None:
    found = run(export, "--out", tmp_path / "out", *options)
    assert found[0] == code
    assert said in found[2]


def test_by_groups_of_the_house(export: Path, tmp_path: Path) -> None:
    by = tmp_path / "by.csv"
    rows = "\n".join(f"Practitioner/s{n},{'North' if n % 2 else '=South'}" for n in range(12))
    by.write_text(f"reference,group\n{rows}\n")
    assert run(export, "--out", tmp_path / "out", "--by", by, "--min-cell", 1)[0] == 0
    found = {row["group"]: row["events"] for row in summary(tmp_path / "out")["rates"]["group"]}
    assert found == {"North": 30, "=South": 30}
    assert "'=South" in (tmp_path / "out/cells.csv").read_text()


def test_two_contents_side_by_side(export: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "overlay.yaml").write_text(
        "overlay:\n  name: Test\n  rules: {previous-ho-site-not-stated: off}\n"
    )
    assert run(export, "--out", tmp_path / "out", "--compare", site)[0] == 0
    told = summary(tmp_path / "out")["compared"]
    assert told["cards"] == 20
    assert told["other_cards"] == 0


def test_an_earlier_rehearsal_beside_this_one(export: Path, done: Path, tmp_path: Path) -> None:
    assert run(export, "--out", tmp_path / "out", "--compare", done)[0] == 0
    text = (tmp_path / "out/report.html").read_text()
    assert "Compared with an earlier rehearsal" in text


# --- stopped, killed, begun again ---


class StopAfter:
    """Ctrl-C when so many steps are done."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def begin(self, stage: str, total: int) -> None:
        pass

    def more(self, done: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt


def stopped(export: Path, out: Path, steps: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        rehearse(RehearsalPlan((str(export),), out), StopAfter(steps))


@pytest.mark.parametrize("steps", [0, 4, 11])
def test_ctrl_c_leaves_what_can_go_on(export: Path, done: Path, tmp_path: Path, steps: int) -> None:
    out = tmp_path / "out"
    stopped(export, out, steps)
    assert not (out / "summary.json").exists()
    files = list((out / FOLDER).iterdir())
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (out / FOLDER).stat().st_mode & 0o777 == 0o700
    assert run(export, "--out", out, "--restart")[0] == 0
    assert (out / "summary.json").read_bytes() == (done / "summary.json").read_bytes()
    assert not (out / FOLDER).exists()


def test_a_new_run_removes_what_a_crash_left(export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stopped(export, out, 4)
    assert list((out / FOLDER).iterdir())
    assert run(export, "--out", out)[0] == 0
    assert not (out / FOLDER).exists()


def test_another_export_does_not_go_on_where_this_one_stopped(export: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    stopped(export, out, 4)
    other = write(tmp_path / "other", [order("x"), condition("x", code=HYPERTENSION)])
    with pytest.raises(SettingsError, match="run without --restart to begin anew"):
        run(other, "--out", out, "--restart")


def test_two_runs_in_one_folder_do_not_meet(export: Path, tmp_path: Path) -> None:
    work = WorkFolder(tmp_path)
    work.open("x", restart=False)
    try:
        with pytest.raises(SettingsError, match="another rehearsal is under way here"):
            run(export, "--out", tmp_path)
    finally:
        work.close()
