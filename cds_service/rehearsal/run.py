"""A whole rehearsal: reads the export, replays it shard by shard, and writes the report.

Every step is kept in the working folder under a number that depends on the export alone, and
counters add up in any order: the result is the same for any number of processes, and after a
restart.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from cds_service import __version__
from cds_service.cards.suggested_orders import load_checked
from cds_service.errors import BadRequest
from cds_service.knowledge.model import Knowledge
from cds_service.rehearsal.files import ExportFile, find
from cds_service.rehearsal.options import ReplayOptions
from cds_service.rehearsal.report import read_summary, write_report
from cds_service.rehearsal.sieve import MEDICATION, FileRange, Kept, has_orders, units_of
from cds_service.rehearsal.steps import Crew, RunStep, StepPlan
from cds_service.rehearsal.tally import Tally
from cds_service.rehearsal.work import WorkFolder, fingerprint_of, key_of

LEAST_MEMORY: Final = 128 << 20
_PACKED: Final = 12  # how much larger JSON is than its packed form, at most
_SHARE: Final = 8  # a shard may take this part of a process's memory: decoded it is larger
_ALONE: Final = 32 << 20  # an export below this many bytes is read before other processes start


@dataclass(frozen=True, slots=True)
class RehearsalPlan:
    """What to rehearse. `memory` is in bytes, for each of `jobs` processes. `compare` is a second
    overlay, or the folder of an earlier rehearsal. Types of the export are told by itself."""

    paths: tuple[str, ...]
    out: Path
    options: ReplayOptions = field(default_factory=ReplayOptions)
    overlay: Path | None = None
    compare: Path | None = None
    min_cell: int = 11
    jobs: int | None = None
    memory: int = 512 << 20
    restart: bool = False


class ProgressWatch(Protocol):
    """Who is told how far a run is."""

    def begin(self, stage: str, total: int) -> None:
        """A stage begins, with so many bytes or shards before it."""

    def more(self, done: int) -> None:
        """So many more of them are done."""


class Unwatched:
    """Nobody."""

    def begin(self, stage: str, total: int) -> None: ...

    def more(self, done: int) -> None: ...


def rehearse(plan: RehearsalPlan, watch: ProgressWatch | None = None) -> dict[str, Any]:
    """Replay an export and write the report into `plan.out`; gives what stands in summary.json.

    Raises BadRequest for an export that cannot be read, SettingsError for a folder that cannot be
    used, and KnowledgeError. After KeyboardInterrupt, and after a crash, the same plan with
    `restart` goes on.
    """
    files = find(plan.paths)
    knowledge, other = contents(plan)
    about = about_of(plan, knowledge, other)
    earlier = read_earlier(plan)
    plan.out.mkdir(parents=True, exist_ok=True)
    work = WorkFolder(plan.out)
    groups = sorted(plan.options.groups.items())
    work.open(fingerprint_of(files, {**about, "groups": groups}), restart=plan.restart)
    try:
        loaded = {plan.overlay: knowledge} | ({plan.compare: other} if other else {})
        tally = _Run(plan, files, work, watch or Unwatched()).tally(loaded)
        summary = tally.summary(plan.min_cell, about)
        write_report(summary, plan.out, knowledge, earlier)
    except BadRequest:
        work.remove()  # no restart mends the export
        raise
    finally:
        work.close()
    work.remove()
    return summary


def contents(plan: RehearsalPlan) -> tuple[Knowledge, Knowledge | None]:
    """The content that decides, and the one to compare with."""
    other = plan.compare if plan.compare and earlier_summary(plan) is None else None
    return load_checked(plan.overlay), load_checked(other) if other else None


def earlier_summary(plan: RehearsalPlan) -> Path | None:
    """The summary of an earlier rehearsal, where that is what to compare with."""
    path = plan.compare / "summary.json" if plan.compare else None
    return path if path is not None and path.is_file() else None


def read_earlier(plan: RehearsalPlan) -> Mapping[str, Any] | None:
    """The earlier rehearsal to compare with, read before this one may take its place. Raises
    BadRequest where it is none."""
    path = earlier_summary(plan)
    if path is None:
        return None
    try:
        return read_summary(path.read_bytes())
    except ValueError as error:
        raise BadRequest(str(error), str(path)) from None


def about_of(plan: RehearsalPlan, knowledge: Knowledge, other: Knowledge | None) -> dict[str, Any]:
    """What describes the run in the summary; nothing that differs between two equal runs."""
    options = plan.options
    return {
        "program": __version__,
        "knowledge": knowledge.version,
        "compared_with": other.version if other else None,
        "options": {
            "events": sorted(options.events),
            "as_of": options.as_of.value,
            "since": options.since.isoformat() if options.since else None,
            "until": options.until.isoformat() if options.until else None,
            "today": options.today.isoformat() if options.as_of == "today" else None,
            "timezone": options.zone or "UTC",
            "by": bool(options.groups),
        },
    }


class _Run:
    """The stages of one run."""

    def __init__(
        self,
        plan: RehearsalPlan,
        files: Sequence[ExportFile],
        work: WorkFolder,
        watch: ProgressWatch,
    ) -> None:
        self._work, self._watch = work, watch
        self._units = units_of(files)
        size = sum(file.size for file in files)
        self._jobs = plan.jobs or (1 if size < _ALONE else os.cpu_count() or 1)
        whole = sum(f.size * (1 if f.form == "ndjson" else _PACKED) for f in files)
        self._shards = max(1, -(-whole * _SHARE // max(plan.memory, LEAST_MEMORY)))
        other = plan.compare if earlier_summary(plan) is None else None
        self._steps = StepPlan(
            work.path,
            plan.overlay,
            other,
            plan.options,
            self._shards,
            max(plan.memory, LEAST_MEMORY) // _SHARE,
            key_of(files),
        )

    def tally(self, loaded: Mapping[Path | None, Knowledge]) -> Tally:
        """Do what is still to be done, and add it up."""
        self._work.divide(self._shards)
        with Crew(self._steps, self._jobs, loaded) as crew:
            first = [unit for unit in self._units if has_orders(unit)]
            self._do(crew, "orders", [RunStep("find", u) for u in first], _bytes)
            patients = self._wanted(first)
            self._do(crew, "charts", [RunStep("keep", u) for u in self._units], _bytes)
            kept = self._kept("keep", self._units)
            self._medications(crew, kept)
            types = frozenset(name for one in kept for name in one.resources)
            crew.use(replace(self._steps.options, types=types))
            used = sorted({shard for one in kept for shard, _, _ in one.blocks})
            self._do(crew, "replay", [RunStep("replay", shard=s) for s in used], lambda _: 1)
        total = Tally(self._steps.key)
        for shard in used:
            data = self._work.read_bytes(f"tally-{shard}")
            total.merge(Tally.decoded(data or b"[]"))
        for one in kept:
            for name, n in one.resources.items():
                total.note("resource", name, n=n)
            for name, n in one.findings.items():
                total.note("finding", name, n=n)
        total.note("patients", "with events", n=patients)
        return total

    def _do(
        self, crew: Crew, stage: str, tasks: Sequence[RunStep], size: Callable[[RunStep], int]
    ) -> None:
        left = [task for task in tasks if not self._work.has(task.name)]
        self._watch.begin(stage, sum(map(size, tasks)))
        self._watch.more(sum(map(size, tasks)) - sum(map(size, left)))
        for task in crew.run(left):
            self._watch.more(size(task))

    def _wanted(self, units: Iterable[FileRange]) -> int:
        """Write down whose lines are kept."""
        found: set[str] = set()
        for unit in units:
            found |= set(self._work.read(f"find-{unit.number}", list[str]) or ())
        if not self._work.has("wanted"):
            self._work.write("wanted", sorted(found))
        return len(found)

    def _kept(self, name: str, units: Iterable[FileRange]) -> list[Kept]:
        found = (self._work.read(f"{name}-{unit.number}", Kept) for unit in units)
        return [one for one in found if one is not None]

    def _medications(self, crew: Crew, kept: Sequence[Kept]) -> None:
        """Keep the Medications that are pointed to, where the export has any."""
        named = {one for kept_of_unit in kept for one in kept_of_unit.medications}
        holding = [
            unit
            for unit, one in zip(self._units, kept, strict=True)
            if named and one.resources.get(MEDICATION)
        ]
        if not self._work.has("medications"):
            self._work.write("medications", sorted(named))
        self._do(crew, "medications", [RunStep("medications", u) for u in holding], _bytes)


def _bytes(task: RunStep) -> int:
    return task.unit.size if task.unit else 0
