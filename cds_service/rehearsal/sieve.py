"""Reads an export twice: first the orders, for who has an event, then the lines of these patients.

Of most lines no more than the subject is decoded. What is kept goes into files of this run, in
blocks of a shard each: a shard has all lines of some patients.
"""

from __future__ import annotations

import os
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from cds_service.fhir.decoding import UNFIT, Unreadable, decode
from cds_service.fhir.elements import Doc, identifier, kind_of, member, reference
from cds_service.fhir.subject import bare_id
from cds_service.rehearsal.events import ORDERED, PROCEDURE, SURGICAL, HipOrders, Ordered
from cds_service.rehearsal.files import NEEDED, ExportFile
from cds_service.rehearsal.lines import CutShort, batches

UNIT: Final = 64 << 20
"""Bytes of a plain file that are read in one go."""
MEDICATION: Final = "Medication"
_FIRST: Final = SURGICAL | {PROCEDURE, "Condition"}
_MEDICINES: Final = b"edication"  # stands in every line that may point to a Medication
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileRange:
    """A file, or a range of its bytes, that one process reads in one go."""

    number: int
    file: ExportFile
    start: int = 0
    stop: int | None = None

    @property
    def size(self) -> int:
        return (self.stop if self.stop is not None else self.file.size) - self.start

    @property
    def is_last(self) -> bool:
        """Whether the end of the file is in it."""
        return self.stop is None or self.stop >= self.file.size


def units_of(files: Iterable[ExportFile]) -> list[FileRange]:
    """The units of an export, numbered."""
    units: list[FileRange] = []
    for file in files:
        if not file.divisible or file.size <= UNIT:
            units.append(FileRange(len(units), file))
            continue
        for start in range(0, file.size, UNIT):
            units.append(FileRange(len(units), file, start, min(start + UNIT, file.size)))
    return units


def has_orders(unit: FileRange) -> bool:
    """Whether a unit may tell who has an event."""
    return unit.file.kind is None or unit.file.kind in _FIRST


class _Ref(Struct, gc=False):
    reference: str | None = None


class _Owned(Struct, gc=False):
    """Whose a resource is, of those of one line."""

    resourceType: str = ""
    id: str | None = None
    subject: _Ref | None = None
    patient: _Ref | None = None


_WHOSE = msgspec.json.Decoder(_Owned)
_UNFIT = _Owned()
_NO_ORDER = Ordered()
_PATIENT = "Patient/"


def whose(line: bytes) -> tuple[str, str | None]:
    """The type of a resource, and the id of its patient: its own for a Patient, None where it names
    none. Raises Unreadable."""
    try:
        seen = _WHOSE.decode(line)
    except UNFIT:
        return _whose_odd(line)
    if seen.resourceType == "Patient":
        return "Patient", seen.id
    subject = seen.subject or seen.patient
    ref = subject.reference if subject is not None else None
    return seen.resourceType, patient_id(ref) if ref else None


def patient_id(ref: str) -> str | None:
    """The id in a reference to a Patient; None for one to anything else."""
    if _is_plain(ref):  # nearly always
        return ref[len(_PATIENT) :]
    if ref.startswith("urn:"):
        return ref.rpartition(":")[2]
    plain = ref.partition("/_history/")[0].rstrip("/").split("/")
    return bare_id(ref) if len(plain) == 1 or plain[-2] == "Patient" else None


def _whose_odd(line: bytes) -> tuple[str, str | None]:
    doc = decode(line)
    kind = kind_of(doc)
    if kind is None:
        raise Unreadable("without resourceType")
    if kind == "Patient":
        return kind, identifier(doc.get("id"))
    ref = reference(doc.get("subject")) or reference(doc.get("patient"))
    return kind, patient_id(ref) if ref else None


# --- first reading ---


def patients_with_events(unit: FileRange, hips: HipOrders) -> set[str]:
    """The ids of the patients of a unit who have a hip order or operation, or genetic HO."""
    found: set[str] = set()
    for line in _lines(unit, Counter()):
        try:
            seen = ORDERED.decode(line)
        except UNFIT:
            seen = _NO_ORDER
        kind, ref = seen.resourceType, seen.subject.reference if seen.subject is not None else None
        if kind not in _FIRST or not _is_plain(ref):
            patient = _patient_of_event(line, hips, found)
        elif hips.genetic_in_glanced(seen) if kind == "Condition" else hips.in_glanced(seen, line):
            patient = patient_id(ref or "")
        else:
            continue
        if patient is not None:
            found.add(patient)
    return found


def _patient_of_event(line: bytes, hips: HipOrders, found: Collection[str]) -> str | None:
    """Whose any line is, where it makes an event and `found` lacks the patient."""
    try:
        kind, patient = whose(line)
    except Unreadable:
        return None  # the second reading counts it
    is_new = patient is not None and patient not in found and kind in _FIRST
    return patient if is_new and makes_event(kind, line, hips) else None


def makes_event(kind: str, line: bytes, hips: HipOrders) -> bool:
    """Whether a resource is, or may be, a hip order or operation, or genetic HO."""
    if kind not in _FIRST:
        return False
    return hips.genetic_in_line(line) if kind == "Condition" else hips.in_line(line)


def _lines(unit: FileRange, findings: Counter[str]) -> Iterator[bytes]:
    """The lines of a unit."""
    for batch in _batches(unit, findings):
        for line in batch:
            if len(line) > 1:
                yield line


def _batches(unit: FileRange, findings: Counter[str]) -> Iterator[list[bytes]]:
    """The lines of a unit, some at a time. Where a packed file ends in its middle that is one
    finding."""
    try:
        yield from batches(unit.file.path, unit.file.form, unit.start, unit.stop)
    except CutShort:
        findings["cut short"] += 1


# --- second reading ---


@dataclass(slots=True)
class Kept:
    """What the second reading made of a unit. `blocks` are shard, offset and length in its file;
    `medications` the ids of the Medications that are pointed to."""

    blocks: list[tuple[int, int, int]] = field(default_factory=list)
    resources: dict[str, int] = field(default_factory=dict)
    findings: dict[str, int] = field(default_factory=dict)
    medications: list[str] = field(default_factory=list)


class _Blocks:
    """Writes lines to a file, those of one shard together."""

    def __init__(self, file: int, most: int) -> None:
        self._file = file
        self._most = most
        self._held: dict[int, list[bytes]] = defaultdict(list)
        self._size = 0
        self._place = 0
        self.made: list[tuple[int, int, int]] = []

    def add(self, shard: int, line: bytes) -> None:
        self._held[shard].append(line if line.endswith(b"\n") else line + b"\n")
        self._size += len(line)
        if self._size >= self._most:
            self.write()

    def write(self) -> None:
        for shard, lines in sorted(self._held.items()):
            data = b"".join(lines)
            written = 0
            while written < len(data):
                written += os.write(self._file, data[written:])
            self.made.append((shard, self._place, len(data)))
            self._place += len(data)
        self._held.clear()
        self._size = 0


def shard_of(patient: str, shards: int) -> int:
    """The shard in which a patient is, in whatever process that is asked."""
    return zlib.crc32(patient.encode()) % shards


def keep_lines(
    unit: FileRange, wanted: Collection[str], shards: int, target: int, most: int
) -> Kept:
    """Write the lines of the wanted patients to an open file, at most `most` bytes held at once."""
    blocks, resources, findings = _Blocks(target, most), Counter[str](), Counter[str]()
    medications: set[str] = set()
    for patient, line in _of_wanted(unit, wanted, resources, findings):
        blocks.add(shard_of(patient, shards), line)
        if _MEDICINES in line:
            medications |= pointed_at(decode(line))
    blocks.write()
    return Kept(blocks.made, dict(resources), dict(findings), sorted(medications))


def _of_wanted(
    unit: FileRange, wanted: Collection[str], resources: Counter[str], findings: Counter[str]
) -> Iterator[tuple[str, bytes]]:
    """The lines of the wanted patients, each with its patient; all lines are counted. This runs for
    every line of an export, so what nearly all of them are is looked at here and in one go."""
    refs, kinds = frozenset(_PATIENT + one for one in wanted), NEEDED - {"Patient"}
    whose_is, last, plain, is_wanted = _WHOSE.decode, None, False, False
    for batch in _batches(unit, findings):
        for line in batch:
            try:
                seen = whose_is(line)
            except UNFIT:
                seen = _UNFIT
            subject = seen.subject or seen.patient
            ref = subject.reference if subject is not None else None
            if ref != last:  # those of one patient often stand together
                last, plain, is_wanted = ref, _is_plain(ref), ref in refs
            kind = seen.resourceType
            if plain and kind in kinds:
                resources[kind] += 1
                if is_wanted:
                    yield str(ref)[len(_PATIENT) :], line
            else:
                patient = _patient_of(line, unit, resources, findings)
                if patient is not None and patient in wanted:
                    yield patient, line


def _is_plain(ref: str | None) -> bool:
    """Whether a reference is `Patient/id`, and no more."""
    return ref is not None and ref.startswith(_PATIENT) and "/" not in ref[len(_PATIENT) :]


def _patient_of(
    line: bytes, unit: FileRange, resources: Counter[str], findings: Counter[str]
) -> str | None:
    """Whose any line is, which is counted; None for one that is not needed or cannot be used."""
    try:
        kind, patient = whose(line)
    except Unreadable:
        if not _is_blank(line):
            findings["cut short" if _is_end(unit, line) else "unreadable"] += 1
        return None
    if kind not in NEEDED:
        return None
    resources[kind] += 1
    if patient is None:
        findings["without patient"] += kind != MEDICATION
    return patient


def keep_medications(unit: FileRange, wanted: Collection[str], target: int, most: int) -> Kept:
    """Write the Medications of these ids to an open file, all in one shard."""
    blocks = _Blocks(target, most)
    for line in _lines(unit, Counter()):
        try:
            seen = _WHOSE.decode(line)
        except UNFIT:
            continue  # the second reading counted it
        if seen.resourceType == MEDICATION and seen.id in wanted:
            blocks.add(0, line)
    blocks.write()
    return Kept(blocks.made)


def _is_blank(line: bytes) -> bool:
    return not line.removeprefix(_BOM).strip()


def _is_end(unit: FileRange, line: bytes) -> bool:
    """Whether a line is the last of its file, and was not ended."""
    return unit.is_last and unit.file.form == "ndjson" and not line.endswith(b"\n")


def pointed_at(doc: Doc) -> set[str]:
    """The ids of the Medications that a medicine points to, in any release."""
    found = {reference(doc.get(name)) for name in ("medicationReference", "medication")}
    found.add(reference(member(doc, "medication", "reference")))
    return {bare_id(one) for one in found if one and not one.startswith("#")}


# --- shards ---


def patients_of(
    shard: int, kept: Iterable[tuple[Path, Kept]], medications: Mapping[str, bytes]
) -> Iterator[tuple[str, list[Doc]]]:
    """The patients of a shard, each with all resources, decoded, and what they point to."""
    lines: dict[str, list[bytes]] = defaultdict(list)
    for path, one in kept:
        for line in read_blocks(path, one, lambda number: number == shard):
            patient = whose(line)[1]
            lines[patient or ""].append(line)
    for patient in sorted(lines):
        docs = [doc for line in lines.pop(patient) if isinstance(doc := decode(line), dict)]
        if medications:
            named = {one for doc in docs for one in pointed_at(doc)}
            docs += [decode(medications[one]) for one in sorted(named) if one in medications]
        yield patient, docs


def read_blocks(path: Path, kept: Kept, wanted: Callable[[int], bool]) -> Iterator[bytes]:
    """The lines of the wanted shards of one unit."""
    blocks = [(offset, length) for shard, offset, length in kept.blocks if wanted(shard)]
    if not blocks:
        return
    with path.open("rb") as file:
        for offset, length in blocks:
            file.seek(offset)
            yield from file.read(length).split(b"\n")[:-1]


def load_medications(kept: Iterable[tuple[Path, Kept]]) -> dict[str, bytes]:
    """The kept Medications by id."""
    found: dict[str, bytes] = {}
    for path, one in kept:
        for line in read_blocks(path, one, lambda _: True):
            seen = _WHOSE.decode(line)
            if seen.id:
                found.setdefault(seen.id, line)
    return found
