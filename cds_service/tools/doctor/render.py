"""Writes an examination as text, JSON, JUnit XML or Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service import __version__
from cds_service.cards.terminal import plain
from cds_service.cdshooks.conformance.statements import STATEMENTS, Level
from cds_service.tools.doctor.results import CheckResult, Examination, Status

_STYLES = {Status.PASS: "green", Status.FAIL: "red", Status.SKIP: "yellow"}


def as_text(report: Examination, console: Console, *, verbose: bool = False) -> None:
    """Failures in full, then the count at each level. What a service sent is never interpreted."""
    _line(console, f"{report.url}, CDS Hooks {report.version}", "bold")
    _line(console, f"services: {', '.join(report.services) or 'none'}")
    for result in report.results:
        if verbose or result.status is Status.FAIL:
            _result(console, result)
    skipped = [r for r in report.results if r.status is Status.SKIP]
    for result in () if verbose else skipped:
        _line(console, f"skipped {result.statement}: {result.message}", "yellow")
    table = Table("level", "statements", "pass", "fail", "skip")
    counts = report.counts()
    for level in Level:
        row = [counts[level, status] for status in Status]
        table.add_row(level.value, str(sum(row)), *map(str, row))
    console.print(table)
    if report.unusable:
        _line(console, report.unusable, "red")
    _line(console, f"{report.calls} calls of at most {report.limit}, synthetic data only")


def _result(console: Console, result: CheckResult) -> None:
    head = f"{result.status.value.upper():<5} {result.statement:<6} {result.weight.value:<7}"
    _line(console, f"{head} {STATEMENTS[result.statement].text}", _STYLES[result.status])
    _line(console, f"{'':6}{result.call}: {result.message}" if result.call else result.message)
    if result.piece:
        _line(console, f"{'':6}{result.piece}", "dim")


def _line(console: Console, words: str, style: str = "") -> None:
    console.print(Text(plain(words), style=style), soft_wrap=True)


def as_json(report: Examination) -> str:
    """One object with every result."""
    content = {
        "version": __version__,
        "url": report.url,
        "cdsHooks": report.version.value,
        "services": report.services,
        "calls": report.calls,
        "limit": report.limit,
        "unusable": report.unusable,
        "statements": [
            {"id": id_, "level": level.value, "status": status.value, "text": STATEMENTS[id_].text}
            for id_, level, status in report.statements()
        ],
        "results": [_as_dict(result) for result in report.results],
    }
    return json.dumps(content, indent=2)


def _as_dict(result: CheckResult) -> Mapping[str, str | None]:
    return {
        "statement": result.statement,
        "level": result.weight.value,
        "status": result.status.value,
        "call": result.call,
        "message": result.message,
        "piece": result.piece,
    }


def as_junit(report: Examination) -> str:
    """A test case for each statement; a failed one holds everything that offends."""
    cases, failures, skipped = [], 0, 0
    for id_, level, status in report.statements():
        failures += status is Status.FAIL
        skipped += status is Status.SKIP
        cases.append(_case(report, id_, level, status))
    counts = f'tests="{len(cases)}" failures="{failures}" skipped="{skipped}" errors="0"'
    head = f"<testsuite name={_attribute('cds-service doctor ' + report.url)} {counts}>"
    body = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", head, *cases])
    return f"{body}\n</testsuite>\n</testsuites>\n"


def _case(report: Examination, id_: str, level: Level, status: Status) -> str:
    name = _attribute(f"{id_} {STATEMENTS[id_].text}")
    head = f"  <testcase classname={_attribute(level.value)} name={name}"
    told = [r for r in report.results if r.statement == id_ and r.status is status]
    lines = "\n".join(f"{r.call}: {r.message} {r.piece or ''}".strip() for r in told)
    if status is Status.PASS:
        return f"{head}/>"
    tag = "failure" if status is Status.FAIL else "skipped"
    inner = f"<{tag} message={_attribute(told[0].message)}>{_xml(lines)}</{tag}>"
    return f"{head}>{inner}</testcase>"


def _xml(text: str) -> str:
    return escape("".join(c for c in plain(text) if c == "\n" or c >= " "))


def _attribute(text: str) -> str:
    return quoteattr(plain(text.replace("\n", " ")))


def as_markdown(report: Examination) -> str:
    """A report to file with a ticket."""
    lines = [f"# CDS Hooks examination of {_cell(report.url)}", ""]
    lines += [f"CDS Hooks {report.version}; services: {_cell(', '.join(report.services))}.", ""]
    lines += ["| level | pass | fail | skip |", "|---|---|---|---|"]
    counts = report.counts()
    for level in Level:
        row = " | ".join(str(counts[level, status]) for status in Status)
        lines.append(f"| {level.value} | {row} |")
    for status, title in ((Status.FAIL, "Failures"), (Status.SKIP, "Not checked")):
        found = [r for r in report.results if r.status is status]
        if found:
            lines += ["", f"## {title}", "", "| statement | level | call | what | piece |"]
            lines += ["|---|---|---|---|---|", *map(_row, found)]
    if report.unusable:
        lines += ["", _cell(report.unusable)]
    lines += ["", f"{report.calls} calls of at most {report.limit}; synthetic data only."]
    return "\n".join(lines) + "\n"


def _row(result: CheckResult) -> str:
    text = f"{result.statement} {STATEMENTS[result.statement].text}"
    cells = (text, result.weight.value, result.call, result.message, result.piece or "")
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    """Text in a table of Markdown: one line, nothing active."""
    kept = plain(text).replace("\n", " ").replace("\\", "\\\\").replace("|", "\\|")
    for sign in "&<>":  # the ampersand first
        kept = kept.replace(sign, f"&#{ord(sign)};")
    for sign in "*_[]`":
        kept = kept.replace(sign, f"\\{sign}")
    return kept


WRITERS: Final[Mapping[str, Callable[[Examination], str]]] = {
    "json": as_json,
    "junit": as_junit,
    "markdown": as_markdown,
}
