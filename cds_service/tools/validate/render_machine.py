"""Writes reports for machines: JSON, SARIF 2.1.0 and JUnit XML, document by document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from tempfile import TemporaryFile
from typing import IO, Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from cds_service import __version__
from cds_service.cards.terminal import plain
from cds_service.tools.validate.counts import Totals
from cds_service.tools.validate.findings import KINDS, DocumentFinding, Report, json_path

_URI = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


class JsonWriter:
    """One object: `documents`, then `summary`. `documents` is written as the reports come."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._started = False

    def report(self, report: Report) -> None:
        """Write one document."""
        self._out.write(",\n" if self._started else '{"documents": [\n')
        self._started = True
        self._out.write(_json(_document(report)))

    def end(self, totals: Totals) -> None:
        """Close the array, write the figures."""
        self._out.write("\n]" if self._started else '{"documents": []')
        summary = {
            "version": __version__,
            "documents": totals.documents,
            "withFindings": totals.failed,
            "unusable": totals.unusable,
            "kinds": dict(totals.kinds),
            "resources": dict(totals.states),
            "notices": sorted(totals.notices),
            "exitCode": totals.exit_code,
        }
        self._out.write(f',\n"summary": {_json(summary)}}}\n')


def _document(report: Report) -> dict[str, Any]:
    return {
        "file": report.name,
        "line": report.line,
        "what": report.what,
        "release": report.release,
        "unusable": report.unusable,
        "findings": [_finding(finding) for finding in report.findings],
        "furtherFindings": report.dropped,
        "resources": [
            {
                "path": json_path(resource.path),
                "reference": resource.reference,
                "state": resource.state,
                "concepts": resource.concepts,
                "why": resource.why,
            }
            for resource in report.resources
        ],
        "codings": {"known": report.known, "unknown": report.unknown},
        "answer": asdict(report.answer),
    }


def _finding(finding: DocumentFinding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "layer": finding.layer.value,
        "severity": finding.severity.value,
        "line": finding.line,
        "path": json_path(finding.path),
        "message": finding.message,
        "mend": finding.mend,
        "statement": finding.statement,
        "patch": list(finding.patch),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True)  # half surrogates survive as escapes


class SarifWriter:
    """SARIF 2.1.0, as code hosts show it beside the lines of a file."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._count = 0
        driver = {"name": "cds-service validate", "version": __version__, "rules": _rules()}
        head = {"$schema": _URI, "version": "2.1.0"}
        start = _json(head).removesuffix("}")
        out.write(f'{start}, "runs": [{{"tool": {_json({"driver": driver})}, "results": [')

    def report(self, report: Report) -> None:
        """Write the findings of one document."""
        for finding in report.findings:
            self._out.write(",\n" if self._count else "\n")
            self._out.write(_json(_result(report, finding)))
            self._count += 1

    def end(self, totals: Totals) -> None:
        """Close the run."""
        self._out.write('\n], "columnKind": "unicodeCodePoints"}]}\n')


def _rules() -> list[Mapping[str, Any]]:
    return [
        {
            "id": kind.id,
            "shortDescription": {"text": kind.title},
            "fullDescription": {"text": kind.about},
            "defaultConfiguration": {"level": kind.severity.value},
            "properties": {"layer": kind.layer.value},
        }
        for kind in KINDS.values()
    ]


_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


def _result(report: Report, finding: DocumentFinding) -> dict[str, Any]:
    mend = f" Mend: {finding.mend}." if finding.mend else ""
    where = {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(report.name.replace("\\", "/"))},
            "region": {"startLine": max(finding.line, 1)},
        },
        "logicalLocations": [{"fullyQualifiedName": json_path(finding.path)}],
    }
    result = {
        "ruleId": finding.kind,
        "ruleIndex": _NUMBERS[finding.kind],
        "level": finding.severity.value,
        "message": {"text": plain(f"{finding.message}.{mend}")},
        "locations": [where],
    }
    if finding.patch:
        result["properties"] = {"patch": list(finding.patch)}
    return result


class JunitWriter:
    """JUnit XML: a test case for each document, a failure where it has findings."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._cases = TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115  # closed in `end`

    def report(self, report: Report) -> None:
        """Write one test case; it waits in a file, because the figures stand before it."""
        name = report.name if report.line == 1 else f"{report.name}:{report.line}"
        told = [f for f in report.findings if f.severity.value != "note"]
        head = f"  <testcase classname={_attribute(report.what)} name={_attribute(name)}"
        if not told:
            self._cases.write(f"{head}/>\n")
            return
        tag = "error" if report.unusable else "failure"
        lines = "\n".join(_line(finding) for finding in told)
        message = f"{len(told)} findings" if len(told) > 1 else told[0].message
        self._cases.write(f"{head}>\n    <{tag} message={_attribute(message)}>")
        self._cases.write(f"{escape(_legal(lines))}</{tag}>\n  </testcase>\n")

    def end(self, totals: Totals) -> None:
        """Write the figures and the cases."""
        counts = f'tests="{totals.documents}" failures="{totals.failed}" errors="{totals.unusable}"'
        self._out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        self._out.write(f'<testsuites>\n<testsuite name="cds-service validate" {counts}>\n')
        self._cases.seek(0)
        for line in self._cases:
            self._out.write(line)
        self._cases.close()
        self._out.write("</testsuite>\n</testsuites>\n")


def _line(finding: DocumentFinding) -> str:
    mend = f" Mend: {finding.mend}" if finding.mend else ""
    place = f"line {finding.line}, {json_path(finding.path)}"
    return f"{finding.severity.value}: {finding.kind}: {finding.message} ({place}).{mend}"


def _legal(text: str) -> str:
    """Without the signs that XML cannot hold."""
    kept = plain(text)
    return "".join(c for c in kept if c == "\n" or " " <= c <= "\ud7ff" or c >= "\ue000")


def _attribute(text: str) -> str:
    return quoteattr(_legal(text.replace("\n", " ")))
