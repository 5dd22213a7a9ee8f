"""The cells of a summary as one flat table, for CSV and Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

COLUMNS: Final = ("table", "label", "events", "cards", "per_100", "low", "high", "hidden")
_NUMBERS: Final = frozenset({*COLUMNS, "ratio", "facts", "entries"})
_UNSAFE: Final = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet takes these for formulas


def cells_of(summary: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a cell: `label` joins what names it, `hidden` says that a number must not be
    shown."""
    found = [_cell("events", summary["events"])]
    for group in ("rates", "counts", "entries"):
        for name, rows in summary[group].items():
            found += [_cell(name, row) for row in rows]
    for name in ("rows", "tiers", "indicators", "inputs"):
        found += [_cell(name, row) for row in summary[name]]
    found += [_cell("repeats", row | {"events": row["cards"]}) for row in summary["repeats"]]
    return found


def _cell(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    label = " / ".join(str(v) for k, v in row.items() if k not in _NUMBERS and v != "")
    numbers = {name: row.get(name) for name in COLUMNS[2:-1]}
    hidden = row["events"] is None or ("cards" in row and row["cards"] is None)
    return {"table": table, "label": label, **numbers, "hidden": hidden}


def as_csv(cells: list[dict[str, Any]]) -> str:
    """CSV (RFC 4180); a hidden number is blank."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows(_plain(cell) for cell in cells)
    return out.getvalue()


def _plain(cell: Mapping[str, Any]) -> dict[str, Any]:
    label = str(cell["label"])
    return {**cell, "label": f"'{label}" if label.startswith(_UNSAFE) else label}


def unknown_codes_csv(summary: Mapping[str, Any]) -> str:
    """The codes that many patients have and nobody here can read."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("input", "system", "code", "patients"))
    writer.writerows(_codes(summary))
    return out.getvalue()


def _codes(summary: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for row in summary["counts"]["code"]:
        yield row["input"], row["system"], row["code"], row["events"]
