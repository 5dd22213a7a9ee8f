"""Adds the reports up, and decides the exit code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from cds_service.tools.validate.findings import Report

CLEAN: Final = 0
FINDINGS: Final = 1
UNUSABLE: Final = 2


@dataclass(slots=True)
class Totals:
    """Figures over all documents."""

    documents: int = 0
    failed: int = 0
    unusable: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    notices: set[str] = field(default_factory=set)

    def add(self, report: Report) -> None:
        """Count one report."""
        self.documents += 1
        self.failed += report.failed and not report.unusable
        self.unusable += report.unusable
        self.kinds.update(finding.kind for finding in report.findings)
        self.states.update(resource.state for resource in report.resources)
        self.notices |= report.notices

    @property
    def exit_code(self) -> int:
        """0 clean (notes do not count), 1 findings, 2 a document could not be used, or none."""
        if self.unusable or not self.documents:
            return UNUSABLE
        return FINDINGS if self.failed else CLEAN
