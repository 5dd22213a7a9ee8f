"""The steps of a rehearsal, each done by one process and kept as one file."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, Self

from cds_service.cards.suggested_orders import load_checked
from cds_service.errors import SettingsError
from cds_service.fhir.elements import Doc
from cds_service.knowledge.model import Knowledge
from cds_service.rehearsal import replay
from cds_service.rehearsal.options import ReplayOptions
from cds_service.rehearsal.sieve import (
    FileRange,
    Kept,
    keep_lines,
    keep_medications,
    load_medications,
    patients_of,
    patients_with_events,
)
from cds_service.rehearsal.tally import Tally
from cds_service.rehearsal.work import WorkFolder

_WAITING: Final = 4  # tasks that wait for each process


@dataclass(frozen=True, slots=True)
class StepPlan:
    """What every process must know. `block` is how many bytes of lines it holds before it writes
    them; `key` that of the run, which goes through memory only."""

    folder: Path
    overlay: Path | None
    other: Path | None
    options: ReplayOptions
    shards: int
    block: int
    key: bytes


@dataclass(frozen=True, slots=True)
class RunStep:
    """One step: a range of a file, or a shard."""

    what: Literal["find", "keep", "medications", "replay"]
    unit: FileRange | None = None
    shard: int = 0

    @property
    def name(self) -> str:
        """The file of the working folder that says it is done."""
        if self.what == "replay":
            return f"tally-{self.shard}"
        return f"{self.what}-{self.unit.number if self.unit else 0}"


class Worker:
    """Does steps in one process, with one load of the content."""

    def __init__(self, plan: StepPlan, loaded: Mapping[Path | None, Knowledge]) -> None:
        self._plan = plan
        self._work = WorkFolder(plan.folder.parent)
        self._loaded = dict(loaded)
        self._named: dict[str, frozenset[str]] = {}
        self._kept: list[tuple[Path, Kept]] | None = None
        self._medications: Mapping[str, bytes] | None = None

    def do(self, task: RunStep, options: ReplayOptions) -> None:
        """Do one step and write what came of it."""
        if task.what == "replay":
            self._work.write(task.name, self._replay(task.shard, options).encoded())
        elif task.unit is None:
            raise AssertionError("a step without its file")
        elif task.what == "find":
            hips = self._knowledge(self._plan.overlay).once(replay.hip_orders)
            self._work.write(task.name, sorted(patients_with_events(task.unit, hips)))
        else:
            self._work.write(task.name, self._keep(task, task.unit))

    def _keep(self, task: RunStep, unit: FileRange) -> Kept:
        target = self._work.create(f"{task.name}.lines")
        try:
            if task.what == "medications":
                return keep_medications(unit, self._names("medications"), target, self._plan.block)
            wanted = self._names("wanted")
            return keep_lines(unit, wanted, self._plan.shards, target, self._plan.block)
        finally:
            os.close(target)

    def _names(self, name: str) -> frozenset[str]:
        if name not in self._named:
            self._named[name] = frozenset(self._work.read(name, list[str]) or ())
        return self._named[name]

    def _knowledge(self, overlay: Path | None) -> Knowledge:
        if overlay not in self._loaded:
            self._loaded[overlay] = load_checked(overlay)
        return self._loaded[overlay]

    def _replay(self, shard: int, options: ReplayOptions) -> Tally:
        knowledge = self._knowledge(self._plan.overlay)
        other = self._knowledge(self._plan.other) if self._plan.other else None
        tally = Tally(self._plan.key)
        if self._kept is None:
            self._kept = self._all("keep")
            self._medications = load_medications(self._all("medications"))
        for _, docs in patients_of(shard, self._kept, self._medications or {}):
            count_patient(tally, docs, knowledge, options, other)
        return tally

    def _all(self, name: str) -> list[tuple[Path, Kept]]:
        found = []
        for path in self._work.path.glob(f"{name}-*.lines"):
            kept = self._work.read(path.name.removesuffix(".lines"), Kept)
            if kept is not None:
                found.append((int(path.stem.rpartition("-")[2]), path, kept))
        return [(path, kept) for _, path, kept in sorted(found, key=lambda one: one[0])]


def count_patient(
    tally: Tally,
    docs: Sequence[Doc],
    knowledge: Knowledge,
    options: ReplayOptions,
    other: Knowledge | None,
) -> None:
    """Replay one patient and count what came of it."""
    try:
        outcomes = replay.patient(docs, knowledge, options, other)
    except Exception as error:  # a bug met in one patient must not end a run over a million
        tally.note("finding", f"not replayed: {_place(error)}")
        return
    for outcome in outcomes:
        tally.add(outcome)


def _place(error: Exception) -> str:
    """The type of an error and where it rose; its text may hold what stands in a chart."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} in {Path(last.filename).name}:{last.lineno}"


# --- processes ---

_worker: Worker | None = None


def _start(plan: StepPlan) -> None:
    """Begin a process: Ctrl-C is for the one that started it, and without that one it ends."""
    global _worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    _worker = Worker(plan, {})


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def _work(task: RunStep, options: ReplayOptions) -> RunStep:
    assert _worker is not None  # noqa: S101  # the initializer has run
    _worker.do(task, options)
    return task


class Crew:
    """The processes of a run; with one job, this one, which has `loaded` its content by overlay."""

    def __init__(self, plan: StepPlan, jobs: int, loaded: Mapping[Path | None, Knowledge]) -> None:
        self._plan = plan
        self._options = plan.options
        self._jobs = jobs
        self._alone = Worker(plan, loaded) if jobs == 1 else None
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def use(self, options: ReplayOptions) -> None:
        """From now on, replay with these options."""
        self._options = options

    def run(self, tasks: Sequence[RunStep]) -> Iterator[RunStep]:
        """Do the tasks, in whatever order, and give each that is done. Raises what a step raises,
        and SettingsError when a process was killed."""
        if self._alone is not None:
            for task in tasks:
                self._alone.do(task, self._options)
                yield task
            return
        try:
            yield from self._spread(tasks)
        except BrokenProcessPool:
            raise SettingsError(
                "a process of the rehearsal was killed, perhaps for its memory; run again with "
                "--restart and a smaller --memory or fewer --jobs"
            ) from None

    def _spread(self, tasks: Sequence[RunStep]) -> Iterator[RunStep]:
        if self._pool is None and tasks:
            context = multiprocessing.get_context("spawn")  # a fork would copy threads and locks
            self._pool = ProcessPoolExecutor(self._jobs, context, _start, (self._plan,))
        todo = iter(tasks)
        waiting: set[Future[RunStep]] = set()
        while self._pool is not None:
            for task in todo:
                waiting.add(self._pool.submit(_work, task, self._options))
                if len(waiting) >= _WAITING * self._jobs:
                    break
            if not waiting:
                return
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
