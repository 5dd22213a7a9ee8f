"""The same rehearsal on Apache Spark, where an export lies in a lakehouse.

The content is shipped by path: each Python worker loads it once. Counters add up in any order, so
the summary has the same bytes as that of the command, for any number of partitions.

    spark = SparkSession.builder.getOrCreate()
    rehearse(spark.read.text("export"), RehearsalPlan((), Path("rehearsal")))
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cds_service.cards.suggested_orders import load_checked
from cds_service.errors import SettingsError
from cds_service.fhir.decoding import Unreadable, decode
from cds_service.fhir.elements import identifier
from cds_service.knowledge.model import Knowledge
from cds_service.rehearsal import replay
from cds_service.rehearsal.files import NEEDED
from cds_service.rehearsal.options import ReplayOptions
from cds_service.rehearsal.report import write_report
from cds_service.rehearsal.run import RehearsalPlan, about_of, contents, read_earlier
from cds_service.rehearsal.sieve import MEDICATION, makes_event, pointed_at, whose
from cds_service.rehearsal.steps import count_patient
from cds_service.rehearsal.tally import Tally

if TYPE_CHECKING:
    from pyarrow import RecordBatch
    from pyspark.sql import DataFrame

_BOM: Final = b"\xef\xbb\xbf"
_MEDICINES: Final = b"edication"  # stands in every line that may point to a Medication
_WANTED: Final = "patient"
_COUNTED: Final = "what string, name string, n bigint"
_KEYED: Final = "patient string, medication string, line binary"
ROWS: Final = "key array<string>, n bigint"
"""Columns of what `rows` gives: a counter and its value."""
_KEYED_NAMES: Final = ("patient", "medication", "line")
_BATCH: Final = 2_000  # rows that are handed back at once


@dataclass(frozen=True, slots=True)
class SparkTask:
    """What goes to the workers: paths of overlays, not content. `knowledge` is the version that
    the driver has, `key` the secret of the run under which surgeons are counted."""

    overlay: str | None
    other: str | None
    knowledge: tuple[str, str | None]
    options: ReplayOptions
    key: bytes


def rehearse(lines: DataFrame, plan: RehearsalPlan) -> dict[str, Any]:
    """Replay an export and write the report into `plan.out`; gives what stands in summary.json.

    `lines` has one column of FHIR resources as JSON text, such as `spark.read.text` gives, or
    columns of which one is `value`. `paths`, `jobs`, `memory` and `restart` of the plan are not
    used. Raises what `rows` raises, and KnowledgeError.
    """
    knowledge, other = contents(plan)
    earlier = read_earlier(plan)
    total = Tally()
    for row in _rows(lines, plan, knowledge, other).collect():
        total.note(*row["key"], n=row["n"])
    summary = total.summary(plan.min_cell, about_of(plan, knowledge, other))
    plan.out.mkdir(parents=True, exist_ok=True)
    write_report(summary, plan.out, knowledge, earlier)
    return summary


def rows(lines: DataFrame, plan: RehearsalPlan) -> DataFrame:
    """The counters of a rehearsal as rows (see `ROWS`); `Tally` adds them up.

    Reads the lines once at the call, for who has an event and which types there are, and once more
    when the rows are asked for. Raises SettingsError for lines without a column of text.
    """
    return _rows(lines, plan, *contents(plan))


def _rows(
    lines: DataFrame, plan: RehearsalPlan, knowledge: Knowledge, other: Knowledge | None
) -> DataFrame:
    options = plan.options
    task = SparkTask(
        _absolute(plan.overlay), _absolute(plan.compare) if other else None,
        (knowledge.version, other.version if other else None), options, secrets.token_bytes(32),
    )  # fmt: skip
    texts = _texts(lines)
    counted = texts.mapInArrow(_counting(task), _COUNTED).groupBy("what", "name")
    found = [(row["what"], row["name"], row["n"]) for row in counted.sum("n").toDF(
        "what", "name", "n").collect()]  # fmt: skip
    wanted = [(name,) for what, name, _ in found if what == _WANTED]
    types = frozenset(name for what, name, _ in found if what == "resource")
    task = replace(task, options=replace(options, types=types))
    noted = [([what, name], n) for what, name, n in found if what != _WANTED]
    noted.append((["patients", "with events"], len(wanted)))
    spark = lines.sparkSession
    return _replayed(texts, wanted, task).unionByName(spark.createDataFrame(noted, ROWS))


def _replayed(texts: DataFrame, wanted: list[tuple[str]], task: SparkTask) -> DataFrame:
    """The counters of the wanted patients: their lines come together, then are replayed."""
    from pyspark.sql import functions as f

    spark = texts.sparkSession
    patients = f.broadcast(spark.createDataFrame(wanted, "patient string"))
    keyed = texts.mapInArrow(_keyed, _KEYED)
    own = keyed.where("patient is not null").join(patients, "patient", "left_semi")
    whole = own.where("line is not null").select("patient", "line")
    if MEDICATION in task.options.types:
        named = own.where("medication is not null").select("patient", "medication").distinct()
        by_id = keyed.where("patient is null").groupBy("medication")
        medications = by_id.agg(f.min("line").alias("line"))
        pointed = named.join(medications, "medication").select("patient", "line")
        whole = whole.unionByName(pointed)
    together = whole.repartition("patient").sortWithinPartitions("patient", "line")
    counted = together.mapInArrow(_replaying(task), ROWS)
    return counted.groupBy("key").sum("n").toDF("key", "n")


def _texts(lines: DataFrame) -> DataFrame:
    """The column of JSON text, as `value`. Raises SettingsError."""
    names = [name for name, kind in lines.dtypes if kind in {"string", "binary"}]
    if "value" in names:
        names = ["value"]
    if len(names) != 1:
        raise SettingsError(
            "the lines want one column of FHIR resources as JSON text, or one named value; "
            f"there are {len(names)}"
        )
    from pyspark.sql import functions as f

    return lines.select(f.col(names[0]).cast("binary").alias("value")).where("value is not null")


def _absolute(path: Path | None) -> str | None:
    return str(path.absolute()) if path is not None else None


# --- on the workers ---

Batches = Iterable["RecordBatch"]


def _counting(task: SparkTask) -> Callable[[Batches], Iterator[RecordBatch]]:
    """First reading: who has an event, how many resources of each type, what cannot be read."""

    def count(batches: Batches) -> Iterator[RecordBatch]:
        hips = _content(task.overlay, task.knowledge[0]).once(replay.hip_orders)
        found: Counter[tuple[str, str]] = Counter()
        for line in _lines(batches):
            try:
                kind, patient = whose(line)
            except Unreadable:
                found["finding", "unreadable"] += 1
                continue
            if kind not in NEEDED:
                continue
            found["resource", kind] += 1
            if patient is None:
                found["finding", "without patient"] += kind != MEDICATION
            elif (_WANTED, patient) not in found and makes_event(kind, line, hips):
                found[_WANTED, patient] = 1
        values = [(*key, n) for key, n in found.items()]
        yield from _given(values, ("what", "name", "n"))

    return count


def _keyed(batches: Batches) -> Iterator[RecordBatch]:
    """Second reading: each line under its patient, and under the patient the ids of the Medications
    it points to; a Medication under its own id."""
    held: list[tuple[str | None, str | None, bytes | None]] = []
    for line in _lines(batches):
        held += _told(line)
        if len(held) >= _BATCH:
            yield from _given(held, _KEYED_NAMES)
            held = []
    yield from _given(held, _KEYED_NAMES)


def _told(line: bytes) -> Iterator[tuple[str | None, str | None, bytes | None]]:
    try:
        kind, patient = whose(line)
        if kind == MEDICATION:
            yield None, identifier(decode(line).get("id")), line
        elif kind in NEEDED and patient is not None:
            yield patient, None, line
            for medication in pointed_at(decode(line)) if _MEDICINES in line else ():
                yield patient, medication, None
    except Unreadable:
        return  # the first reading counted it


def _replaying(task: SparkTask) -> Callable[[Batches], Iterator[RecordBatch]]:
    """Last step: the patients of a partition, one after the other, to counters."""

    def count(batches: Batches) -> Iterator[RecordBatch]:
        knowledge = _content(task.overlay, task.knowledge[0])
        wanted = task.knowledge[1]
        other = _content(task.other, wanted) if wanted is not None else None
        tally = Tally(task.key)
        pairs = (pair for batch in batches for pair in zip(*_columns(batch), strict=True))
        for _, group in groupby(pairs, key=lambda pair: pair[0]):
            docs = [doc for _, line in group if isinstance(doc := decode(line), dict)]
            count_patient(tally, docs, knowledge, task.options, other)
        values = [(list(key), n) for key, n in tally.counts.items()]
        yield from _given(values, ("key", "n"))

    return count


@cache
def _content(overlay: str | None, version: str) -> Knowledge:
    """The content in this Python worker, loaded once. Raises SettingsError where it is not that of
    the driver."""
    knowledge = load_checked(Path(overlay) if overlay is not None else None)
    if knowledge.version != version:
        raise SettingsError(
            f"a worker has knowledge {knowledge.version}, the driver {version}; install the same "
            "version of cds-service on all, and put the overlay where all of them see it"
        )
    return knowledge


def _lines(batches: Batches) -> Iterator[bytes]:
    """The resources of a partition; blank lines are none."""
    for batch in batches:
        for line in batch.column(0).to_pylist():
            if line.removeprefix(_BOM).strip():
                yield line


def _columns(batch: RecordBatch) -> list[list[Any]]:
    return [column.to_pylist() for column in batch.columns]


def _given(values: Sequence[tuple[Any, ...]], names: Sequence[str]) -> Iterator[RecordBatch]:
    """Values as a batch with the types that Spark expects; nothing where there are none."""
    import pyarrow

    if not values:
        return
    text = pyarrow.string()
    kinds = {"n": pyarrow.int64(), "line": pyarrow.binary(), "key": pyarrow.list_(text)}
    columns = zip(names, zip(*values, strict=True), strict=True)
    arrays = [pyarrow.array(list(held), kinds.get(name, text)) for name, held in columns]
    yield pyarrow.RecordBatch.from_arrays(arrays, list(names))
