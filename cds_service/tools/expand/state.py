"""Keeps every answer in the overlay's directory, so that a broken run goes on where it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from cds_service.tools.expand.errors import CannotGoOn
from cds_service.tools.expand.roots import Key

FOLDER: Final = ".expand"
_RUN: Final = "run.json"
_AGAIN: Final = "begin anew with --restart"
_T = TypeVar("_T")


class Run(msgspec.Struct, frozen=True):
    """What all answers of one run have in common."""

    server: str
    software: str
    ecl: bool


class Descendant(msgspec.Struct, frozen=True):
    """One code below a root; `inactive` is None where nobody says."""

    system: str
    code: str
    display: str
    inactive: bool | None = None


class Descendants(msgspec.Struct, frozen=True):
    """What the server said of one root: its descendants with itself, release, day (UTC)."""

    system: str
    code: str
    codes: tuple[Descendant, ...]
    release: str | None
    day: str

    @property
    def key(self) -> Key:
        return self.system, self.code

    @property
    def below(self) -> frozenset[Key]:
        """The codes without the root."""
        return frozenset((one.system, one.code) for one in self.codes) - {self.key}


@dataclass(frozen=True, slots=True)
class State:
    """The answers of the run under way, one file each, below `.expand` in the overlay."""

    folder: Path

    def begin(self, run: Run, *, restart: bool) -> None:
        """Go on with the run of before, or begin one. Raises CannotGoOn where they differ."""
        if restart:
            self.clear()
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / _RUN
        if not file.exists():
            write(file, msgspec.json.encode(run))
        elif (before := _read(file, Run)) != run:
            raise CannotGoOn(
                f"{file}: the run of before asked {before.software} at {before.server}"
                f"{' with ECL' if before.ecl else ''}, this one is another; {_AGAIN}"
            )

    def answers(self) -> Iterator[Descendants]:
        """The answers that are there."""
        for file in sorted(self.folder.glob("*.answer.json")):
            yield _read(file, Descendants)

    def keep(self, answer: Descendants) -> None:
        """Write one answer; after a power cut it is there whole or not at all."""
        name = sha256("|".join(answer.key).encode()).hexdigest()[:16]
        write(self.folder / f"{name}.answer.json", msgspec.json.encode(answer))

    def clear(self) -> None:
        """Forget all answers."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)


def write(file: Path, data: bytes) -> None:
    """Replace a file at one stroke."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    with beside.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


def _read(file: Path, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise CannotGoOn(f"{file}: not an answer that this command wrote; {_AGAIN}") from None
