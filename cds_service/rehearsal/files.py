"""Finds the files of an export: NDJSON, gzip, Parquet, Delta; local or behind a URL of fsspec.

What a file holds is told by its first resource. Where the type stands in the name, too
(`Condition.ndjson`, `Condition.1.ndjson`, `1.Condition.ndjson`, `Condition.000.ndjson`,
`Condition.1700000000000.ndjson`), the whole file is of that type; else it may hold several.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from cds_service.errors import BadRequest
from cds_service.fhir.inputs import INPUT_OF
from cds_service.rehearsal.events import ORDERS
from cds_service.rehearsal.lines import DELTA_LOG, Storage, first_line, storage_of

NEEDED: Final = frozenset(INPUT_OF) | ORDERS | {
    "Medication", "BodyStructure", "BodySite", "List", "Composition", "DiagnosticReport",
}  # fmt: skip
"""Types that an answer may rest on; others are passed over."""
MANIFEST: Final = "output"  # the member of a bulk manifest that lists its files
_LINES: Final = (".ndjson", ".jsonl", ".ndjson.gz", ".jsonl.gz")
_TABLES: Final = (".parquet",)


@dataclass(frozen=True, slots=True)
class ExportFile:
    """One file. `kind` is the type of all its resources, None where it may hold several; `size` is
    in bytes as stored."""

    path: str
    kind: str | None
    size: int
    form: str  # ndjson | gzip | parquet | delta

    @property
    def divisible(self) -> bool:
        """Whether ranges of bytes of it can be read by themselves."""
        return self.form == "ndjson" and "://" not in self.path


class _TypeOnly(msgspec.Struct):
    resourceType: str = ""


def find(paths: Sequence[str]) -> tuple[ExportFile, ...]:
    """The files that are meant and matter, in the order of their names.

    A path is a file, a folder, a glob, a bulk manifest or a URL (`s3://`, `gs://`, `abfs://`).
    Raises BadRequest for a path at which nothing is, or in which nothing can be read.
    """
    found: dict[str, ExportFile] = {}
    for path in paths:
        for one in _meant(path):
            found.setdefault(one.path, one)
    kept = [found[path] for path in sorted(found)]
    if not kept:
        raise BadRequest("holds no resource that matters here", ", ".join(paths))
    return tuple(kept)


def _meant(path: str) -> Iterator[ExportFile]:
    store, name = storage_of(path)
    if store.is_delta(name):
        yield from _looked_at(store, [name])
    elif store.is_folder(name):
        inside = store.inside(name)
        files = [one for one in inside if one.endswith((*_LINES, *_TABLES)) or store.is_delta(one)]
        if not files:
            raise BadRequest("this folder holds no .ndjson, .ndjson.gz or .parquet file", path)
        yield from _looked_at(store, files)
    elif store.is_file(name):
        yield from (
            _of_manifest(store, name) if name.endswith(".json") else _looked_at(store, [name])
        )
    else:
        names = store.glob(name) if glob.has_magic(name) else []
        if not names:
            raise BadRequest("there is no such file or folder", path)
        yield from _looked_at(store, names)


def _looked_at(store: Storage, names: Iterable[str]) -> Iterator[ExportFile]:
    """The files that hold what matters; empty ones hold nothing."""
    for name in sorted(names):
        form = _form(store, name)
        line = first_line(store.path(name), form)
        if line is None:
            continue
        kind = _kind(line, store.path(name))
        parts = os.path.basename(name).split(".")
        if kind in parts and kind not in NEEDED:
            continue
        yield ExportFile(store.path(name), kind if kind in parts else None, store.size(name), form)


def _form(store: Storage, name: str) -> str:
    if store.is_delta(name):
        return "delta"
    if name.endswith(_TABLES):
        return "parquet"
    return "gzip" if name.endswith(".gz") else "ndjson"


def _kind(line: bytes, path: str) -> str:
    try:
        return msgspec.json.decode(line, type=_TypeOnly).resourceType
    except (msgspec.MsgspecError, ValueError):
        raise BadRequest(
            "its first line is no FHIR resource; NDJSON has one resource a line", path
        ) from None


def _of_manifest(store: Storage, name: str) -> Iterator[ExportFile]:
    """The files of a bulk manifest (Bulk Data Access IG 2.0, "Response - Complete Status"): beside
    it under the last part of their URL, or where that says in a store that can be read."""
    try:
        manifest: Any = msgspec.json.decode(store.read(name))
        listed = [str(one["url"]) for one in manifest[MANIFEST]]
    except (msgspec.MsgspecError, ValueError, TypeError, KeyError):
        why = "is no bulk manifest: an object with output, a list of objects with type and url"
        raise BadRequest(why, store.path(name)) from None
    seen: dict[str, str] = {}
    for url in listed:
        beside = store.join(os.path.dirname(name), url.split("?")[0].rpartition("/")[2])
        if store.is_file(beside):
            if seen.setdefault(beside, url) != url:
                last = os.path.basename(beside)
                raise BadRequest(f"names two files {last}; only one is beside it", store.path(name))
            yield from _looked_at(store, [beside])
        elif url.startswith(("http://", "https://")):
            last = os.path.basename(beside)
            raise BadRequest(f"{last} is not beside it; download it first", store.path(name))
        else:
            yield from _meant(url)


__all__ = ["DELTA_LOG", "NEEDED", "ExportFile", "find"]
