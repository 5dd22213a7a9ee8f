"""Writes reports for people with Rich. Text of a chart is shown, never interpreted."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cds_service.cards.terminal import counted, plain
from cds_service.tools.validate.counts import Totals
from cds_service.tools.validate.findings import (
    KINDS,
    DocumentFinding,
    Layer,
    Report,
    Severity,
    Understood,
    json_path,
)

_STYLES = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_MOST_UNKNOWN = 15


class TextWriter:
    """Report by report, and the figures at the end. `detailed`: what is in order, too, and what
    the service makes of it; `verbose`: also what it has no interest in."""

    def __init__(self, console: Console, *, detailed: bool = False, verbose: bool = False) -> None:
        self._console = console
        self._detailed = detailed or verbose
        self._verbose = verbose

    def report(self, report: Report) -> None:
        """One document: its findings under their layers, and what would be answered."""
        if not (report.findings or self._detailed):
            return
        where = report.name if report.line == 1 else f"{report.name}:{report.line}"
        release = f", FHIR {report.release}" if report.release else ""
        self._line((f"{where} ", "bold"), (f"({report.what}{release})", "dim"))
        for layer in Layer:
            findings = [finding for finding in report.findings if finding.layer is layer]
            said = self._said(layer, report)
            if findings or said:
                self._line((f"  {layer.value}", "bold"))
            for finding in findings:
                self._finding(finding)
            for words in said:
                self._line((f"    {words}", ""))
        if report.dropped:
            self._line((f"  {report.dropped} further findings are not shown", "dim"))

    def _said(self, layer: Layer, report: Report) -> list[str]:
        """What is told beside the findings of a layer."""
        if report.unusable:
            return []
        if layer is Layer.CONTENT:
            return list(_content(report, self._verbose)) if self._detailed else []
        return list(_answer(report)) if layer is Layer.ANSWER else []

    def _finding(self, finding: DocumentFinding) -> None:
        line = f"line {finding.line}" if finding.line else ""
        statement = f" [{finding.statement}]" if finding.statement else ""
        style = _STYLES[finding.severity]
        self._line(
            (f"    {finding.severity.value:<8}", style),
            (f"{line:<10}", "dim"),
            (f"{finding.kind}: ", "bold"),
            (f"{finding.message}{statement}", ""),
        )
        self._line((f"{'':22}{json_path(finding.path)}", "dim"))
        if finding.mend:
            self._line((f"{'':22}mend: {finding.mend}", "green"))

    def end(self, totals: Totals) -> None:
        """The figures over all documents."""
        if totals.kinds and totals.documents > 1:
            table = Table("finding", "layer", "severity", "count", title="Findings by kind")
            for kind, count in totals.kinds.most_common():
                known = KINDS[kind]
                table.add_row(kind, known.layer.value, known.severity.value, str(count))
            self._console.print(table)
        clean = totals.documents - totals.failed - totals.unusable
        looked_at = f"{totals.documents} document{'s' if totals.documents != 1 else ''}"
        words = f"{looked_at}: {clean} clean, {totals.failed} with findings, "
        self._line((f"{words}{totals.unusable} unusable", "bold"))
        for notice in sorted(totals.notices):
            self._line((f"note: {notice}", "yellow"))

    def _line(self, *parts: tuple[str, str]) -> None:
        self._console.print(
            Text.assemble(*((plain(words), style) for words, style in parts)), soft_wrap=True
        )


def _content(report: Report, verbose: bool) -> Iterator[str]:
    resources = report.resources
    if not resources:
        return
    states: dict[str, int] = {}
    for resource in resources:
        states[resource.state] = states.get(resource.state, 0) + 1
    words = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    yield f"{counted(len(resources), 'resource')}: {words}"
    for resource in resources:
        if verbose or resource.state in {"used", "set-aside"}:
            yield f"  {_resource(resource)}"
    known, unknown = sum(report.known.values()), sum(report.unknown.values())
    yield f"codings: {known} in our value sets, {unknown} in none"
    for number, (coding, count) in enumerate(report.unknown.items()):
        if number == _MOST_UNKNOWN and not verbose:
            yield f"  and {len(report.unknown) - number} further ones (--verbose)"
            break
        yield f"  unknown: {coding}" + (f" ({count} times)" if count > 1 else "")


def _resource(resource: Understood) -> str:
    said = ", ".join(resource.concepts)
    why = f" ({resource.why})" if resource.why else ""
    return f"{resource.reference}: {resource.state}{f', {said}' if said else ''}{why}"


def _answer(report: Report) -> Iterator[str]:
    for card in report.answer.cards:
        yield f"{card.indicator} card {card.card}, row {card.row}: {card.summary}"
    for why in report.answer.silences:
        yield f"no card: {why}"
