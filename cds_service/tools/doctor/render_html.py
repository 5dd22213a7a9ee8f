"""Writes an examination as one HTML file, to be handed on: nothing is loaded, nothing runs."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cds_service import __version__
from cds_service.cards.terminal import plain
from cds_service.cdshooks.conformance.statements import STATEMENTS, Level
from cds_service.tools.doctor.results import BLIND, CheckResult, Examination, Status

_STYLE = ("server", "pages", "static", "css", "base.css")
"""What the pages of the service look like; there is one style for all."""


def as_html(report: Examination) -> str:
    """The whole report. What a service sent is shown as text, signs that cannot be seen too."""
    here = files("cds_service")
    environment = Environment(
        loader=FileSystemLoader(str(here / "tools" / "doctor")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = _shown
    counts = report.counts()
    return environment.get_template("report.html").render(
        report=report,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        tool=f"cds-service doctor {__version__}",
        style=here.joinpath(*_STYLE).read_text(encoding="utf-8"),
        counts=[(level.value, *(counts[level, status] for status in Status)) for level in Level],
        failures=_grouped(report),
        blind=BLIND,
        statements=[
            (id_, level.value, status.value, STATEMENTS[id_].text, _clause(report, id_))
            for id_, level, status in report.statements()
        ],
    )


def _shown(text: object) -> str:
    """Text without what could move a cursor or turn the direction of reading."""
    kept = plain(str(text))
    return "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in kept)


def _clause(report: Examination, statement: str) -> str:
    return STATEMENTS[statement].clause_in(report.version) or ""


def _grouped(report: Examination) -> list[dict[str, Any]]:
    """Failures by statement, those of SHALL first."""
    order = {level: number for number, level in enumerate(Level)}
    failed = [r for r in report.results if r.status is Status.FAIL]

    def weight(result: CheckResult) -> tuple[int, str]:
        return order[result.weight], result.statement

    return [
        {
            "id": id_,
            "level": list(Level)[number].value,
            "text": STATEMENTS[id_].text,
            "clause": _clause(report, id_),
            "mend": STATEMENTS[id_].mend,
            "results": list(found),
        }
        for (number, id_), found in groupby(sorted(failed, key=weight), key=weight)
    ]
