"""What population is wished for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

from cds_service.tools.synthetic.catalogue import Habits

LEAVABLE: Final = ("AllergyIntolerance", "Condition", "FamilyMemberHistory", "MedicationRequest",
                   "Observation", "Procedure")  # fmt: skip
"""Resource types that an export may lack."""


class PopulationKind(StrEnum):
    """Whose patients."""

    HOSPITAL = "hospital"
    ELECTIVE_HIP = "elective-hip"


class FileNaming(StrEnum):
    """How an exporter names its files: N counts from 1 or 000, EPOCH is milliseconds."""

    PLAIN = "Type.ndjson"
    NUMBERED = "Type.N.ndjson"
    NUMBER_FIRST = "N.Type.ndjson"
    PADDED = "Type.000.ndjson"
    EPOCH = "Type.EPOCH.ndjson"


@dataclass(frozen=True, slots=True)
class PopulationWish:
    """Which population: `count` patients with `years` of hip orders that end on `until`.

    `hip_share` of the patients (0 to 1) have a hip order or operation; in an elective list all
    have. `lacking` are resource types that the export does not hold. `marker` goes into every name
    and free text, so that a test finds it wherever it leaks. The same wish gives the same bytes.
    """

    count: int
    years: int
    until: date
    seed: int = 1
    kind: PopulationKind = PopulationKind.HOSPITAL
    hip_share: float = 0.02
    habits: Sequence[Habits] = (Habits.US, Habits.UK)
    lacking: frozenset[str] = frozenset()
    marker: str = ""

    @property
    def since(self) -> date:
        """First day on which an order may have been written."""
        try:
            return self.until.replace(year=self.until.year - self.years)
        except ValueError:  # 29 February
            return self.until.replace(year=self.until.year - self.years, day=28)

    @property
    def surgeons(self) -> int:
        """How many surgeons share the operations: each has about 60 a year."""
        hips = self.count * (1 if self.kind is PopulationKind.ELECTIVE_HIP else self.hip_share)
        return max(3, round(hips / (60 * self.years)))


@cache
def book_of_populations() -> Mapping[str, Any]:
    """population.yaml."""
    here = files("cds_service.tools.synthetic.population")
    read: Mapping[str, Any] = yaml.safe_load(
        here.joinpath("population.yaml").read_text(encoding="utf-8")
    )
    return read
