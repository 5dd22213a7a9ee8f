"""Puts the certain mends of a report together as one JSON Patch (RFC 6902)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cds_service.tools.validate.findings import Report, Severity

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def patch_of(report: Report) -> list[Mapping[str, Any]]:
    """The operations, each preceded by a test of what it replaces. Where two mends want the same
    place, the one of the heavier finding wins: the other can be asked for after it."""
    operations: list[Mapping[str, Any]] = []
    taken: set[str] = set()
    for finding in sorted(report.findings, key=lambda f: _RANK[f.severity]):
        places = {operation["path"] for operation in finding.patch}
        if places and taken.isdisjoint(places):
            operations += finding.patch
            taken |= places
    return operations
