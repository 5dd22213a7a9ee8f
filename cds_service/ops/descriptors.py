"""Tells how many files and connections this process may still open."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass
from pathlib import Path

FEW = 64
"""With fewer left, FHIR servers, the database and new connections soon find none."""

_OPEN = (Path("/proc/self/fd"), Path("/dev/fd"))


@dataclass(frozen=True, slots=True)
class Descriptors:
    """File descriptors in use, and how many there may be."""

    used: int
    limit: int

    @property
    def problem(self) -> str | None:
        """What operators should know; None while there are enough."""
        left = self.limit - self.used
        if left >= FEW:
            return None
        return f"{left} of {self.limit} file descriptors are left: raise the limit of open files"


def count() -> Descriptors | None:
    """Those of this process; None where the system does not tell or sets no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    for folder in _OPEN:
        try:
            used = len(os.listdir(folder)) - 1  # without the one that lists
        except OSError:  # also where none is left to list them with
            continue
        return None if limit == resource.RLIM_INFINITY else Descriptors(used, limit)
    return Descriptors(limit, limit) if _OPEN[0].parent.exists() else None
