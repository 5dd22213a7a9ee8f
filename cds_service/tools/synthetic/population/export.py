"""Writes a population as a Bulk FHIR export, with its truth beside it."""

from __future__ import annotations

import gzip
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, BinaryIO, Final

from cds_service.tools.synthetic.population.blocks import (
    PATIENTS,
    blocks_of,
    make_block,
    summary_of,
)
from cds_service.tools.synthetic.population.wish import FileNaming, PopulationWish
from cds_service.tools.synthetic.write import FolderError

EXPORT, TRUTH, SUMMARY = "export", "truth.ndjson", "population.json"
_PARTS: Final = ".parts"
_BLOCKS_PER_FILE: Final = 250_000 // PATIENTS
_LEVEL: Final = 1  # of gzip: fast
_BASE: Final = "https://hospital.example/fhir"
_AHEAD: Final = 4  # blocks that may wait for each worker


@dataclass(frozen=True, slots=True)
class ExportForm:
    """How the files look, and how many processes write them."""

    naming: FileNaming = FileNaming.PLAIN
    gzip: bool = False
    jobs: int = 1


@dataclass(slots=True)
class WrittenPopulation:
    """What was written: resources by file and by type, and events."""

    files: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    events: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """One block on disk: lines by type, and of truth."""

    number: int
    lines: dict[str, int]
    events: int


def write_population(wish: PopulationWish, form: ExportForm, folder: Path) -> Iterator[int]:
    """Write `export/`, truth.ndjson and population.json; yields how many patients are written.

    The same wish and form give the same bytes, whatever the number of jobs. What an earlier run
    wrote is replaced. Raises OSError, and FolderError for a folder that holds anything else.
    """
    _clear(folder)
    parts = folder / _PARTS
    try:
        parts.mkdir(parents=True)
        (folder / EXPORT).mkdir()
        written = WrittenPopulation()
        with (folder / TRUTH).open("wb") as truth:
            for part in _parts(wish, form, parts):
                _append(part, wish, form, folder, truth, written)
                yield min((part.number + 1) * PATIENTS, wish.count)
        _finish(wish, written, folder)
    except BaseException:  # also Ctrl-C: half a population would be refused the next time
        _remove(folder)
        raise
    finally:
        shutil.rmtree(parts, ignore_errors=True)


def _clear(folder: Path) -> None:
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if not there:
        return
    if not (folder / SUMMARY).is_file() or there - {EXPORT, TRUTH, SUMMARY}:
        raise FolderError(
            f"{folder} holds what no finished run with --population wrote "
            f"({min(there)}); name another folder, or empty this one"
        )
    _remove(folder)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder / EXPORT, ignore_errors=True)
    for name in (TRUTH, SUMMARY):
        (folder / name).unlink(missing_ok=True)


# --- blocks to parts, parts to files ---


def _parts(wish: PopulationWish, form: ExportForm, folder: Path) -> Iterator[_Part]:
    """The blocks in their order, made by as many processes as are wished for."""
    work = partial(_make_part, wish, form.gzip, folder)
    numbers = range(blocks_of(wish))
    if form.jobs == 1 or len(numbers) == 1:
        yield from map(work, numbers)
        return
    # A fresh interpreter: a fork would take over threads that the caller may have.
    with ProcessPoolExecutor(form.jobs, mp_context=get_context("spawn")) as pool:
        waiting: list[Future[_Part]] = []
        try:
            for number in numbers:
                waiting.append(pool.submit(work, number))
                if len(waiting) >= form.jobs * _AHEAD:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_part(wish: PopulationWish, packed: bool, folder: Path, number: int) -> _Part:
    block = make_block(wish, number)
    kinds = {kind: lines for kind, lines in block.lines.items() if lines}
    for kind, lines in kinds.items():
        data = ("\n".join(lines) + "\n").encode()
        whole = gzip.compress(data, _LEVEL, mtime=0) if packed else data
        _part_path(folder, number, kind).write_bytes(whole)
    truth = "".join(f"{line}\n" for line in block.truth)
    _part_path(folder, number, TRUTH).write_bytes(truth.encode())
    counts = {kind: len(lines) for kind, lines in kinds.items()}
    return _Part(number, counts, len(block.truth))


def _part_path(folder: Path, number: int, kind: str) -> Path:
    return folder / f"{number}.{kind}"


def _append(
    part: _Part, wish: PopulationWish, form: ExportForm, folder: Path, truth: BinaryIO,
    written: WrittenPopulation,
) -> None:  # fmt: skip
    """Move a part to the end of its files."""
    parts = folder / _PARTS
    for kind, count in part.lines.items():
        name = file_name(kind, part.number, wish, form)
        with (folder / EXPORT / name).open("ab") as whole:
            _move(_part_path(parts, part.number, kind), whole)
        written.files[name] += count
        written.types[kind] += count
    _move(_part_path(parts, part.number, TRUTH), truth)
    written.events += part.events


def _move(path: Path, whole: BinaryIO) -> None:
    with path.open("rb") as piece:
        shutil.copyfileobj(piece, whole, 1 << 20)
    path.unlink()


def file_name(kind: str, block: int, wish: PopulationWish, form: ExportForm) -> str:
    """The name of the file that holds a type's lines of a block."""
    number = block // _BLOCKS_PER_FILE
    epoch = int(datetime.combine(wish.until, time(), UTC).timestamp() * 1000)
    name = {
        FileNaming.PLAIN: f"{kind}.ndjson",
        FileNaming.NUMBERED: f"{kind}.{number + 1}.ndjson",
        FileNaming.NUMBER_FIRST: f"{number + 1}.{kind}.ndjson",
        FileNaming.PADDED: f"{kind}.{number:03d}.ndjson",
        FileNaming.EPOCH: f"{kind}.{epoch}.ndjson",
    }[form.naming]
    return f"{name}.gz" if form.gzip else name


# --- what stands beside ---


def _finish(wish: PopulationWish, written: WrittenPopulation, folder: Path) -> None:
    """The manifest of the export, and the wish with what came of it.

    Source: Bulk Data Access IG, "Response - Complete Status".
    """
    day = datetime.combine(wish.until, time(), UTC).isoformat()
    output = [{"type": _type_of(name), "url": f"{_BASE}/bulk/{name}", "count": count}
              for name, count in sorted(written.files.items())]  # fmt: skip
    manifest = {"transactionTime": day, "request": f"{_BASE}/$export",
                "requiresAccessToken": False, "output": output, "error": []}  # fmt: skip
    _json(folder / EXPORT / "manifest.json", manifest)
    told = summary_of(wish) | {
        "resources": dict(sorted(written.types.items())), "events": written.events,
    }  # fmt: skip
    _json(folder / SUMMARY, told)


def _type_of(name: str) -> str:
    return next(part for part in name.split(".") if part[:1].isupper())


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
