"""Writes what a committee reads: a page of HTML to print, and the numbers for machines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cds_service.knowledge.model import Knowledge
from cds_service.rehearsal import plots
from cds_service.rehearsal.cells import as_csv, cells_of, unknown_codes_csv
from cds_service.rehearsal.summary import FORMAT

SUMMARY: Final = "summary.json"
REPORT: Final = "report.html"
CELLS: Final = "cells.csv"
CELLS_PARQUET: Final = "cells.parquet"
CODES: Final = "unknown-codes.csv"
_MOST_BARS: Final = 15
_ASKED: Final = {"events", "as_of", "since", "until"}
_EARLIER: Final = {"events", "cards", "per_100", "low", "high"}
_MOST_OF: Final = 0.7  # of the events
_STATES: Final = {"read": "good", "none-stated": "good", "empty": "plain", "not looked at": "plain"}

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_report(
    summary: Mapping[str, Any],
    out: Path,
    knowledge: Knowledge,
    earlier: Mapping[str, Any] | None = None,
) -> None:
    """Write all files of a report into a folder; `earlier` is the summary of another rehearsal."""
    data = msgspec.json.format(msgspec.json.encode(summary), indent=1) + b"\n"
    _write(out / SUMMARY, data)
    cells = cells_of(summary)
    _write(out / CELLS, as_csv(cells).encode())
    _write(out / CODES, unknown_codes_csv(summary).encode())
    _write(out / REPORT, page(summary, knowledge, earlier).encode())
    _write_parquet(cells, out / CELLS_PARQUET)


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def _write_parquet(cells: Sequence[Mapping[str, Any]], path: Path) -> None:
    """The cells as Parquet, where pyarrow is installed (the extra `lake`)."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(cells)), path)


def read_summary(data: bytes) -> Mapping[str, Any]:
    """A summary.json. Raises ValueError for anything else."""
    try:
        told = msgspec.json.decode(data)
        whole = told["events"].keys() >= _EARLIER and told["options"].keys() >= _ASKED
        if told["format"] == FORMAT and whole and told["knowledge"]:
            return dict(told)
    except (msgspec.MsgspecError, TypeError, KeyError, AttributeError):
        pass
    raise ValueError("is no summary of a rehearsal by this version")


# --- the page ---


def page(
    summary: Mapping[str, Any], knowledge: Knowledge, earlier: Mapping[str, Any] | None = None
) -> str:
    """The report as HTML: everything in one file, no script, every value escaped."""
    names = _names(knowledge)
    rates, counts = summary["rates"], summary["counts"]
    found = [_count(row, names.get(row["rule"], row["rule"])) for row in _most(counts["rule"])]
    period, course = _course(summary)
    return _pages.get_template("report.html").render(
        s=summary,
        names=names,
        course=plots.over_time(course, period),
        course_by=period,
        rows=plots.bars([_row_bar(row) for row in _most(summary["rows"])]),
        ages=plots.rates([_age(row) for row in rates["age"]]),
        groups=plots.rates([_named(row, row["group"]) for row in rates["group"]]),
        ruled_out=plots.bars([_reason(row, names) for row in _most(counts["ruled out"])]),
        rules=plots.bars(found),
        inputs=_inputs(summary),
        period=_period([str(row[period]) for row in course]),
        earlier=earlier and {**earlier, "events": _apart(earlier["events"], summary)},
    )


def _apart(events: Mapping[str, Any], summary: Mapping[str, Any]) -> Mapping[str, Any]:
    """The events of an earlier rehearsal; hidden where they are few, or differ from these by few:
    two periods that differ by a day tell of that day."""
    least, now = summary["min_cell"], summary["events"]
    for one in (events, now):
        if one["events"] is None or one["cards"] is None:
            return {**events, "events": None, "per_100": None}
    before = events["events"], events["cards"], events["events"] - events["cards"]
    these = now["events"], now["cards"], now["events"] - now["cards"]
    near = any(0 < abs(a - b) < least for a, b in zip(before, these, strict=True))
    few = any(0 < n < least for n in before)
    return {**events, "events": None, "per_100": None} if near or few else events


def _names(knowledge: Knowledge) -> dict[str, str]:
    """What people call the ids that a report names."""
    parts: Iterable[Mapping[str, Any]] = (
        knowledge.factors, knowledge.exclusions, knowledge.genetic, knowledge.options,
        knowledge.regimens, knowledge.modifiers, knowledge.triggers,
    )  # fmt: skip
    return {name: str(one.label) for part in parts for name, one in part.items()}


def _most(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows with the most events; hidden ones last."""
    ordered = sorted(rows, key=lambda row: -(row["events"] or 0))
    return ordered[:_MOST_BARS]


def _row_bar(row: Mapping[str, Any]) -> tuple[str, float | None, str, str]:
    card = str(row["card"]).replace("-", " ") or "silence"
    name = f"{card} ({row['indicator'] or 'no card'}, row {row['row']})"
    if row["events"] is None:
        return name, None, "not shown", ""
    said = f"{row['per_100']:.1f} of 100 ({row['events']:,})"
    return name, float(row["events"]), said, str(row["indicator"]) or "silent"


def _count(row: Mapping[str, Any], name: str) -> tuple[str, float | None, str, str]:
    if row["events"] is None:
        return name, None, "not shown", ""
    return name, float(row["events"]), f"{row['events']:,}", ""


def _reason(row: Mapping[str, Any], names: Mapping[str, str]) -> tuple[str, float | None, str, str]:
    option, _, regimen = row["option"].partition(":")
    what = names.get(regimen or option, regimen or option)
    return _count(row, f"{what}: {names.get(row['rule'], row['rule'])}")


def _age(row: Mapping[str, Any]) -> dict[str, Any]:
    return _named(row, f"{row['sex']}, {row['age']}")


def _named(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    if row["per_100"] is None:
        return {**row, "name": name, "text": "not shown"}
    ratio = f", {row['ratio']:.2f} times" if row["ratio"] is not None else ""
    return {**row, "name": name, "text": f"{row['per_100']:.1f} of 100{ratio}"}


def _inputs(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each input with its states as shares of all events."""
    total = summary["events"]["events"]
    found: dict[str, list[dict[str, Any]]] = {}
    for row in summary["inputs"]:
        share = None if row["events"] is None or not total else 100 * row["events"] / total
        tone = _STATES.get(row["state"], "bad")
        found.setdefault(row["input"], []).append({**row, "share": share, "tone": tone})
    return [{"name": name, "states": states} for name, states in found.items()]


def _course(summary: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    """The finest period in which most events can be shown, from the first to the last of those."""
    enough = _MOST_OF * (summary["events"]["events"] or 0)
    for name in ("month", "quarter", "year"):
        rows = [row for row in summary["rates"][name] if row[name] != "unknown"]
        shown = [number for number, row in enumerate(rows) if row["per_100"] is not None]
        if sum(rows[number]["events"] for number in shown) >= enough:
            break
    return name, rows[shown[0] : shown[-1] + 1] if shown else rows


def _period(names: Sequence[str]) -> str:
    """From the first to the last period of the plot: a day that was typed wrong sets no title."""
    if not names:
        return "no dated event"
    return names[0] if names[0] == names[-1] else f"{names[0]} to {names[-1]}"
