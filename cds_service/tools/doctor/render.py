"""Writes an examination as text, JSON, JUnit XML or Markdown; as HTML in `render_html`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service import __version__
from cds_service.cards.terminal import plain
from cds_service.cdshooks.conformance.statements import STATEMENTS, Level
from cds_service.tools.doctor.render_html import as_html
from cds_service.tools.doctor.results import BLIND, CheckResult, Examination, Status

_STYLES = {Status.PASS: "green", Status.FAIL: "red", Status.SKIP: "yellow"}


def as_text(report: Examination, console: Console, *, verbose: bool = False) -> None:
    """Failures in full, then the count at each level. What a service sent is never interpreted."""
    _line(console, f"{report.url}, CDS Hooks {report.version}", "bold")
    _line(console, f"services: {', '.join(report.services) or 'none'}")
    for note in report.notes:
        _line(console, note, "yellow")
    for result in report.results:
        if verbose or result.status is Status.FAIL:
            _result(console, report, result)
    for result in () if verbose else report.skipped:
        place = f" ({result.call})" if result.call else ""
        _line(console, f"not seen {result.statement}{place}: {result.message}", "yellow")
    table = Table("level", "statements", "pass", "fail", "skip")
    counts = report.counts()
    for level in Level:
        row = [counts[level, status] for status in Status]
        table.add_row(level.value, str(sum(row)), *map(str, row))
    console.print(table)
    for name, number in report.cards.items():
        _line(console, f"cards seen: {number} of {name}")
    if report.unusable:
        _line(console, report.unusable, "red")
    _line(console, _told(report))


def _told(report: Examination) -> str:
    """How many calls were made, and what was in them."""
    data = (
        "synthetic data, and the requests that were given" if report.requests else "synthetic data"
    )
    return f"{report.calls} calls of at most {report.limit}; {data}"


def _result(console: Console, report: Examination, result: CheckResult) -> None:
    head = f"{result.status.value.upper():<5} {result.statement:<6} {result.weight.value:<7}"
    statement = STATEMENTS[result.statement]
    _line(console, f"{head} {statement.text}", _STYLES[result.status])
    _line(console, f"{'':6}{result.call}: {result.message}" if result.call else result.message)
    if result.piece:
        _line(console, f"{'':6}{result.piece}", "dim")
    if result.status is Status.FAIL:
        clause = statement.clause_in(report.version) or "no clause: advice of this checklist"
        _line(console, f"{'':6}clause: {clause}")
        _line(console, f"{'':6}mend: {statement.mend}")


def _line(console: Console, words: str, style: str = "") -> None:
    console.print(Text(plain(words), style=style), soft_wrap=True)


def as_json(report: Examination) -> str:
    """One object with every result."""
    content = {
        "version": __version__,
        "url": report.url,
        "cdsHooks": report.version.value,
        "services": report.services,
        "cards": report.cards,
        "notes": report.notes,
        "calls": report.calls,
        "limit": report.limit,
        "unusable": report.unusable,
        "couldNotSee": list(BLIND),
        "statements": [
            {
                "id": id_,
                "level": level.value,
                "status": status.value,
                "text": STATEMENTS[id_].text,
                "clause": STATEMENTS[id_].clause_in(report.version),
            }
            for id_, level, status in report.statements()
        ],
        "results": [_as_dict(report, result) for result in report.results],
    }
    return json.dumps(content, indent=2)


def _as_dict(report: Examination, result: CheckResult) -> Mapping[str, Any]:
    statement, failed = STATEMENTS[result.statement], result.status is Status.FAIL
    return {
        "statement": result.statement,
        "level": result.weight.value,
        "status": result.status.value,
        "call": result.call,
        "message": result.message,
        "piece": result.piece,
        "clause": statement.clause_in(report.version),
        "mend": statement.mend if failed else None,
    }


def as_junit(report: Examination) -> str:
    """A test case for each statement; a failed one holds everything that offends."""
    cases, failures, skipped = [], 0, 0
    for id_, level, status in report.statements():
        failures += status is Status.FAIL
        skipped += status is Status.SKIP
        cases.append(_case(report, id_, level, status))
    if report.unusable:
        failures += 1
        cases.append(_unusable(report.unusable))
    counts = f'tests="{len(cases)}" failures="{failures}" skipped="{skipped}" errors="0"'
    head = f"<testsuite name={_attribute('cds-service doctor ' + report.url)} {counts}>"
    body = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", head, *cases])
    return f"{body}\n</testsuite>\n</testsuites>\n"


def _unusable(why: str) -> str:
    """A case that fails, so that nobody takes a report on nothing for a good one."""
    inner = f"<failure message={_attribute(why)}/>"
    name = "The service can be examined to the end."
    return f'  <testcase classname="SHALL" name="{name}">{inner}</testcase>'


def _case(report: Examination, id_: str, level: Level, status: Status) -> str:
    statement = STATEMENTS[id_]
    name = _attribute(f"{id_} {statement.text}")
    head = f"  <testcase classname={_attribute(level.value)} name={name}"
    told = [r for r in report.results if r.statement == id_ and r.status is status]
    lines = [f"{r.call}: {r.message} {r.piece or ''}".strip() for r in told]
    if status is Status.PASS:
        return f"{head}/>"
    tag = "failure" if status is Status.FAIL else "skipped"
    if status is Status.FAIL:
        lines += [f"clause: {statement.clause_in(report.version) or 'none'}"]
        lines += [f"mend: {statement.mend}"]
    text = _xml("\n".join(lines))
    inner = f"<{tag} message={_attribute(told[0].message)}>{text}</{tag}>"
    return f"{head}>{inner}</testcase>"


def _xml(text: str) -> str:
    return escape(_characters(text))


def _attribute(text: str) -> str:
    return quoteattr(_characters(text.replace("\n", " ")))


def _characters(text: str) -> str:
    """What XML 1.0 takes for characters (section 2.2)."""
    kept = plain(text)
    return "".join(c for c in kept if c == "\n" or (c >= " " and c not in "\ufffe\uffff"))


def as_markdown(report: Examination) -> str:
    """A report to file with a ticket."""
    lines = [f"# CDS Hooks examination of {_cell(report.url)}", ""]
    lines += [f"CDS Hooks {report.version}; services: {_cell(', '.join(report.services))}.", ""]
    lines += [line for note in report.notes for line in (_cell(note), "")]
    lines += ["| level | pass | fail | skip |", "|---|---|---|---|"]
    counts = report.counts()
    for level in Level:
        row = " | ".join(str(counts[level, status]) for status in Status)
        lines.append(f"| {level.value} | {row} |")
    failures = [r for r in report.results if r.status is Status.FAIL]
    if failures:
        lines += ["", "## Failures", ""]
        lines += ["| statement | level | call | what | piece | clause | mend |"]
        lines += ["|---|---|---|---|---|---|---|", *(_failed_row(report, r) for r in failures)]
    lines += ["", "## Could not be seen", ""]
    lines += [f"- {r.statement} ({_cell(r.call)}): {_cell(r.message)}" for r in report.skipped]
    lines += [f"- {words}" for words in BLIND]
    if report.unusable:
        lines += ["", _cell(report.unusable)]
    lines += ["", f"{_told(report)}."]
    return "\n".join(lines) + "\n"


def _failed_row(report: Examination, result: CheckResult) -> str:
    statement = STATEMENTS[result.statement]
    text = f"{result.statement} {statement.text}"
    clause = statement.clause_in(report.version) or "none"
    cells = (text, result.weight.value, result.call, result.message, result.piece or "", clause)
    return f"| {' | '.join(map(_cell, (*cells, statement.mend)))} |"


def _cell(text: str) -> str:
    """Text in a table of Markdown: one line, nothing active."""
    kept = plain(text).replace("\n", " ").replace("\\", "\\\\").replace("|", "\\|")
    for sign in "&<>":  # the ampersand first
        kept = kept.replace(sign, f"&#{ord(sign)};")
    for sign in "*_[]`":
        kept = kept.replace(sign, f"\\{sign}")
    return kept


WRITERS: Final[Mapping[str, Callable[[Examination], str]]] = {
    "html": as_html,
    "json": as_json,
    "junit": as_junit,
    "markdown": as_markdown,
}
