"""Writes synthetic patients and their truth into a folder; the same wish writes the same bytes."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cds_service.tools.synthetic.generate import Patient, Wish

_COLUMNS = ("patient", "call", "record", "release", "habits", "resources", "lead", "rule",
            "pieces", "status", "row", "card", "tier", "offered", "also", "silent_row")  # fmt: skip
PATIENTS = "patients"
_PRETTY = 300  # resources above which a file is written without indentation


class FolderError(Exception):
    """A folder that holds what must not be mixed with synthetic patients."""


def write(
    patients: Iterable[Patient], wish: Wish, folder: Path, *, calls: bool = True,
    records: bool = True,
) -> int:  # fmt: skip
    """Write truth.json, truth.csv, and calls and records into `patients/`; returns how many
    patients. The files of an earlier run go; a folder with other files is refused.

    Raises OSError, and FolderError for a folder that is refused.
    """
    (folder / PATIENTS).mkdir(parents=True, exist_ok=True)
    _clear(folder)
    with (
        (folder / "truth.csv").open("w", encoding="utf-8", newline="") as table,
        (folder / "truth.json").open("w", encoding="utf-8") as lines,
    ):
        rows = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
        rows.writeheader()
        head = {"today": wish.today.isoformat(), "seed": wish.seed, "count": wish.count}
        lines.write(f'{json.dumps(head)[:-1]}, "patients": [')
        count = 0
        for count, patient in enumerate(patients, start=1):
            told = _files(patient, folder, calls=calls, records=records)
            lines.write(("," if count > 1 else "") + "\n" + json.dumps(_entry(patient, told)))
            rows.writerow(_row(patient, told))
        lines.write("\n]}\n")
    return count


def _clear(folder: Path) -> None:
    """Take away the calls and records that the truth of an earlier run names, and nothing else:
    beside a new truth they would be patients of whom it tells nothing."""
    there = {f"{PATIENTS}/{path.name}" for path in (folder / PATIENTS).iterdir()}
    earlier = _named(folder / "truth.json")
    if strangers := sorted(there - earlier):
        more = f" and {len(strangers) - 1} more" if len(strangers) > 1 else ""
        raise FolderError(
            f"{folder} holds files that no finished run of this command wrote "
            f"({strangers[0]}{more}); name another folder, or empty this one"
        )
    for name in there:
        (folder / name).unlink()


def _named(truth: Path) -> set[str]:
    """The files that a truth.json names. One patient stands on each line."""
    if not truth.is_file():
        return set()
    names: set[str] = set()
    with truth.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                entry = json.loads(line.strip().removesuffix(","))
            except ValueError:
                continue  # the first line and the last one
            if isinstance(entry, dict):
                names |= {str(entry.get(kind)) for kind in ("call", "record")}
    return names


def _files(patient: Patient, folder: Path, *, calls: bool, records: bool) -> dict[str, str]:
    told = {}
    for kind, value in (("call", patient.call if calls else None),
                        ("record", patient.record if records else None)):  # fmt: skip
        if value is not None:
            told[kind] = f"{PATIENTS}/{patient.id}.{kind}.json"
            indent = 2 if patient.resources <= _PRETTY else None
            text = json.dumps(value, indent=indent, ensure_ascii=False)
            (folder / told[kind]).write_text(text + "\n", encoding="utf-8")
    return told


def _entry(patient: Patient, told: dict[str, str]) -> dict[str, Any]:
    truth = patient.truth
    return {
        "patient": patient.id,
        **told,
        "release": patient.release,
        "habits": patient.habits.value,
        "resources": patient.resources,
        "lead": patient.story.lead.id,
        "rule": patient.story.lead.rule,
        "order": patient.story.trigger.id,
        "pieces": [piece.id for piece in patient.story.pieces],
        "status": truth.status,
        "cards": [
            {"row": c.row, "card": c.card, "tier": c.tier, "offered": list(c.offered)}
            for c in truth.cards
        ],
        "silentRow": truth.silent_row,
    }


def _row(patient: Patient, told: dict[str, str]) -> dict[str, Any]:
    """One line of the table; `also` names a second card."""
    truth = patient.truth
    first = truth.cards[0] if truth.cards else None
    return {
        "patient": patient.id,
        "call": told.get("call", ""),
        "record": told.get("record", ""),
        "release": patient.release,
        "habits": patient.habits.value,
        "resources": patient.resources,
        "lead": patient.story.lead.id,
        "rule": patient.story.lead.rule,
        "pieces": " ".join([patient.story.trigger.id, *(p.id for p in patient.story.pieces)]),
        "status": truth.status,
        "row": first.row if first else "",
        "card": first.card if first else "",
        "tier": first.tier if first else "",
        "offered": " ".join(first.offered) if first else "",
        "also": " ".join(str(card.card) for card in truth.cards[1:]),
        "silent_row": truth.silent_row or "",
    }
